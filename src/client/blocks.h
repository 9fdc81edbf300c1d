/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory for tensors that callers have asked for.  A block stays where it is, with its bytes, whatever
 * becomes of the connection.  Behind it lies memory of this process alone, and from the first request on that can use
 * it there a slice of what is shared with the host: until nobody may use that any more.
 */
#ifndef TSK_CLIENT_BLOCKS_H
#define TSK_CLIENT_BLOCKS_H

#include <sys/queue.h>

#include <stdbool.h>
#include <stdint.h>

#include "client/memory.h"

struct block {
	unsigned char *start;
	uint64_t bytes; /* of whole pages */
	bool is_shared; /* a slice of the memory, or of one that is no more, lies behind it */
	struct memory_slice slice;
	unsigned n_uses; /* by requests under way */
	LIST_ENTRY(block) entry;
};

LIST_HEAD(blocks, block);

/* So many bytes, at least one.  -ENOMEM. */
int block_new(struct blocks *blocks, uint64_t bytes, struct block **ret);

/* Of the client's end: a request that uses it is over, or never answered. */
void block_free(struct block *block, struct memory *memory);

/* The one that has all these bytes; NULL: none. */
struct block *blocks_find(const struct blocks *blocks, const void *data, uint64_t bytes);

/*
 * Has it in the memory, so that the host finds at slice.at what is at its start; false: it cannot be.  keeps_bytes: those
 * that it has are wanted.
 */
bool block_share(struct block *block, struct memory *memory, bool keeps_bytes);

/*
 * Those that no request uses get memory of their own again, with their bytes, where what lies behind
 * them has been given up, cannot be used, or is that of another connection.
 */
void blocks_settle(struct blocks *blocks, struct memory *memory);

#endif
