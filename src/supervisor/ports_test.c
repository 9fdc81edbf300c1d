/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/ports.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct tensock_error error;

static void test_list(void **state)
{
	static const uint32_t want[] = { 9999, 1, 0xfffffffe, 8000, 5, 6, 7, 8 };
	struct ports ports = { 0 };

	(void)state;
	assert_int_equal(ports_set(&ports, "9999, 1,4294967294 8000\t5,6,7,8", &error), 0);
	assert_int_equal(ports.n, PORTS_MAX);
	assert_memory_equal(ports.list, want, sizeof(want));
	assert_true(ports_have(&ports, 0xfffffffe));
	assert_false(ports_have(&ports, 0));
	assert_false(ports_have(&ports, UINT64_C(1) << 32 | 8000));
	assert_true(ports_set(&ports, "10", &error) < 0);
	assert_non_null(strstr(error.message, "given twice"));
}

static void test_default(void **state)
{
	(void)state;
	assert_int_equal(ports_default.n, 1);
	assert_true(ports_have(&ports_default, 9999));
	assert_false(ports_have(&ports_default, 8000));
	/* Places of the list that nothing stands in are no port. */
	assert_false(ports_have(&ports_default, 0));
}

static void test_refused(void **state)
{
	static const char *const bad[][2] = {
		{ "", "has no value" },
		{ " , ", "has no value" },
		{ "0", "'0' is no vsock port" },
		{ "4294967295",
		  "'4294967295' is no vsock port; write numbers from 1 to 4294967294" },
		{ "18446744073709551617", "no vsock port" },
		{ "0000000000000000000000000000008000", "no vsock port" },
		{ "8000;8001", "'8000;8001' is no vsock port" },
		{ "9999, http", "'http' is no vsock port" },
		{ "-1", "no vsock port" },
		{ "8000, 9999, 8000", "8000 is there twice" },
		{ "8000 08000", "08000 is there twice" },
		{ "1 2 3 4 5 6 7 8 9", "more than 8" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct ports ports = { 0 };

		if (ports_set(&ports, bad[i][0], &error) >= 0)
			fail_msg("taken: %s", bad[i][0]);
		if (!strstr(error.message, bad[i][1]))
			fail_msg("\"%s\" does not say \"%s\"", error.message, bad[i][1]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_list),
		cmocka_unit_test(test_default),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
