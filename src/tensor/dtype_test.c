/* SPDX-License-Identifier: Apache-2.0 */
#include "tensor/dtype.h"

#include <stdlib.h>
#include <string.h>

#include "base/testing.h"

static void test_names_of_the_protocol(void **state)
{
	(void)state;
	assert_string_equal(tsk_dtype_name(TENSOCK_BOOL), "BOOL");
	assert_string_equal(tsk_dtype_name(TENSOCK_UINT8), "UINT8");
	assert_string_equal(tsk_dtype_name(TENSOCK_INT64), "INT64");
	assert_string_equal(tsk_dtype_name(TENSOCK_FLOAT16), "FP16");
	assert_string_equal(tsk_dtype_name(TENSOCK_FLOAT32), "FP32");
	assert_string_equal(tsk_dtype_name(TENSOCK_FLOAT64), "FP64");
	assert_string_equal(tsk_dtype_name(TENSOCK_BFLOAT16), "BF16");
	assert_string_equal(tsk_dtype_name(TENSOCK_BYTES), "BYTES");
}

static void test_names_differ(void **state)
{
	(void)state;
	for (uint32_t i = 1; i < TENSOCK_DTYPE_MAX; i++) {
		assert_non_null(tsk_dtype_name(i));
		for (uint32_t j = 1; j < i; j++)
			assert_string_not_equal(tsk_dtype_name(i), tsk_dtype_name(j));
	}
}

/* Where the name ends in a number of bits, it is the width. */
static void test_bits(void **state)
{
	(void)state;
	assert_int_equal(tsk_dtype_bits(TENSOCK_BOOL), 8);
	assert_int_equal(tsk_dtype_bits(TENSOCK_INT4), 4);
	assert_int_equal(tsk_dtype_bits(TENSOCK_UINT4), 4);
	assert_int_equal(tsk_dtype_bits(TENSOCK_FLOAT4E2M1), 4);
	assert_int_equal(tsk_dtype_bits(TENSOCK_FLOAT8E4M3FN), 8);
	assert_int_equal(tsk_dtype_bits(TENSOCK_FLOAT8E5M2FNUZ), 8);
	assert_int_equal(tsk_dtype_bits(TENSOCK_BFLOAT16), 16);
	assert_int_equal(tsk_dtype_bits(TENSOCK_FLOAT16), 16);
	assert_int_equal(tsk_dtype_bits(TENSOCK_FLOAT32), 32);
	assert_int_equal(tsk_dtype_bits(TENSOCK_INT64), 64);
	assert_int_equal(tsk_dtype_bits(TENSOCK_COMPLEX64), 64);
	assert_int_equal(tsk_dtype_bits(TENSOCK_COMPLEX128), 128);
	assert_int_equal(tsk_dtype_bits(TENSOCK_BYTES), 0);
	for (uint32_t i = 1; i < TENSOCK_DTYPE_MAX; i++) {
		const char *digits = strpbrk(tsk_dtype_name(i), "123456789");

		if (digits)
			assert_int_equal(strtoul(digits, NULL, 10), tsk_dtype_bits(i));
	}
}

static void test_numbers_that_are_none(void **state)
{
	static const uint32_t numbers[] = { TENSOCK_DTYPE_INVALID, TENSOCK_DTYPE_MAX,
					    TENSOCK_DTYPE_MAX + 1, INT32_MAX, UINT32_MAX };

	(void)state;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		assert_false(tsk_dtype_is_valid(numbers[i]));
		assert_null(tsk_dtype_name(numbers[i]));
		assert_int_equal(tsk_dtype_bits(numbers[i]), 0);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TSK_TEST(test_names_of_the_protocol),
		TSK_TEST(test_names_differ),
		TSK_TEST(test_bits),
		TSK_TEST(test_numbers_that_are_none),
	};

	return cmocka_run_group_tests_name("dtype", tests, NULL, NULL);
}
