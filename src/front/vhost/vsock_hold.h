/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When the driver is signalled that its own packets have been taken.  It sees that in the used ring at
 * once, but Linux wants an interrupt for each time, and it is no news to a guest.  So the signal is held
 * back: mostly the driver comes to look for another reason, and it is not needed any more.  But only for
 * so many buffers, and not for long.  A driver that turns out to wait is spared that for a while.
 */
#ifndef VHOST_VSOCK_HOLD_H
#define VHOST_VSOCK_HOLD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"

#define VSOCK_HOLD_PIECES_MAX 32u /* buffers; the smallest queue of a known driver has 128 */
#define VSOCK_HOLD_NS (3 * TSK_NS_PER_MS)
#define VSOCK_HOLD_VAIN 4u   /* signals in a row that were waited for, and then ... */
#define VSOCK_HOLD_PAUSE 64u /* ... so many are not held */

struct vsock_hold {
	unsigned pieces;      /* buffers taken since the driver is known to have looked */
	uint64_t deadline_ns; /* 0: no signal is held */
	unsigned vain, pause;
};

/* A chain of so many buffers was taken. */
void vsock_hold_add(struct vsock_hold *hold, unsigned pieces);

/* A signal is owed: true, it can wait; false, it is to be given, and nothing is held any more. */
bool vsock_hold_waits(struct vsock_hold *hold, uint64_t now_ns);

/* No signal is owed: the driver has looked by itself, or has gone. */
void vsock_hold_drop(struct vsock_hold *hold);

/* When to come back at the latest; UINT64_MAX: no signal is held. */
uint64_t vsock_hold_deadline_ns(const struct vsock_hold *hold);

#endif
