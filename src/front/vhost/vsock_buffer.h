/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes of a guest that its connection's host end has not taken yet, first in first out.  Holds
 * memory only while it holds bytes, and less than twice as much.  Its owner bounds it, by credit.
 */
#ifndef VHOST_VSOCK_BUFFER_H
#define VHOST_VSOCK_BUFFER_H

#include <stddef.h>
#include <sys/uio.h>

#include "base/cleanup.h"

#define VSOCK_BUFFER_PIECES 2u

struct vsock_buffer {
	unsigned char *memory;
	size_t size;       /* of memory, a power of two; the bytes held may wrap around its end */
	size_t start, len; /* the bytes held */
};

/* Appends the bytes of the pieces from the skip-th on.  -ENOMEM: nothing was appended. */
int vsock_buffer_add(struct vsock_buffer *buffer, const struct iovec *iov, unsigned n, size_t skip)
	_nodiscard_;
/* The bytes held, as pieces; returns how many. */
unsigned vsock_buffer_bytes(const struct vsock_buffer *buffer,
			    struct iovec ret[VSOCK_BUFFER_PIECES]);
/* Forgets the first n bytes, at most those held. */
void vsock_buffer_take(struct vsock_buffer *buffer, size_t n);
/* Forgets all. */
void vsock_buffer_done(struct vsock_buffer *buffer);

#endif
