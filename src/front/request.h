/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One inference, whatever protocol it came by.  Embedded in what the protocol keeps of it.  From
 * models_submit() to done() or request_cancel() it belongs to the queue of its model.
 */
#ifndef FRONT_REQUEST_H
#define FRONT_REQUEST_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include <tensock/types.h>

#include "base/cleanup.h"
#include "channel/run.h"
#include "tensor/model_info.h"
#include "wire/frame.h"

struct buffer;
struct model;
struct request;
struct worker_link;

/* The outputs of a run, in memory that the worker may still write: look at each byte once. */
struct request_outputs {
	/*
	 * Holds the region.  Only while done() runs, unless done() takes it (TAKE_PTR): then it is
	 * the request's, to be given back with buffer_pool_put().
	 */
	struct buffer *buffer;
	const void *region;
	/*
	 * Those of the model, in order; checked.  One with `foreign` set lies in its place, and not in the
	 * region.  While done() runs.
	 */
	const struct run_tensor *tensors;
	unsigned n_tensors;
	uint64_t queue_ns;   /* from models_submit() until a worker could begin with its last run */
	uint64_t compute_ns; /* from then on to the DONE, as the front sees it */
};

/* All functions mandatory; called from the loop; none calls back into models. */
struct request_ops {
	/*
	 * The model stands ready and info describes it: how many bytes the region of the inputs
	 * takes, and the outputs probably.  A failure (-errno, *reterr) ends the request with it, 1
	 * ends it without a run: done() with neither outputs nor an error.
	 * Again for the same request after the worker died.
	 */
	int (*prepare)(struct request *request, const struct tsk_model_info *info,
		       uint64_t *ret_in_bytes, uint64_t *ret_out_bytes,
		       struct tensock_error *reterr);

	/* Writes a slice of the region of the inputs.  True while there is more: called again. */
	bool (*fill)(struct request *request, void *region);

	/* The terminal answer, once.  Neither outputs nor error: prepare() said that none are wanted. */
	void (*done)(struct request *request, struct request_outputs *outputs,
		     const struct tensock_error *error);

	/* Not a function: prepare() wants no run, ever, and no inference is counted. */
	bool is_load;
};

/* Where it comes from, for whoever reads of it in the metrics and in the access log. */
struct request_origin {
	const char *protocol;    /* "native" */
	const char *what;        /* is asked, as the protocol calls it: "INFER" */
	const char *model;       /* and of which one, by name, where that is known; else NULL */
	const char *version;     /* with it */
	uint64_t connection;     /* the guest's counters.connections when that was opened */
	uint64_t id;             /* as its peer calls it */
	struct wire_string text; /* the same, where that is no number: valid until done() */
	uint64_t begun_ns;       /* its header was there; 0: nobody has looked */
	uint64_t bytes;          /* of its inputs, as they came */
	unsigned http_status;    /* that it is answered with; 0: it has none */
	bool is_told;            /* it has its line in the access log */
};

struct request {
	const struct request_ops *ops;
	struct request_origin origin;
	/*
	 * A buffer of the guest's pool in which the inputs lie already, or NULL: then one is taken.
	 * prepare() must then ask for no more than it holds, and fill() has the descriptors to write.
	 * The run takes it over; NULL after done(), and after a cancel of a request that ran.
	 */
	struct buffer *in;
	/* Set for prepare(): whom the run goes to, for worker_foreign_point().  Not to be kept. */
	struct worker_link *worker;
	/*
	 * Of prepare(): where the run is to write outputs in foreign memory, as fill() describes them to
	 * the worker.  Lives until done().
	 */
	const struct run_tensor *places;
	unsigned n_places;
	TAILQ_ENTRY(request) entry; /* in its model's queue; one that runs stands in no queue */
	struct model *model;        /* set while it belongs to one */
	bool is_counted;            /* with its inferences */
	bool is_running;
	bool runs_alone;       /* it was under way beside others when their worker was lost */
	unsigned workers_lost; /* while it waited or ran */
	uint64_t queued_ns;
};

TAILQ_HEAD(request_queue, request);

/* prepare() and fill() of those to which it is enough that their model stands ready. */
int request_load_prepare(struct request *request, const struct tsk_model_info *info,
			 uint64_t *ret_in_bytes, uint64_t *ret_out_bytes,
			 struct tensock_error *reterr);
bool request_load_fill(struct request *request, void *region);

/* Its terminal answer: counts it, and calls done().  For those that it belongs to. */
void request_end(struct request *request, struct request_outputs *outputs,
		 const struct tensock_error *error);

/* No answer is wanted any more: counts it. */
void request_cancelled(struct request *request);

/* What is known of a request while its done() runs; NULL at any other time. */
struct request_ending {
	const struct request *request;
	const struct model *model;             /* of an inference; else NULL */
	const struct request_outputs *outputs; /* NULL: none */
};
const struct request_ending *request_ending(const struct request *request);

#endif
