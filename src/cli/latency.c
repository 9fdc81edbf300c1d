/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/latency.h"

#include <assert.h>
#include <math.h>

static_assert(LATENCY_STEPS == 256, "find_bucket() counts with bits");

/* Below 256 each number has its own; then each doubling has 256 of the same width. */
static unsigned find_bucket(uint64_t ns)
{
	unsigned exponent = ns < LATENCY_STEPS ? 0 : 63 - 8 - (unsigned)__builtin_clzll(ns) + 1;

	if (exponent == 0)
		return (unsigned)ns;
	return exponent * LATENCY_STEPS + (unsigned)(ns >> (exponent - 1) & (LATENCY_STEPS - 1));
}

/* The middle of a bucket. */
static uint64_t bucket_ns(unsigned bucket)
{
	unsigned exponent = bucket / LATENCY_STEPS;
	uint64_t step = bucket % LATENCY_STEPS;

	if (exponent == 0)
		return step;
	return ((step | LATENCY_STEPS) << (exponent - 1)) + ((UINT64_C(1) << (exponent - 1)) >> 1);
}

void latency_add(struct latency *latency, uint64_t ns)
{
	if (latency->n == 0 || ns < latency->min_ns)
		latency->min_ns = ns;
	if (ns > latency->max_ns)
		latency->max_ns = ns;
	latency->n++;
	latency->sum_ns += ns;
	latency->buckets[find_bucket(ns)]++;
}

uint64_t latency_percentile(const struct latency *latency, double percent)
{
	double rank = ceil((double)latency->n * percent / 100);
	uint64_t below = 0, ns = 0;

	if (latency->n == 0 || percent <= 0)
		return latency->min_ns;
	for (unsigned i = 0; i < LATENCY_BUCKETS && (double)below < rank; i++) {
		below += latency->buckets[i];
		if (latency->buckets[i])
			ns = bucket_ns(i);
	}
	if (ns < latency->min_ns)
		return latency->min_ns;
	/* The last is known exactly. */
	return ns > latency->max_ns || rank >= (double)latency->n ? latency->max_ns : ns;
}
