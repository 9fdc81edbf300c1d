/* SPDX-License-Identifier: Apache-2.0 */
#include "front/buffer_pool.h"

#include <errno.h>
#include <string.h>

#include "base/testing.h"

#define KIB UINT64_C(1024)

/* Who was last made to forget a buffer, and which. */
static uint64_t forgot;
static uint32_t forgot_id;
static unsigned n_forgot;

static void on_forget(void *context, const struct buffer *buffer)
{
	(void)context;
	forgot = buffer->known_by;
	forgot_id = buffer->id;
	n_forgot++;
}

static void begin(struct buffer_pool *pool, struct account *account)
{
	forgot = 0;
	n_forgot = 0;
	buffer_pool_init(pool, account, on_forget, NULL);
}

static struct buffer *take(struct buffer_pool *pool, uint64_t worker, uint64_t size)
{
	struct buffer *buffer;

	assert_int_equal(buffer_pool_take(pool, worker, size, &buffer), 0);
	return buffer;
}

static void end(struct buffer_pool *pool)
{
	buffer_pool_done(pool);
	assert_true(TAILQ_EMPTY(&pool->all));
	assert_int_equal(pool->account->used_bytes, 0);
	assert_int_equal(pool->idle_bytes, 0);
	assert_int_equal(pool->used_bytes, 0);
}

/* What is in use is bounded, what is idle is not; a larger one that is at hand counts as what it is. */
static void test_bytes_in_use(void **state)
{
	struct account account = { .max_bytes = 10240 * KIB };
	struct buffer *a, *b, *none = NULL;
	struct buffer_pool pool;

	(void)state;
	begin(&pool, &account);
	pool.used_bytes_max = 256 * KIB;
	a = take(&pool, 0, 192 * KIB);
	assert_int_equal(buffer_pool_take(&pool, 0, 65 * KIB, &none), -EDQUOT);
	assert_null(none);
	b = take(&pool, 0, 64 * KIB);
	assert_int_equal(buffer_pool_take(&pool, 0, 0, &none), -EDQUOT);
	buffer_pool_put(&pool, a);
	assert_int_equal(pool.used_bytes, 64 * KIB);
	a = take(&pool, 0, 60 * KIB); /* the idle one */
	assert_int_equal(a->map.size, 192 * KIB);
	assert_int_equal(pool.used_bytes, 256 * KIB);
	assert_int_equal(buffer_pool_take(&pool, 0, 1, &none), -EDQUOT);
	assert_int_equal(account.used_bytes, 256 * KIB);
	buffer_pool_put(&pool, a);
	buffer_pool_put(&pool, b);
	assert_string_equal(buffer_pool_limit(-EDQUOT), "max-bytes-in-flight");
	assert_string_equal(buffer_pool_limit(-EBUSY), "max-memory");
	end(&pool);
}

static void test_pages_are_kept(void **state)
{
	struct account account = { .max_bytes = 1024 * KIB };
	struct buffer *a, *b, *c;
	struct buffer_pool pool;
	uint64_t size;

	(void)state;
	begin(&pool, &account);
	a = take(&pool, 0, 100 * KIB);
	assert_int_equal(a->map.size, 128 * KIB);
	assert_int_equal(tsk_memfd_check(a->fd, false, &size), 0);
	assert_int_equal(size, a->map.size);
	memset(a->map.addr, 7, a->map.size);
	buffer_pool_put(&pool, a);
	/* The same again for the same size; a far smaller one does not sit on it. */
	b = take(&pool, 0, 120 * KIB);
	assert_ptr_equal(a, b);
	buffer_pool_put(&pool, b);
	b = take(&pool, 0, 200 * KIB);
	assert_ptr_not_equal(a, b);
	buffer_pool_put(&pool, b);
	c = take(&pool, 0, 1);
	assert_ptr_equal(a, c); /* 128 KiB are not far too large for 64 KiB */
	buffer_pool_put(&pool, c);
	end(&pool);
}

/* Each worker finds those that it knows; they change hands only when memory is short. */
static void test_known_ones_first(void **state)
{
	struct account account = { .max_bytes = 640 * KIB };
	struct buffer *a, *b, *c;
	struct buffer_pool pool;

	(void)state;
	begin(&pool, &account);
	a = take(&pool, 1, 1);
	buffer_pool_introduce(&pool, a, 1);
	buffer_pool_put(&pool, a);
	b = take(&pool, 2, 1);
	assert_ptr_not_equal(a, b);
	buffer_pool_introduce(&pool, b, 2);
	assert_int_not_equal(a->id, b->id);
	buffer_pool_put(&pool, b);
	assert_ptr_equal(take(&pool, 1, 1), a);
	assert_ptr_equal(take(&pool, 2, 1), b);
	assert_int_equal(n_forgot, 0);
	buffer_pool_put(&pool, a);
	buffer_pool_put(&pool, b);
	/* 640 - 2 * 64 - 512 KiB: nothing is left to grow into. */
	c = take(&pool, 3, 512 * KIB);
	assert_ptr_equal(take(&pool, 3, 1), b);
	buffer_pool_introduce(&pool, b, 3);
	assert_int_equal(forgot, 2);
	assert_int_not_equal(b->id, forgot_id);
	assert_int_equal(b->known_by, 3);
	/* One that no worker knows goes before one of another. */
	buffer_pool_put(&pool, b);
	assert_true(buffer_pool_forget_one(&pool, 1));
	assert_int_equal(forgot, 1);
	assert_ptr_equal(take(&pool, 4, 1), a);
	buffer_pool_put(&pool, a);
	buffer_pool_put(&pool, c);
	end(&pool);
}

static void test_forget_one(void **state)
{
	struct account account = { .max_bytes = 1024 * KIB };
	struct buffer_pool pool;
	struct buffer *a, *b;

	(void)state;
	begin(&pool, &account);
	a = take(&pool, 1, 1);
	b = take(&pool, 1, 1);
	buffer_pool_introduce(&pool, a, 1);
	buffer_pool_introduce(&pool, b, 1);
	a->is_in_run = true;
	assert_true(buffer_pool_forget_one(&pool, 1));
	assert_int_equal(forgot_id, b->id);
	assert_int_equal(b->known_by, 0);
	assert_false(buffer_pool_forget_one(&pool, 1));
	assert_false(buffer_pool_forget_one(&pool, 2));
	buffer_pool_put(&pool, a);
	assert_true(buffer_pool_forget_one(&pool, 1));
	buffer_pool_put(&pool, b);
	end(&pool);
}

/* What a dead worker could still write is never used again, and it is told nothing. */
static void test_worker_gone(void **state)
{
	struct account account = { .max_bytes = 1024 * KIB };
	struct buffer *idle, *used, *other;
	struct buffer_pool pool;

	(void)state;
	begin(&pool, &account);
	idle = take(&pool, 1, 1);
	used = take(&pool, 1, 1);
	other = take(&pool, 2, 1);
	buffer_pool_introduce(&pool, idle, 1);
	buffer_pool_introduce(&pool, used, 1);
	buffer_pool_introduce(&pool, other, 2);
	buffer_pool_put(&pool, idle);
	buffer_pool_put(&pool, other);
	buffer_pool_worker_gone(&pool, 1);
	assert_int_equal(account.used_bytes, 128 * KIB);
	/* It may serve its request to the end, with another worker. */
	buffer_pool_introduce(&pool, used, 3);
	buffer_pool_put(&pool, used);
	assert_int_equal(forgot, 3);
	assert_int_equal(n_forgot, 1);
	assert_int_equal(account.used_bytes, 64 * KIB);
	assert_int_equal(pool.n_idle, 1);
	end(&pool);
	assert_int_equal(n_forgot, 2);
}

static void test_idle_bound(void **state)
{
	struct account account = { .max_bytes = 16384 * KIB };
	struct buffer *taken[BUFFER_POOL_IDLE_MAX + 2];
	struct buffer_pool pool;

	(void)state;
	begin(&pool, &account);
	for (unsigned i = 0; i < ARRAY_SIZE(taken); i++) {
		taken[i] = take(&pool, 1, 1);
		buffer_pool_introduce(&pool, taken[i], 1);
	}
	for (unsigned i = 0; i < ARRAY_SIZE(taken); i++)
		buffer_pool_put(&pool, taken[i]);
	/* The longest unused are gone, and the worker knows. */
	assert_int_equal(n_forgot, 2);
	assert_int_equal(forgot_id, 2);
	assert_int_equal(account.used_bytes, BUFFER_POOL_IDLE_MAX * 64 * KIB);
	buffer_pool_put(&pool, NULL);
	end(&pool);
}

/* Large ones: as many as their share of the guest's memory holds. */
static void test_idle_bytes_bound(void **state)
{
	struct account account = { .max_bytes = 8192 * KIB };
	struct buffer *taken[5];
	struct buffer_pool pool;

	(void)state;
	begin(&pool, &account);
	for (unsigned i = 0; i < ARRAY_SIZE(taken); i++)
		taken[i] = take(&pool, 0, 1024 * KIB);
	for (unsigned i = 0; i < ARRAY_SIZE(taken); i++)
		buffer_pool_put(&pool, taken[i]);
	assert_int_equal(pool.n_idle, 4);
	assert_int_equal(account.used_bytes, 4096 * KIB);
	buffer_pool_done(&pool);
	/* One above the whole share drives nobody out. */
	taken[0] = take(&pool, 0, 4097 * KIB);
	taken[1] = take(&pool, 0, 1024 * KIB);
	buffer_pool_put(&pool, taken[1]);
	buffer_pool_put(&pool, taken[0]);
	assert_int_equal(pool.n_idle, 1);
	end(&pool);
}

static struct buffer_pool *spared_from;

static void reclaim(void *context, uint64_t bytes)
{
	(void)context;
	buffer_pool_reclaim(spared_from, bytes);
}

static unsigned n_wanted;

static void on_want_look(void *context)
{
	(void)context;
	n_wanted++;
}

/* What nobody wants for a while goes, oldest first; a little stays. */
static void test_looks(void **state)
{
	struct account account = { .max_bytes = 65536 * KIB };
	struct buffer *a, *b, *small;
	struct buffer_pool pool;

	(void)state;
	begin(&pool, &account);
	pool.want_look = on_want_look;
	n_wanted = 0;
	small = take(&pool, 0, 64 * KIB);
	a = take(&pool, 7, 4096 * KIB);
	buffer_pool_introduce(&pool, a, 7);
	b = take(&pool, 0, 4096 * KIB);
	buffer_pool_put(&pool, small);
	assert_int_equal(n_wanted, 0);
	buffer_pool_put(&pool, a);
	buffer_pool_put(&pool, b);
	assert_int_equal(n_wanted, 1);
	/* Neither has been idle from one look to the next. */
	assert_true(buffer_pool_look(&pool));
	assert_int_equal(pool.n_idle, 3);
	assert_ptr_equal(take(&pool, 0, 4096 * KIB), b);
	buffer_pool_put(&pool, b);
	assert_int_equal(n_wanted, 1);
	assert_true(buffer_pool_look(&pool));
	assert_int_equal(pool.n_idle, 1);
	assert_int_equal(forgot, 7);
	assert_false(buffer_pool_look(&pool));
	assert_int_equal(pool.n_idle, 0);
	/* Small ones stay, and nobody looks again. */
	small = take(&pool, 0, 64 * KIB);
	buffer_pool_put(&pool, small);
	assert_int_equal(n_wanted, 1);
	assert_false(buffer_pool_look(&pool));
	assert_false(buffer_pool_look(&pool));
	assert_int_equal(pool.n_idle, 1);
	end(&pool);
}

static void test_account(void **state)
{
	struct account account = { .max_bytes = 192 * KIB, .reclaim = reclaim };
	struct buffer *a = NULL, *b, *c;
	struct buffer_pool pool;

	(void)state;
	begin(&pool, &account);
	spared_from = &pool;
	assert_int_equal(buffer_pool_take(&pool, 0, 193 * KIB, &a), -EBUSY);
	assert_int_equal(buffer_pool_take(&pool, 0, UINT64_MAX, &a), -EBUSY);
	assert_int_equal(buffer_pool_take(&pool, 0, UINT64_MAX - 70 * KIB, &a), -EBUSY);
	assert_null(a);
	assert_int_equal(account.used_bytes, 0);
	a = take(&pool, 0, 64 * KIB);
	b = take(&pool, 0, 65 * KIB);
	assert_int_equal(buffer_pool_take(&pool, 0, 1, &c), -EBUSY);
	buffer_pool_put(&pool, a);
	/* The idle one makes room. */
	a = b;
	assert_int_equal(buffer_pool_take(&pool, 0, 128 * KIB, &b), -EBUSY);
	assert_int_equal(pool.n_idle, 0);
	buffer_pool_put(&pool, a);
	end(&pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TSK_TEST(test_bytes_in_use),     TSK_TEST(test_pages_are_kept),
		TSK_TEST(test_known_ones_first), TSK_TEST(test_forget_one),
		TSK_TEST(test_worker_gone),      TSK_TEST(test_idle_bound),
		TSK_TEST(test_idle_bytes_bound), TSK_TEST(test_looks),
		TSK_TEST(test_account),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
