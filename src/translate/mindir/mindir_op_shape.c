/* SPDX-License-Identifier: Apache-2.0 */
/* Shapes that operators have to say. */
#include "translate/mindir/mindir_op.h"

struct onnx_value *mindir_reshape_like(struct mindir_op *op, struct onnx_value *x,
				       struct onnx_value *other)
{
	struct onnx_value *ret;
	int unknown = 0;

	for (int i = 0; i < other->rank; i++)
		unknown += other->dims[i] < 0;
	if (other->rank >= 0 && unknown <= 1)
		return emit_reshape(op->graph, x, other->dims, other->rank);
	ret = emit_reshape_to(op->graph, x, emit_shape_of(op->graph, other));
	onnx_value_like(ret, other);
	return ret;
}

struct onnx_value *mindir_per_channel(struct mindir_op *op, struct onnx_value *vector, int rank)
{
	int64_t dims[TENSOCK_RANK_MAX];

	if (rank <= 2 || rank > (int)TENSOCK_RANK_MAX)
		return vector;
	for (int i = 0; i < rank; i++)
		dims[i] = i == 1 ? -1 : 1;
	return emit_reshape(op->graph, vector, dims, rank);
}
