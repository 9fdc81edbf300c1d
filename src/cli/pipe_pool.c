/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/pipe_pool.h"

#include <fcntl.h>

void pipe_ends_close(struct pipe_ends *ends)
{
	ends->in = tsk_close(ends->in);
	ends->out = tsk_close(ends->out);
}

void pipe_pool_done(struct pipe_pool *pool)
{
	while (pool->n)
		pipe_ends_close(&pool->kept[--pool->n]);
}

int pipe_pool_take(struct pipe_pool *pool, struct pipe_ends *ret)
{
	int fds[2];

	if (pool->n) {
		*ret = pool->kept[--pool->n];
		return 0;
	}
	if (pipe2(fds, O_NONBLOCK | O_CLOEXEC) < 0)
		return -errno;
	/* As it is, it does as well, only slower. */
	(void)fcntl(fds[1], F_SETPIPE_SZ, (int)PIPE_POOL_PIPE_BYTES);
	*ret = (struct pipe_ends){ .in = fds[1], .out = fds[0] };
	return 0;
}

void pipe_pool_give(struct pipe_pool *pool, struct pipe_ends *ends)
{
	if (pool->n == PIPE_POOL_KEPT_MAX) {
		pipe_ends_close(ends);
		return;
	}
	pool->kept[pool->n++] = *ends;
	*ends = PIPE_ENDS_NONE;
}
