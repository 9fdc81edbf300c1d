/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pipes for splice(2): bytes on their way from socket to socket lie in one, in the kernel.  A pipe is
 * taken while there are such bytes and given back when there are none, so connections without any have
 * no pipe, and no memory.
 */
#ifndef CLI_PIPE_POOL_H
#define CLI_PIPE_POOL_H

#include "base/cleanup.h"

/* What a pipe is asked to hold; a user who has many gets smaller ones (pipe(7), pipe-user-pages-soft). */
#define PIPE_POOL_PIPE_BYTES (256u << 10)
#define PIPE_POOL_KEPT_MAX 32u

struct pipe_ends {
	int in, out; /* to write to, to read from; -1: none.  Neither blocks. */
};

#define PIPE_ENDS_NONE ((struct pipe_ends){ -1, -1 })

/* {0} is an empty one. */
struct pipe_pool {
	struct pipe_ends kept[PIPE_POOL_KEPT_MAX];
	unsigned n;
};

void pipe_pool_done(struct pipe_pool *pool);

/* -errno: too many files are open. */
int pipe_pool_take(struct pipe_pool *pool, struct pipe_ends *ret) _nodiscard_;

/* An empty one, to be used again; *ends becomes none. */
void pipe_pool_give(struct pipe_pool *pool, struct pipe_ends *ends);

/* One with bytes in it, or none: they are lost. */
void pipe_ends_close(struct pipe_ends *ends);

#endif
