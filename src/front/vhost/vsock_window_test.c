/* SPDX-License-Identifier: Apache-2.0 */
#include "front/vhost/vsock_window.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

/* As many messages of len bytes as may be sent. */
static unsigned fill(struct vsock_window *w, struct vsock_credit *c, uint32_t len)
{
	unsigned n = 0;

	while (vsock_window_is_open(w, c) && n < 10000) {
		c->sent += len;
		assert_int_equal(vsock_window_sent(w, c, len == 0), 0);
		n++;
	}
	return n;
}

/* The guest has passed on up to here. */
static void hear(struct vsock_window *w, struct vsock_credit *c, uint32_t fwd)
{
	c->peer_fwd = fwd;
	vsock_window_hear(w, c);
}

static void the_guests_buffer_says_how_many(void **state)
{
	static const struct {
		uint32_t alloc;
		unsigned n;
	} cases[] = { { 262144, 256 }, { 1u << 30, 256 }, { 65536, 64 }, { 65535, 63 },
		      { 2048, 2 },     { 1023, 1 },       { 1, 1 },      { 0, 1 } };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct vsock_credit c = { .peer_alloc = cases[i].alloc };
		struct vsock_window w = { 0 };

		assert_int_equal(fill(&w, &c, 1), cases[i].n);
		hear(&w, &c, c.sent);
		assert_int_equal(fill(&w, &c, 1), cases[i].n);
	}
}

static void never_more_than_that_are_unread(void **state)
{
	/* The counters wrap on the way. */
	struct vsock_credit c = { .peer_alloc = 262144, .sent = UINT32_MAX - 5000 };
	struct vsock_window w = { .older_end = c.sent };
	uint32_t fwd = c.sent;

	(void)state;
	for (unsigned i = 0; i < 100000; i++) {
		uint32_t unread;

		(void)fill(&w, &c, 7);
		unread = (c.sent - fwd) / 7;
		assert_in_range(unread, 1, VSOCK_WINDOW_MAX);
		/* It reads some, in any steps. */
		fwd += 7 * (i * 31 % (unread + 1));
		hear(&w, &c, fwd);
	}
	hear(&w, &c, c.sent);
	assert_int_equal(fill(&w, &c, 7), VSOCK_WINDOW_MAX);
}

static void half_of_it_opens_when_half_is_read(void **state)
{
	struct vsock_credit c = { .peer_alloc = 262144 };
	struct vsock_window w = { 0 };

	(void)state;
	assert_int_equal(fill(&w, &c, 10), 256);
	hear(&w, &c, 1279);
	assert_int_equal(fill(&w, &c, 10), 0);
	hear(&w, &c, 1280);
	assert_int_equal(fill(&w, &c, 10), 128);
	hear(&w, &c, 2560);
	assert_int_equal(fill(&w, &c, 10), 128);
}

static void a_row_of_empty_messages_ends(void **state)
{
	struct vsock_credit c = { .peer_alloc = 262144 };
	struct vsock_window w = { 0 };

	(void)state;
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < VSOCK_WINDOW_EMPTIES_MAX; i++) {
			assert_true(vsock_window_is_open(&w, &c));
			assert_int_equal(vsock_window_sent(&w, &c, true), 0);
		}
		c.sent++;
		assert_int_equal(vsock_window_sent(&w, &c, false), 0);
		/* Those behind a byte that has not been read are counted. */
		hear(&w, &c, c.sent);
	}
	for (unsigned i = 0; i < VSOCK_WINDOW_EMPTIES_MAX; i++)
		assert_int_equal(vsock_window_sent(&w, &c, true), 0);
	assert_int_equal(vsock_window_sent(&w, &c, true), -ENOBUFS);
}

static void empty_messages_are_counted_behind_unread_bytes(void **state)
{
	struct vsock_credit c = { .peer_alloc = 65536 };
	struct vsock_window w = { 0 };

	(void)state;
	c.sent = 1;
	assert_int_equal(vsock_window_sent(&w, &c, false), 0);
	assert_int_equal(fill(&w, &c, 0), 63);
	hear(&w, &c, 0);
	assert_false(vsock_window_is_open(&w, &c));
	hear(&w, &c, 1);
	assert_true(vsock_window_is_open(&w, &c));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_guests_buffer_says_how_many),
		cmocka_unit_test(never_more_than_that_are_unread),
		cmocka_unit_test(half_of_it_opens_when_half_is_read),
		cmocka_unit_test(a_row_of_empty_messages_ends),
		cmocka_unit_test(empty_messages_are_counted_behind_unread_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
