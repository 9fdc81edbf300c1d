/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long many things took: their number, sum, smallest and largest exactly, percentiles to within
 * 1/256 of their value, in the same memory for any number of them.
 */
#ifndef CLI_LATENCY_H
#define CLI_LATENCY_H

#include <stdint.h>

#define LATENCY_STEPS 256u /* to each doubling */
#define LATENCY_BUCKETS (LATENCY_STEPS * 57u)

struct latency {
	uint64_t n, sum_ns, min_ns, max_ns;
	uint64_t buckets[LATENCY_BUCKETS];
};

void latency_add(struct latency *latency, uint64_t ns);

/* The smallest that at least `percent` of all do not exceed (0 to 100); 0 when there are none. */
uint64_t latency_percentile(const struct latency *latency, double percent);

#endif
