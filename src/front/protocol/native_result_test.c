/* SPDX-License-Identifier: Apache-2.0 */
#include "front/protocol/native_result.h"

#include <string.h>

#include "base/testing.h"

#define NAME(text) ((char *)(uintptr_t)(text))

static struct tsk_tensor_info infos[] = {
	{ .name = NAME("a"), .dtype = TENSOCK_UINT8, .rank = 1, .dims = { -1 } },
	{ .name = NAME("empty"), .dtype = TENSOCK_UINT8, .rank = 1, .dims = { -1 } },
	{ .name = NAME("b"), .dtype = TENSOCK_FLOAT32, .rank = 2, .dims = { -1, 3 } },
};
static const struct tsk_model_info info = { .outputs = infos, .n_outputs = 3 };

/* As a worker laid them out: backwards. */
static const struct run_tensor tensors[] = {
	{ .index = 0, .dtype = TENSOCK_UINT8, .rank = 1, .dims = { 5 }, .bytes = 5, .offset = 192 },
	{ .index = 1, .dtype = TENSOCK_UINT8, .rank = 1, .offset = 64 },
	{ .index = 2,
	  .dtype = TENSOCK_FLOAT32,
	  .rank = 2,
	  .dims = { 1, 3 },
	  .bytes = 12,
	  .offset = 64 },
};

/* Writes and reads it; the payload as its pieces make it. */
static size_t build(const uint32_t *wanted, uint32_t n_wanted, struct wire_result *ret,
		    struct wire_tensor **ret_tensors, unsigned char *payload)
{
	static unsigned char region[256], meta[1024];
	struct native_piece pieces[NATIVE_PIECES(3)];
	struct native_result result;
	struct tsk_writer w = tsk_writer(meta, sizeof(meta));
	size_t n, len = 0;

	for (size_t i = 0; i < sizeof(region); i++)
		region[i] = (unsigned char)i;
	assert_int_equal(native_result_init(&result, &info, tensors, wanted, n_wanted), 0);
	result.wire.queue_ns = 5;
	result.wire.compute_ns = 6;
	wire_result_write(&w, &result.wire, result.outputs);
	assert_false(w.bad);
	assert_int_equal(tsk_writer_len(&w), result.meta_bytes);
	n = native_result_pieces(&result, tensors, region, pieces);
	assert_true(n <= NATIVE_PIECES(result.wire.n_outputs));
	for (size_t i = 0; i < n; i++) {
		memcpy(payload + len, pieces[i].bytes, pieces[i].len);
		len += pieces[i].len;
	}
	assert_int_equal(len, result.wire.payload_bytes);
	assert_int_equal(wire_result_read(meta, result.meta_bytes, ret, ret_tensors), 0);
	native_result_done(&result);
	return len;
}

static void test_all(void **state)
{
	struct wire_tensor *outputs;
	struct wire_result result;
	unsigned char payload[256];

	(void)state;
	assert_int_equal(build(NULL, 0, &result, &outputs, payload), 64 + 12);
	assert_int_equal(result.n_outputs, 3);
	assert_int_equal(result.compute_ns, 6);
	assert_true(wire_string_equals(outputs[0].name, "a"));
	assert_true(wire_string_equals(outputs[2].name, "b"));
	assert_int_equal(outputs[2].dims[1], 3);
	assert_int_equal(outputs[2].offset, 64);
	assert_int_equal(payload[0], 192);
	assert_int_equal(payload[4], 196);
	for (unsigned i = 5; i < 64; i++)
		assert_int_equal(payload[i], 0);
	assert_int_equal(payload[64], 64);
	assert_int_equal(payload[75], 75);
	free(outputs);
}

/* In the order in which they are wanted. */
static void test_wanted(void **state)
{
	static const uint32_t wanted[] = { 2, 0 }, nothing[] = { 1 };
	struct wire_tensor *outputs;
	struct wire_result result;
	unsigned char payload[256];

	(void)state;
	assert_int_equal(build(wanted, 2, &result, &outputs, payload), 64 + 5);
	assert_int_equal(result.n_outputs, 2);
	assert_int_equal(outputs[0].index, 2);
	assert_int_equal(outputs[1].index, 0);
	assert_int_equal(payload[0], 64);
	assert_int_equal(payload[64], 192);
	free(outputs);
	assert_int_equal(build(nothing, 1, &result, &outputs, payload), 0);
	free(outputs);
}

/* More names than any metadata may have. */
static void test_too_long(void **state)
{
	static struct tsk_tensor_info many[200];
	static struct run_tensor run[200];
	static char name[TSK_TENSOR_NAME_MAX + 1];
	struct tsk_model_info long_info = { .outputs = many, .n_outputs = 200 };
	struct native_result result;

	(void)state;
	memset(name, 'n', TSK_TENSOR_NAME_MAX);
	for (unsigned i = 0; i < 200; i++) {
		many[i].name = name;
		run[i] = (struct run_tensor){ .index = i, .dtype = TENSOCK_UINT8, .bytes = 1 };
	}
	assert_int_equal(native_result_init(&result, &long_info, run, NULL, 0), -EINVAL);
	long_info.n_outputs = 100;
	assert_int_equal(native_result_init(&result, &long_info, run, NULL, 0), 0);
	native_result_done(&result);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TSK_TEST(test_all),
		TSK_TEST(test_wanted),
		TSK_TEST(test_too_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
