/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The time of a device whose queues stop and start.  A VMM says the same when the VM is paused and when
 * its driver goes: so the device waits, and only how the queues start again tells which it was.  While
 * it waits its time stands still, and with it all that a connection has time for.
 */
#ifndef VHOST_VSOCK_PAUSE_H
#define VHOST_VSOCK_PAUSE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "front/vhost/backend.h"

#define VSOCK_PAUSE_QUEUES 2u /* rx and tx, by their index */

/* All zero: it runs, or has not begun. */
struct vsock_pause {
	bool on;
	bool unused[VSOCK_PAUSE_QUEUES]; /* started again, but as a new driver's might be */
	uint64_t since_ns;               /* by the clock */
	uint64_t skipped_ns;             /* of the clock, by pauses that are over */
};

enum vsock_pause_verdict {
	VSOCK_PAUSE_OPEN, /* nothing is known yet, or nothing was to be known */
	VSOCK_PAUSE_OVER, /* the driver is the one that had stopped */
	VSOCK_PAUSE_NEW,  /* it is another one */
};

void vsock_pause_begin(struct vsock_pause *pause, uint64_t clock_ns);
/* Time goes on. */
void vsock_pause_end(struct vsock_pause *pause, uint64_t clock_ns);

/* Queue q, rx or tx, has started; both: the other one runs as well. */
enum vsock_pause_verdict vsock_pause_started(struct vsock_pause *pause, unsigned q,
					     enum vhost_begin begin, bool both) _nodiscard_;

/* The device's time. */
uint64_t vsock_pause_time_ns(const struct vsock_pause *pause, uint64_t clock_ns);

#endif
