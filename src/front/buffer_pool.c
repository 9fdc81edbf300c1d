/* SPDX-License-Identifier: Apache-2.0 */
#include "front/buffer_pool.h"

#include <sys/mman.h>

#include "base/checked.h"

#define GRAIN_BYTES (UINT64_C(64) << 10)
#define HUGE_BYTES (UINT64_C(2) << 20)

void buffer_pool_init(struct buffer_pool *pool, struct account *account)
{
	*pool = (struct buffer_pool){ .account = account };
	TAILQ_INIT(&pool->idle);
}

void buffer_free(struct buffer_pool *pool, struct buffer *buffer)
{
	if (!buffer)
		return;
	account_give(pool->account, buffer->map.size);
	tsk_map_done(&buffer->map);
	tsk_close(buffer->fd);
	free(buffer);
}

void buffer_pool_done(struct buffer_pool *pool)
{
	struct buffer *buffer;

	while ((buffer = TAILQ_FIRST(&pool->idle))) {
		TAILQ_REMOVE(&pool->idle, buffer, entry);
		buffer_free(pool, buffer);
	}
	pool->n_idle = 0;
}

static int make(uint64_t size, struct buffer **ret)
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
	*ret = TAKE_PTR(buffer);
	return 0;
}

/* The smallest idle one that is large enough, and not far too large. */
static struct buffer *find(struct buffer_pool *pool, uint64_t size)
{
	struct buffer *best = NULL, *b;

	TAILQ_FOREACH(b, &pool->idle, entry)
	{
		if (b->map.size >= size && b->map.size / 4 <= size &&
		    (!best || b->map.size < best->map.size))
			best = b;
	}
	return best;
}

int buffer_pool_take(struct buffer_pool *pool, uint64_t size, struct buffer **ret)
{
	struct buffer *buffer;
	int r;

	if (size == 0)
		size = 1;
	if (!tsk_align_up(size, GRAIN_BYTES, &size))
		return -EBUSY;
	buffer = find(pool, size);
	if (buffer) {
		TAILQ_REMOVE(&pool->idle, buffer, entry);
		pool->n_idle--;
		*ret = buffer;
		return 0;
	}
	r = account_take(pool->account, size);
	if (r < 0)
		return r;
	r = make(size, &buffer);
	if (r < 0) {
		account_give(pool->account, size);
		return r;
	}
	buffer->id = ++pool->last_id;
	*ret = buffer;
	return 0;
}

struct buffer *buffer_pool_put(struct buffer_pool *pool, struct buffer *buffer)
{
	struct buffer *oldest;

	if (!buffer)
		return NULL;
	TAILQ_INSERT_HEAD(&pool->idle, buffer, entry);
	if (pool->n_idle++ < BUFFER_POOL_IDLE_MAX)
		return NULL;
	oldest = TAILQ_LAST(&pool->idle, buffer_list);
	TAILQ_REMOVE(&pool->idle, oldest, entry);
	pool->n_idle--;
	return oldest;
}
