/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which of the guest's regions of shared memory (regions.h) a worker has mapped, so that runs find their
 * tensors there (channel/run.h: foreign memory).  The front maps none of them itself.  Part of a worker_link.
 *
 * A region is offered when a request first needs it, and used from the worker's answer on: until then,
 * and where it cannot be mapped, the front copies.
 */
#ifndef FRONT_WORKER_FOREIGN_H
#define FRONT_WORKER_FOREIGN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "channel/run.h"
#include "front/regions.h"

struct worker_link;

struct worker_region {
	uint32_t number; /* of the region */
	bool is_mapped;
	bool is_gone; /* nothing new may use it; told to the worker when last_run has ended */
	uint64_t last_run, bytes;
};

struct worker_foreign {
	struct worker_region regions[REGIONS_MAX];
	unsigned n, n_gone;
	unsigned n_asked; /* answers that are still to come */
	uint64_t bytes;   /* of all: at most the guest's max-memory */
};

/* Below, a copy costs less than all that it spares. */
#define WORKER_FOREIGN_BYTES_MIN (UINT64_C(64) << 10)

/*
 * Whether runs of this worker may use the part of the region, for a tensor of that type, where it lies: then
 * *t says where that is, and nothing else of it changes.  Offers the region, where that has not been done.
 * One that is too short would be the worker's end: it is left to the copy, which says so.
 */
bool worker_foreign_point(struct worker_link *link, const struct region *region,
			  const struct oip_region *part, uint32_t dtype, struct run_tensor *t);

/* The region is no longer used. */
void worker_foreign_forget(struct worker_link *link, uint32_t number);

/* A run has ended. */
void worker_foreign_run_ended(struct worker_link *link);

/* FOREIGN_MAPPED.  -EPROTO: nothing was asked. */
int worker_foreign_answered(struct worker_link *link, uint64_t number, bool is_mapped) _nodiscard_;

#endif
