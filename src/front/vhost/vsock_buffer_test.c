/* SPDX-License-Identifier: Apache-2.0 */
#include "front/vhost/vsock_buffer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "front/vhost/iov.h"

static void add(struct vsock_buffer *b, unsigned char first, size_t len)
{
	static unsigned char bytes[70000];
	struct iovec iov[2] = { { bytes, len / 3 }, { bytes + len / 3, len - len / 3 } };

	for (size_t i = 0; i < len; i++)
		bytes[i] = (unsigned char)(first + i);
	assert_int_equal(vsock_buffer_add(b, iov, 2, 0), 0);
}

/* The bytes held are first, first + 1 ... */
static void check(const struct vsock_buffer *b, unsigned char first, size_t len)
{
	static unsigned char bytes[600000];
	struct iovec iov[VSOCK_BUFFER_PIECES];
	unsigned n = vsock_buffer_bytes(b, iov);

	assert_int_equal(iov_get(iov, n, bytes, sizeof(bytes)), len);
	for (size_t i = 0; i < len; i++)
		assert_int_equal(bytes[i], (unsigned char)(first + i));
}

static void first_in_first_out(void **state)
{
	struct vsock_buffer b = { 0 };
	size_t in = 0, out = 0;

	(void)state;
	/* Steps that share no factor with the sizes, so that it wraps at every place. */
	for (unsigned i = 0; i < 2000; i++) {
		size_t n = (i * 37u) % 5003u, m;

		add(&b, (unsigned char)in, n);
		in += n;
		check(&b, (unsigned char)out, in - out);
		m = (i * 41u) % 4999u;
		if (m > in - out)
			m = in - out;
		vsock_buffer_take(&b, m);
		out += m;
	}
	check(&b, (unsigned char)out, in - out);
	vsock_buffer_done(&b);
}

static void memory_is_held_for_bytes_only(void **state)
{
	struct vsock_buffer b = { 0 };
	struct iovec iov[VSOCK_BUFFER_PIECES];

	(void)state;
	assert_null(b.memory);
	add(&b, 0, 0);
	assert_null(b.memory);
	add(&b, 0, 65536);
	add(&b, 0, 65536);
	assert_int_equal(b.size, 131072);
	vsock_buffer_take(&b, 131071);
	assert_non_null(b.memory);
	vsock_buffer_take(&b, 1);
	assert_null(b.memory);
	assert_int_equal(vsock_buffer_bytes(&b, iov), 0);
	vsock_buffer_take(&b, 1);
	vsock_buffer_done(&b);
}

static void a_slow_reader_does_not_make_it_grow(void **state)
{
	struct vsock_buffer b = { 0 };
	size_t in = 0, out = 0;

	(void)state;
	add(&b, 0, 65536);
	in = 65536;
	for (unsigned i = 0; i < 100000; i++) {
		vsock_buffer_take(&b, 7);
		out += 7;
		add(&b, (unsigned char)in, 7);
		in += 7;
		assert_int_equal(b.size, 65536);
	}
	check(&b, (unsigned char)out, 65536);
	vsock_buffer_done(&b);
}

static void skips_what_was_taken_already(void **state)
{
	char bytes[] = "abcdefgh", out[9] = { 0 };
	struct iovec iov[3] = { { bytes, 2 }, { bytes + 2, 3 }, { bytes + 5, 3 } };

	(void)state;
	for (size_t skip = 0; skip <= 8; skip++) {
		struct vsock_buffer b = { 0 };
		struct iovec held[VSOCK_BUFFER_PIECES];

		assert_int_equal(vsock_buffer_add(&b, iov, 3, skip), 0);
		assert_int_equal(b.len, 8 - skip);
		assert_int_equal(iov_get(held, vsock_buffer_bytes(&b, held), out, 8), 8 - skip);
		assert_memory_equal(out, bytes + skip, 8 - skip);
		vsock_buffer_done(&b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(first_in_first_out),
		cmocka_unit_test(memory_is_held_for_bytes_only),
		cmocka_unit_test(a_slow_reader_does_not_make_it_grow),
		cmocka_unit_test(skips_what_was_taken_already),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
