/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Weights whose elements are not bytes: packed into fewer bits, as places in a list of values
 * (INDEXING), or as the runs between those that are not 0 (SPARSE).  Source of the codings: MindSpore
 * Lite's weight_decoder.
 */
#ifndef TRANSLATE_MS_MS_CODING_H
#define TRANSLATE_MS_MS_CODING_H

#include "translate/ms/ms_op.h"

/* Whether the bytes of a constant are coded in any way, also one that is refused. */
bool ms_is_coded(const struct ms_tensor *tensor);

/*
 * The tensor with elements of INT8 or INT16, decoded when it is written; its dims are rank ≤
 * TENSOCK_RANK_MAX and checked.  NULL where it is broken or of a coding that is not read: the operator
 * has failed.
 */
struct onnx_value *ms_decoded(struct ms_op *op, const struct ms_tensor *tensor,
			      const int64_t *dims);

#endif
