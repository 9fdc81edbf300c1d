/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Buffers of the guest's that one read of a connection fills: Linux offers them 4 KiB each.  They are
 * popped, filled and given back in the order in which they were offered.
 */
#ifndef VHOST_VSOCK_BATCH_H
#define VHOST_VSOCK_BATCH_H

#include "base/cleanup.h"
#include "front/vhost/vring.h"
#include "front/vhost/vsock_packet.h"

#define VSOCK_BATCH_MAX 16u     /* chains */
#define VSOCK_BATCH_IOV_MAX 64u /* at so many pieces no chain is added */

struct vsock_batch {
	unsigned n;
	size_t room; /* for payload, in all of them */
	size_t rooms[VSOCK_BATCH_MAX];
	struct vring_chain chains[VSOCK_BATCH_MAX];
	unsigned n_iov;
	struct iovec iov[VSOCK_BATCH_IOV_MAX + VRING_IOV_MAX]; /* the room, as pieces */
};

/*
 * Begins with chains[0], which the caller has popped, and pops up to max in all, with room for at most
 * `bytes`.  False: chains[0] has no room for payload, and is all that was popped.
 */
bool vsock_batch_fill(struct vsock_batch *batch, struct vring *rx, unsigned max, size_t bytes)
	_nodiscard_;

/*
 * The first len bytes of the room are filled: each chain that has some of them becomes a packet with this
 * header; the others are as if never popped.  Returns the number of packets.
 */
unsigned vsock_batch_give(const struct vsock_batch *batch, struct vring *rx,
			  const struct vsock_header *header, uint32_t len);

/* Gives a chain back as a packet with this header and header->len bytes, which are there already. */
void vsock_batch_give_one(struct vring *rx, const struct vring_chain *chain,
			  const struct vsock_header *header);

#endif
