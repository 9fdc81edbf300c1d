/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory that a connection over a Unix socket shares with its host, and who has which slice of it
 * (docs/protocol.md, "Tensors in shared memory").  It is made when the first slice is wanted, and
 * replaced by another one when it is too small, or given up, and nobody has a slice of it.
 */
#ifndef TSK_CLIENT_MEMORY_H
#define TSK_CLIENT_MEMORY_H

#include <sys/queue.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"

/* Fewer bytes than this go as fast through the socket. */
#define MEMORY_WORTH_BYTES ((uint64_t)64 * 1024)

/* The least and the most that is shared.  It is address space: pages are taken as they are written. */
#define MEMORY_BYTES_MIN ((uint64_t)64 << 20)
#define MEMORY_BYTES_MAX ((uint64_t)1 << 30)

/* Slices are of whole ones. */
#define MEMORY_PAGE_BYTES ((uint64_t)4096)

enum memory_state {
	MEMORY_NONE,
	MEMORY_NEW,   /* the host is to be told */
	MEMORY_GOING, /* its descriptor goes with the frame that is about to be sent */
	MEMORY_SHARED,
	MEMORY_OFF /* there is none on this connection, nor will be */
};

/* Whoever has one owns the struct; bytes is 0 while it has none. */
struct memory_slice {
	uint64_t at, bytes;
	TAILQ_ENTRY(memory_slice) entry;
};

TAILQ_HEAD(memory_slices, memory_slice);

struct memory {
	enum memory_state state;
	bool is_given_up; /* when nobody has a slice any more */
	int fd;
	unsigned char *start;
	uint64_t bytes;
	struct memory_slices slices; /* by where they are */
};

void memory_init(struct memory *memory);
/* Nobody has a slice any more. */
void memory_done(struct memory *memory);

/* So many bytes, not 0, at a multiple of a page, from memory->start + slice->at on.  False: not now. */
bool memory_take(struct memory *memory, uint64_t bytes, struct memory_slice *slice) _nodiscard_;

/* Nothing is done about a slice that has no bytes.  The host does nothing with it any more: */
void memory_give(struct memory *memory, struct memory_slice *slice);
/* The host may still write to it: no byte of this memory is used for anything new. */
void memory_give_up(struct memory *memory, const struct memory_slice *slice);

/* The host cannot use it: those that have slices keep them, nobody gets any. */
void memory_off(struct memory *memory);

#endif
