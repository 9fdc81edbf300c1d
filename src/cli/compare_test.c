/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/compare.h"

#include <errno.h>
#include <math.h>

#include <tensock/types.h>

#include "base/testing.h"

static struct comparison compare(uint32_t dtype, const void *got, const void *expected,
				 uint64_t bytes)
{
	struct comparison c;

	assert_int_equal(compare_tensors(dtype, got, bytes, expected, bytes, &c), 0);
	return c;
}

static void test_floats(void **state)
{
	static const float got[] = { 1, 2.5f, -3, 0 }, expected[] = { 1, 2, -4, 0 };
	struct comparison c = compare(TENSOCK_FLOAT32, got, expected, sizeof(got));

	(void)state;
	assert_true(c.largest == 1 && c.expected_max == 4);
	assert_int_equal(c.at, 2);
	assert_int_equal(c.n_differ, 2);
	assert_true(comparison_relative(&c) == 0.25);
	c = compare(TENSOCK_COMPLEX64, got, expected, sizeof(got));
	assert_true(c.largest == 1 && c.at == 1);
	c = compare(TENSOCK_FLOAT32, got, got, sizeof(got));
	assert_true(comparison_relative(&c) == 0);
}

static void test_not_finite(void **state)
{
	static const double same[] = { NAN, INFINITY, -INFINITY };
	static const double pairs[][2] = {
		{ NAN, 1 }, { 1, NAN }, { INFINITY, 1 }, { 1, INFINITY }, { INFINITY, -INFINITY }
	};
	struct comparison c = compare(TENSOCK_FLOAT64, same, same, sizeof(same));

	(void)state;
	assert_true(c.largest == 0 && c.n_differ == 0);
	for (unsigned i = 0; i < 5; i++) {
		c = compare(TENSOCK_FLOAT64, &pairs[i][0], &pairs[i][1], 8);
		assert_true(isinf(comparison_relative(&c)) && c.n_differ == 1);
	}
}

static void test_all_zero_expected(void **state)
{
	static const float got = 1e-6f, zero = 0;
	struct comparison c = compare(TENSOCK_FLOAT32, &got, &zero, 4);

	(void)state;
	assert_true(comparison_relative(&c) == (double)got);
}

static void test_whole_numbers(void **state)
{
	static const uint64_t a = UINT64_MAX, b = UINT64_MAX - 1;
	static const int64_t low = INT64_MIN, high = INT64_MAX;
	struct comparison c = compare(TENSOCK_UINT64, &a, &b, 8);

	(void)state;
	assert_true(c.largest == 1);
	c = compare(TENSOCK_INT64, &low, &high, 8);
	assert_true(c.largest == 18446744073709551615.0);
	c = compare(TENSOCK_BOOL, "\1", "\0", 1);
	assert_true(isinf(c.largest));
}

static void test_texts(void **state)
{
	struct comparison c = compare(TENSOCK_BYTES, "\1\0\0\0a\0\0\0\0", "\1\0\0\0a\0\0\0\0", 9);

	(void)state;
	assert_true(c.largest == 0);
	c = compare(TENSOCK_BYTES, "\1\0\0\0a\0\0\0\0", "\1\0\0\0b\0\0\0\0", 9);
	assert_true(isinf(c.largest) && c.n_differ == 1);
	assert_int_equal(compare_tensors(TENSOCK_BYTES, "\1\0\0\0a", 5, "\1\0\0\0a\0\0\0\0", 9, &c),
			 -EPROTO);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TSK_TEST(test_floats),
		TSK_TEST(test_not_finite),
		TSK_TEST(test_all_zero_expected),
		TSK_TEST(test_whole_numbers),
		TSK_TEST(test_texts),
	};

	return cmocka_run_group_tests_name("compare", tests, NULL, NULL);
}
