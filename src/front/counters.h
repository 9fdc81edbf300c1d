/* SPDX-License-Identifier: Apache-2.0 */
/* What became of the frames of a guest: accepted = ok + error + cancelled + reset + under way. */
#ifndef FRONT_COUNTERS_H
#define FRONT_COUNTERS_H

#include <stdint.h>

struct counters {
	uint64_t accepted;  /* headers that were complete */
	uint64_t ok;        /* answered OK */
	uint64_t error;     /* answered ER */
	uint64_t cancelled; /* the guest went before the answer was known */
	uint64_t reset;     /* the guest went, or fell silent, in the middle of the body */
};

#endif
