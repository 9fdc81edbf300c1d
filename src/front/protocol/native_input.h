/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tensors that an INFER names, held against the description of the model: what the worker is
 * told of the inputs, and which outputs are wanted.  Sentences tell the guest what does not fit.
 */
#ifndef PROTOCOL_NATIVE_INPUT_H
#define PROTOCOL_NATIVE_INPUT_H

#include <stdint.h>

#include "base/cleanup.h"
#include "channel/run.h"
#include "tensor/model_info.h"
#include "wire/infer.h"

/*
 * Where payload begins in a region of n tensors, with room to describe n_places of outputs as far as a run
 * can have so many (channel/run.h).  Its layout from there on is that of the wire; and how long the region
 * is.  -EOVERFLOW, -E2BIG.
 */
int native_input_layout(const struct wire_tensor *inputs, uint32_t n, uint32_t n_places,
			uint64_t *ret_payload_at, uint64_t *ret_region_bytes) _nodiscard_;

/* ret: n of them, scratch when it fails.  INVALID_ARGUMENT. */
int native_input_resolve(const struct tsk_model_info *info, const struct wire_tensor *inputs,
			 uint32_t n, uint64_t payload_at, struct run_tensor *ret,
			 struct tensock_error *reterr) _nodiscard_;

/* ret: n indexes of outputs, scratch when it fails.  INVALID_ARGUMENT, NOT_FOUND. */
int native_wanted_resolve(const struct tsk_model_info *info, const struct wire_tensor *wanted,
			  uint32_t n, uint32_t *ret, struct tensock_error *reterr) _nodiscard_;

/*
 * Bytes that the region of the outputs takes, if dimensions that the model leaves open turn out as
 * those of the inputs with the same name or, without one, in the same place of the first input.
 */
uint64_t native_output_guess(const struct tsk_model_info *info, const struct run_tensor *inputs,
			     uint32_t n);

#endif
