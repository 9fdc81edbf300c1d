/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A guest whose processes crash again and again starts none for a while: the first time a second,
 * then twice as long each time, a minute at most.  Every process of it costs the host more than the
 * guest paid for it.  Pure: given the time.
 */
#ifndef SUPERVISOR_PENALTY_H
#define SUPERVISOR_PENALTY_H

#include <stdint.h>

#include "base/cleanup.h"
#include "supervisor/rate.h"

#define PENALTY_FIRST_MS 1000u
#define PENALTY_MOST_MS 60000u
#define PENALTY_FORGET_MS 600000u /* without a penalty: the next one is a first one */

#define PENALTY_FRONT 10u /* a front's crash counts for so many of a worker's */

/* All zero at first. */
struct penalty {
	struct rate crashes;
	uint64_t until_ns;
	unsigned in_a_row;
};

/*
 * weight crashes more, of which max in a minute bring no penalty; max 0: none ever does.  How long the
 * penalty is that begins by it, or 0.
 */
uint64_t penalty_crash(struct penalty *penalty, unsigned weight, uint64_t max, uint64_t now_ns);

/* What is left of it. */
uint64_t penalty_left_ms(const struct penalty *penalty, uint64_t now_ns);

#endif
