/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Credit of one connection, both ways (VIRTIO 1.2 §5.10.6.3).  All counters are of bytes and wrap
 * at 2^32; a difference is therefore always taken first and compared after.
 */
#ifndef VHOST_VSOCK_CREDIT_H
#define VHOST_VSOCK_CREDIT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "front/vhost/vsock_packet.h"

/*
 * What a guest may have under way to us, per connection: every connection at least the small
 * window, and the wide one where vsock_table.h has that much to spare.  Powers of two, as what
 * vsock_buffer.h allocates: a connection never takes more than its window.
 */
#define VSOCK_BUF_ALLOC 262144u
#define VSOCK_BUF_ALLOC_MIN 16384u

struct vsock_credit {
	/* To the guest. */
	uint32_t sent;       /* bytes sent */
	uint32_t peer_fwd;   /* of these, taken by the guest's program, as the guest last said */
	uint32_t peer_alloc; /* the guest's buffer */

	/* From the guest. */
	uint32_t received;
	uint32_t fwd;        /* of these, passed on */
	uint32_t told_fwd;   /* fwd as the guest last heard it */
	uint32_t told_alloc; /* our buffer as the guest last heard it: 0 before our first packet */
	bool wide; /* its buffer is VSOCK_BUF_ALLOC; once told, for as long as bytes may come */
};

/*
 * Takes what the guest says in a packet.  -EPROTO: it claims to have taken bytes never sent.
 * A fwd_cnt older than the last one is passed over: two threads of a guest may queue their packets
 * the other way round.
 */
int vsock_credit_hear(struct vsock_credit *credit, const struct vsock_header *header) _nodiscard_;
/* Bytes that may go to the guest now. */
uint32_t vsock_credit_left(const struct vsock_credit *credit);
void vsock_credit_sent(struct vsock_credit *credit, uint32_t n);

/* n bytes came from the guest.  -EPROTO: more than it was allowed to send. */
int vsock_credit_receive(struct vsock_credit *credit, uint32_t n) _nodiscard_;
/* n received bytes have left our buffer. */
void vsock_credit_pass_on(struct vsock_credit *credit, uint32_t n);
/* Whether the guest should hear of freed room before it runs out of credit. */
bool vsock_credit_update_due(const struct vsock_credit *credit);
/* Fills the header's buf_alloc and fwd_cnt, which the guest is going to see. */
void vsock_credit_tell(struct vsock_credit *credit, struct vsock_header *header);

#endif
