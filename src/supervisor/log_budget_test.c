/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/log_budget.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"

static void test_share(void **state)
{
	struct log_budget budget = { 0 };
	uint64_t dropped = 99;

	(void)state;
	for (int i = 0; i < 5; i++) {
		assert_true(log_budget_allows(&budget, 5, 7 * TSK_NS_PER_SEC + 3, &dropped));
		assert_int_equal(dropped, 0);
	}
	for (int i = 0; i < 1000; i++)
		assert_false(log_budget_allows(&budget, 5, 8 * TSK_NS_PER_SEC - 1, &dropped));
	assert_true(log_budget_allows(&budget, 5, 8 * TSK_NS_PER_SEC, &dropped));
	assert_int_equal(dropped, 1000);
	assert_true(log_budget_allows(&budget, 5, 8 * TSK_NS_PER_SEC, &dropped));
	assert_int_equal(dropped, 0);
}

/* One guest's flood takes nothing of another's share. */
static void test_others(void **state)
{
	struct log_budget noisy = { 0 }, quiet = { 0 };
	uint64_t dropped;

	(void)state;
	for (int i = 0; i < 1000; i++)
		(void)log_budget_allows(&noisy, 5, TSK_NS_PER_SEC, &dropped);
	assert_true(log_budget_allows(&quiet, 5, TSK_NS_PER_SEC, &dropped));
	assert_int_equal(dropped, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_share),
		cmocka_unit_test(test_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
