/* SPDX-License-Identifier: Apache-2.0 */
/* A RESULT out of the outputs of a run: its metadata, and the pieces that its payload is made of. */
#ifndef PROTOCOL_NATIVE_RESULT_H
#define PROTOCOL_NATIVE_RESULT_H

#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "channel/run.h"
#include "tensor/model_info.h"
#include "wire/infer.h"

/* Bytes that stand somewhere already. */
struct native_piece {
	const void *bytes;
	uint64_t len;
};

struct native_result {
	struct wire_result wire;     /* the times are the caller's to set */
	struct wire_tensor *outputs; /* names within the description */
	size_t meta_bytes;
};

/*
 * tensors: all outputs of the model, in order and checked.  wanted: n_wanted indexes among them; with
 * 0 all are.  -ENOMEM, or -EINVAL for outputs that the wire cannot express.
 */
int native_result_init(struct native_result *result, const struct tsk_model_info *info,
		       const struct run_tensor *tensors, const uint32_t *wanted, uint32_t n_wanted)
	_nodiscard_;
void native_result_done(struct native_result *result);

/*
 * The payload's pieces, with the gaps between them: at most NATIVE_PIECES(wire.n_outputs) of them are
 * written to ret, their number is returned.  Of the region nothing but these bytes will be looked at.
 */
#define NATIVE_PIECES(n) (2 * (size_t)(n))
size_t native_result_pieces(const struct native_result *result, const struct run_tensor *tensors,
			    const void *region, struct native_piece *ret);

#endif
