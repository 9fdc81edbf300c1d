/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When the driver is shown the chains of its own packets that have been taken.  Each time it is shown
 * some it may want an interrupt, and that its data has been taken is no news to a guest.  So they are
 * held until there is something to give to it as well; but only so many, and not for long.  A driver
 * that turns out to wait for them, and for nothing else, is spared that for a while.
 */
#ifndef VHOST_VSOCK_HOLD_H
#define VHOST_VSOCK_HOLD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "front/vhost/vsock_packet.h"

#define VSOCK_HOLD_PIECES_MAX 32u /* buffers; the smallest queue of a known driver has 128 */
#define VSOCK_HOLD_NS (3 * TSK_NS_PER_MS)
#define VSOCK_HOLD_PAUSE 64u /* after one was held in vain; so many times nothing is */

struct vsock_hold {
	unsigned pieces;      /* buffers in the chains that are held */
	bool urgent;          /* one of them is not to be held */
	uint64_t deadline_ns; /* 0: nothing is held */
	unsigned pause;
};

/* A chain of so many buffers with this packet was taken; NULL: with none. */
void vsock_hold_add(struct vsock_hold *hold, unsigned pieces, const struct vsock_header *header);

/* At the end of a turn: true, wait; false, show all now.  given: there is something for the guest. */
bool vsock_hold_waits(struct vsock_hold *hold, bool given, uint64_t now_ns);

/* When to come back at the latest; UINT64_MAX: nothing is held. */
uint64_t vsock_hold_deadline_ns(const struct vsock_hold *hold);

/* Nothing has come until the deadline. */
void vsock_hold_expired(struct vsock_hold *hold);

/* The driver has gone. */
void vsock_hold_reset(struct vsock_hold *hold);

#endif
