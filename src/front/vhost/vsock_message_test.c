/* SPDX-License-Identifier: Apache-2.0 */
#include "front/vhost/vsock_message.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

#include "front/vhost/iov.h"

static unsigned char bytes[VSOCK_MESSAGE_MAX + 1];

static int add(struct vsock_messages *m, unsigned char first, size_t len, bool ends)
{
	struct iovec iov[2] = { { bytes, len / 3 }, { bytes + len / 3, len - len / 3 } };

	for (size_t i = 0; i < len; i++)
		bytes[i] = (unsigned char)(first + i);
	return vsock_messages_add(m, iov, len ? 2 : 0, ends);
}

/* The first message is first, first + 1 ... of this length; it is taken. */
static void take(struct vsock_messages *m, unsigned char first, size_t len)
{
	static unsigned char got[VSOCK_MESSAGE_MAX + 1];
	struct iovec iov[VSOCK_BUFFER_PIECES];
	unsigned n;

	assert_true(vsock_messages_ready(m));
	n = vsock_messages_first(m, iov);
	assert_int_equal(n > 0, len > 0);
	assert_int_equal(iov_get(iov, n, got, sizeof(got)), len);
	for (size_t i = 0; i < len; i++)
		assert_int_equal(got[i], (unsigned char)(first + i));
	assert_int_equal(vsock_messages_take(m), len);
}

static void holds_nothing(const struct vsock_messages *m)
{
	assert_true(vsock_messages_empty(m));
	assert_false(vsock_messages_ready(m));
	assert_null(m->bytes.memory);
	assert_null(m->lengths.memory);
}

static void bounds_are_kept(void **state)
{
	static const size_t sizes[] = {
		1, 0, 63, 64, 127, 128, 129, 0, 16383, 16384, 16385, 70000
	};
	struct vsock_messages m = { 0 };

	(void)state;
	holds_nothing(&m);
	for (unsigned round = 0; round < 5; round++) {
		for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++)
			assert_int_equal(add(&m, (unsigned char)i, sizes[i], true), 0);
		for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++)
			take(&m, (unsigned char)i, sizes[i]);
		holds_nothing(&m);
	}
}

static void a_message_comes_in_parts(void **state)
{
	struct vsock_messages m = { 0 };

	(void)state;
	assert_int_equal(add(&m, 7, 3, true), 0);
	assert_int_equal(add(&m, 0, 100, false), 0);
	assert_int_equal(add(&m, 100, 0, false), 0);
	assert_int_equal(add(&m, 100, 50, false), 0);
	take(&m, 7, 3);
	/* Not a byte of one that lacks its end. */
	assert_false(vsock_messages_ready(&m));
	assert_false(vsock_messages_empty(&m));
	/* Its end may come alone. */
	assert_int_equal(add(&m, 150, 0, true), 0);
	assert_int_equal(add(&m, 9, 1, true), 0);
	take(&m, 0, 150);
	take(&m, 9, 1);
	holds_nothing(&m);
}

static void wraps_at_every_place(void **state)
{
	struct vsock_messages m = { 0 };
	size_t in = 0, out = 0;

	(void)state;
	for (unsigned i = 0; i < 20000; i++) {
		if (in - out < 40 || i % 3 == 0) {
			assert_int_equal(add(&m, (unsigned char)in, in * 37 % 501, true), 0);
			in++;
		} else {
			take(&m, (unsigned char)out, out * 37 % 501);
			out++;
		}
	}
	while (out < in) {
		take(&m, (unsigned char)out, out * 37 % 501);
		out++;
	}
	holds_nothing(&m);
}

static void the_longest_is_the_window(void **state)
{
	struct vsock_messages m = { 0 };

	(void)state;
	assert_int_equal(add(&m, 1, VSOCK_MESSAGE_MAX, true), 0);
	take(&m, 1, VSOCK_MESSAGE_MAX);
	assert_int_equal(add(&m, 1, VSOCK_MESSAGE_MAX + 1, true), -EMSGSIZE);
	assert_int_equal(add(&m, 1, VSOCK_MESSAGE_MAX, false), -EMSGSIZE);
	holds_nothing(&m);
	assert_int_equal(add(&m, 1, VSOCK_MESSAGE_MAX - 1, false), 0);
	assert_int_equal(add(&m, 0, 1, false), -EMSGSIZE);
	assert_int_equal(add(&m, 0, 1, true), 0);
	take(&m, 1, VSOCK_MESSAGE_MAX);
	holds_nothing(&m);
}

static void any_messages_within_the_window_fit(void **state)
{
	static const size_t sizes[] = { 1, 2, 127, 128, 129 };
	struct vsock_messages m = { 0 };

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
		size_t n = VSOCK_MESSAGE_MAX / sizes[i];

		for (size_t k = 0; k < n; k++)
			assert_int_equal(add(&m, (unsigned char)k, sizes[i], true), 0);
		assert_true(m.bytes.size + m.lengths.size <= (size_t)2 * VSOCK_MESSAGE_MAX);
		for (size_t k = 0; k < n; k++)
			take(&m, (unsigned char)k, sizes[i]);
		holds_nothing(&m);
	}
}

static void empty_ones_are_bounded(void **state)
{
	struct vsock_messages m = { 0 };

	(void)state;
	for (size_t k = 0; k < VSOCK_MESSAGE_MAX; k++)
		assert_int_equal(add(&m, 0, 0, true), 0);
	assert_int_equal(add(&m, 0, 0, true), -ENOBUFS);
	assert_int_equal(add(&m, 0, 5, true), -ENOBUFS);
	assert_int_equal(m.bytes.len, 0);
	assert_null(m.bytes.memory);
	/* What failed left nothing behind. */
	take(&m, 0, 0);
	assert_int_equal(add(&m, 3, 5, true), 0);
	for (size_t k = 1; k < VSOCK_MESSAGE_MAX; k++)
		take(&m, 0, 0);
	take(&m, 3, 5);
	holds_nothing(&m);
}

static void what_lacks_its_end_can_be_abandoned(void **state)
{
	struct vsock_messages m = { 0 };

	(void)state;
	assert_int_equal(vsock_messages_abandon(&m), 0);
	assert_int_equal(add(&m, 1, 20, true), 0);
	assert_int_equal(add(&m, 2, 30, false), 0);
	assert_int_equal(vsock_messages_abandon(&m), 30);
	assert_int_equal(add(&m, 3, 40, true), 0);
	take(&m, 1, 20);
	take(&m, 3, 40);
	assert_int_equal(add(&m, 2, 30, false), 0);
	assert_int_equal(vsock_messages_abandon(&m), 30);
	holds_nothing(&m);
	assert_int_equal(add(&m, 2, 30, false), 0);
	assert_int_equal(add(&m, 2, 30, true), 0);
	assert_int_equal(add(&m, 2, 30, false), 0);
	vsock_messages_done(&m);
	holds_nothing(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bounds_are_kept),
		cmocka_unit_test(a_message_comes_in_parts),
		cmocka_unit_test(wraps_at_every_place),
		cmocka_unit_test(the_longest_is_the_window),
		cmocka_unit_test(any_messages_within_the_window_fit),
		cmocka_unit_test(empty_ones_are_bounded),
		cmocka_unit_test(what_lacks_its_end_can_be_abandoned),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
