/* SPDX-License-Identifier: Apache-2.0 */
#include "front/vhost/iov.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

/* "abcdefgh" in pieces of 3, 0, 1 and 4 bytes. */
#define PIECES                     \
	char bytes[] = "abcdefgh"; \
	struct iovec iov[] = { { bytes, 3 }, { NULL, 0 }, { bytes + 3, 1 }, { bytes + 4, 4 } }

static void get_crosses_pieces(void **state)
{
	PIECES;
	char out[9] = { 0 };

	(void)state;
	assert_int_equal(iov_get(iov, 4, out, 5), 5);
	assert_string_equal(out, "abcde");
	assert_int_equal(iov_get(iov, 4, out, 8), 8);
	assert_string_equal(out, "abcdefgh");
	memset(out, 0, sizeof(out));
	assert_int_equal(iov_get(iov, 2, out, 8), 3);
	assert_string_equal(out, "abc");
}

static void put_crosses_pieces(void **state)
{
	PIECES;

	(void)state;
	assert_int_equal(iov_put(iov, 4, "ABCDE", 5), 5);
	assert_string_equal(bytes, "ABCDEfgh");
	assert_int_equal(iov_put(iov, 3, "0123456789", 10), 4);
	assert_string_equal(bytes, "0123Efgh");
}

static void cut_is_the_range(void **state)
{
	PIECES;

	(void)state;
	for (size_t skip = 0; skip <= 9; skip++) {
		for (size_t len = 0; len <= 10; len++) {
			struct iovec cut[4];
			char out[9] = { 0 };
			size_t want = skip > 8 ? 0 : len < 8 - skip ? len : 8 - skip, got;
			unsigned n = iov_cut(iov, 4, skip, len, cut, &got);

			assert_int_equal(got, want);
			assert_int_equal(iov_get(cut, n, out, sizeof(out)), want);
			assert_memory_equal(out, bytes + (skip > 8 ? 8 : skip), want);
			for (unsigned i = 0; i < n; i++)
				assert_true(cut[i].iov_len > 0);
		}
	}
}

static void cut_takes_a_huge_length(void **state)
{
	PIECES;
	struct iovec cut[4];
	size_t got;

	(void)state;
	assert_int_equal(iov_cut(iov, 4, 2, SIZE_MAX, cut, &got), 3);
	assert_int_equal(got, 6);
	assert_int_equal(iov_cut(iov, 4, SIZE_MAX, SIZE_MAX, cut, &got), 0);
	assert_int_equal(got, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(get_crosses_pieces),
		cmocka_unit_test(put_crosses_pieces),
		cmocka_unit_test(cut_is_the_range),
		cmocka_unit_test(cut_takes_a_huge_length),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
