/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One inference, whatever protocol it came by.  Embedded in what the protocol keeps of it.  From
 * models_submit() to done() or request_cancel() it belongs to the queue of its model.
 */
#ifndef FRONT_REQUEST_H
#define FRONT_REQUEST_H

#include <stdbool.h>
#include <sys/queue.h>

#include <tensock/types.h>

#include "base/cleanup.h"
#include "channel/run.h"
#include "tensor/model_info.h"

struct model;
struct request;

/* The outputs of a run, in memory that the worker may still write: only while done() runs. */
struct request_outputs {
	const void *region;
	const struct run_tensor *tensors; /* one for each output of the model, in order; checked */
	unsigned n_tensors;
};

/* All mandatory; called from the loop; none calls back into models. */
struct request_ops {
	/*
	 * The model stands ready and info describes it: how many bytes the region of the inputs
	 * takes, and the outputs probably.  A failure (-errno, *reterr) ends the request with it.
	 * Again for the same request after the worker died.
	 */
	int (*prepare)(struct request *request, const struct tsk_model_info *info,
		       uint64_t *ret_in_bytes, uint64_t *ret_out_bytes,
		       struct tensock_error *reterr);

	/* Writes a slice of the region of the inputs.  True while there is more: called again. */
	bool (*fill)(struct request *request, void *region);

	/* The terminal answer, once.  error is NULL when outputs is not. */
	void (*done)(struct request *request, const struct request_outputs *outputs,
		     const struct tensock_error *error);
};

struct request {
	const struct request_ops *ops;
	TAILQ_ENTRY(request) entry; /* in its model's queue; the one that runs stands in no queue */
	struct model *model;        /* set while it belongs to one */
	bool is_running;
	unsigned workers_lost; /* while it waited or ran */
};

TAILQ_HEAD(request_queue, request);

#endif
