/* SPDX-License-Identifier: Apache-2.0 */
#include "front/vhost/vsock_credit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static int hear(struct vsock_credit *c, uint32_t buf_alloc, uint32_t fwd_cnt)
{
	struct vsock_header h = { .buf_alloc = buf_alloc, .fwd_cnt = fwd_cnt };

	return vsock_credit_hear(c, &h);
}

static uint32_t tell(struct vsock_credit *c)
{
	struct vsock_header h = { 0 };

	vsock_credit_tell(c, &h);
	assert_int_equal(h.buf_alloc, VSOCK_BUF_ALLOC);
	return h.fwd_cnt;
}

static void nothing_goes_without_credit(void **state)
{
	struct vsock_credit c = { .wide = true };

	(void)state;
	assert_int_equal(vsock_credit_left(&c), 0);
	assert_int_equal(vsock_credit_receive(&c, 0), 0);
	/* Before our first packet the guest has not heard of any buffer. */
	assert_int_equal(vsock_credit_receive(&c, 1), -EPROTO);
}

static void to_the_guest_it_is_exact(void **state)
{
	struct vsock_credit c = { .wide = true };

	(void)state;
	assert_int_equal(hear(&c, 1000, 0), 0);
	assert_int_equal(vsock_credit_left(&c), 1000);
	vsock_credit_sent(&c, 999);
	assert_int_equal(vsock_credit_left(&c), 1);
	vsock_credit_sent(&c, 1);
	assert_int_equal(vsock_credit_left(&c), 0);
	assert_int_equal(hear(&c, 1000, 400), 0);
	assert_int_equal(vsock_credit_left(&c), 400);
}

static void a_shrinking_buffer_gives_none(void **state)
{
	struct vsock_credit c = { .wide = true };

	(void)state;
	assert_int_equal(hear(&c, 1000, 0), 0);
	vsock_credit_sent(&c, 600);
	assert_int_equal(hear(&c, 100, 0), 0);
	assert_int_equal(vsock_credit_left(&c), 0);
	assert_int_equal(hear(&c, 100, 550), 0);
	assert_int_equal(vsock_credit_left(&c), 50);
	assert_int_equal(hear(&c, 0, 600), 0);
	assert_int_equal(vsock_credit_left(&c), 0);
}

static void both_counters_wrap(void **state)
{
	struct vsock_credit c = { .wide = true,
				  .sent = UINT32_MAX - 9,
				  .peer_fwd = UINT32_MAX - 9,
				  .received = UINT32_MAX - 99,
				  .fwd = UINT32_MAX - 99,
				  .told_fwd = UINT32_MAX - 99 };

	(void)state;
	assert_int_equal(hear(&c, 50, UINT32_MAX - 9), 0);
	vsock_credit_sent(&c, 30);
	assert_int_equal(c.sent, 20);
	assert_int_equal(vsock_credit_left(&c), 20);
	assert_int_equal(hear(&c, 50, 5), 0);
	assert_int_equal(vsock_credit_left(&c), 35);

	assert_true(tell(&c) == UINT32_MAX - 99);
	assert_int_equal(vsock_credit_receive(&c, VSOCK_BUF_ALLOC), 0);
	assert_int_equal(vsock_credit_receive(&c, 1), -EPROTO);
	vsock_credit_pass_on(&c, 200);
	assert_int_equal(tell(&c), 100);
	assert_int_equal(vsock_credit_receive(&c, 201), -EPROTO);
	assert_int_equal(vsock_credit_receive(&c, 200), 0);
}

static void a_guest_cannot_have_taken_what_was_not_sent(void **state)
{
	struct vsock_credit c = { .wide = true };

	(void)state;
	assert_int_equal(hear(&c, 1000, 1), -EPROTO);
	assert_int_equal(hear(&c, 1000, 0), 0);
	vsock_credit_sent(&c, 10);
	assert_int_equal(hear(&c, 1000, 11), -EPROTO);
	assert_int_equal(hear(&c, 1000, 0x7fffffff), -EPROTO);
	assert_int_equal(hear(&c, 1000, 10), 0);
	assert_int_equal(vsock_credit_left(&c), 1000);
}

static void an_older_count_is_passed_over(void **state)
{
	struct vsock_credit c = { .wide = true };

	(void)state;
	assert_int_equal(hear(&c, 1000, 0), 0);
	vsock_credit_sent(&c, 800);
	assert_int_equal(hear(&c, 1000, 700), 0);
	assert_int_equal(hear(&c, 1000, 600), 0);
	assert_int_equal(vsock_credit_left(&c), 900);
}

static void a_huge_buffer_does_not_confuse_the_counters(void **state)
{
	struct vsock_credit c = { .wide = true };
	uint64_t sent = 0;

	(void)state;
	assert_int_equal(hear(&c, UINT32_MAX, 0), 0);
	while (vsock_credit_left(&c)) {
		uint32_t n = vsock_credit_left(&c) < 65536 ? vsock_credit_left(&c) : 65536;

		vsock_credit_sent(&c, n);
		sent += n;
		assert_true(sent <= UINT32_MAX);
	}
	assert_int_equal(hear(&c, UINT32_MAX, 0), 0);
	assert_int_equal(hear(&c, UINT32_MAX, c.sent), 0);
	assert_int_equal(hear(&c, UINT32_MAX, c.sent + 1), -EPROTO);
}

static void a_guest_may_not_exceed_what_it_has_heard(void **state)
{
	struct vsock_credit c = { .wide = true };

	(void)state;
	tell(&c);
	assert_int_equal(vsock_credit_receive(&c, VSOCK_BUF_ALLOC + 1), -EPROTO);
	assert_int_equal(vsock_credit_receive(&c, VSOCK_BUF_ALLOC), 0);
	/* There is room, but the guest cannot know. */
	vsock_credit_pass_on(&c, VSOCK_BUF_ALLOC);
	assert_int_equal(vsock_credit_receive(&c, 1), -EPROTO);
	tell(&c);
	assert_int_equal(vsock_credit_receive(&c, VSOCK_BUF_ALLOC), 0);
}

static void an_update_is_due_before_the_guest_stalls(void **state)
{
	struct vsock_credit c = { .wide = true };

	(void)state;
	tell(&c);
	assert_false(vsock_credit_update_due(&c));
	assert_int_equal(vsock_credit_receive(&c, 65536), 0);
	vsock_credit_pass_on(&c, 65536);
	assert_false(vsock_credit_update_due(&c));
	assert_int_equal(vsock_credit_receive(&c, 131071), 0);
	assert_false(vsock_credit_update_due(&c));
	assert_int_equal(vsock_credit_receive(&c, 1), 0);
	assert_true(vsock_credit_update_due(&c));
	tell(&c);
	/* Nothing new to tell. */
	assert_int_equal(vsock_credit_receive(&c, VSOCK_BUF_ALLOC - 131072), 0);
	assert_false(vsock_credit_update_due(&c));
	vsock_credit_pass_on(&c, 1);
	assert_true(vsock_credit_update_due(&c));
}

static void a_small_window_is_kept_to_and_can_become_a_wide_one(void **state)
{
	struct vsock_header h = { 0 };
	struct vsock_credit c = { 0 };

	(void)state;
	vsock_credit_tell(&c, &h);
	assert_int_equal(h.buf_alloc, VSOCK_BUF_ALLOC_MIN);
	assert_int_equal(vsock_credit_receive(&c, VSOCK_BUF_ALLOC_MIN), 0);
	assert_int_equal(vsock_credit_receive(&c, 1), -EPROTO);
	assert_false(vsock_credit_update_due(&c));
	c.wide = true;
	/* The guest does not know yet. */
	assert_int_equal(vsock_credit_receive(&c, 1), -EPROTO);
	assert_true(vsock_credit_update_due(&c));
	assert_int_equal(tell(&c), 0);
	assert_false(vsock_credit_update_due(&c));
	assert_int_equal(vsock_credit_receive(&c, VSOCK_BUF_ALLOC - VSOCK_BUF_ALLOC_MIN), 0);
	assert_int_equal(vsock_credit_receive(&c, 1), -EPROTO);
}

/* A guest that has no more under way than its own buffer would hold stalls earlier. */
static void an_update_is_due_before_a_guest_of_a_small_buffer_stalls(void **state)
{
	static const uint32_t sizes[] = { 1, 2, 3, 128, 4096, 65536, VSOCK_BUF_ALLOC };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct vsock_credit c = { .wide = true };

		tell(&c);
		assert_int_equal(hear(&c, sizes[i], 0), 0);
		assert_int_equal(vsock_credit_receive(&c, sizes[i]), 0);
		assert_false(vsock_credit_update_due(&c));
		vsock_credit_pass_on(&c, sizes[i]);
		assert_true(vsock_credit_update_due(&c));
		tell(&c);
		assert_false(vsock_credit_update_due(&c));
	}
}

static void a_guest_without_a_buffer_gets_its_updates(void **state)
{
	struct vsock_credit c = { .wide = true };

	(void)state;
	tell(&c);
	assert_int_equal(hear(&c, 0, 0), 0);
	assert_int_equal(vsock_credit_receive(&c, 196607), 0);
	vsock_credit_pass_on(&c, 196607);
	assert_false(vsock_credit_update_due(&c));
	assert_int_equal(vsock_credit_receive(&c, 1), 0);
	assert_true(vsock_credit_update_due(&c));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_goes_without_credit),
		cmocka_unit_test(to_the_guest_it_is_exact),
		cmocka_unit_test(a_shrinking_buffer_gives_none),
		cmocka_unit_test(both_counters_wrap),
		cmocka_unit_test(a_guest_cannot_have_taken_what_was_not_sent),
		cmocka_unit_test(an_older_count_is_passed_over),
		cmocka_unit_test(a_huge_buffer_does_not_confuse_the_counters),
		cmocka_unit_test(a_guest_may_not_exceed_what_it_has_heard),
		cmocka_unit_test(an_update_is_due_before_the_guest_stalls),
		cmocka_unit_test(a_small_window_is_kept_to_and_can_become_a_wide_one),
		cmocka_unit_test(an_update_is_due_before_a_guest_of_a_small_buffer_stalls),
		cmocka_unit_test(a_guest_without_a_buffer_gets_its_updates),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
