/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages of a guest's seqpacket connection that its host end has not taken yet, first in first
 * out; the last one may still lack its end.  Credit bounds their bytes.  Their lengths, of which
 * each takes a byte or more, may take as many bytes again: enough for any messages within credit
 * that are not empty.
 */
#ifndef VHOST_VSOCK_MESSAGE_H
#define VHOST_VSOCK_MESSAGE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/cleanup.h"
#include "front/vhost/vsock_buffer.h"
#include "front/vhost/vsock_credit.h"

#define VSOCK_MESSAGE_MAX VSOCK_BUF_ALLOC /* bytes: a longer one can never be under way whole */

struct vsock_messages {
	struct vsock_buffer bytes;
	struct vsock_buffer lengths; /* of the whole messages, 7 bits a byte, the low ones first */
	uint32_t begun;              /* bytes of the message that lacks its end; the last ones */
};

/*
 * Appends the pieces to the message begun, or to a new one; ends: it is whole now.  -EMSGSIZE: it
 * can never become so.  -ENOBUFS: too many messages.  -ENOMEM.  Failed, nothing was appended.
 */
int vsock_messages_add(struct vsock_messages *messages, const struct iovec *iov, unsigned n,
		       bool ends) _nodiscard_;

/* Whether there is a whole message, and whether there is anything at all. */
bool vsock_messages_ready(const struct vsock_messages *messages);
bool vsock_messages_empty(const struct vsock_messages *messages);

/* The first message, which must be whole, as pieces; returns how many, 0 for an empty one. */
unsigned vsock_messages_first(const struct vsock_messages *messages,
			      struct iovec ret[VSOCK_BUFFER_PIECES]);
/* Forgets it; returns its length. */
uint32_t vsock_messages_take(struct vsock_messages *messages);
/* Forgets the message that lacks its end; returns its length so far. */
uint32_t vsock_messages_abandon(struct vsock_messages *messages);
/* Forgets all. */
void vsock_messages_done(struct vsock_messages *messages);

#endif
