/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Front and worker on one CPU, while they do nothing but wait for each other: one run at a time is under
 * way, and a short one.  Then waking each other is most of what a request costs, and from one CPU to
 * another that costs several times as much as on the same; and what the one has written the other finds in
 * its cache.
 *
 * The front stays where the kernel has put it, for a moment, and the worker comes there (struct
 * run_entry).  After that moment both are the kernel's again for a request, so that they do not stay on a
 * CPU that others want while another is idle.
 */
#ifndef FRONT_PAIRING_H
#define FRONT_PAIRING_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "base/affinity.h"
#include "base/cleanup.h"

struct pairing {
	struct affinity affinity; /* the front's */
	uv_timer_t *timer;        /* runs while it is bound */
};

int pairing_init(struct pairing *pairing, uv_loop_t *loop) _nodiscard_;
void pairing_done(struct pairing *pairing);

/*
 * Before a run: whether front and worker are to be on one CPU for it.  1 + the CPU that the front is bound
 * to from now on, and the worker is to be; 0: none.
 */
uint32_t pairing_choose(struct pairing *pairing, bool is_wanted);

#endif
