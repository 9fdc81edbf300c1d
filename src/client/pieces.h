/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory that a message's payload comes from, or goes to, piece after piece, and how far it has got.
 * The memory is others'.
 */
#ifndef TSK_CLIENT_PIECES_H
#define TSK_CLIENT_PIECES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/cleanup.h"

struct piece {
	unsigned char *data; /* NULL: a gap */
	uint64_t bytes;
};

struct pieces {
	struct piece *pieces;
	unsigned n, max;
	unsigned at;    /* the one that is under way, */
	uint64_t begun; /* and so much of it is done */
	uint64_t left;  /* bytes, of all */
};

/* Room for so many pieces.  -ENOMEM. */
int pieces_init(struct pieces *pieces, unsigned max) _nodiscard_;
void pieces_done(struct pieces *pieces);

/* NULL: a gap, which is sent as zeros, and not kept when it is received. */
void pieces_add(struct pieces *pieces, const void *data, uint64_t bytes);

/* One gap alone, in place: so many bytes are received and forgotten.  The pieces are given up. */
void pieces_discard(struct pieces *pieces, uint64_t bytes);

/* The next bytes, at most limit of them and max entries; how many entries.  *ret_bytes of them.  Gaps
 * are zeros (is_sent), or end what is given. */
unsigned pieces_next(const struct pieces *pieces, bool is_sent, uint64_t limit, struct iovec *iov,
		     unsigned max, uint64_t *ret_bytes);

/* n bytes are done, n ≤ left. */
void pieces_advance(struct pieces *pieces, uint64_t n);

/* Puts n ≤ left bytes where they go. */
void pieces_put(struct pieces *pieces, const unsigned char *bytes, size_t n);

/* All of them, those that are done too, as they would be sent; gaps are left as they are. */
void pieces_copy(const struct pieces *pieces, unsigned char *to);

void pieces_rewind(struct pieces *pieces);

#endif
