/* SPDX-License-Identifier: Apache-2.0 */
/* What became of a model's inferences, and how long each part of them took: for the metrics. */
#ifndef FRONT_INFERENCES_H
#define FRONT_INFERENCES_H

#include <stdint.h>

#include <tensock/types.h>

#include "channel/metrics_page.h"

struct inferences {
	uint64_t outcomes[TENSOCK_STATUS_MAX];
	struct metrics_histogram transfer, queue, compute, total; /* of those that ended well */
};

/* Adds what *from has. */
void inferences_add(struct inferences *to, const struct inferences *from);

#endif
