/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An inference of the Open Inference Protocol, under way: what HTTP (http_session.c) and gRPC
 * (grpc_session.c) share.  Embedded in what the protocol keeps of it.
 *
 *   oip_call_begin()   it counts, and the guest's limits hold for it
 *   oip_call_take()    room for the inputs' bytes, in the buffer that the worker will read: to be
 *                      received into, or written
 *   oip_call_submit()  done() follows, perhaps before this returns
 *   oip_call_end()     from begin() on always, once: also after done(), also instead of it
 *
 * One thread, one loop.
 */
#ifndef FRONT_OIP_CALL_H
#define FRONT_OIP_CALL_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include <tensock/types.h>

#include "base/cleanup.h"
#include "front/guest.h"
#include "front/protocol/oip.h"
#include "front/request.h"

struct oip_call;
struct oip_part;

struct oip_call_ops {
	/*
	 * The one answer: either answer or error.  *answer is valid during this call, what it points to
	 * as long as the call has not ended; the results' bytes also only as long as *buffer, where that
	 * is taken (TAKE_PTR), to be given back with buffer_pool_put(&guest->workers->buffers, ...).  May
	 * end the call.
	 */
	void (*done)(struct oip_call *call, const struct oip_answer *answer, struct buffer **buffer,
		     const struct tensock_error *error);
};

struct oip_call {
	const struct oip_call_ops *ops;
	struct guest *guest;

	/* Its own. */
	struct request request;
	struct oip_infer infer;
	struct model *model; /* since models have the request */
	char *name, *version;
	struct wire_tensor *tensors; /* inputs, then wanted outputs */
	struct run_tensor *inputs;
	uint32_t *wanted;
	struct oip_result *results;
	uint32_t n_results;
	/* Of regions that inputs lie in, then outputs (oip_shared.h); NULL where none does. */
	struct oip_part *parts;
	struct run_tensor *places;
	uint32_t n_room; /* inputs, and places of outputs, that the buffer has room for */
	uint64_t payload_at, region_bytes, room_bytes;
	uint64_t private_bytes; /* of the guest's memory, for all this */
	uv_timer_t *timer;      /* of its deadline, if it has one */
	bool is_counted, is_submitted, is_done;
};

/*
 * UNAVAILABLE while the guest's front is stopping, LIMIT_REACHED (max-requests).  A failure needs no
 * end(), and has been counted.
 */
int oip_call_begin(struct oip_call *call, struct guest *guest, const struct oip_call_ops *ops,
		   struct tensock_error *reterr) _nodiscard_;

/*
 * From now on: done() comes with DEADLINE_EXCEEDED then, also before submit(), which then may not come.
 * 0: no deadline.  The earliest one holds.
 */
void oip_call_set_deadline(struct oip_call *call, uint64_t ms);

/*
 * Room for so many inputs, and outputs that are wanted in regions (oip_infer_described()), and for
 * payload of so many bytes of all inputs together: *ret_room is aligned to RUN_ALIGN, and an input's
 * offset counts from there; each offset must be a multiple of RUN_ALIGN.  name (as of oip_find()) of the
 * model that it is probably for, so that its worker knows the buffer; len 0: any.  Again: what was there
 * is lost.  TOO_LARGE, LIMIT_REACHED, OUT_OF_MEMORY.
 */
int oip_call_take(struct oip_call *call, struct wire_string name, uint32_t n_described,
		  uint64_t payload_bytes, unsigned char **ret_room, struct tensock_error *reterr)
	_nodiscard_;

/*
 * All inputs stand in the room, but those of regions: these have their place there, and are read, or
 * left where they are, when the run begins.  Takes *infer (zeroed), whose inputs' offsets are set.
 * version len 0: the one that was labelled last.  All failures come by done().
 */
void oip_call_submit(struct oip_call *call, struct oip_infer *infer, struct wire_string name,
		     struct wire_string version);

/*
 * Its request did not come to submit(): the error is its answer, and counts as such.  The session sends
 * it.
 */
void oip_call_fail(struct oip_call *call, const struct tensock_error *error);

/*
 * Within done(), or later: its results cannot be told to the client, who gets this error, or, NULL, has gone.
 * It counts as such.
 */
void oip_call_untold(struct oip_call *call, const struct tensock_error *error);

/* Lets go of all that it holds.  One without an answer is cancelled, or reset if it was not submitted. */
void oip_call_end(struct oip_call *call);

#endif
