/* SPDX-License-Identifier: Apache-2.0 */
#include "front/buffer_pool.h"

#include <string.h>

#include "base/testing.h"

#define KIB UINT64_C(1024)

static void test_pages_are_kept(void **state)
{
	struct account account = { .max_bytes = 1024 * KIB };
	struct buffer *a, *b, *c;
	struct buffer_pool pool;
	uint64_t size;

	(void)state;
	buffer_pool_init(&pool, &account);
	assert_int_equal(buffer_pool_take(&pool, 100 * KIB, &a), 0);
	assert_int_equal(a->map.size, 128 * KIB);
	assert_int_equal(tsk_memfd_check(a->fd, false, &size), 0);
	assert_int_equal(size, a->map.size);
	memset(a->map.addr, 7, a->map.size);
	assert_null(buffer_pool_put(&pool, a));
	/* The same again for the same size; a far smaller one does not sit on it. */
	assert_int_equal(buffer_pool_take(&pool, 120 * KIB, &b), 0);
	assert_ptr_equal(a, b);
	assert_null(buffer_pool_put(&pool, b));
	assert_int_equal(buffer_pool_take(&pool, 200 * KIB, &b), 0);
	assert_ptr_not_equal(a, b);
	assert_int_not_equal(a->id, b->id);
	assert_null(buffer_pool_put(&pool, b));
	assert_int_equal(buffer_pool_take(&pool, 1, &c), 0);
	assert_ptr_equal(a, c); /* 128 KiB are not far too large for 64 KiB */
	assert_null(buffer_pool_put(&pool, c));
	buffer_pool_done(&pool);
	assert_int_equal(account.used_bytes, 0);
}

static void test_idle_bound(void **state)
{
	struct account account = { .max_bytes = 1024 * KIB };
	struct buffer *taken[BUFFER_POOL_IDLE_MAX + 2], *out;
	struct buffer_pool pool;
	unsigned dropped = 0;

	(void)state;
	buffer_pool_init(&pool, &account);
	for (unsigned i = 0; i < ARRAY_SIZE(taken); i++)
		assert_int_equal(buffer_pool_take(&pool, 1, &taken[i]), 0);
	for (unsigned i = 0; i < ARRAY_SIZE(taken); i++) {
		out = buffer_pool_put(&pool, taken[i]);
		dropped += out != NULL;
		if (out)
			assert_ptr_equal(out, taken[dropped - 1]); /* the longest unused */
		buffer_free(&pool, out);
	}
	assert_int_equal(dropped, 2);
	assert_int_equal(account.used_bytes, BUFFER_POOL_IDLE_MAX * 64 * KIB);
	assert_null(buffer_pool_put(&pool, NULL));
	buffer_pool_done(&pool);
	assert_int_equal(account.used_bytes, 0);
}

static struct buffer *spared;
static struct buffer_pool *spared_from;

static void reclaim(void *context, uint64_t bytes)
{
	(void)context;
	(void)bytes;
	if (spared)
		buffer_free(spared_from, TAKE_PTR(spared));
}

static void test_account(void **state)
{
	struct account account = { .max_bytes = 128 * KIB, .reclaim = reclaim };
	struct buffer_pool pool, other;
	struct buffer *a = NULL, *b;

	(void)state;
	buffer_pool_init(&pool, &account);
	buffer_pool_init(&other, &account);
	assert_int_equal(buffer_pool_take(&pool, 129 * KIB, &a), -EBUSY);
	assert_int_equal(buffer_pool_take(&pool, UINT64_MAX, &a), -EBUSY);
	assert_int_equal(buffer_pool_take(&pool, UINT64_MAX - 70 * KIB, &a), -EBUSY);
	assert_null(a);
	assert_int_equal(account.used_bytes, 0);
	assert_int_equal(buffer_pool_take(&pool, 65 * KIB, &a), 0);
	assert_int_equal(buffer_pool_take(&other, 1, &b), -EBUSY);
	spared = a;
	spared_from = &pool;
	assert_int_equal(buffer_pool_take(&other, 1, &b), 0);
	assert_null(spared);
	buffer_free(&other, b);
	buffer_free(&other, NULL);
	assert_int_equal(account.used_bytes, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TSK_TEST(test_pages_are_kept),
		TSK_TEST(test_idle_bound),
		TSK_TEST(test_account),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
