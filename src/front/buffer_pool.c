/* SPDX-License-Identifier: Apache-2.0 */
#include "front/buffer_pool.h"

#include <errno.h>
#include <sys/mman.h>

#include "base/checked.h"
#include "front/limit_hits.h"

#define GRAIN_BYTES (UINT64_C(64) << 10)
#define HUGE_BYTES (UINT64_C(2) << 20)

void buffer_pool_init(struct buffer_pool *pool, struct account *account,
		      void (*forget)(void *context, const struct buffer *buffer), void *context)
{
	*pool = (struct buffer_pool){ .account = account,
				      .forget = forget,
				      .context = context,
				      .used_bytes_max = UINT64_MAX };
	TAILQ_INIT(&pool->all);
	TAILQ_INIT(&pool->idle);
}

static void forget(struct buffer_pool *pool, struct buffer *buffer)
{
	if (buffer->known_by)
		pool->forget(pool->context, buffer);
	buffer->known_by = 0;
}

static void release(struct buffer_pool *pool, struct buffer *buffer)
{
	forget(pool, buffer);
	TAILQ_REMOVE(&pool->all, buffer, entry);
	account_give(pool->account, buffer->map.size);
	tsk_map_done(&buffer->map);
	tsk_close(buffer->fd);
	free(buffer);
}

static void leave_idle(struct buffer_pool *pool, struct buffer *buffer)
{
	TAILQ_REMOVE(&pool->idle, buffer, idle_entry);
	buffer->is_idle = false;
	pool->n_idle--;
	pool->idle_bytes -= buffer->map.size;
}

static void release_oldest(struct buffer_pool *pool)
{
	struct buffer *oldest = TAILQ_LAST(&pool->idle, buffer_idle_list);

	leave_idle(pool, oldest);
	release(pool, oldest);
}

void buffer_pool_done(struct buffer_pool *pool)
{
	while (pool->n_idle)
		release_oldest(pool);
}

static int make(struct buffer_pool *pool, uint64_t size, struct buffer **ret)
{
	_cleanup_close_ int fd = -1;
	_cleanup_free_ struct buffer *buffer = calloc(1, sizeof(*buffer));
	int r = buffer ? tsk_memfd_new("tensock-buffer", size, &fd) : -ENOMEM;

	if (r == 0)
		r = tsk_map_new(fd, size, true, &buffer->map);
	if (r < 0)
		return r;
	/* Only a hint: cheaper first touch where the host allows it. */
	if (size >= HUGE_BYTES)
		madvise(buffer->map.addr, buffer->map.size, MADV_HUGEPAGE);
	buffer->fd = TAKE_FD(fd);
	TAILQ_INSERT_TAIL(&pool->all, buffer, entry);
	*ret = TAKE_PTR(buffer);
	return 0;
}

/* Better ones are higher: whom it is known by, as far as worker is concerned. */
static int rank_of(const struct buffer *buffer, uint64_t worker)
{
	return buffer->known_by == worker ? 2 : buffer->known_by == 0 ? 1 : 0;
}

/* Of those that are large enough, and not far too large, the best known, and then the smallest. */
static struct buffer *find(struct buffer_pool *pool, uint64_t worker, uint64_t size)
{
	struct buffer *best = NULL, *b;

	TAILQ_FOREACH(b, &pool->idle, idle_entry)
	{
		int better;

		if (b->map.size < size || b->map.size / 4 > size)
			continue;
		better = best ? rank_of(b, worker) - rank_of(best, worker) : 1;
		if (better > 0 || (better == 0 && b->map.size < best->map.size))
			best = b;
	}
	return best;
}

/*
 * Whether there is room for one more without a loss: then another worker keeps what it knows.  Else
 * two workers that take turns would take each other's buffers for ever.
 */
static bool can_grow(const struct buffer_pool *pool, uint64_t size)
{
	const struct account *account = pool->account;
	uint64_t idle_max = account->max_bytes / BUFFER_POOL_IDLE_SHARE;

	return pool->n_idle < BUFFER_POOL_IDLE_MAX / 2 && pool->idle_bytes < idle_max / 2 &&
	       size <= account->max_bytes - account->used_bytes;
}

static int take_new(struct buffer_pool *pool, uint64_t size, struct buffer **ret)
{
	int r = account_take(pool->account, size);

	if (r < 0)
		return r;
	r = make(pool, size, ret);
	if (r < 0)
		account_give(pool->account, size);
	return r;
}

static int take(struct buffer_pool *pool, uint64_t worker, uint64_t size, struct buffer **ret)
{
	struct buffer *buffer = find(pool, worker, size);

	if (!buffer || (worker && rank_of(buffer, worker) == 0 && can_grow(pool, size)))
		return take_new(pool, size, ret);
	leave_idle(pool, buffer);
	*ret = buffer;
	return 0;
}

int buffer_pool_take(struct buffer_pool *pool, uint64_t worker, uint64_t size, struct buffer **ret)
{
	int r;

	if (size == 0)
		size = 1;
	if (!tsk_align_up(size, GRAIN_BYTES, &size))
		return -EBUSY;
	/* One that was at hand may be larger than was asked for. */
	if (pool->used_bytes > pool->used_bytes_max ||
	    size > pool->used_bytes_max - pool->used_bytes)
		return -EDQUOT;
	r = take(pool, worker, size, ret);
	if (r == 0)
		pool->used_bytes += (*ret)->map.size;
	return r;
}

const char *buffer_pool_limit(int error)
{
	limit_hit(error == -EDQUOT ? METRICS_LIMIT_IN_FLIGHT : METRICS_LIMIT_MEMORY);
	return error == -EDQUOT ? "max-bytes-in-flight" : "max-memory";
}

void buffer_pool_put(struct buffer_pool *pool, struct buffer *buffer)
{
	uint64_t max = pool->account->max_bytes / BUFFER_POOL_IDLE_SHARE;

	if (!buffer)
		return;
	buffer->is_in_run = false;
	pool->used_bytes -= buffer->map.size;
	if (buffer->is_stale || buffer->map.size > max) {
		release(pool, buffer);
		return;
	}
	TAILQ_INSERT_HEAD(&pool->idle, buffer, idle_entry);
	buffer->is_idle = true;
	buffer->idle_since = pool->looks;
	pool->n_idle++;
	pool->idle_bytes += buffer->map.size;
	while (pool->n_idle > BUFFER_POOL_IDLE_MAX || pool->idle_bytes > max)
		release_oldest(pool);
	if (pool->want_look && !pool->wants_look && pool->idle_bytes > BUFFER_POOL_KEPT_BYTES) {
		pool->wants_look = true;
		pool->want_look(pool->context);
	}
}

/* The one at the end of the list has been idle for longest. */
bool buffer_pool_look(struct buffer_pool *pool)
{
	while (pool->idle_bytes > BUFFER_POOL_KEPT_BYTES &&
	       TAILQ_LAST(&pool->idle, buffer_idle_list)->idle_since != pool->looks)
		release_oldest(pool);
	pool->looks++;
	pool->wants_look = pool->idle_bytes > BUFFER_POOL_KEPT_BYTES;
	return pool->wants_look;
}

void buffer_pool_introduce(struct buffer_pool *pool, struct buffer *buffer, uint64_t worker)
{
	forget(pool, buffer);
	buffer->known_by = worker;
	if (++pool->last_id == 0)
		pool->last_id++;
	buffer->id = pool->last_id;
}

uint64_t buffer_pool_known_bytes(const struct buffer_pool *pool, uint64_t worker)
{
	const struct buffer *buffer;
	uint64_t bytes = 0;

	TAILQ_FOREACH(buffer, &pool->all, entry)
	{
		if (buffer->known_by == worker)
			bytes += buffer->map.size;
	}
	return bytes;
}

bool buffer_pool_forget_one(struct buffer_pool *pool, uint64_t worker)
{
	struct buffer *b;

	TAILQ_FOREACH(b, &pool->all, entry)
	{
		if (b->known_by == worker && !b->is_in_run) {
			forget(pool, b);
			return true;
		}
	}
	return false;
}

void buffer_pool_worker_gone(struct buffer_pool *pool, uint64_t worker)
{
	struct buffer *b, *next;

	for (b = TAILQ_FIRST(&pool->all); b; b = next) {
		next = TAILQ_NEXT(b, entry);
		if (b->known_by != worker)
			continue;
		b->known_by = 0;
		b->is_stale = true;
		if (b->is_idle) {
			leave_idle(pool, b);
			release(pool, b);
		}
	}
}

void buffer_pool_reclaim(struct buffer_pool *pool, uint64_t bytes)
{
	const struct account *account = pool->account;

	while (pool->n_idle && bytes > account->max_bytes - account->used_bytes)
		release_oldest(pool);
}
