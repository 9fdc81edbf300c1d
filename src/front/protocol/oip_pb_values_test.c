/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/cleanup.h"
#include "front/protocol/oip_pb_testing.h"
#include "front/protocol/oip_pb_write.h"

#define BYTES(...) (const unsigned char[]){ __VA_ARGS__ }, sizeof((unsigned char[]){ __VA_ARGS__ })

static void read_ok(const void *bytes, size_t n, struct oip_infer *ret)
{
	struct wire_string name, version;
	struct tensock_error error = { 0 };
	int err = oip_pb_infer_read(bytes, n, NULL, 0, ret, &name, &version, &error);

	assert_string_equal(error.message, "");
	assert_int_equal(err, 0);
}

static void assert_refused(const void *bytes, size_t n, const char *message)
{
	struct wire_string name, version;
	struct tensock_error error = { 0 };
	struct oip_infer infer = { 0 };

	assert_true(oip_pb_infer_read(bytes, n, NULL, 0, &infer, &name, &version, &error) < 0);
	assert_string_equal(error.message, message);
	assert_int_equal(error.status, TENSOCK_INVALID_ARGUMENT);
}

/* The input's values are these bytes; they are written to exactly so much room. */
static void assert_values(const struct oip_input *input, const void *bytes, size_t n)
{
	_cleanup_free_ unsigned char *room = malloc(n ? n : 1);

	assert_non_null(room);
	assert_int_equal(input->source, OIP_VALUES);
	assert_int_equal(input->tensor.bytes, n);
	oip_pb_values_write(input, room);
	assert_memory_equal(room, bytes, n);
}

/* As protobuf-c writes them. */
static void try_values(struct test_request *q, const void *bytes, size_t n)
{
	struct oip_pb pb = packed(&q->message);
	struct oip_infer infer;

	read_ok(pb.bytes, pb.n, &infer);
	free_pb(&pb);
	assert_values(&infer.inputs[0], bytes, n);
	oip_infer_done(&infer);
}

#define N 3

static Inference__InferTensorContents *begin(struct test_request *q, char *datatype)
{
	static int64_t dims[] = { N };

	memset(q, 0, sizeof(*q));
	request_init(q);
	request_input(q, "a", datatype, dims, 1);
	return request_contents(q);
}

/* Values in a field, and as the elements of a type. */
#define TRY(datatype, field, field_type, element_type, ...)                     \
	do {                                                                    \
		struct test_request q;                                          \
		Inference__InferTensorContents *contents = begin(&q, datatype); \
		field_type values[N] = { __VA_ARGS__ };                         \
		const element_type elements[N] = { __VA_ARGS__ };               \
                                                                                \
		contents->field = values;                                       \
		contents->n_##field = N;                                        \
		try_values(&q, elements, sizeof(elements));                     \
	} while (0)

static void test_types(void **state)
{
	(void)state;
	TRY("BOOL", bool_contents, protobuf_c_boolean, uint8_t, 1, 0, 1);
	TRY("INT8", int_contents, int32_t, int8_t, INT8_MIN, -1, INT8_MAX);
	TRY("INT16", int_contents, int32_t, int16_t, INT16_MIN, 5, INT16_MAX);
	TRY("INT32", int_contents, int32_t, int32_t, INT32_MIN, 0, INT32_MAX);
	TRY("INT64", int64_contents, int64_t, int64_t, INT64_MIN, -1, INT64_MAX);
	TRY("UINT8", uint_contents, uint32_t, uint8_t, 0, 200, UINT8_MAX);
	TRY("UINT16", uint_contents, uint32_t, uint16_t, 0, 300, UINT16_MAX);
	TRY("UINT32", uint_contents, uint32_t, uint32_t, 0, 70000, UINT32_MAX);
	TRY("UINT64", uint64_contents, uint64_t, uint64_t, 0, 1, UINT64_MAX);
	TRY("FP32", fp32_contents, float, float, -0.0f, 1.5f, 3e38f);
	TRY("FP64", fp64_contents, double, double, 1e-300, -2.5, 3e300);
}

static void test_strings(void **state)
{
	static unsigned char a[] = { 'x', 0, 0xff };
	ProtobufCBinaryData values[N] = { { 3, a }, { 0, NULL }, { 1, a } };
	struct test_request q;
	Inference__InferTensorContents *contents = begin(&q, "BYTES");

	(void)state;
	contents->bytes_contents = values;
	contents->n_bytes_contents = N;
	try_values(&q, BYTES(3, 0, 0, 0, 'x', 0, 0xff, 0, 0, 0, 0, 1, 0, 0, 0, 'x'));
}

/*
 * What libprotobuf made of this with Triton's own grpc_service.proto:
 *
 *   model_name: "m"
 *   inputs { name: "i8" datatype: "INT8" shape: 3 contents { int_contents: [-128, 0, 127] } }
 *   inputs { name: "s" datatype: "BYTES" shape: 2 contents { bytes_contents: ["ab", ""] } }
 *   inputs { name: "d" datatype: "FP64" shape: 1 contents { fp64_contents: -2.5 } }
 */
static const unsigned char vector[] = {
	0x0a, 0x01, 0x6d, 0x2a, 0x1d, 0x0a, 0x02, 0x69, 0x38, 0x12, 0x04, 0x49, 0x4e, 0x54,
	0x38, 0x1a, 0x01, 0x03, 0x2a, 0x0e, 0x12, 0x0c, 0x80, 0xff, 0xff, 0xff, 0xff, 0xff,
	0xff, 0xff, 0xff, 0x01, 0x00, 0x7f, 0x2a, 0x15, 0x0a, 0x01, 0x73, 0x12, 0x05, 0x42,
	0x59, 0x54, 0x45, 0x53, 0x1a, 0x01, 0x02, 0x2a, 0x06, 0x42, 0x02, 0x61, 0x62, 0x42,
	0x00, 0x2a, 0x18, 0x0a, 0x01, 0x64, 0x12, 0x04, 0x46, 0x50, 0x36, 0x34, 0x1a, 0x01,
	0x01, 0x2a, 0x0a, 0x3a, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x04, 0xc0,
};

static void test_vector(void **state)
{
	const double d = -2.5;
	struct oip_infer infer;

	(void)state;
	read_ok(vector, sizeof(vector), &infer);
	assert_int_equal(infer.n_inputs, 3);
	assert_values(&infer.inputs[0], BYTES(0x80, 0, 0x7f));
	assert_values(&infer.inputs[1], BYTES(2, 0, 0, 0, 'a', 'b', 0, 0, 0, 0));
	assert_values(&infer.inputs[2], &d, sizeof(d));
	oip_infer_done(&infer);
}

/*
 * ---- By hand
 */

/* A request with one input, which has the contents, given as the bytes of fields of the input. */
static struct oip_pb request(const char *datatype, int64_t n_values, const void *fields, size_t n)
{
	struct pb_writer w;
	struct oip_pb inner, pb;

	pb_writer_init(&w);
	pb_text(&w, 1, "a");
	pb_text(&w, 2, datatype);
	pb_dims(&w, 3, &n_values, 1);
	assert_int_equal(pb_writer_end(&w, &inner), 0);
	inner.bytes = realloc(inner.bytes, inner.n + n + 1);
	assert_non_null(inner.bytes);
	memcpy(inner.bytes + inner.n, fields, n);
	pb_writer_init(&w);
	pb_bytes(&w, 5, inner.bytes, inner.n + n);
	assert_int_equal(pb_writer_end(&w, &pb), 0);
	free_pb(&inner);
	return pb;
}

static void try_fields(const char *datatype, int64_t n_values, const void *fields, size_t n_fields,
		       const void *bytes, size_t n)
{
	struct oip_pb pb = request(datatype, n_values, fields, n_fields);
	struct oip_infer infer;

	read_ok(pb.bytes, pb.n, &infer);
	free_pb(&pb);
	assert_values(&infer.inputs[0], bytes, n);
	oip_infer_done(&infer);
}

static void refuse_fields(const char *datatype, int64_t n_values, const void *fields, size_t n,
			  const char *message)
{
	struct oip_pb pb = request(datatype, n_values, fields, n);

	assert_refused(pb.bytes, pb.n, message);
	free_pb(&pb);
}

static void test_unpacked(void **state)
{
	(void)state;
	/* One by one, packed, one by one; contents in two pieces. */
	try_fields("UINT8", 4,
		   BYTES(0x2a, 0x07, 0x20, 1, 0x22, 0x01, 2, 0x20, 3, 0x2a, 0x02, 0x20, 4),
		   BYTES(1, 2, 3, 4));
	try_fields("FP32", 1, BYTES(0x2a, 0x05, 0x35, 0, 0, 0xc0, 0x3f), BYTES(0, 0, 0xc0, 0x3f));
	try_fields("FP64", 1, BYTES(0x2a, 0x09, 0x39, 1, 2, 3, 4, 5, 6, 7, 8),
		   BYTES(1, 2, 3, 4, 5, 6, 7, 8));
	/* Any number is true. */
	try_fields("BOOL", 3, BYTES(0x2a, 0x06, 0x0a, 0x04, 0, 7, 0x80, 0x02), BYTES(0, 1, 1));
	/* Of int32 and uint32 the low 32 bits count. */
	try_fields("INT8", 1, BYTES(0x2a, 0x07, 0x12, 0x05, 0xff, 0xff, 0xff, 0xff, 0x0f),
		   BYTES(0xff));
	try_fields("UINT16", 1, BYTES(0x2a, 0x07, 0x22, 0x05, 0x81, 0x80, 0x80, 0x80, 0x10),
		   BYTES(1, 0));
	/* None, in all the ways that there are. */
	try_fields("INT32", 0, BYTES(0x2a, 0x00), NULL, 0);
	try_fields("INT32", 0, BYTES(0x2a, 0x02, 0x12, 0x00), NULL, 0);
	try_fields("INT32", 0, BYTES(0x2a, 0x02, 0x32, 0x00), NULL, 0);
	try_fields("BYTES", 1, BYTES(0x2a, 0x02, 0x42, 0x00), BYTES(0, 0, 0, 0));
	/* Fields of contents that are unknown pass. */
	try_fields("INT64", 1, BYTES(0x2a, 0x04, 0x18, 9, 0x50, 1), BYTES(9, 0, 0, 0, 0, 0, 0, 0));
}

#define MALFORMED \
	"the bytes are no InferTensorContents: they end within a field, or a field is not of its type"

static void test_refused(void **state)
{
	(void)state;
	refuse_fields("INT8", 1, BYTES(0x2a, 0x03, 0x10, 0x80, 0x01),
		      "contents of input 'a', of type INT8: a value does not fit the type");
	refuse_fields("UINT8", 1, BYTES(0x2a, 0x03, 0x20, 0x80, 0x02),
		      "contents of input 'a', of type UINT8: a value does not fit the type");
	refuse_fields("INT16", 1, BYTES(0x2a, 0x04, 0x10, 0x80, 0x80, 0x02),
		      "contents of input 'a', of type INT16: a value does not fit the type");
	refuse_fields("FP32", 1, BYTES(0x2a, 0x02, 0x10, 0x01),
		      "contents of input 'a', of type FP32: there are values of another type");
	refuse_fields("FP32", 0, BYTES(0x2a, 0x02, 0x42, 0x00),
		      "contents of input 'a', of type FP32: there are values of another type");
	refuse_fields("FP16", 0, BYTES(0x2a, 0x00),
		      "contents of input 'a', of type FP16: it travels in raw_input_contents only");
	refuse_fields("BF16", 0, BYTES(0x2a, 0x00),
		      "contents of input 'a', of type BF16: it travels in raw_input_contents only");
	refuse_fields("INT64", 1, BYTES(0x2a, 0x00),
		      "input 'a' has 0 values in its contents, its shape has 1 elements");
	refuse_fields("BYTES", 1, BYTES(0x2a, 0x05, 0x42, 0x00, 0x42, 0x01, 'x'),
		      "input 'a' has 2 values in its contents, its shape has 1 elements");
}

static void test_malformed(void **state)
{
	(void)state;
	refuse_fields("FP32", 1, BYTES(0x2a, 0x05, 0x32, 0x03, 0, 0, 0), MALFORMED);
	refuse_fields("FP64", 1, BYTES(0x2a, 0x06, 0x3a, 0x04, 0, 0, 0, 0), MALFORMED);
	refuse_fields("INT32", 1, BYTES(0x2a, 0x03, 0x12, 0x01, 0x80), MALFORMED);
	refuse_fields("INT32", 1, BYTES(0x2a, 0x05, 0x15, 0, 0, 0, 0), MALFORMED);
	refuse_fields("FP32", 1, BYTES(0x2a, 0x02, 0x30, 0), MALFORMED);
	refuse_fields("BYTES", 1, BYTES(0x2a, 0x02, 0x40, 0), MALFORMED);
	refuse_fields("INT32", 1, BYTES(0x2a, 0x01, 0x12), MALFORMED);
	refuse_fields("UINT64", 1,
		      BYTES(0x2a, 0x0d, 0x2a, 0x0b, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80,
			    0x80, 0x80, 0x00),
		      MALFORMED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TSK_TEST(test_types),    TSK_TEST(test_strings), TSK_TEST(test_vector),
		TSK_TEST(test_unpacked), TSK_TEST(test_refused), TSK_TEST(test_malformed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
