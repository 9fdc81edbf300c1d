/* SPDX-License-Identifier: Apache-2.0 */
/* MSL2's operators of shapes and reductions: their fields. */
#include "translate/ms/ms_layer.h"
#include "translate/ms/ms_ops.h"

int ms_op_reshape(struct ms_op *op)
{
	return ms_layer_reshape_to(op, 1);
}

/* The order is input 1. */
int ms_op_transpose(struct ms_op *op)
{
	int64_t perm[TENSOCK_RANK_MAX];
	int n = ms_in_ints(op, 1, perm, TENSOCK_RANK_MAX);

	return n < 0 ? n : ms_layer_transpose(op, perm, (size_t)n);
}

enum {
	FLATTEN_AXIS = 0,
};

int ms_op_flatten(struct ms_op *op)
{
	return ms_layer_flatten(op, fb_i64(&op->fields, FLATTEN_AXIS, 1));
}

enum {
	REDUCE_KEEP_DIMS = 0,
	REDUCE_MODE = 1,
	REDUCE_TO_END = 2,
	REDUCE_COEFF = 3,
};

/* The axes are input 1. */
int ms_op_reduce(struct ms_op *op)
{
	int64_t axes[TENSOCK_RANK_MAX];
	int n = op->n_inputs > 1 ? ms_in_ints(op, 1, axes, TENSOCK_RANK_MAX) : 0;

	if (n < 0)
		return n;
	return ms_layer_reduce(op, fb_u8(&op->fields, REDUCE_MODE, 0), axes, (size_t)n,
			       fb_bool(&op->fields, REDUCE_KEEP_DIMS, false),
			       fb_bool(&op->fields, REDUCE_TO_END, false),
			       (double)fb_f32(&op->fields, REDUCE_COEFF, 0));
}
