/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/rate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/clock.h"

#define SEC TSK_NS_PER_SEC

/* All at once, then as many as the time gives back. */
static void test_burst(void **state)
{
	struct rate rate = { 0 };
	uint64_t now = 1000 * SEC;

	(void)state;
	for (int i = 0; i < 100; i++)
		assert_true(rate_take(&rate, 100, SEC, now));
	assert_false(rate_has(&rate, 100, SEC, now));
	assert_false(rate_take(&rate, 100, SEC, now));
	assert_false(rate_take(&rate, 100, SEC, now + SEC / 100 - 1));
	assert_true(rate_has(&rate, 100, SEC, now + SEC / 100));
	assert_true(rate_take(&rate, 100, SEC, now + SEC / 100));
	assert_false(rate_take(&rate, 100, SEC, now + SEC / 100));
}

static void test_over_time(void **state)
{
	struct rate rate = { 0 };
	unsigned taken = 0;

	(void)state;
	for (uint64_t now = SEC; now < 11 * SEC; now += SEC / 10000)
		taken += rate_take(&rate, 1000, SEC, now);
	/* Ten seconds, and what was free at first. */
	assert_in_range(taken, 10990, 11010);
}

static void test_extremes(void **state)
{
	struct rate rate = { 0 };

	(void)state;
	assert_true(rate_take(&rate, 1, SEC, 0));
	assert_false(rate_take(&rate, 1, SEC, 0));
	assert_true(rate_take(&rate, 1, SEC, SEC));
	rate = (struct rate){ 0 };
	for (int i = 0; i < 1000; i++)
		assert_true(rate_take(&rate, 1000000, SEC, 5));
	/* After a long rest no more than at first. */
	rate = (struct rate){ 0 };
	assert_true(rate_take(&rate, 2, SEC, 0));
	assert_true(rate_take(&rate, 2, SEC, 1000 * SEC));
	assert_true(rate_take(&rate, 2, SEC, 1000 * SEC));
	assert_false(rate_take(&rate, 2, SEC, 1000 * SEC));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_burst),
		cmocka_unit_test(test_over_time),
		cmocka_unit_test(test_extremes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
