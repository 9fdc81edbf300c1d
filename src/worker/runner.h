/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs: from an entry of the ring to the entry that answers it.  Inputs are given to the engine
 * where they lie; so are outputs whose shape the model fixes, or takes from its inputs by the names of
 * dimensions.  Others the engine allocates, and they are copied; when they do not fit they are kept for
 * a FETCH.  Outputs that have a place in foreign memory go there, if it is large enough; but not by a
 * FETCH.
 */
#ifndef WORKER_RUNNER_H
#define WORKER_RUNNER_H

#include <stdbool.h>
#include <stdint.h>

#include "channel/run.h"
#include "worker/line.h"
#include "worker/model.h"

/* A part of a buffer.  start NULL: it is in none. */
struct region {
	unsigned char *start;
	uint64_t bytes;
};

/* A part of foreign memory (channel/run.h), or NULL: no such id, not within it, not aligned. */
typedef void *runner_find(uint32_t id, uint64_t offset, uint64_t bytes);

/* Where in foreign memory an output is wanted. */
struct runner_place {
	unsigned char *start; /* NULL: nowhere */
	const struct run_tensor *at;
};

/* Of one thread. */
struct runner {
	const struct model *model; /* borrowed */
	runner_find *find_foreign;

	struct run_tensor *descriptors; /* room for the inputs and the outputs' places */
	struct run_tensor *results;     /* and for the outputs */
	struct runner_place *places;    /* one for each output */
	uint64_t *sizes, *offsets;      /* of the outputs */
	uint64_t *laid; /* what each takes in the region: its size, or 0 where its place holds it */
	struct tensock_tensor *inputs, *outputs;
	bool in_place; /* outputs of known shape; off for good once the model broke its word */
};

int runner_init(struct runner *runner, const struct model *model, runner_find *find_foreign)
	_nodiscard_;
void runner_done(struct runner *runner);

/*
 * Answers one that this thread has: job->done is whole whatever comes of it.  in, out: what its entry
 * names.
 */
void runner_answer(struct runner *runner, struct job *job, const struct region *in,
		   const struct region *out);

#endif
