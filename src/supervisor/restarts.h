/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long to wait before one of the daemon's own processes, of which there is one each, is started again:
 * the longer, the more of them have crashed in a row.  Pure: given the time.
 */
#ifndef SUPERVISOR_RESTARTS_H
#define SUPERVISOR_RESTARTS_H

#include <stdint.h>

#include "base/cleanup.h"

/* One that has lived so long has not crashed in a row with the one before it. */
#define RESTARTS_STEADY_MS 10000u

/* All zero at first. */
struct restarts {
	unsigned crashes; /* in a row */
	uint64_t started_ns;
};

void restarts_began(struct restarts *restarts, uint64_t now_ns);

/* It is no more, or could not be started: how long to wait. */
uint64_t restarts_ended(struct restarts *restarts, uint64_t now_ns);
uint64_t restarts_failed(struct restarts *restarts);

#endif
