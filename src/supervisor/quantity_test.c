/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/quantity.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void test_numbers(void **state)
{
	uint64_t v = 77;

	(void)state;
	assert_int_equal(quantity_number("0", 0, 9, &v), 0);
	assert_int_equal(v, 0);
	assert_int_equal(quantity_number("18446744073709551615", 0, UINT64_MAX, &v), 0);
	assert_true(v == UINT64_MAX);
	v = 77;
	assert_int_equal(quantity_number("18446744073709551616", 0, UINT64_MAX, &v), -ERANGE);
	assert_int_equal(quantity_number("99999999999999999999999", 0, UINT64_MAX, &v), -ERANGE);
	assert_int_equal(quantity_number("10", 0, 9, &v), -ERANGE);
	assert_int_equal(quantity_number("1", 2, 9, &v), -ERANGE);
	assert_int_equal(v, 77);
}

static void test_not_numbers(void **state)
{
	static const char *const bad[] = {
		"", "-1", "+1", " 1", "1 ", "1.5", "0x10", "one", "1KiB"
	};
	uint64_t v = 77;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(quantity_number(bad[i], 0, 100, &v), -EINVAL);
	assert_int_equal(v, 77);
}

static void test_bytes(void **state)
{
	uint64_t v = 0;

	(void)state;
	assert_int_equal(quantity_bytes("4096", 0, UINT64_MAX, &v), 0);
	assert_int_equal(v, 4096);
	assert_int_equal(quantity_bytes("3KiB", 0, UINT64_MAX, &v), 0);
	assert_int_equal(v, 3072);
	assert_int_equal(quantity_bytes("2GiB", 0, UINT64_MAX, &v), 0);
	assert_true(v == UINT64_C(2) << 30);
	/* 2^34 GiB is 2^64 bytes: it must not come out as 0. */
	assert_int_equal(quantity_bytes("17179869184GiB", 0, UINT64_MAX, &v), -ERANGE);
	assert_int_equal(quantity_bytes("2GB", 0, UINT64_MAX, &v), -EINVAL);
	assert_int_equal(quantity_bytes("2 GiB", 0, UINT64_MAX, &v), -EINVAL);
	assert_int_equal(quantity_bytes("GiB", 0, UINT64_MAX, &v), -EINVAL);
}

static void test_ms(void **state)
{
	uint64_t v = 0;

	(void)state;
	assert_int_equal(quantity_ms("250ms", 1, 1000000, &v), 0);
	assert_int_equal(v, 250);
	assert_int_equal(quantity_ms("30s", 1, 1000000, &v), 0);
	assert_int_equal(v, 30000);
	assert_int_equal(quantity_ms("10min", 1, 1000000, &v), 0);
	assert_int_equal(v, 600000);
	assert_int_equal(quantity_ms("24h", 1, 86400000, &v), 0);
	assert_int_equal(v, 86400000);
	/* 5124095576031 hours are 2^64 ms and more: they must not come out as few. */
	assert_int_equal(quantity_ms("5124095576031h", 0, UINT64_MAX, &v), -ERANGE);
	assert_int_equal(quantity_ms("1m", 1, 1000000, &v), -EINVAL);
	assert_int_equal(quantity_ms("30", 1, 1000000, &v), -EINVAL);
	assert_int_equal(quantity_ms("0s", 1, 1000000, &v), -ERANGE);
	assert_int_equal(quantity_ms("1001s", 1, 1000000, &v), -ERANGE);
}

static void test_bool(void **state)
{
	bool v = false;

	(void)state;
	assert_int_equal(quantity_bool("yes", &v), 0);
	assert_true(v);
	assert_int_equal(quantity_bool("True", &v), -EINVAL);
	assert_int_equal(quantity_bool("1", &v), -EINVAL);
	assert_int_equal(quantity_bool("", &v), -EINVAL);
	assert_true(v);
	assert_int_equal(quantity_bool("false", &v), 0);
	assert_false(v);
	assert_int_equal(quantity_bool("true", &v), 0);
	assert_true(v);
	assert_int_equal(quantity_bool("no", &v), 0);
	assert_false(v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_numbers), cmocka_unit_test(test_not_numbers),
		cmocka_unit_test(test_bytes),   cmocka_unit_test(test_ms),
		cmocka_unit_test(test_bool),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
