/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory for tensors that front and one worker share: memfds whose pages are kept and used again,
 * for fresh pages cost more than all else a request does.  They count against the guest's memory.
 */
#ifndef FRONT_BUFFER_POOL_H
#define FRONT_BUFFER_POOL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/cleanup.h"
#include "base/memfd.h"
#include "front/account.h"

#define BUFFER_POOL_IDLE_MAX 4u

struct buffer {
	TAILQ_ENTRY(buffer) entry; /* while idle */
	uint32_t id;               /* from 1; never used again */
	bool is_known;             /* the worker has been told; the owner's to set */
	int fd;
	struct tsk_map map; /* writable; map.size is what it may hold */
};

struct buffer_pool {
	struct account *account;
	TAILQ_HEAD(buffer_list, buffer) idle; /* the last used one first */
	unsigned n_idle;
	uint32_t last_id;
};

void buffer_pool_init(struct buffer_pool *pool, struct account *account);

/* Frees the idle ones; those in use must have been put or freed before. */
void buffer_pool_done(struct buffer_pool *pool);

/* A buffer of at least size bytes, with old bytes in it.  -EBUSY by the account, or -ENOMEM ... */
int buffer_pool_take(struct buffer_pool *pool, uint64_t size, struct buffer **ret) _nodiscard_;

/* Takes it back (NULL: nothing).  Returns one that the pool lets go, for buffer_free(), or NULL. */
struct buffer *buffer_pool_put(struct buffer_pool *pool, struct buffer *buffer);

void buffer_free(struct buffer_pool *pool, struct buffer *buffer);

#endif
