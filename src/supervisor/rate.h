/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How often something may happen: at most so many times at once, and then as they come free again over
 * a period.  Pure: given the time.
 */
#ifndef SUPERVISOR_RATE_H
#define SUPERVISOR_RATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"

/* All zero at first. */
struct rate {
	uint64_t free_ns; /* when all of them will be free again */
};

/* Whether one of `max` in period_ns is free, and takes it. */
bool rate_take(struct rate *rate, uint64_t max, uint64_t period_ns, uint64_t now_ns);

/* Whether rate_take() would take it. */
bool rate_has(const struct rate *rate, uint64_t max, uint64_t period_ns, uint64_t now_ns);

#endif
