/* SPDX-License-Identifier: Apache-2.0 */
#include "base/arena.h"

#include <stdint.h>
#include <string.h>

#include "base/testing.h"

static void test_pieces_are_apart_aligned_and_zero(void **state)
{
	struct tsk_arena arena;
	unsigned char *last = NULL;

	(void)state;
	tsk_arena_init(&arena, 1 << 20);
	for (size_t n = 1; n < 300; n++) {
		unsigned char *p = tsk_arena_alloc(&arena, n);

		assert_non_null(p);
		assert_int_equal((uintptr_t)p % 16, 0);
		for (size_t i = 0; i < n; i++)
			assert_int_equal(p[i], 0);
		memset(p, 0xff, n);
		assert_ptr_not_equal(p, last);
		last = p;
	}
	tsk_arena_done(&arena);
}

static void test_limit(void **state)
{
	struct tsk_arena arena;

	(void)state;
	tsk_arena_init(&arena, 1 << 20);
	assert_null(tsk_arena_alloc(&arena, 1 << 20)); /* its block takes more */
	assert_non_null(tsk_arena_alloc(&arena, 1 << 19));
	assert_null(tsk_arena_alloc(&arena, 1 << 19));
	assert_non_null(tsk_arena_alloc(&arena, 1000)); /* a smaller one still fits */
	tsk_arena_done(&arena);
	assert_non_null(tsk_arena_alloc(&arena, 1 << 19)); /* usable as before */
	tsk_arena_done(&arena);
}

static void test_sizes_that_wrap(void **state)
{
	struct tsk_arena arena;

	(void)state;
	tsk_arena_init(&arena, SIZE_MAX);
	assert_null(tsk_arena_alloc(&arena, SIZE_MAX));
	assert_null(tsk_arena_array(&arena, SIZE_MAX / 2, 3));
	assert_non_null(tsk_arena_array(&arena, 0, 8));
	tsk_arena_done(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TSK_TEST(test_pieces_are_apart_aligned_and_zero),
		TSK_TEST(test_limit),
		TSK_TEST(test_sizes_that_wrap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
