/* SPDX-License-Identifier: Apache-2.0 */
/* MSL2's operators that make tensors of numbers, or select by numbers: their fields. */
#include "translate/ms/ms_layer.h"
#include "translate/ms/ms_ops.h"

int ms_op_fill(struct ms_op *op)
{
	return ms_layer_fill(op, 0, 1);
}

/* As Fill, with the shape first. */
int ms_op_fill_v2(struct ms_op *op)
{
	return ms_layer_fill(op, 1, 0);
}

enum {
	CONSTANT_DATA_TYPE = 0,
	CONSTANT_VALUE = 1,
};

int ms_op_constant_of_shape(struct ms_op *op)
{
	struct fb_vector value = fb_vector(&op->fields, CONSTANT_VALUE, 4);

	return ms_layer_filled(op, 0, ms_dtype(fb_i64(&op->fields, CONSTANT_DATA_TYPE, 0)),
			       (double)fb_f32_at(&value, 0));
}

enum {
	RANGE_START = 1,
	RANGE_LIMIT = 2,
	RANGE_DELTA = 3,
};

int ms_op_range(struct ms_op *op)
{
	if (op->n_inputs >= 3)
		return ms_layer_range(op);
	return ms_layer_range_of(op, fb_i64(&op->fields, RANGE_START, 0),
				 fb_i64(&op->fields, RANGE_LIMIT, 0),
				 fb_i64(&op->fields, RANGE_DELTA, 1));
}

int ms_op_one_hot(struct ms_op *op)
{
	return ms_layer_one_hot(op, fb_i64(&op->fields, 0, 0));
}

int ms_op_scatter_nd_update(struct ms_op *op)
{
	return ms_layer_scatter_nd(op, NULL);
}

int ms_op_tensor_scatter_add(struct ms_op *op)
{
	return ms_layer_scatter_nd(op, "add");
}

enum {
	TOP_K_SORTED = 0,
	TOP_K_AXIS = 1,
};

/* MindSpore Lite takes the largest, whatever the third field says. */
int ms_op_top_k(struct ms_op *op)
{
	return ms_layer_top_k(op, fb_i64(&op->fields, TOP_K_AXIS, 0), true,
			      fb_bool(&op->fields, TOP_K_SORTED, true));
}

enum {
	CUM_SUM_EXCLUSIVE = 0,
	CUM_SUM_REVERSE = 1,
};

int ms_op_cum_sum(struct ms_op *op)
{
	return ms_layer_cum_sum(op, fb_bool(&op->fields, CUM_SUM_EXCLUSIVE, false),
				fb_bool(&op->fields, CUM_SUM_REVERSE, false));
}

int ms_op_triu(struct ms_op *op)
{
	return ms_layer_triangle(op, true);
}

int ms_op_tril(struct ms_op *op)
{
	return ms_layer_triangle(op, false);
}

int ms_op_embedding(struct ms_op *op)
{
	if (fb_f32(&op->fields, 0, 0) != 0)
		return ms_unsupported(op, "shortens its rows to a norm (max_norm)");
	return ms_layer_embedding(op);
}

int ms_op_scatter_elements(struct ms_op *op)
{
	return ms_layer_scatter_elements(op, fb_i64(&op->fields, 0, 0));
}

int ms_op_non_max_suppression(struct ms_op *op)
{
	return ms_layer_non_max_suppression(op, fb_i64(&op->fields, 0, 0) != 0);
}

int ms_op_non_zero(struct ms_op *op)
{
	return ms_layer_non_zero(op, false);
}

/* Of one input: where it is true; of three: a choice. */
int ms_op_where(struct ms_op *op)
{
	return op->n_inputs < 3 ? ms_layer_non_zero(op, true) : ms_layer_select(op);
}
