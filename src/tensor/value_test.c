/* SPDX-License-Identifier: Apache-2.0 */
#include "tensor/value.h"

#include <math.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/testing.h"
#include "tensor/dtype.h"

static struct tsk_value first(uint32_t dtype, const void *payload, size_t bytes)
{
	struct tsk_value_reader reader = tsk_value_reader(dtype, payload, bytes);
	struct tsk_value value, beyond;

	assert_true(tsk_value_next(&reader, &value));
	assert_false(tsk_value_next(&reader, &beyond));
	return value;
}

static void test_integers(void **state)
{
	static const unsigned char ff[8] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
	static const unsigned char low[8] = { 0, 0, 0, 0, 0, 0, 0, 0x80 };
	struct tsk_value v = first(TENSOCK_UINT64, ff, 8);

	(void)state;
	assert_int_equal(v.kind, TSK_VALUE_UNSIGNED);
	assert_true(v.number == UINT64_MAX);
	for (uint32_t dtype = TENSOCK_INT8; dtype <= TENSOCK_INT64; dtype++) {
		v = first(dtype, ff, tsk_dtype_bits(dtype) / 8);
		assert_int_equal(v.kind, TSK_VALUE_SIGNED);
		assert_int_equal(tsk_value_signed(&v), -1);
	}
	v = first(TENSOCK_INT64, low, 8);
	assert_true(tsk_value_signed(&v) == INT64_MIN);
	v = first(TENSOCK_UINT16, "\x34\x12", 2);
	assert_int_equal(v.number, 0x1234);
	v = first(TENSOCK_BOOL, "\x07", 1);
	assert_int_equal(v.kind, TSK_VALUE_BOOL);
	assert_int_equal(v.number, 1);
}

static void test_floats(void **state)
{
	static const float f[2] = { 0.1f, -2.5f };
	static const double d[2] = { 0.1, -INFINITY };
	struct tsk_value v = first(TENSOCK_FLOAT32, f, 4);

	(void)state;
	assert_true((float)v.real == 0.1f && !v.is_double);
	v = first(TENSOCK_FLOAT64, d, 8);
	assert_true(v.real == 0.1 && v.is_double);
	v = first(TENSOCK_FLOAT16, "\x00\x3c", 2);
	assert_true(v.real == 1.0 && v.kind == TSK_VALUE_REAL);
	v = first(TENSOCK_BFLOAT16, "\x80\xbf", 2);
	assert_true(v.real == -1.0);
	v = first(TENSOCK_COMPLEX64, f, 8);
	assert_int_equal(v.kind, TSK_VALUE_COMPLEX);
	assert_true((float)v.real == 0.1f && v.imaginary == -2.5 && !v.is_double);
	v = first(TENSOCK_COMPLEX128, d, 16);
	assert_true(v.real == 0.1 && isinf(v.imaginary) && v.is_double);
}

static void test_nibbles(void **state)
{
	static const unsigned char bytes[] = { 0x1f, 0x08 };
	static const int64_t expected[] = { -1, 1, -8, 0 };
	struct tsk_value_reader reader = tsk_value_reader(TENSOCK_INT4, bytes, 2);
	struct tsk_value v;

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(expected); i++) {
		assert_true(tsk_value_next(&reader, &v));
		assert_int_equal(tsk_value_signed(&v), expected[i]);
	}
	assert_false(tsk_value_next(&reader, &v));
	reader = tsk_value_reader(TENSOCK_FLOAT4E2M1, bytes, 2);
	assert_true(tsk_value_next(&reader, &v));
	assert_true(v.kind == TSK_VALUE_REAL && v.real == -6.0);
}

/* Lengths that lie end the tensor. */
static void test_texts(void **state)
{
	static const char good[] = "\3\0\0\0abc\0\0\0\0\2\0\0\0\0x";
	struct tsk_value_reader reader = tsk_value_reader(TENSOCK_BYTES, good, sizeof(good) - 1);
	struct tsk_value v;

	(void)state;
	assert_true(tsk_value_next(&reader, &v));
	assert_int_equal(v.kind, TSK_VALUE_TEXT);
	assert_int_equal(v.text_bytes, 3);
	assert_memory_equal(v.text, "abc", 3);
	assert_true(tsk_value_next(&reader, &v));
	assert_int_equal(v.text_bytes, 0);
	assert_true(tsk_value_next(&reader, &v));
	assert_memory_equal(v.text, "\0x", 2);
	assert_false(tsk_value_next(&reader, &v));
	for (size_t n = 0; n < 7; n++) {
		reader = tsk_value_reader(TENSOCK_BYTES, good, n);
		assert_false(tsk_value_next(&reader, &v));
	}
	reader = tsk_value_reader(TENSOCK_BYTES, "\xff\xff\xff\xff", 4);
	assert_false(tsk_value_next(&reader, &v));
}

/* Every type's elements end where its bytes do; a number that is no type has none. */
static void test_ends(void **state)
{
	static const unsigned char zeros[64];
	struct tsk_value v;

	(void)state;
	for (uint32_t dtype = 1; dtype < TENSOCK_DTYPE_MAX; dtype++) {
		struct tsk_value_reader reader = tsk_value_reader(dtype, zeros, 16);
		unsigned bits = tsk_dtype_bits(dtype), n = 0;

		while (tsk_value_next(&reader, &v))
			n++;
		assert_int_equal(n, 128 / (bits ? bits : 32));
		reader = tsk_value_reader(dtype, NULL, 0);
		assert_false(tsk_value_next(&reader, &v));
	}
	for (unsigned i = 0; i < 2; i++) {
		struct tsk_value_reader reader = tsk_value_reader(i ? UINT32_MAX : 0, zeros, 16);

		assert_false(tsk_value_next(&reader, &v));
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TSK_TEST(test_integers), TSK_TEST(test_floats), TSK_TEST(test_nibbles),
		TSK_TEST(test_texts),    TSK_TEST(test_ends),
	};

	return cmocka_run_group_tests_name("value", tests, NULL, NULL);
}
