/* SPDX-License-Identifier: Apache-2.0 */
#include "front/vhost/vsock_pause.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static void time_stands_still(void **state)
{
	struct vsock_pause pause = { 0 };

	(void)state;
	assert_int_equal(vsock_pause_time_ns(&pause, 100), 100);
	vsock_pause_end(&pause, 100);
	vsock_pause_begin(&pause, 110);
	assert_int_equal(vsock_pause_time_ns(&pause, 150), 110);
	/* The second queue of the two. */
	vsock_pause_begin(&pause, 160);
	assert_int_equal(vsock_pause_time_ns(&pause, 170), 110);
	vsock_pause_end(&pause, 210);
	assert_int_equal(vsock_pause_time_ns(&pause, 210), 110);
	assert_int_equal(vsock_pause_time_ns(&pause, 215), 115);
	vsock_pause_begin(&pause, 220);
	vsock_pause_end(&pause, 1220);
	assert_int_equal(vsock_pause_time_ns(&pause, 1221), 121);
}

static void how_the_queues_begin_tells(void **state)
{
	static const enum vhost_begin anew = VHOST_BEGINS_ANEW, unused = VHOST_BEGINS_UNUSED,
				      again = VHOST_BEGINS_AGAIN;
	static const enum vsock_pause_verdict open = VSOCK_PAUSE_OPEN, over = VSOCK_PAUSE_OVER,
					      new = VSOCK_PAUSE_NEW;
	const struct {
		enum vhost_begin first, second;
		enum vsock_pause_verdict one, both;
	} cases[] = {
		{ again, again, open, over },  { again, unused, open, over },
		{ unused, again, open, over }, { unused, unused, open, new },
		{ anew, again, new, new },     { again, anew, open, new },
		{ unused, anew, open, new },   { anew, anew, new, new },
	};

	(void)state;
	for (unsigned i = 0; i < 2 * ARRAY_SIZE(cases); i++) {
		struct vsock_pause pause = { 0 };
		unsigned c = i / 2, q = i % 2;

		assert_int_equal(vsock_pause_started(&pause, q, cases[c].first, true), open);
		vsock_pause_begin(&pause, 1);
		assert_int_equal(vsock_pause_started(&pause, q, cases[c].first, false),
				 cases[c].one);
		/* A driver that is known to be new is not asked any more. */
		if (cases[c].one == open)
			assert_int_equal(vsock_pause_started(&pause, 1 - q, cases[c].second, true),
					 cases[c].both);
	}
}

/* A queue that has not stopped shows that the driver is there. */
static void one_queue_alone_may_stop(void **state)
{
	struct vsock_pause pause = { 0 };

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		/* As little is known as at first, whatever the pause before has shown. */
		vsock_pause_begin(&pause, 1);
		assert_int_equal(vsock_pause_started(&pause, i, VHOST_BEGINS_UNUSED, true),
				 VSOCK_PAUSE_OVER);
		vsock_pause_end(&pause, 2);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(time_stands_still),
		cmocka_unit_test(how_the_queues_begin_tells),
		cmocka_unit_test(one_queue_alone_may_stop),
	};

	return cmocka_run_group_tests_name("vsock_pause", tests, NULL, NULL);
}
