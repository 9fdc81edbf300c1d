/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a front tells operators of its guest: a page of metrics (channel/metrics_page.h), written again
 * within a second after something may have changed.  An idle front does not wake for it.
 */
#ifndef FRONT_METRICS_H
#define FRONT_METRICS_H

#include "base/cleanup.h"
#include "front/guest.h"

/* Models that are told of by their names; the others are told of together, as one. */
#define METRICS_MODELS_MAX 32u
#define METRICS_OTHERS "(others)"

struct metrics;

/* fd: the page, as FRONT_METRICS has it; stays the caller's.  -EPROTO: it is none. */
int metrics_new(struct guest *guest, int fd, struct metrics **ret) _nodiscard_;

/* The page has all that there is to tell.  NULL is fine, here and below. */
void metrics_flush(struct metrics *metrics);

void metrics_free(struct metrics *metrics);

#endif
