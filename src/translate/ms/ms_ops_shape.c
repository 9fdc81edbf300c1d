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

enum {
	ARG_AXIS = 0,
	ARG_TOP_K = 1,
	ARG_KEEP_DIMS = 2,
	ARG_OUT_MAX_VALUE = 3,
};

/* An absent top_k is 0 in ArgMin's schema: of one place, too. */
int ms_op_arg(struct ms_op *op)
{
	return ms_layer_arg(op, op->onnx, fb_i64(&op->fields, ARG_AXIS, 0),
			    fb_i64(&op->fields, ARG_TOP_K, 1),
			    fb_bool(&op->fields, ARG_KEEP_DIMS, false),
			    fb_bool(&op->fields, ARG_OUT_MAX_VALUE, false));
}

/* Field 0 of both: a list of axes. */
int ms_op_squeeze(struct ms_op *op)
{
	int64_t axes[TENSOCK_RANK_MAX];
	int n = ms_field_ints(op, 0, 8, axes, TENSOCK_RANK_MAX);

	return n < 0 ? n : ms_layer_squeeze(op, axes, (size_t)n);
}

int ms_op_unsqueeze(struct ms_op *op)
{
	int64_t axes[TENSOCK_RANK_MAX];
	int n = ms_field_ints(op, 0, 8, axes, TENSOCK_RANK_MAX);

	return n < 0 ? n : ms_layer_unsqueeze(op, axes, (size_t)n);
}

/* The axis is input 1. */
int ms_op_expand_dims(struct ms_op *op)
{
	int64_t axis;
	int n = ms_in_ints(op, 1, &axis, 1);

	return n < 0 ? n : ms_layer_unsqueeze(op, &axis, (size_t)n);
}

int ms_op_broadcast_to(struct ms_op *op)
{
	int64_t dims[TENSOCK_RANK_MAX];
	int n = ms_field_ints(op, 0, 8, dims, TENSOCK_RANK_MAX);

	if (n < 0)
		return n;
	if (n == 0 && op->n_inputs > 1)
		return ms_layer_broadcast_as(op, 1);
	return ms_layer_broadcast_to(op, dims, (size_t)n);
}

int ms_op_format_transpose(struct ms_op *op)
{
	int32_t from = fb_i32(&op->fields, 0, MS_FORMAT_NHWC);
	int32_t to = fb_i32(&op->fields, 1, MS_FORMAT_NHWC);

	if (from == to)
		return ms_layer_identity(op);
	if (from == MS_FORMAT_NHWC && to == MS_FORMAT_NCHW)
		return ms_layer_nhwc_to_nchw(op);
	if (from == MS_FORMAT_NCHW && to == MS_FORMAT_NHWC)
		return ms_layer_nchw_to_nhwc(op);
	return ms_unsupported(op, "from format %d to %d: only NCHW and NHWC are covered", from, to);
}
