/* SPDX-License-Identifier: Apache-2.0 */
#include "translate/ms/old_op.h"

enum {
	REDUCE_AXES = 0,
	REDUCE_KEEP_DIMS = 1,
	REDUCE_MODE = 2,
	REDUCE_TO_END = 3,
	REDUCE_COEFF = 4,
};

enum {
	MEAN_AXIS = 0,
	MEAN_KEEP_DIMS = 1,
};

enum {
	ARG_AXIS = 0,
	ARG_OUT_VALUE = 1,
	ARG_TOP_K = 2,
	ARG_KEEP_DIMS = 3,
};

int old_reduce(struct ms_op *op)
{
	int64_t axes[TENSOCK_RANK_MAX];
	int n = old_ints(op, REDUCE_AXES, 1, axes, TENSOCK_RANK_MAX);

	if (n < 0)
		return n;
	return ms_layer_reduce(op, fb_u8(&op->fields, REDUCE_MODE, 0), axes, (size_t)n,
			       fb_i32(&op->fields, REDUCE_KEEP_DIMS, 0) != 0,
			       fb_bool(&op->fields, REDUCE_TO_END, false),
			       (double)fb_f32(&op->fields, REDUCE_COEFF, 1));
}

int old_mean(struct ms_op *op)
{
	int64_t axes[TENSOCK_RANK_MAX];
	int n = ms_field_ints(op, MEAN_AXIS, 4, axes, TENSOCK_RANK_MAX);

	return n < 0 ? n
		     : ms_layer_reduce(op, 0, axes, (size_t)n,
				       fb_bool(&op->fields, MEAN_KEEP_DIMS, false), false, 1);
}

/* Places come in the input's type: 3 as 3.0. */
int old_arg(struct ms_op *op)
{
	int r = ms_layer_arg(op, op->onnx, fb_i32(&op->fields, ARG_AXIS, 0),
			     fb_i32(&op->fields, ARG_TOP_K, 1),
			     fb_bool(&op->fields, ARG_KEEP_DIMS, false),
			     fb_bool(&op->fields, ARG_OUT_VALUE, false));

	if (r == 0)
		old_cast_output(op);
	return r;
}
