/* SPDX-License-Identifier: Apache-2.0 */
#include "front/vhost/vsock_hold.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#define NOW_NS TSK_NS_PER_SEC

static void take(struct vsock_hold *hold, unsigned op)
{
	struct vsock_header header = { .op = (uint16_t)op };

	vsock_hold_add(hold, 2, &header);
}

static void data_waits_for_something_to_give(void **state)
{
	struct vsock_hold hold = { 0 };

	(void)state;
	assert_false(vsock_hold_waits(&hold, false, NOW_NS));
	take(&hold, VSOCK_OP_RW);
	take(&hold, VSOCK_OP_CREDIT_UPDATE);
	vsock_hold_add(&hold, 1, NULL);
	assert_true(vsock_hold_waits(&hold, false, NOW_NS));
	assert_false(vsock_hold_waits(&hold, true, NOW_NS + 1));
	/* That was all. */
	assert_int_equal(vsock_hold_deadline_ns(&hold), UINT64_MAX);
	assert_false(vsock_hold_waits(&hold, false, NOW_NS + 2));
}

static void a_packet_that_changes_a_connection_does_not_wait(void **state)
{
	static const unsigned ops[] = { VSOCK_OP_REQUEST,  VSOCK_OP_RESPONSE,       VSOCK_OP_RST,
					VSOCK_OP_SHUTDOWN, VSOCK_OP_CREDIT_REQUEST, 77 };

	(void)state;
	for (size_t i = 0; i < sizeof(ops) / sizeof(*ops); i++) {
		struct vsock_hold hold = { 0 };

		take(&hold, VSOCK_OP_RW);
		assert_true(vsock_hold_waits(&hold, false, NOW_NS));
		take(&hold, ops[i]);
		take(&hold, VSOCK_OP_RW);
		assert_false(vsock_hold_waits(&hold, false, NOW_NS));
		take(&hold, VSOCK_OP_RW);
		assert_true(vsock_hold_waits(&hold, false, NOW_NS));
	}
}

static void only_so_many_wait(void **state)
{
	struct vsock_hold hold = { 0 };
	unsigned n = 0;

	(void)state;
	do {
		take(&hold, VSOCK_OP_RW);
		n += 2;
	} while (vsock_hold_waits(&hold, false, NOW_NS));
	assert_int_equal(n, VSOCK_HOLD_PIECES_MAX);
}

static void not_for_long(void **state)
{
	struct vsock_hold hold = { 0 };
	uint64_t deadline_ns = NOW_NS + VSOCK_HOLD_NS;

	(void)state;
	take(&hold, VSOCK_OP_RW);
	assert_true(vsock_hold_waits(&hold, false, NOW_NS));
	take(&hold, VSOCK_OP_RW);
	assert_true(vsock_hold_waits(&hold, false, deadline_ns - 1));
	assert_int_equal(vsock_hold_deadline_ns(&hold), deadline_ns);
	assert_false(vsock_hold_waits(&hold, false, deadline_ns));
}

static void who_waits_in_vain_is_spared_it_for_a_while(void **state)
{
	struct vsock_hold hold = { 0 };

	(void)state;
	take(&hold, VSOCK_OP_RW);
	assert_true(vsock_hold_waits(&hold, false, NOW_NS));
	vsock_hold_expired(&hold);
	for (unsigned i = 0; i < VSOCK_HOLD_PAUSE; i++) {
		assert_false(vsock_hold_waits(&hold, false, NOW_NS + VSOCK_HOLD_NS));
		/* Turns in which nothing was taken do not count. */
		assert_false(vsock_hold_waits(&hold, false, NOW_NS + VSOCK_HOLD_NS));
		take(&hold, VSOCK_OP_RW);
	}
	assert_true(vsock_hold_waits(&hold, false, NOW_NS + VSOCK_HOLD_NS));
}

static void nothing_is_held_for_a_driver_that_has_gone(void **state)
{
	struct vsock_hold hold = { 0 };

	(void)state;
	take(&hold, VSOCK_OP_RW);
	assert_true(vsock_hold_waits(&hold, false, NOW_NS));
	vsock_hold_reset(&hold);
	assert_int_equal(vsock_hold_deadline_ns(&hold), UINT64_MAX);
	assert_false(vsock_hold_waits(&hold, false, NOW_NS));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(data_waits_for_something_to_give),
		cmocka_unit_test(a_packet_that_changes_a_connection_does_not_wait),
		cmocka_unit_test(only_so_many_wait),
		cmocka_unit_test(not_for_long),
		cmocka_unit_test(who_waits_in_vain_is_spared_it_for_a_while),
		cmocka_unit_test(nothing_is_held_for_a_driver_that_has_gone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
