/* SPDX-License-Identifier: Apache-2.0 */
#include "front/limit_hits.h"

/* Of the process, as its log is: it has one guest. */
static uint64_t hits[METRICS_LIMIT_MAX];

void limit_hit(enum metrics_limit limit)
{
	hits[limit]++;
}

uint64_t limit_hits(enum metrics_limit limit)
{
	return hits[limit];
}
