/* SPDX-License-Identifier: Apache-2.0 */
#include <malloc.h>
#include <string.h>

#include "front/protocol/oip_pb_testing.h"
#include "front/protocol/oip_pb_write.h"

/* What the reader made of a request. */
struct read {
	struct oip_infer infer;
	struct wire_string name, version;
	struct tensock_error error;
	int err;
};

static struct read read_bytes(const unsigned char *bytes, size_t n, const struct oip_pb_raw *raws,
			      uint32_t n_raws)
{
	struct read r = { .err = 0 };

	r.err = oip_pb_infer_read(bytes, n, raws, n_raws, &r.infer, &r.name, &r.version, &r.error);
	if (r.err < 0) {
		assert_null(r.infer.own);
		assert_true(r.error.status != TENSOCK_OK);
	} else {
		assert_true(malloc_usable_size(r.infer.own) <= oip_pb_memory(n) + 32);
	}
	return r;
}

/* The message's bytes are gone when what was read is looked at. */
static struct read read_request(const struct test_request *request, const struct oip_pb_raw *raws,
				uint32_t n_raws)
{
	struct oip_pb pb = packed(&request->message);
	struct read r = read_bytes(pb.bytes, pb.n, raws, n_raws);

	free_pb(&pb);
	return r;
}

static void assert_refused(struct read r, enum tensock_status status, const char *message)
{
	assert_true(r.err < 0);
	assert_string_equal(r.error.message, message);
	assert_int_equal(r.error.status, status);
}

/*
 * ---- As clients write it
 */

/*
 * What libprotobuf made of this text with Triton's own grpc_service.proto:
 *
 *   model_name: "densenet" model_version: "3" id: "r-7"
 *   parameters { key: "timeout" value { int64_param: 2500 } }
 *   parameters { key: "priority" value { uint64_param: 1 } }
 *   parameters { key: "sequence_start" value { bool_param: false } }
 *   parameters { key: "note" value { string_param: "hi" } }
 *   parameters { key: "temperature" value { double_param: 0.5 } }
 *   inputs { name: "a" datatype: "INT16" shape: [2, 300] }
 *   inputs { name: "b" datatype: "FP32" shape: 4
 *     parameters { key: "shared_memory_region" value { string_param: "reg" } }
 *     parameters { key: "shared_memory_byte_size" value { int64_param: 16 } }
 *     parameters { key: "shared_memory_offset" value { int64_param: 64 } } }
 *   outputs { name: "o" parameters { key: "classification" value { int64_param: 3 } } }
 *   outputs { name: "p" parameters { key: "binary_data" value { bool_param: true } } }
 */
static const unsigned char vector[] = {
	0x0a, 0x08, 0x64, 0x65, 0x6e, 0x73, 0x65, 0x6e, 0x65, 0x74, 0x12, 0x01, 0x33, 0x1a, 0x03,
	0x72, 0x2d, 0x37, 0x22, 0x0e, 0x0a, 0x07, 0x74, 0x69, 0x6d, 0x65, 0x6f, 0x75, 0x74, 0x12,
	0x03, 0x10, 0xc4, 0x13, 0x22, 0x0e, 0x0a, 0x08, 0x70, 0x72, 0x69, 0x6f, 0x72, 0x69, 0x74,
	0x79, 0x12, 0x02, 0x28, 0x01, 0x22, 0x14, 0x0a, 0x0e, 0x73, 0x65, 0x71, 0x75, 0x65, 0x6e,
	0x63, 0x65, 0x5f, 0x73, 0x74, 0x61, 0x72, 0x74, 0x12, 0x02, 0x08, 0x00, 0x22, 0x0c, 0x0a,
	0x04, 0x6e, 0x6f, 0x74, 0x65, 0x12, 0x04, 0x1a, 0x02, 0x68, 0x69, 0x22, 0x18, 0x0a, 0x0b,
	0x74, 0x65, 0x6d, 0x70, 0x65, 0x72, 0x61, 0x74, 0x75, 0x72, 0x65, 0x12, 0x09, 0x21, 0x00,
	0x00, 0x00, 0x00, 0x00, 0x00, 0xe0, 0x3f, 0x2a, 0x0f, 0x0a, 0x01, 0x61, 0x12, 0x05, 0x49,
	0x4e, 0x54, 0x31, 0x36, 0x1a, 0x03, 0x02, 0xac, 0x02, 0x2a, 0x66, 0x0a, 0x01, 0x62, 0x12,
	0x04, 0x46, 0x50, 0x33, 0x32, 0x1a, 0x01, 0x04, 0x22, 0x1d, 0x0a, 0x14, 0x73, 0x68, 0x61,
	0x72, 0x65, 0x64, 0x5f, 0x6d, 0x65, 0x6d, 0x6f, 0x72, 0x79, 0x5f, 0x72, 0x65, 0x67, 0x69,
	0x6f, 0x6e, 0x12, 0x05, 0x1a, 0x03, 0x72, 0x65, 0x67, 0x22, 0x1d, 0x0a, 0x17, 0x73, 0x68,
	0x61, 0x72, 0x65, 0x64, 0x5f, 0x6d, 0x65, 0x6d, 0x6f, 0x72, 0x79, 0x5f, 0x62, 0x79, 0x74,
	0x65, 0x5f, 0x73, 0x69, 0x7a, 0x65, 0x12, 0x02, 0x10, 0x10, 0x22, 0x1a, 0x0a, 0x14, 0x73,
	0x68, 0x61, 0x72, 0x65, 0x64, 0x5f, 0x6d, 0x65, 0x6d, 0x6f, 0x72, 0x79, 0x5f, 0x6f, 0x66,
	0x66, 0x73, 0x65, 0x74, 0x12, 0x02, 0x10, 0x40, 0x32, 0x19, 0x0a, 0x01, 0x6f, 0x12, 0x14,
	0x0a, 0x0e, 0x63, 0x6c, 0x61, 0x73, 0x73, 0x69, 0x66, 0x69, 0x63, 0x61, 0x74, 0x69, 0x6f,
	0x6e, 0x12, 0x02, 0x10, 0x03, 0x32, 0x16, 0x0a, 0x01, 0x70, 0x12, 0x11, 0x0a, 0x0b, 0x62,
	0x69, 0x6e, 0x61, 0x72, 0x79, 0x5f, 0x64, 0x61, 0x74, 0x61, 0x12, 0x02, 0x08, 0x01,
};

static const struct oip_pb_raw one_raw = { .offset = 192, .bytes = 1200 };

static void test_vector(void **state)
{
	struct read r = read_bytes(vector, sizeof(vector), &one_raw, 1);
	const struct oip_input *a = r.infer.inputs, *b = a + 1;
	const struct oip_output *o = r.infer.outputs, *p = o + 1;

	(void)state;
	assert_int_equal(r.err, 0);
	assert_true(wire_string_equals(r.name, "densenet"));
	assert_true(wire_string_equals(r.version, "3"));
	assert_true(wire_string_equals(r.infer.id, "r-7"));
	assert_int_equal(r.infer.timeout_us, 2500);
	assert_true(r.infer.is_binary);
	assert_int_equal(r.infer.n_inputs, 2);
	assert_int_equal(r.infer.n_outputs, 2);
	assert_true(wire_string_equals(a->tensor.name, "a"));
	assert_int_equal(a->tensor.index, WIRE_INDEX_NONE);
	assert_int_equal(a->tensor.dtype, TENSOCK_INT16);
	assert_int_equal(a->tensor.rank, 2);
	assert_int_equal(a->tensor.dims[0], 2);
	assert_int_equal(a->tensor.dims[1], 300);
	assert_int_equal(a->tensor.bytes, 1200);
	assert_int_equal(a->tensor.offset, 192);
	assert_int_equal(a->source, OIP_BINARY);
	assert_int_equal(b->source, OIP_REGION);
	assert_true(wire_string_equals(b->region.name, "reg"));
	assert_int_equal(b->region.offset, 64);
	assert_int_equal(b->region.bytes, 16);
	assert_int_equal(b->tensor.bytes, 16);
	assert_true(wire_string_equals(o->name, "o"));
	assert_int_equal(o->classes, 3);
	assert_true(o->is_binary);
	assert_true(wire_string_equals(p->name, "p"));
	assert_int_equal(p->classes, 0);
	assert_true(p->is_binary);
	oip_infer_done(&r.infer);
	assert_null(r.infer.own);
}

static void test_empty(void **state)
{
	struct read r = read_bytes(NULL, 0, NULL, 0);

	(void)state;
	assert_int_equal(r.err, 0);
	assert_int_equal(r.name.len + r.version.len + r.infer.id.len, 0);
	assert_int_equal(r.infer.n_inputs + r.infer.n_outputs, 0);
	oip_infer_done(&r.infer);
}

/*
 * ---- Where the data is
 */

static void test_raws(void **state)
{
	const struct oip_pb_raw raws[] = { { 0, 8 }, { 64, 4 }, { 128, 0 } };
	struct test_request q = { .message.n_inputs = 0 };
	struct read r;

	(void)state;
	request_init(&q);
	request_input(&q, "a", "FP32", (int64_t[]){ 2 }, 1);
	request_input(&q, "b", "FP32", NULL, 0);
	request_input(&q, "c", "BYTES", (int64_t[]){ 0, 7 }, 2);
	r = read_request(&q, raws, 3);
	assert_int_equal(r.err, 0);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(r.infer.inputs[i].source, OIP_BINARY);
		assert_int_equal(r.infer.inputs[i].tensor.offset, raws[i].offset);
		assert_int_equal(r.infer.inputs[i].tensor.bytes, raws[i].bytes);
	}
	oip_infer_done(&r.infer);
	assert_refused(read_request(&q, raws, 2), TENSOCK_INVALID_ARGUMENT,
		       "unable to find data for input tensor 'c' for model 'm' in request.");
	q.message.n_inputs = 2;
	assert_refused(read_request(&q, raws, 3), TENSOCK_INVALID_ARGUMENT,
		       "there are 3 raw_input_contents, and 2 inputs that have one");
	assert_refused(read_request(&q, raws + 1, 2), TENSOCK_INVALID_ARGUMENT,
		       "input byte size mismatch for input 'a'. Expected 8, got 4");
}

static void test_contents(void **state)
{
	struct test_request q = { .message.n_inputs = 0 };
	Inference__InferTensorContents *contents;
	struct read r;

	(void)state;
	request_init(&q);
	request_input(&q, "a", "FP32", (int64_t[]){ 2 }, 1);
	contents = request_contents(&q);
	contents->fp32_contents = (float[]){ 1, 2 };
	contents->n_fp32_contents = 2;
	r = read_request(&q, NULL, 0);
	assert_int_equal(r.err, 0);
	assert_int_equal(r.infer.inputs[0].source, OIP_VALUES);
	assert_int_equal(r.infer.inputs[0].tensor.bytes, 8);
	oip_infer_done(&r.infer);
	assert_refused(read_request(&q, &one_raw, 1), TENSOCK_INVALID_ARGUMENT,
		       "contents field must not be specified when using raw_input_contents for 'a' "
		       "for model 'm'");
	contents->n_fp32_contents = 1;
	assert_refused(read_request(&q, NULL, 0), TENSOCK_INVALID_ARGUMENT,
		       "input 'a' has 1 values in its contents, its shape has 2 elements");
}

/* InferParameter, in a map's entry. */
static void put_entry(struct pb_writer *w, uint32_t map, const char *key, uint32_t choice,
		      const char *text, uint64_t number)
{
	size_t entry = pb_message_begin(w, map), value;

	pb_text(w, 1, key);
	value = pb_message_begin(w, 2);
	if (text)
		pb_list_text(w, choice, text);
	else
		pb_list_number(w, choice, number);
	pb_message_end(w, value);
	pb_message_end(w, entry);
}

static struct read read_written_with(struct pb_writer *w, const struct oip_pb_raw *raws,
				     uint32_t n_raws)
{
	struct oip_pb pb;
	struct read r;

	assert_int_equal(pb_writer_end(w, &pb), 0);
	r = read_bytes(pb.bytes, pb.n, raws, n_raws);
	free_pb(&pb);
	return r;
}

static struct read read_written(struct pb_writer *w)
{
	return read_written_with(w, NULL, 0);
}

/* An input of type BYTES in a region. */
static struct read read_region(uint64_t bytes, bool has_contents)
{
	struct pb_writer w;
	size_t input;

	pb_writer_init(&w);
	pb_text(&w, 1, "m");
	input = pb_message_begin(&w, 5);
	put_entry(&w, 4, "shared_memory_byte_size", 2, NULL, bytes);
	put_entry(&w, 4, "shared_memory_region", 3, "r", 0);
	pb_text(&w, 2, "BYTES");
	pb_text(&w, 1, "a");
	pb_dims(&w, 3, (int64_t[]){ 3 }, 1);
	if (has_contents)
		pb_message_end(&w, pb_message_begin(&w, 5));
	pb_message_end(&w, input);
	return read_written(&w);
}

static void test_region(void **state)
{
	struct read r = read_region(20, false);

	(void)state;
	assert_int_equal(r.err, 0);
	assert_int_equal(r.infer.inputs[0].source, OIP_REGION);
	assert_int_equal(r.infer.inputs[0].tensor.bytes, 20);
	oip_infer_done(&r.infer);
	assert_refused(read_region(11, false), TENSOCK_INVALID_ARGUMENT,
		       "input byte size mismatch for input 'a'. Expected at least 12, got 11");
	assert_refused(
		read_region(20, true), TENSOCK_INVALID_ARGUMENT,
		"unexpected 'content' provided when using shared memory for input tensor 'a' "
		"for model 'm'");
}

static void test_region_of_output(void **state)
{
	struct pb_writer w;
	struct read r;
	size_t output;

	(void)state;
	pb_writer_init(&w);
	output = pb_message_begin(&w, 6);
	pb_text(&w, 1, "o");
	put_entry(&w, 2, "shared_memory_region", 3, "r", 0);
	put_entry(&w, 2, "shared_memory_byte_size", 2, NULL, 4096);
	pb_message_end(&w, output);
	r = read_written(&w);
	assert_int_equal(r.err, 0);
	assert_true(wire_string_equals(r.infer.outputs[0].region.name, "r"));
	assert_int_equal(r.infer.outputs[0].region.bytes, 4096);
	oip_infer_done(&r.infer);
}

/*
 * ---- Parameters of the request
 */

static struct read read_parameter(const char *key, uint32_t choice, const char *text,
				  uint64_t number)
{
	struct pb_writer w;

	pb_writer_init(&w);
	put_entry(&w, 4, key, choice, text, number);
	return read_written(&w);
}

static void test_parameters(void **state)
{
	struct read r = read_parameter("timeout", 5, NULL, UINT64_MAX);

	(void)state;
	assert_int_equal(r.err, 0);
	assert_true(r.infer.timeout_us == UINT64_MAX);
	oip_infer_done(&r.infer);
	r = read_parameter("binary_data_output", 1, NULL, 0);
	assert_int_equal(r.err, 0);
	assert_true(r.infer.is_binary);
	oip_infer_done(&r.infer);
	r = read_parameter("sequence_id", 3, "", 0);
	assert_int_equal(r.err, 0);
	oip_infer_done(&r.infer);
	assert_refused(read_parameter("sequence_id", 2, NULL, 5), TENSOCK_UNSUPPORTED,
		       "parameter 'sequence_id': this host has no sequences, it runs each request "
		       "alone");
	assert_refused(
		read_parameter("sequence_start", 1, NULL, 1), TENSOCK_UNSUPPORTED,
		"parameter 'sequence_start': this host has no sequences, it runs each request "
		"alone");
	assert_refused(read_parameter("timeout", 2, NULL, UINT64_MAX), TENSOCK_INVALID_ARGUMENT,
		       "invalid value for 'timeout' parameter, expected an integer from 0");
	assert_refused(read_parameter("timeout", 3, "1", 0), TENSOCK_INVALID_ARGUMENT,
		       "invalid value for 'timeout' parameter, expected an integer from 0");
	/* Without a value, and with a choice that is none. */
	assert_refused(read_parameter("timeout", 9, NULL, 1), TENSOCK_INVALID_ARGUMENT,
		       "invalid value for 'timeout' parameter, expected an integer from 0");
}

/* The last one of a choice counts, also where the value is written in two pieces. */
static void test_parameter_twice(void **state)
{
	struct pb_writer w;
	struct read r;
	size_t entry, value;

	(void)state;
	pb_writer_init(&w);
	entry = pb_message_begin(&w, 4);
	value = pb_message_begin(&w, 2);
	pb_text(&w, 3, "text");
	pb_list_number(&w, 1, 1);
	pb_message_end(&w, value);
	pb_text(&w, 1, "timeout");
	value = pb_message_begin(&w, 2);
	pb_list_number(&w, 2, 77);
	pb_message_end(&w, value);
	pb_message_end(&w, entry);
	r = read_written(&w);
	assert_int_equal(r.err, 0);
	assert_int_equal(r.infer.timeout_us, 77);
	oip_infer_done(&r.infer);
}

/* Strings that are longer than any name, or have a zero byte: a model's own parameter may. */
static void test_long_parameter(void **state)
{
	char *text = malloc(70001);
	struct read r;

	(void)state;
	assert_non_null(text);
	memset(text, 'x', 70000);
	text[70000] = '\0';
	r = read_parameter("prompt", 3, text, 0);
	assert_int_equal(r.err, 0);
	oip_infer_done(&r.infer);
	assert_refused(
		read_parameter("sequence_id", 3, text, 0), TENSOCK_INVALID_ARGUMENT,
		"invalid value for 'sequence_id' parameter, expected an integer or a string");
	free(text);
}

static void test_long_key(void **state)
{
	char key[OIP_KEY_MAX + 2];
	struct read r;

	(void)state;
	memset(key, 'k', sizeof(key));
	key[OIP_KEY_MAX + 1] = '\0';
	assert_refused(read_parameter(key, 2, NULL, 1), TENSOCK_INVALID_ARGUMENT,
		       "the key of a parameter is 1025 bytes long, more than 1024");
	key[OIP_KEY_MAX] = '\0';
	r = read_parameter(key, 2, NULL, 1);
	assert_int_equal(r.err, 0);
	oip_infer_done(&r.infer);
}

/*
 * ---- Shapes and names
 */

/* An input with a shape of so many ones in a field of each kind. */
static struct read read_shape(unsigned n_packed, unsigned n_single)
{
	const int64_t ones[] = { 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1 };
	struct pb_writer w;
	size_t input;

	pb_writer_init(&w);
	input = pb_message_begin(&w, 5);
	pb_text(&w, 1, "a");
	pb_dims(&w, 3, ones, n_packed);
	while (n_single--)
		pb_list_number(&w, 3, 1);
	pb_text(&w, 2, "BOOL");
	pb_message_end(&w, input);
	return read_written_with(&w, &(struct oip_pb_raw){ 0, 1 }, 1);
}

static void test_rank(void **state)
{
	static const unsigned ranks[][2] = { { 0, 0 }, { 16, 0 }, { 0, 16 }, { 9, 7 } };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(ranks); i++) {
		struct read r = read_shape(ranks[i][0], ranks[i][1]);

		assert_int_equal(r.err, 0);
		assert_int_equal(r.infer.inputs[0].tensor.rank, ranks[i][0] + ranks[i][1]);
		oip_infer_done(&r.infer);
	}
	assert_refused(read_shape(16, 1), TENSOCK_INVALID_ARGUMENT,
		       "input 'a': its shape has 17 dimensions, more than 16");
	assert_refused(read_shape(0, 5000), TENSOCK_INVALID_ARGUMENT,
		       "input 'a': its shape has 5000 dimensions, more than 16");
}

static void test_shape(void **state)
{
	struct test_request q = { .message.n_inputs = 0 };
	int64_t dims[] = { 2, -1 };

	(void)state;
	request_init(&q);
	request_input(&q, "a", "FP32", dims, 2);
	assert_refused(read_request(&q, &one_raw, 1), TENSOCK_INVALID_ARGUMENT,
		       "input 'a': its shape has a negative dimension");
	dims[1] = INT64_MAX;
	assert_refused(read_request(&q, &one_raw, 1), TENSOCK_TOO_LARGE,
		       "input 'a': its shape has too many elements");
	q.inputs[0].datatype = "FLOAT";
	assert_refused(read_request(&q, &one_raw, 1), TENSOCK_INVALID_ARGUMENT,
		       "input 'a': there is no datatype 'FLOAT'");
	q.inputs[0].datatype = "";
	assert_refused(read_request(&q, &one_raw, 1), TENSOCK_INVALID_ARGUMENT,
		       "input 'a': there is no datatype ''");
}

static struct read read_named(const void *name, size_t n)
{
	struct pb_writer w;
	size_t output;

	pb_writer_init(&w);
	output = pb_message_begin(&w, 6);
	pb_bytes(&w, 1, name, n);
	pb_message_end(&w, output);
	return read_written(&w);
}

static void test_names(void **state)
{
	char longest[1025];
	struct read r;

	(void)state;
	memset(longest, 'x', sizeof(longest));
	r = read_named(longest, 1024);
	assert_int_equal(r.err, 0);
	assert_int_equal(r.infer.outputs[0].name.len, 1024);
	oip_infer_done(&r.infer);
	r = read_named("\xff\xfe", 2); /* as a model's author may have named it */
	assert_int_equal(r.err, 0);
	assert_true(wire_string_equals(r.infer.outputs[0].name, "\xff\xfe"));
	oip_infer_done(&r.infer);
	assert_refused(read_named(longest, 1025), TENSOCK_INVALID_ARGUMENT,
		       "the name of an output is 1025 bytes long, more than 1024");
	assert_refused(read_named("a\0b", 3), TENSOCK_INVALID_ARGUMENT,
		       "the name of an output has a zero byte in it");
	assert_refused(read_named("", 0), TENSOCK_INVALID_ARGUMENT, "output 0 has no name");
}

/*
 * ---- What is no request
 */

/* So many empty inputs or outputs: two bytes each. */
static struct read read_many(unsigned char tag, size_t n)
{
	unsigned char *bytes = calloc(n, 2);
	struct read r;

	assert_non_null(bytes);
	for (size_t i = 0; i < n; i++)
		bytes[2 * i] = tag;
	r = read_bytes(bytes, 2 * n, NULL, 0);
	free(bytes);
	return r;
}

static void test_too_many(void **state)
{
	(void)state;
	assert_refused(read_many(0x2a, 1025), TENSOCK_TOO_LARGE,
		       "the request has 1025 inputs and wants 0 outputs, 1024 are the most");
	assert_refused(read_many(0x32, 100000), TENSOCK_TOO_LARGE,
		       "the request has 0 inputs and wants 100000 outputs, 1024 are the most");
	assert_refused(read_many(0x2a, 1024), TENSOCK_INVALID_ARGUMENT, "input 0 has no name");
}

static void test_most(void **state)
{
	struct pb_writer w;
	struct read r;

	(void)state;
	pb_writer_init(&w);
	for (unsigned i = 0; i < OIP_TENSORS_MAX; i++) {
		size_t output = pb_message_begin(&w, 6);

		pb_text(&w, 1, "o");
		pb_message_end(&w, output);
	}
	r = read_written(&w);
	assert_int_equal(r.err, 0);
	assert_int_equal(r.infer.n_outputs, OIP_TENSORS_MAX);
	oip_infer_done(&r.infer);
}

#define MALFORMED \
	"the bytes are no ModelInferRequest: they end within a field, or a field is not of its type"

#define BYTES(...) (const unsigned char[]){ __VA_ARGS__ }, sizeof((unsigned char[]){ __VA_ARGS__ })

static void assert_malformed(const unsigned char *bytes, size_t n)
{
	assert_refused(read_bytes(bytes, n, NULL, 0), TENSOCK_INVALID_ARGUMENT, MALFORMED);
}

static void test_malformed(void **state)
{
	(void)state;
	assert_malformed(BYTES(0x0a));                         /* a tag alone */
	assert_malformed(BYTES(0x0a, 0x02, 'm'));              /* ends early */
	assert_malformed(BYTES(0x08, 0x01));                   /* model_name as a number */
	assert_malformed(BYTES(0x1d, 0, 0, 0, 0));             /* id as a fixed number */
	assert_malformed(BYTES(0x28, 0x01));                   /* inputs as a number */
	assert_malformed(BYTES(0x31, 0, 0, 0, 0, 0, 0, 0, 0)); /* outputs as a fixed number */
	assert_malformed(BYTES(0x20, 0x01));                   /* parameters as a number */
	assert_malformed(BYTES(0x00, 0x01));                   /* there is no field 0 */
	assert_malformed(BYTES(0x2b, 0x2c));                   /* a group */
	assert_malformed(BYTES(0x3a, 0x00));                   /* raw contents left in */
	assert_malformed(BYTES(0x0a, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80,
			       0x00)); /* a length of eleven bytes */
	assert_malformed(BYTES(0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01));
	/* Within: a parameter's value, its key, a dimension, contents. */
	assert_malformed(BYTES(0x22, 0x04, 0x12, 0x02, 0x0a, 0x00));
	assert_malformed(BYTES(0x22, 0x02, 0x08, 0x01));
	assert_malformed(BYTES(0x22, 0x03, 0x12, 0x01, 0x08));
	assert_malformed(BYTES(0x2a, 0x03, 0x1a, 0x01, 0x80));
	assert_malformed(BYTES(0x2a, 0x02, 0x28, 0x00));
	assert_malformed(BYTES(0x32, 0x02, 0x08, 0x00));
	/* Unknown fields pass, as long as they end. */
	assert_malformed(BYTES(0xa2, 0x06, 0x05, 0x00));
}

static void test_unknown_fields(void **state)
{
	struct read r = read_bytes(BYTES(0xa2, 0x06, 0x01, 0x00, 0x0a, 0x01, 'x', 0x0a, 0x01, 'm'),
				   NULL, 0);

	(void)state;
	assert_int_equal(r.err, 0);
	assert_true(wire_string_equals(r.name, "m")); /* the last one */
	oip_infer_done(&r.infer);
}

/* However a good message is cut or bent, what is read lies within it (ASan sees). */
static void test_cut_and_bent(void **state)
{
	(void)state;
	for (size_t n = 0; n < sizeof(vector); n++) {
		unsigned char *bytes = malloc(n ? n : 1);
		struct read r;

		memcpy(bytes, vector, n);
		r = read_bytes(bytes, n, &one_raw, 1);
		assert_true(n == 0 || r.err < 0 || r.infer.n_inputs < 2 || r.infer.n_outputs < 2);
		oip_infer_done(&r.infer);
		for (unsigned bit = 0; n && bit < 8; bit++) {
			bytes[n - 1] = vector[n - 1] ^ (unsigned char)(1u << bit);
			r = read_bytes(bytes, n, &one_raw, 1);
			oip_infer_done(&r.infer);
		}
		free(bytes);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TSK_TEST(test_vector),         TSK_TEST(test_empty),
		TSK_TEST(test_raws),           TSK_TEST(test_contents),
		TSK_TEST(test_region),         TSK_TEST(test_region_of_output),
		TSK_TEST(test_parameters),     TSK_TEST(test_parameter_twice),
		TSK_TEST(test_long_parameter), TSK_TEST(test_long_key),
		TSK_TEST(test_rank),           TSK_TEST(test_shape),
		TSK_TEST(test_names),          TSK_TEST(test_too_many),
		TSK_TEST(test_most),           TSK_TEST(test_malformed),
		TSK_TEST(test_unknown_fields), TSK_TEST(test_cut_and_bent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
