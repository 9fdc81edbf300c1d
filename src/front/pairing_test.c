/* SPDX-License-Identifier: Apache-2.0 */
#include "front/pairing.h"

#include "base/testing.h"

/* How many CPUs this thread may run on. */
static int count(void)
{
	cpu_set_t set;

	assert_int_equal(sched_getaffinity(0, sizeof(set), &set), 0);
	return CPU_COUNT(&set);
}

static void begin(struct pairing *pairing, uv_loop_t *loop)
{
	assert_int_equal(uv_loop_init(loop), 0);
	assert_int_equal(pairing_init(pairing, loop), 0);
}

static void end(struct pairing *pairing, uv_loop_t *loop)
{
	pairing_done(pairing);
	uv_run(loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(loop), 0);
}

static void test_stays_while_wanted(void **state)
{
	struct pairing pairing;
	uv_loop_t loop;
	uint32_t cpu;
	int all;

	(void)state;
	begin(&pairing, &loop);
	all = count();
	assert_int_equal(pairing_choose(&pairing, false), 0);
	assert_int_equal(count(), all);
	cpu = pairing_choose(&pairing, true);
	if (pairing.affinity.is_off) {
		assert_int_equal(cpu, 0);
		end(&pairing, &loop);
		skip();
	}
	assert_int_equal(cpu, affinity_here());
	assert_int_equal(count(), 1);
	assert_int_equal(pairing_choose(&pairing, true), cpu);
	/* At once, and then no timer runs. */
	assert_int_equal(pairing_choose(&pairing, false), 0);
	assert_int_equal(count(), all);
	assert_false(uv_is_active((uv_handle_t *)pairing.timer));
	end(&pairing, &loop);
}

static void test_lets_go_after_a_while(void **state)
{
	struct pairing pairing;
	uv_loop_t loop;
	int all;

	(void)state;
	begin(&pairing, &loop);
	all = count();
	(void)pairing_choose(&pairing, true);
	/* Until nothing is to be waited for. */
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(pairing.affinity.cpu, 0);
	assert_int_equal(count(), all);
	end(&pairing, &loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TSK_TEST(test_stays_while_wanted),
		TSK_TEST(test_lets_go_after_a_while),
	};
	uv_loop_t first;

	/* libuv opens what all loops share with the first one, for ever. */
	if (uv_loop_init(&first) < 0 || uv_loop_close(&first) < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
