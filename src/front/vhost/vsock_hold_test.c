/* SPDX-License-Identifier: Apache-2.0 */
#include "front/vhost/vsock_hold.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#define NOW_NS TSK_NS_PER_SEC

static void a_signal_waits_until_the_driver_has_looked(void **state)
{
	struct vsock_hold hold = { 0 };

	(void)state;
	assert_int_equal(vsock_hold_deadline_ns(&hold), UINT64_MAX);
	vsock_hold_add(&hold, 2);
	assert_true(vsock_hold_waits(&hold, NOW_NS));
	assert_int_equal(vsock_hold_deadline_ns(&hold), NOW_NS + VSOCK_HOLD_NS);
	vsock_hold_drop(&hold);
	assert_int_equal(vsock_hold_deadline_ns(&hold), UINT64_MAX);
	/* The next one has all the time again. */
	vsock_hold_add(&hold, VSOCK_HOLD_PIECES_MAX - 1);
	assert_true(vsock_hold_waits(&hold, NOW_NS + VSOCK_HOLD_NS));
}

static void it_waits_only_for_so_many_buffers(void **state)
{
	struct vsock_hold hold = { 0 };
	unsigned n = 0;

	(void)state;
	do {
		vsock_hold_add(&hold, 2);
		n += 2;
	} while (vsock_hold_waits(&hold, NOW_NS));
	assert_int_equal(n, VSOCK_HOLD_PIECES_MAX);
	assert_int_equal(vsock_hold_deadline_ns(&hold), UINT64_MAX);
	vsock_hold_add(&hold, 2);
	assert_true(vsock_hold_waits(&hold, NOW_NS));
}

static void and_not_for_long(void **state)
{
	struct vsock_hold hold = { 0 };

	(void)state;
	vsock_hold_add(&hold, 1);
	assert_true(vsock_hold_waits(&hold, NOW_NS));
	vsock_hold_add(&hold, 1);
	assert_true(vsock_hold_waits(&hold, NOW_NS + VSOCK_HOLD_NS - 1));
	assert_false(vsock_hold_waits(&hold, NOW_NS + VSOCK_HOLD_NS));
}

static void hold_in_vain(struct vsock_hold *hold)
{
	vsock_hold_add(hold, 1);
	assert_true(vsock_hold_waits(hold, NOW_NS));
	assert_false(vsock_hold_waits(hold, NOW_NS + VSOCK_HOLD_NS));
}

static void a_driver_that_waits_is_spared_it_for_a_while(void **state)
{
	struct vsock_hold hold = { 0 };

	(void)state;
	for (unsigned i = 0; i < VSOCK_HOLD_VAIN; i++)
		hold_in_vain(&hold);
	for (unsigned i = 0; i < VSOCK_HOLD_PAUSE; i++) {
		vsock_hold_add(&hold, 1);
		assert_false(vsock_hold_waits(&hold, NOW_NS));
		assert_int_equal(vsock_hold_deadline_ns(&hold), UINT64_MAX);
		vsock_hold_drop(&hold);
	}
	hold_in_vain(&hold);
}

static void one_that_looks_now_and_then_is_not(void **state)
{
	struct vsock_hold hold = { 0 };

	(void)state;
	for (unsigned i = 0; i < 3 * VSOCK_HOLD_VAIN; i++) {
		hold_in_vain(&hold);
		if (i % (VSOCK_HOLD_VAIN - 1) != 0)
			continue;
		vsock_hold_add(&hold, 1);
		assert_true(vsock_hold_waits(&hold, NOW_NS));
		vsock_hold_drop(&hold);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_signal_waits_until_the_driver_has_looked),
		cmocka_unit_test(it_waits_only_for_so_many_buffers),
		cmocka_unit_test(and_not_for_long),
		cmocka_unit_test(a_driver_that_waits_is_spared_it_for_a_while),
		cmocka_unit_test(one_that_looks_now_and_then_is_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
