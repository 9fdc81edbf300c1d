/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/penalty.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/clock.h"

#define MS TSK_NS_PER_MS
#define SEC TSK_NS_PER_SEC

/* Crashes, one a millisecond from *now_ns on, until there is a penalty: how long it is. */
static uint64_t crash_on(struct penalty *penalty, uint64_t max, uint64_t *now_ns, unsigned *ret_n)
{
	uint64_t ms = 0;

	for (*ret_n = 0; *ret_n < 10000 && !ms; (*ret_n)++, *now_ns += MS)
		ms = penalty_crash(penalty, 1, max, *now_ns);
	return ms;
}

static void test_threshold(void **state)
{
	struct penalty penalty = { 0 };
	uint64_t now = 1000 * SEC;
	unsigned n;

	(void)state;
	assert_int_equal(penalty_left_ms(&penalty, now), 0);
	assert_int_equal(crash_on(&penalty, 100, &now, &n), 1000);
	assert_int_equal(n, 101);
	assert_int_equal(penalty_left_ms(&penalty, now), 999);
	assert_int_equal(penalty_left_ms(&penalty, now + 998 * MS + 1), 1);
	assert_int_equal(penalty_left_ms(&penalty, now + 999 * MS), 0);
	/* What goes down meanwhile makes it no longer. */
	assert_int_equal(penalty_crash(&penalty, 1, 100, now), 0);
	assert_int_equal(penalty_left_ms(&penalty, now), 999);
}

/* Twice as long each time, to a bound; and it takes ever fewer crashes. */
static void test_doubling(void **state)
{
	static const uint64_t want_ms[] = { 1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000 };
	struct penalty penalty = { 0 };
	uint64_t now = 1000 * SEC;
	unsigned n;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(want_ms); i++) {
		assert_int_equal(crash_on(&penalty, 100, &now, &n), want_ms[i]);
		assert_true(n <= 102);
		now += want_ms[i] * MS;
		assert_int_equal(penalty_left_ms(&penalty, now), 0);
	}
}

/* Who behaves has it forgotten. */
static void test_recovery(void **state)
{
	struct penalty penalty = { 0 };
	uint64_t now = 1000 * SEC;
	unsigned n;

	(void)state;
	(void)crash_on(&penalty, 100, &now, &n);
	now += SEC;
	(void)crash_on(&penalty, 100, &now, &n);
	assert_in_range(n, 1, 3);
	now += 700 * SEC;
	assert_int_equal(crash_on(&penalty, 100, &now, &n), 1000);
	assert_int_equal(n, 101);
}

/* Some now and then are for free. */
static void test_seldom(void **state)
{
	struct penalty penalty = { 0 };

	(void)state;
	for (uint64_t now = 0; now < 3600 * SEC; now += SEC)
		assert_int_equal(penalty_crash(&penalty, 1, 60, now), 0);
}

static void test_fronts(void **state)
{
	struct penalty penalty = { 0 };
	uint64_t now = SEC;

	(void)state;
	for (int i = 0; i < 10; i++)
		assert_int_equal(penalty_crash(&penalty, PENALTY_FRONT, 100, now), 0);
	assert_int_equal(penalty_crash(&penalty, PENALTY_FRONT, 100, now), 1000);
}

static void test_off(void **state)
{
	struct penalty penalty = { 0 };

	(void)state;
	for (int i = 0; i < 10000; i++)
		assert_int_equal(penalty_crash(&penalty, PENALTY_FRONT, 0, SEC), 0);
	assert_int_equal(penalty_left_ms(&penalty, SEC), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_threshold), cmocka_unit_test(test_doubling),
		cmocka_unit_test(test_recovery),  cmocka_unit_test(test_seldom),
		cmocka_unit_test(test_fronts),    cmocka_unit_test(test_off),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
