/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The shared buffers that the front has given to this worker, by their ids; and, in a second set of the
 * kind, foreign memory (channel/run.h).
 */
#ifndef WORKER_BUFFERS_H
#define WORKER_BUFFERS_H

#include <stdint.h>

#include "base/cleanup.h"
#include "base/memfd.h"

#define BUFFERS_MAX 256u

struct buffers {
	struct {
		uint64_t id;
		struct tsk_map map; /* addr NULL: the place is free */
	} places[BUFFERS_MAX];
	unsigned n_used; /* no place from here on was ever taken */
};

/*
 * Maps fd, which stays the caller's.  -EPROTO when it is not a size-sealed memfd of that size, above
 * 0, -EEXIST for an id that is in use, -EBUSY above BUFFERS_MAX, or another -errno.
 */
int buffers_add(struct buffers *buffers, uint64_t id, int fd, uint64_t bytes) _nodiscard_;

/* Maps the first bytes of fd, which may be cut short under us.  -EEXIST, -EBUSY, or another -errno. */
int buffers_add_foreign(struct buffers *buffers, uint64_t id, int fd, uint64_t bytes) _nodiscard_;

/* Nothing happens for an id that there is not. */
void buffers_drop(struct buffers *buffers, uint64_t id);
void buffers_done(struct buffers *buffers);

/* A part of a buffer, or NULL: no such id, not within it, or offset not a multiple of RUN_ALIGN. */
void *buffers_region(const struct buffers *buffers, uint64_t id, uint64_t offset, uint64_t bytes);

#endif
