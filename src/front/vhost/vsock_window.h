/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages of one seqpacket connection that are under way to the guest, or not yet read there.
 * Credit counts bytes only, and a guest that counts packets, too, resets a connection that has
 * brought it too many small ones: Linux does at buf_alloc / 576.  So we count as well, from what the
 * guest says to have passed on; never too few, but for empty messages, which pass no byte on.
 */
#ifndef VHOST_VSOCK_WINDOW_H
#define VHOST_VSOCK_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

#include "front/vhost/vsock_credit.h"

#define VSOCK_WINDOW_MAX 256u        /* messages under way */
#define VSOCK_WINDOW_EMPTIES_MAX 64u /* empty ones in a row */

struct vsock_window {
	uint32_t older_end; /* credit->sent behind the last of the older ones */
	uint16_t older, newer;
	uint16_t empties; /* since the last byte sent */
};

/* Whether another message may begin. */
bool vsock_window_is_open(const struct vsock_window *window, const struct vsock_credit *credit);
/*
 * A whole message has been sent, and vsock_credit_sent() is done; empty: without a byte.
 * -ENOBUFS: one empty message too many in a row.
 */
int vsock_window_sent(struct vsock_window *window, const struct vsock_credit *credit, bool empty)
	_nodiscard_;
/* The guest has said something: call it after vsock_credit_hear(). */
void vsock_window_hear(struct vsock_window *window, const struct vsock_credit *credit);

#endif
