/* SPDX-License-Identifier: Apache-2.0 */
#include "front/inferences.h"

static void add(struct metrics_histogram *to, const struct metrics_histogram *from)
{
	for (unsigned i = 0; i < METRICS_BUCKETS; i++)
		to->counts[i] += from->counts[i];
	to->sum_ns += from->sum_ns;
}

void inferences_add(struct inferences *to, const struct inferences *from)
{
	for (unsigned i = 0; i < TENSOCK_STATUS_MAX; i++)
		to->outcomes[i] += from->outcomes[i];
	add(&to->transfer, &from->transfer);
	add(&to->queue, &from->queue);
	add(&to->compute, &from->compute);
	add(&to->total, &from->total);
}
