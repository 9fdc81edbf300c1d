/* SPDX-License-Identifier: Apache-2.0 */
#include "base/affinity.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <time.h>

#include <cmocka.h>

static void rest(void)
{
	const struct timespec ts = { .tv_nsec = 6000000 };

	nanosleep(&ts, NULL);
}

/* How many CPUs this thread may run on, and whether `cpu` - 1 is one of them. */
static int count(uint32_t cpu)
{
	cpu_set_t set;

	assert_int_equal(sched_getaffinity(0, sizeof(set), &set), 0);
	assert_true(!cpu || CPU_ISSET(cpu - 1, &set));
	return CPU_COUNT(&set);
}

/* The n-th CPU that there is, plus 1. */
static uint32_t nth(const struct affinity *p, int n)
{
	for (uint32_t cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (CPU_ISSET(cpu, &p->all) && n-- == 0)
			return cpu + 1;
	}
	fail();
	return 0;
}

static void begin(struct affinity *p)
{
	affinity_init(p);
	if (p->is_off)
		skip();
}

static void binds_and_lets_go(void **state)
{
	struct affinity p;
	int all = count(0);

	(void)state;
	begin(&p);
	affinity_bind(&p, nth(&p, 1));
	assert_int_equal(count(nth(&p, 1)), 1);
	affinity_bind(&p, 0);
	assert_int_equal(count(0), all);
}

static void rests_between_two(void **state)
{
	struct affinity p;

	(void)state;
	begin(&p);
	affinity_bind(&p, nth(&p, 0));
	affinity_bind(&p, nth(&p, 1));
	assert_int_equal(count(nth(&p, 0)), 1);
	rest();
	affinity_bind(&p, nth(&p, 1));
	assert_int_equal(count(nth(&p, 1)), 1);
	/* Letting go does not wait, and binding again does. */
	affinity_bind(&p, 0);
	affinity_bind(&p, nth(&p, 0));
	assert_int_equal(count(0), CPU_COUNT(&p.all));
}

static void goes_nowhere_else(void **state)
{
	struct affinity p;
	int all = count(0);

	(void)state;
	begin(&p);
	affinity_bind(&p, CPU_SETSIZE + 1);
	affinity_bind(&p, UINT32_MAX);
	assert_int_equal(count(0), all);
	/* Where it might not run at its beginning it does not go, though it could. */
	CPU_CLR(nth(&p, 1) - 1, &p.all);
	affinity_bind(&p, nth(&p, 0));
	rest();
	p.all = (cpu_set_t){ 0 };
	CPU_SET(p.cpu - 1, &p.all);
	affinity_bind(&p, p.cpu + 1);
	assert_int_equal(p.cpu, 0);
	assert_int_equal(count(0), 1);
}

static int let_go(void **state)
{
	cpu_set_t set;

	(void)state;
	for (uint32_t cpu = 0; cpu < CPU_SETSIZE; cpu++)
		CPU_SET(cpu, &set);
	return sched_setaffinity(0, sizeof(set), &set);
}

static void has_no_choice(void **state)
{
	struct affinity p;
	cpu_set_t one;

	(void)state;
	begin(&p);
	CPU_ZERO(&one);
	CPU_SET(nth(&p, 0) - 1, &one);
	assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
	affinity_init(&p);
	assert_true(p.is_off);
	affinity_bind(&p, nth(&p, 0));
	assert_int_equal(p.cpu, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(binds_and_lets_go, let_go),
		cmocka_unit_test_teardown(rests_between_two, let_go),
		cmocka_unit_test_teardown(goes_nowhere_else, let_go),
		cmocka_unit_test_teardown(has_no_choice, let_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
