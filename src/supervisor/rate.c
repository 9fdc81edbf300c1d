/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/rate.h"

/* How long from now until all are free, with one more taken. */
static uint64_t taken_ns(const struct rate *rate, uint64_t max, uint64_t period_ns, uint64_t now_ns)
{
	uint64_t before_ns = rate->free_ns > now_ns ? rate->free_ns - now_ns : 0;

	return before_ns + period_ns / max;
}

bool rate_has(const struct rate *rate, uint64_t max, uint64_t period_ns, uint64_t now_ns)
{
	return taken_ns(rate, max, period_ns, now_ns) <= period_ns;
}

bool rate_take(struct rate *rate, uint64_t max, uint64_t period_ns, uint64_t now_ns)
{
	uint64_t ns = taken_ns(rate, max, period_ns, now_ns);

	if (ns > period_ns)
		return false;
	rate->free_ns = now_ns + ns;
	return true;
}
