/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs: from an entry of the ring to the entry that answers it.  Inputs are given to the engine
 * where they lie; so are outputs whose shape the model fixes.  Others the engine allocates, and they
 * are copied; when they do not fit they are kept for a FETCH.
 */
#ifndef WORKER_RUNNER_H
#define WORKER_RUNNER_H

#include <stdbool.h>
#include <stdint.h>

#include "channel/run.h"
#include "worker/buffers.h"
#include "worker/inbox.h"
#include "worker/model.h"

struct runner {
	const struct model *model; /* borrowed, as are the next two */
	const struct buffers *buffers;
	struct inbox *inbox;

	struct run_tensor *descriptors; /* room for the inputs, and for the outputs */
	uint64_t *sizes, *offsets;      /* of the outputs */
	struct tensock_tensor *inputs, *outputs;
	bool in_place; /* outputs of fixed shape; off for good once the model broke its word */
	bool kept;     /* the outputs wait for a FETCH; all of them are to be released */
	uint64_t last_run_id;
};

int runner_init(struct runner *runner, const struct model *model, const struct buffers *buffers,
		struct inbox *inbox) _nodiscard_;
void runner_done(struct runner *runner);

/*
 * Answers one START or FETCH; *ret_done is whole whatever comes of it.  cancelled: it is answered
 * without being run.  False when the front is gone and nothing needs an answer.
 */
bool runner_answer(struct runner *runner, const struct run_entry *entry, bool cancelled,
		   struct run_entry *ret_done) _nodiscard_;

#endif
