/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guest's memory for tensors: memfds that the front shares with a worker at a time, whose pages
 * are kept and used again, for fresh pages cost more than all else a request does.  They count
 * against the guest's memory.
 */
#ifndef FRONT_BUFFER_POOL_H
#define FRONT_BUFFER_POOL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/cleanup.h"
#include "base/memfd.h"
#include "front/account.h"

/* Inputs and outputs of as many requests under way as one worker takes, twice. */
#define BUFFER_POOL_IDLE_MAX 64u
/* What the idle ones may take of the guest's memory: this part of it. */
#define BUFFER_POOL_IDLE_SHARE 2u
/* What stays idle however long nobody wants it; and between looks at the rest so much time passes. */
#define BUFFER_POOL_KEPT_BYTES (UINT64_C(2) << 20)
#define BUFFER_POOL_LOOK_MS 1000u

struct buffer {
	TAILQ_ENTRY(buffer) entry;      /* of all */
	TAILQ_ENTRY(buffer) idle_entry; /* while idle */
	uint64_t known_by;              /* the worker that has been told of it, or 0 */
	uint32_t id;         /* that it knows it by: a new one for each worker that is told */
	uint32_t idle_since; /* pool->looks, then */
	bool is_idle;
	bool is_in_run; /* a worker may be at work with it */
	bool is_stale;  /* a process that was let go may still write it: not used again */
	int fd;
	struct tsk_map map; /* writable; map.size is what it may hold */
};

struct buffer_pool {
	struct account *account;
	/* The worker buffer->known_by is no longer to know it; mandatory. */
	void (*forget)(void *context, const struct buffer *buffer);
	/* buffer_pool_look() is to be called BUFFER_POOL_LOOK_MS from now.  NULL: it never is. */
	void (*want_look)(void *context);
	void *context;
	TAILQ_HEAD(buffer_list, buffer) all;
	TAILQ_HEAD(buffer_idle_list, buffer) idle; /* the last used one first */
	unsigned n_idle;
	uint64_t idle_bytes;
	uint64_t used_bytes;     /* of those that are not idle */
	uint64_t used_bytes_max; /* which is set after init(), or UINT64_MAX */
	uint32_t last_id;
	uint32_t looks; /* that there have been */
	bool wants_look;
};

void buffer_pool_init(struct buffer_pool *pool, struct account *account,
		      void (*forget)(void *context, const struct buffer *buffer), void *context);

/* Frees the idle ones; those in use must have been put before. */
void buffer_pool_done(struct buffer_pool *pool);

/*
 * A buffer of at least size bytes, with old bytes in it; one that this worker (0: any) knows, if
 * there is one.  -EBUSY by the account, -EDQUOT above used_bytes_max, or -ENOMEM ...
 */
int buffer_pool_take(struct buffer_pool *pool, uint64_t worker, uint64_t size, struct buffer **ret)
	_nodiscard_;

/* The limit that -EBUSY and -EDQUOT tell of. */
const char *buffer_pool_limit(int error);

/* Takes it back (NULL: nothing), to be kept or freed. */
void buffer_pool_put(struct buffer_pool *pool, struct buffer *buffer);

/* The worker is to be told of the buffer: under a new id, and whoever knew it forgets it. */
void buffer_pool_introduce(struct buffer_pool *pool, struct buffer *buffer, uint64_t worker);

/* Bytes of those that the worker knows. */
uint64_t buffer_pool_known_bytes(const struct buffer_pool *pool, uint64_t worker);

/* Makes the worker forget one that no run needs.  False: there is none. */
bool buffer_pool_forget_one(struct buffer_pool *pool, uint64_t worker);

/*
 * The worker is no longer to be told anything, but its process may live a moment longer, and write:
 * what it knew goes, at once or when it is put.
 */
void buffer_pool_worker_gone(struct buffer_pool *pool, uint64_t worker);

/*
 * Frees idle ones that nobody has wanted since the last look but one, but for BUFFER_POOL_KEPT_BYTES.
 * Whether there is to be another look, as want_look() says it.
 */
bool buffer_pool_look(struct buffer_pool *pool);

/* Frees idle ones, those first that were not used for longest, until bytes are free. */
void buffer_pool_reclaim(struct buffer_pool *pool, uint64_t bytes);

#endif
