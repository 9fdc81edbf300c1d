/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The part of a request's tensors that lies in memory which its connection shares (docs/protocol.md,
 * "Tensors in shared memory").  Where the worker has mapped that memory the model reads and writes it in
 * place; else, and where that is not worth it, the front copies.
 */
#ifndef FRONT_NATIVE_MEMORY_H
#define FRONT_NATIVE_MEMORY_H

#include <stdint.h>

#include <tensock/types.h>

#include "base/cleanup.h"
#include "channel/run.h"
#include "front/protocol/native_result.h"
#include "front/regions.h"
#include "front/request.h"
#include "wire/infer.h"

/* Zero: the request has none. */
struct native_memory {
	struct region *region; /* held */
	uint64_t at;           /* of the payload */
	uint32_t n_places;     /* of the outputs that are wanted, in their order */
	struct wire_place *places;
	struct run_tensor *run_places; /* what the worker is told of them */
};

/*
 * What the message says of it; holds the region.  Takes *places, also where this fails.
 * INVALID_ARGUMENT: it is not all within the region.
 */
int native_memory_init(struct native_memory *memory, struct region *region,
		       const struct wire_infer_memory *infer, struct wire_place **places,
		       struct tensock_error *reterr) _nodiscard_;
/* Also of one that is zero, and again. */
void native_memory_done(struct native_memory *memory, struct regions *regions);

/* What it takes beside the region, of the guest's memory. */
uint64_t native_memory_bytes(const struct wire_infer_memory *infer);

/*
 * A run begins, on request->worker.  inputs (resolved), n_inputs of them as tensors describe them: say
 * where each lies, then.  Sets request->places.  dtypes of what is wanted: info->outputs[wanted[i]]'s.
 */
int native_memory_prepare(struct native_memory *memory, struct request *request,
			  const struct wire_tensor *tensors, struct run_tensor *inputs,
			  uint32_t n_inputs, const struct tsk_model_info *info,
			  const uint32_t *wanted, struct tensock_error *reterr) _nodiscard_;

/*
 * The outputs, as the run left them: each is in its place then, if it has room there.  Only with places.
 */
int native_memory_put(const struct native_memory *memory, const struct native_result *result,
		      const struct request_outputs *outputs, struct tensock_error *reterr)
	_nodiscard_;

#endif
