/* SPDX-License-Identifier: Apache-2.0 */
#include "front/vhost/vsock_pace.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static void a_guest_that_never_answers_is_not_held_up(void **state)
{
	struct vsock_pace p = { 0 };

	(void)state;
	assert_false(vsock_pace_ask_due(&p, VSOCK_PACE_ASK_BYTES - 1));
	assert_true(vsock_pace_ask_due(&p, VSOCK_PACE_ASK_BYTES));
	vsock_pace_answered(&p); /* nothing was asked */
	assert_true(vsock_pace_left(&p, 1u << 30) == UINT32_MAX);
	vsock_pace_asked(&p, VSOCK_PACE_ASK_BYTES);
	assert_false(vsock_pace_ask_due(&p, 1u << 30));
	assert_true(vsock_pace_left(&p, 1u << 30) == UINT32_MAX);
}

static void so_much_goes_beyond_what_was_answered(void **state)
{
	struct vsock_pace p = { 0 };

	(void)state;
	vsock_pace_asked(&p, 1000);
	vsock_pace_answered(&p);
	assert_int_equal(vsock_pace_left(&p, 1000), VSOCK_PACE_BYTES);
	assert_int_equal(vsock_pace_left(&p, 1500), VSOCK_PACE_BYTES - 500);
	assert_int_equal(vsock_pace_left(&p, 1000 + VSOCK_PACE_BYTES), 0);
	/* More than that, which went before anybody paced it, and none for ever. */
	assert_int_equal(vsock_pace_left(&p, 1000 + (1u << 28)), 0);
	assert_true(vsock_pace_ask_due(&p, 1000 + (1u << 28)));
	vsock_pace_asked(&p, 1000 + (1u << 28));
	vsock_pace_answered(&p);
	assert_int_equal(vsock_pace_left(&p, 1000 + (1u << 28)), VSOCK_PACE_BYTES);
}

static void the_count_wraps(void **state)
{
	struct vsock_pace p = { .passed = UINT32_MAX - 9, .answers = true };

	(void)state;
	assert_int_equal(vsock_pace_left(&p, 10), VSOCK_PACE_BYTES - 20);
	assert_false(vsock_pace_ask_due(&p, VSOCK_PACE_ASK_BYTES - 11));
	assert_true(vsock_pace_ask_due(&p, VSOCK_PACE_ASK_BYTES - 10));
}

/* Whenever nothing may go, a request is out or due. */
static void it_never_stalls(void **state)
{
	struct vsock_pace p = { 0 };
	uint32_t sent = 0;

	(void)state;
	for (unsigned i = 0; i < 1000000; i++) {
		uint32_t left = vsock_pace_left(&p, sent);

		if (vsock_pace_ask_due(&p, sent))
			vsock_pace_asked(&p, sent);
		assert_true(left || p.asking);
		if (i % 7 == 0)
			vsock_pace_answered(&p);
		if (left)
			sent += left < i % 5000 ? left : i % 5000;
	}
	assert_true(p.answers);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_guest_that_never_answers_is_not_held_up),
		cmocka_unit_test(so_much_goes_beyond_what_was_answered),
		cmocka_unit_test(the_count_wraps),
		cmocka_unit_test(it_never_stalls),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
