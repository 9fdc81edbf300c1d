/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tensors of a call that lie in regions of shared memory.  Where its worker has mapped the region, the
 * model runs on it as it lies there; else, and where that is not worth it or not sure, the front copies.
 */
#ifndef FRONT_OIP_SHARED_H
#define FRONT_OIP_SHARED_H

#include <tensock/types.h>

#include "base/cleanup.h"
#include "channel/run.h"
#include "front/oip_call.h"
#include "front/regions.h"

/* Outputs of one call that are written in place. */
#define OIP_PLACES_MAX 64u

/* Of an input or an output. */
struct oip_part {
	struct region *region; /* held; NULL: it lies in none */
	bool is_read;          /* an input: it has been copied to its room */
};

/* What a call of this takes for its regions, of the guest's memory; 0: it has none. */
uint64_t oip_shared_bytes(const struct oip_infer *infer);

/* At its submission: each region of call->infer is there, and large enough.  Its bytes are accounted for. */
int oip_shared_hold(struct oip_call *call, struct tensock_error *reterr) _nodiscard_;

/*
 * A run begins, on request->worker: call->inputs (resolved) say where each lies then, and request->places
 * where outputs are to go.
 */
int oip_shared_prepare(struct oip_call *call, const struct tsk_model_info *info,
		       struct tensock_error *reterr) _nodiscard_;

/*
 * The i-th result, which the worker has written as t says: where it is wanted in a region it is there now,
 * and its data is none of the answer's.
 */
int oip_shared_put(struct oip_call *call, struct oip_result *result, uint32_t i,
		   const struct run_tensor *t, struct tensock_error *reterr) _nodiscard_;

/* Lets go of the regions.  The call may have none. */
void oip_shared_release(struct oip_call *call);

#endif
