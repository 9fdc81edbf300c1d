/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/infer.h"

#include <errno.h>
#include <string.h>

#include "base/sha256.h"
#include "tensor/model_info.h"
#include "wire/testing.h"

static void ref_by_hash(struct wire_model_ref *ret)
{
	static const char bytes[] = "These bytes stand for a model.\n";

	*ret = (struct wire_model_ref){ .kind = WIRE_BY_HASH };
	tsk_sha256(bytes, strlen(bytes), ret->hash);
}

static void assert_same_ref(const struct wire_model_ref *a, const struct wire_model_ref *b)
{
	assert_int_equal(a->kind, b->kind);
	assert_memory_equal(a->hash, b->hash, WIRE_HASH_BYTES);
	assert_int_equal(a->name.len, b->name.len);
	assert_memory_equal(a->name.bytes, b->name.bytes, b->name.len);
	assert_int_equal(a->version.len, b->version.len);
	assert_memory_equal(a->version.bytes, b->version.bytes, b->version.len);
}

static void assert_same_choice(const struct wire_tensor *a, const struct wire_tensor *b)
{
	assert_int_equal(a->name.len, b->name.len);
	assert_memory_equal(a->name.bytes, b->name.bytes, b->name.len);
	assert_true(a->index == b->index);
}

static void assert_same_tensor(const struct wire_tensor *a, const struct wire_tensor *b)
{
	assert_same_choice(a, b);
	assert_int_equal(a->dtype, b->dtype);
	assert_int_equal(a->rank, b->rank);
	for (uint32_t d = 0; d < b->rank; d++)
		assert_true(a->dims[d] == b->dims[d]);
	assert_true(a->bytes == b->bytes && a->offset == b->offset);
}

/* Of the frame's body: its metadata, read from memory of exactly its size, its strings in *meta. */
static void read_infer(const struct wire_frame *frame, struct wire_infer *ret,
		       struct wire_tensor **ret_tensors, uint32_t *ret_meta_bytes,
		       unsigned char **meta)
{
	assert_int_equal(wire_meta_bytes(frame->body, frame->size, ret_meta_bytes), 0);
	*meta = malloc(*ret_meta_bytes);
	assert_non_null(*meta);
	memcpy(*meta, frame->body, *ret_meta_bytes);
	assert_int_equal(wire_infer_read(*meta, *ret_meta_bytes, ret, ret_tensors), 0);
}

/* The vector has these fields, and gives its payload's first bytes. */
static void assert_infer(const char *name, const struct wire_infer *infer,
			 const struct wire_tensor *inputs, const struct wire_tensor *wanted,
			 const void *payload, uint64_t payload_here)
{
	struct wire_frame frame = wire_frame(name, WIRE_INFER);
	_cleanup_free_ struct wire_tensor *tensors = NULL;
	_cleanup_free_ unsigned char *meta = NULL;
	unsigned char body[1024];
	struct tsk_writer w = tsk_writer(body, sizeof(body));
	struct wire_infer got;
	uint64_t offset, n;
	uint32_t meta_bytes;

	read_infer(&frame, &got, &tensors, &meta_bytes, &meta);
	assert_same_ref(&got.model, &infer->model);
	assert_int_equal(got.deadline_ms, infer->deadline_ms);
	assert_int_equal(got.n_inputs, infer->n_inputs);
	assert_int_equal(got.n_outputs, infer->n_outputs);
	assert_true(got.payload_bytes == infer->payload_bytes);
	for (uint32_t i = 0; i < got.n_inputs; i++)
		assert_same_tensor(&tensors[i], &inputs[i]);
	for (uint32_t i = 0; i < got.n_outputs; i++)
		assert_same_choice(&tensors[got.n_inputs + i], &wanted[i]);
	assert_int_equal(wire_body_payload(frame.size, meta_bytes, got.payload_bytes, &offset, &n),
			 0);
	assert_true(n == payload_here);
	assert_memory_equal(frame.body + offset, payload, n);

	wire_infer_write(&w, infer, inputs, wanted);
	assert_false(w.bad);
	assert_int_equal(tsk_writer_len(&w), meta_bytes);
	assert_memory_equal(body, frame.body, meta_bytes);
	free(frame.body);
}

static const float x[] = { 1, 2, 3, 4, 5, 6 };

static void test_infer(void **state)
{
	struct wire_tensor input = { .name = wire_string("x"),
				     .index = WIRE_INDEX_NONE,
				     .dtype = TENSOCK_FLOAT32,
				     .rank = 2,
				     .dims = { 2, 3 },
				     .bytes = sizeof(x) };
	struct wire_infer infer = { .n_inputs = 1 };
	struct wire_frame chunk = wire_frame("infer-chunk", WIRE_CHUNK);

	(void)state;
	ref_by_hash(&infer.model);
	assert_int_equal(wire_tensors_layout(&input, 1, &infer.payload_bytes), 0);
	assert_infer("infer", &infer, &input, NULL, x, sizeof(x));
	assert_infer("infer-begun", &infer, &input, NULL, x, 8);
	assert_int_equal(chunk.size, sizeof(x) - 8);
	assert_memory_equal(chunk.body, x + 2, chunk.size);
	assert_infer("infer-payload-later", &infer, &input, NULL, x, 0);
	infer.n_inputs = 0;
	infer.payload_bytes = 0;
	assert_infer("infer-without-input", &infer, NULL, NULL, "", 0);
	free(chunk.body);
}

static void test_infer_many(void **state)
{
	static const unsigned char payload[130] = {
		7,   0, 0, 0, 'T', 'e',      'n',         's',       'o',         'c',
		'k', 0, 0, 0, 0,   [66] = 0, [67] = 0x3f, [128] = 0, [129] = 0x3c
	};
	struct wire_tensor inputs[] = {
		{ .dtype = TENSOCK_BYTES, .rank = 1, .dims = { 2 }, .bytes = 15 },
		{ .index = 1, .dtype = TENSOCK_UINT8, .rank = 1, .dims = { 0 } },
		{ .index = 2, .dtype = TENSOCK_FLOAT32, .bytes = 4 },
		{ .index = 3, .dtype = TENSOCK_FLOAT16, .rank = 1, .dims = { 1 }, .bytes = 2 },
	};
	/* A name's index does not count. */
	struct wire_tensor wanted[] = { { .name = wire_string("y"), .index = 5 }, { .index = 3 } };
	struct wire_infer infer = { .model = { .kind = WIRE_BY_NAME,
					       .name = wire_string("greeting"),
					       .version = wire_string("2") },
				    .deadline_ms = 1500,
				    .n_inputs = 4,
				    .n_outputs = 2 };
	unsigned char body[512];
	struct tsk_writer w = tsk_writer(body, sizeof(body));

	(void)state;
	assert_int_equal(wire_tensors_layout(inputs, 4, &infer.payload_bytes), 0);
	assert_int_equal(infer.payload_bytes, 130);
	wire_infer_write(&w, &infer, inputs, wanted);
	assert_false(w.bad);
	wanted[0].index = WIRE_INDEX_NONE;
	assert_infer("infer-many", &infer, inputs, wanted, payload, sizeof(payload));
}

static void assert_result(const char *name, const struct wire_result *result,
			  const struct wire_tensor *outputs, const void *payload)
{
	struct wire_frame frame = wire_frame(name, WIRE_RESULT);
	_cleanup_free_ struct wire_tensor *tensors = NULL;
	unsigned char body[512];
	struct tsk_writer w = tsk_writer(body, sizeof(body));
	struct wire_result got;
	uint64_t offset, n;
	uint32_t meta_bytes;

	assert_int_equal(wire_meta_bytes(frame.body, frame.size, &meta_bytes), 0);
	assert_int_equal(wire_result_read(frame.body, meta_bytes, &got, &tensors), 0);
	assert_int_equal(got.n_outputs, result->n_outputs);
	assert_true(got.queue_ns == result->queue_ns && got.compute_ns == result->compute_ns);
	assert_true(got.payload_bytes == result->payload_bytes);
	for (uint32_t i = 0; i < got.n_outputs; i++)
		assert_same_tensor(&tensors[i], &outputs[i]);
	assert_int_equal(wire_body_payload(frame.size, meta_bytes, got.payload_bytes, &offset, &n),
			 0);
	assert_true(n == got.payload_bytes);
	assert_memory_equal(frame.body + offset, payload, n);

	wire_result_write(&w, result, outputs);
	assert_false(w.bad);
	assert_int_equal(tsk_writer_len(&w), meta_bytes);
	assert_memory_equal(body, frame.body, meta_bytes);
	free(frame.body);
}

static void test_result(void **state)
{
	static const int64_t y[] = { 6, 15 };
	struct wire_tensor one = { .name = wire_string("y"),
				   .dtype = TENSOCK_INT64,
				   .rank = 1,
				   .dims = { 2 },
				   .bytes = 16 };
	struct wire_tensor many[] = {
		{ .name = wire_string(""),
		  .index = 3,
		  .dtype = TENSOCK_INT64,
		  .rank = 2,
		  .dims = { 0, 4 } },
		{ .name = wire_string("z"),
		  .dtype = TENSOCK_BYTES,
		  .rank = 1,
		  .dims = { 1 },
		  .bytes = 6 },
	};
	struct wire_result result = { .n_outputs = 1, .queue_ns = 1200, .compute_ns = 34000 };

	(void)state;
	assert_int_equal(wire_tensors_layout(&one, 1, &result.payload_bytes), 0);
	assert_result("result", &result, &one, y);
	result = (struct wire_result){ .n_outputs = 2, .compute_ns = 1 };
	assert_int_equal(wire_tensors_layout(many, 2, &result.payload_bytes), 0);
	assert_result("result-many", &result, many, "\2\0\0\0ok");
}

/* Behind what the writer already holds, as a header. */
static void test_written_behind_something(void **state)
{
	struct wire_infer infer = { .model = { .kind = WIRE_BY_NAME, .name = wire_string("m") } };
	_cleanup_free_ struct wire_tensor *tensors = NULL;
	unsigned char bytes[256];
	struct tsk_writer w = tsk_writer(bytes, sizeof(bytes));
	struct wire_infer got;

	(void)state;
	tsk_write_bytes(&w, "0123456789abcdef", WIRE_HEADER_BYTES);
	wire_infer_write(&w, &infer, NULL, NULL);
	assert_false(w.bad);
	assert_int_equal(wire_infer_read(bytes + WIRE_HEADER_BYTES,
					 tsk_writer_len(&w) - WIRE_HEADER_BYTES, &got, &tensors),
			 0);
	assert_true(wire_string_equals(got.model.name, "m"));
	for (size_t room = 0; room < tsk_writer_len(&w) - WIRE_HEADER_BYTES; room++) {
		struct tsk_writer small = tsk_writer(bytes, room);

		wire_infer_write(&small, &infer, NULL, NULL);
		assert_true(small.bad);
	}
}

static int layout_one(uint32_t dtype, uint64_t bytes, int64_t d0, int64_t d1)
{
	struct wire_tensor tensor = {
		.dtype = dtype, .rank = 2, .dims = { d0, d1 }, .bytes = bytes
	};
	uint64_t payload = 77;
	int r = wire_tensors_layout(&tensor, 1, &payload);

	assert_true(payload == (r < 0 ? 77 : bytes));
	return r;
}

static void test_layout_of_one(void **state)
{
	(void)state;
	assert_int_equal(layout_one(TENSOCK_FLOAT32, 24, 2, 3), 0);
	assert_int_equal(layout_one(TENSOCK_FLOAT32, 23, 2, 3), -EINVAL);
	assert_int_equal(layout_one(TENSOCK_FLOAT32, 25, 2, 3), -EINVAL);
	assert_int_equal(layout_one(TENSOCK_FLOAT32, 24, -2, -3), -EINVAL);
	assert_int_equal(layout_one(TENSOCK_FLOAT32, 0, 2, -1), -EINVAL);
	assert_int_equal(layout_one(TENSOCK_FLOAT32, 0, 0, 3), 0);
	assert_int_equal(layout_one(TENSOCK_FLOAT32, 0, 0, INT64_MAX), 0);
	assert_int_equal(layout_one(TENSOCK_FLOAT32, 0, INT64_MAX, INT64_MAX), -EINVAL);
	assert_int_equal(layout_one(TENSOCK_INT4, 2, 1, 3), 0); /* two to a byte */
	assert_int_equal(layout_one(TENSOCK_COMPLEX128, 96, 2, 3), 0);
	assert_int_equal(layout_one(TENSOCK_DTYPE_INVALID, 0, 0, 3), -EINVAL);
	assert_int_equal(layout_one(TENSOCK_DTYPE_MAX, 24, 2, 3), -EINVAL);
	assert_int_equal(layout_one(UINT32_MAX, 24, 2, 3), -EINVAL);

	assert_int_equal(layout_one(TENSOCK_BYTES, 24, 2, 3), 0);
	assert_int_equal(layout_one(TENSOCK_BYTES, 1000, 2, 3), 0);
	assert_int_equal(layout_one(TENSOCK_BYTES, 23, 2, 3), -EINVAL);
	assert_int_equal(layout_one(TENSOCK_BYTES, 0, 0, 3), 0);
	assert_int_equal(layout_one(TENSOCK_BYTES, 1, 0, 3), -EINVAL);
	/* 4 times as many elements is 2^64 and a bit, which is less than what is there */
	assert_int_equal(layout_one(TENSOCK_BYTES, UINT64_MAX, (INT64_C(1) << 62) + 1, 1), -EINVAL);
}

/* One 64 above the other; an end beyond 2^64 is told. */
static void test_layout_of_many(void **state)
{
	struct wire_tensor tensors[] = {
		{ .dtype = TENSOCK_UINT8, .rank = 1, .dims = { 65 }, .bytes = 65 },
		{ .dtype = TENSOCK_UINT8, .rank = 1, .dims = { 64 }, .bytes = 64 },
		{ .dtype = TENSOCK_UINT8, .rank = 1, .dims = { 1 }, .bytes = 1 },
		{ .dtype = TENSOCK_UINT8, .rank = 1, .dims = { 0 }, .bytes = 0 },
	};
	uint64_t payload = 77;

	(void)state;
	assert_int_equal(wire_tensors_layout(tensors, 4, &payload), 0);
	assert_int_equal(tensors[0].offset, 0);
	assert_int_equal(tensors[1].offset, 128);
	assert_int_equal(tensors[2].offset, 192);
	assert_int_equal(tensors[3].offset, 256);
	assert_int_equal(payload, 256); /* the last one's offset and bytes, though they are none */
	assert_int_equal(wire_tensors_layout(tensors, 3, &payload), 0);
	assert_int_equal(payload, 193);
	assert_int_equal(wire_tensors_layout(NULL, 0, &payload), 0);
	assert_int_equal(payload, 0);

	payload = 77;
	tensors[0].dims[0] = tensors[1].dims[0] = INT64_MAX;
	tensors[0].bytes = tensors[1].bytes = INT64_MAX;
	assert_int_equal(wire_tensors_layout(tensors, 3, &payload), -EOVERFLOW);
	assert_int_equal(wire_tensors_layout(NULL, WIRE_TENSORS_MAX + 1, &payload), -E2BIG);
	assert_int_equal(payload, 77);
}

static void test_meta_bytes(void **state)
{
	unsigned char bytes[4] = { 0, 0, 2, 0 }; /* 128 Ki */
	uint32_t n = 77;

	(void)state;
	assert_int_equal(wire_meta_bytes(bytes, WIRE_META_MAX - 1, &n), -EPROTO);
	assert_int_equal(n, 77);
	assert_int_equal(wire_meta_bytes(bytes, WIRE_META_MAX, &n), 0);
	assert_int_equal(n, WIRE_META_MAX);
	bytes[0] = 1;
	assert_int_equal(wire_meta_bytes(bytes, WIRE_BODY_MAX, &n), -EPROTO);
	memcpy(bytes, (unsigned char[]){ 11, 0, 0, 0 }, 4);
	assert_int_equal(wire_meta_bytes(bytes, WIRE_BODY_MAX, &n), -EPROTO);
	memset(bytes, 0xff, 4);
	assert_int_equal(wire_meta_bytes(bytes, WIRE_BODY_MAX, &n), -EPROTO);
}

static void test_first_payload(void **state)
{
	size_t offset;

	(void)state;
	assert_int_equal(wire_first_payload(100, 0, &offset), 0);
	assert_int_equal(offset, 100);
	assert_int_equal(wire_first_payload(100, 10, &offset), 10);
	assert_int_equal(offset, 128);
	assert_int_equal(wire_first_payload(128, 10, &offset), 10);
	assert_int_equal(offset, 128);
	assert_int_equal(wire_first_payload(100, WIRE_BODY_MAX, &offset), WIRE_BODY_MAX - 128);
	assert_int_equal(wire_first_payload(WIRE_META_MAX, UINT64_MAX, &offset),
			 WIRE_BODY_MAX - WIRE_META_MAX);
	assert_int_equal(offset, WIRE_META_MAX);
}

static void test_body_payload(void **state)
{
	uint64_t offset = 77, n = 77;

	(void)state;
	assert_int_equal(wire_body_payload(99, 100, 10, &offset, &n), -EPROTO);
	assert_int_equal(wire_body_payload(101, 100, 10, &offset, &n), -EPROTO);
	assert_int_equal(wire_body_payload(128, 100, 10, &offset, &n), -EPROTO);
	assert_int_equal(wire_body_payload(139, 100, 10, &offset, &n), -EPROTO);
	assert_int_equal(wire_body_payload(101, 100, 0, &offset, &n), -EPROTO);
	assert_int_equal(wire_body_payload(128, 100, 0, &offset, &n), -EPROTO);
	assert_true(offset == 77 && n == 77);
	assert_int_equal(wire_body_payload(100, 100, 0, &offset, &n), 0);
	assert_true(offset == 100 && n == 0);
	assert_int_equal(wire_body_payload(100, 100, 10, &offset, &n), 0);
	assert_true(offset == 100 && n == 0);
	assert_int_equal(wire_body_payload(129, 100, 10, &offset, &n), 0);
	assert_true(offset == 128 && n == 1);
	assert_int_equal(wire_body_payload(138, 100, 10, &offset, &n), 0);
	assert_true(offset == 128 && n == 10);
	assert_int_equal(wire_body_payload(138, 128, 10, &offset, &n), 0);
	assert_true(offset == 128 && n == 10);
}

static bool infer_fits(const struct wire_infer *infer, const struct wire_tensor *inputs,
		       const struct wire_tensor *wanted)
{
	_cleanup_free_ unsigned char *body = malloc(WIRE_BODY_MAX);
	struct tsk_writer w = tsk_writer(body, WIRE_BODY_MAX);

	assert_non_null(body);
	wire_infer_write(&w, infer, inputs, wanted);
	return !w.bad;
}

static void test_writer_refuses(void **state)
{
	static char long_name[TSK_TENSOR_NAME_MAX + 2];
	struct wire_tensor input = { .dtype = TENSOCK_UINT8, .rank = 1, .dims = { 5 }, .bytes = 5 };
	struct wire_tensor wanted = { .index = 1 }, t;
	struct wire_infer infer = {
		.model = { .kind = WIRE_BY_HASH }, .n_inputs = 1, .n_outputs = 1, .payload_bytes = 5
	};

	(void)state;
	memset(long_name, 'n', TSK_TENSOR_NAME_MAX);
	assert_true(infer_fits(&infer, &input, &wanted));
	t = input, t.name = wire_string(long_name);
	assert_true(infer_fits(&infer, &t, &wanted));
	assert_true(infer_fits(&infer, &input, &t));
	long_name[TSK_TENSOR_NAME_MAX] = 'n';
	t = input, t.name = wire_string(long_name);
	assert_false(infer_fits(&infer, &t, &wanted));
	assert_false(infer_fits(&infer, &input, &t));
	t = input, t.index = WIRE_TENSORS_MAX;
	assert_false(infer_fits(&infer, &t, &wanted));
	t = wanted, t.index = WIRE_INDEX_NONE;
	assert_false(infer_fits(&infer, &input, &t));
	t = input, t.bytes = 6;
	assert_false(infer_fits(&infer, &t, &wanted));
	t = input, t.rank = TENSOCK_RANK_MAX + 1;
	assert_false(infer_fits(&infer, &t, &wanted));
	infer.payload_bytes = 6;
	assert_false(infer_fits(&infer, &input, &wanted));
	infer.payload_bytes = 5;
	infer.n_outputs = WIRE_TENSORS_MAX + 1;
	assert_false(infer_fits(&infer, &input, &wanted));
	infer.n_outputs = 1;
	infer.n_inputs = WIRE_TENSORS_MAX + 1;
	assert_false(infer_fits(&infer, &input, &wanted));
}

/* As many tensors as may be, and metadata that is as long as may be, and a byte longer. */
static void test_most(void **state)
{
	_cleanup_free_ struct wire_tensor *tensors = calloc(WIRE_TENSORS_MAX, sizeof(*tensors));
	_cleanup_free_ struct wire_tensor *got = NULL;
	_cleanup_free_ unsigned char *body = malloc(WIRE_BODY_MAX);
	static char name[TSK_TENSOR_NAME_MAX + 1];
	struct wire_infer infer = { .model = { .kind = WIRE_BY_HASH },
				    .n_inputs = WIRE_TENSORS_MAX,
				    .n_outputs = WIRE_TENSORS_MAX },
			  got_infer;
	struct tsk_writer w = tsk_writer(body, WIRE_BODY_MAX);
	uint32_t last = 0;
	size_t n;

	(void)state;
	assert_true(body && tensors);
	for (uint32_t i = 0; i < WIRE_TENSORS_MAX; i++)
		tensors[i] = (struct wire_tensor){ .index = i, .dtype = TENSOCK_UINT8, .bytes = 1 };
	assert_int_equal(wire_tensors_layout(tensors, WIRE_TENSORS_MAX, &infer.payload_bytes), 0);
	wire_infer_write(&w, &infer, tensors, tensors);
	assert_false(w.bad);
	n = tsk_writer_len(&w) - WIRE_TENSORS_MAX * 6; /* without those wanted */
	assert_int_equal(wire_infer_read(body, tsk_writer_len(&w), &got_infer, &got), 0);
	assert_int_equal(got[2 * WIRE_TENSORS_MAX - 1].index, WIRE_TENSORS_MAX - 1);

	/* Names for the inputs, so many bytes that the metadata is the longest. */
	memset(name, 'n', TSK_TENSOR_NAME_MAX);
	for (uint32_t i = 0; n < WIRE_META_MAX; i++) {
		size_t len = WIRE_META_MAX - n;

		len = len < TSK_TENSOR_NAME_MAX ? len : TSK_TENSOR_NAME_MAX;
		tensors[i].name = (struct wire_string){ .bytes = name, .len = (uint16_t)len };
		n += len;
		last = i;
	}
	assert_true(last < WIRE_TENSORS_MAX / 2);
	infer.n_outputs = 0;
	w = tsk_writer(body, WIRE_BODY_MAX);
	wire_infer_write(&w, &infer, tensors, NULL);
	assert_false(w.bad);
	assert_int_equal(tsk_writer_len(&w), WIRE_META_MAX);
	free(TAKE_PTR(got));
	assert_int_equal(wire_infer_read(body, WIRE_META_MAX, &got_infer, &got), 0);
	tensors[last].name.len++;
	w = tsk_writer(body, WIRE_BODY_MAX);
	wire_infer_write(&w, &infer, tensors, NULL);
	assert_true(w.bad);
}

static void test_refused_without_a_trace(void **state)
{
	struct wire_infer infer = { .deadline_ms = 77 };
	struct wire_result result = { .n_outputs = 77 };
	struct wire_tensor *tensors = (struct wire_tensor *)&infer;

	(void)state;
	assert_int_equal(wire_infer_read(NULL, 0, &infer, &tensors), -EPROTO);
	assert_int_equal(wire_result_read(NULL, 0, &result, &tensors), -EPROTO);
	assert_int_equal(infer.deadline_ms, 77);
	assert_int_equal(result.n_outputs, 77);
	assert_ptr_equal(tensors, &infer);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TSK_TEST(test_infer),         TSK_TEST(test_infer_many),
		TSK_TEST(test_result),        TSK_TEST(test_written_behind_something),
		TSK_TEST(test_layout_of_one), TSK_TEST(test_layout_of_many),
		TSK_TEST(test_meta_bytes),    TSK_TEST(test_first_payload),
		TSK_TEST(test_body_payload),  TSK_TEST(test_writer_refuses),
		TSK_TEST(test_most),          TSK_TEST(test_refused_without_a_trace),
	};

	return cmocka_run_group_tests_name("wire_infer", tests, NULL, NULL);
}
