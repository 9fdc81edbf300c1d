/* SPDX-License-Identifier: Apache-2.0 */
/* Tensors of one value, and ranges. */
#include "translate/ms/old_op.h"

enum {
	FILL_DIMS = 0,
};

/* In 1.0 field 0 was the value. */
enum {
	CONSTANT_DATA_TYPE = 0,
	CONSTANT_VALUE = 1,
	CONSTANT_VALUE_1_0 = 0,
};

enum {
	RANGE_START = 1,
	RANGE_LIMIT = 2,
	RANGE_DELTA = 3,
};

int old_fill(struct ms_op *op)
{
	struct onnx_value *x, *ret;
	int64_t dims[TENSOCK_RANK_MAX];
	int n;

	if (op->n_inputs > 1)
		return ms_layer_fill(op, 0, 1);
	n = ms_field_ints(op, FILL_DIMS, 4, dims, TENSOCK_RANK_MAX);
	for (int i = 0; i < n; i++) {
		if (dims[i] < 0)
			return ms_invalid(op, "its shape has a dimension of %lld",
					  (long long)dims[i]);
	}
	if (n < 0)
		return n;
	x = emit_as_scalar(op->graph, ms_in(op, 0));
	ret = ONNX_CALL(op->graph, "Expand", x, onnx_int64s(op->graph, dims, (size_t)n));
	onnx_value_set_shape(ret, dims, n);
	return ms_out(op, 0, ret);
}

int old_constant_of_shape(struct ms_op *op)
{
	struct fb_vector value;

	if (op->file->generation == MS_1_0)
		return ms_layer_filled(op, 0, TENSOCK_FLOAT32,
				       (double)fb_f32(&op->fields, CONSTANT_VALUE_1_0, 0));
	value = fb_vector(&op->fields, CONSTANT_VALUE, 4);
	if (value.n != 1)
		return ms_invalid(op, "has %u values instead of 1", value.n);
	return ms_layer_filled(op, 0, ms_dtype(fb_i32(&op->fields, CONSTANT_DATA_TYPE, 0)),
			       (double)fb_f32_at(&value, 0));
}

int old_range(struct ms_op *op)
{
	int32_t absent = op->file->generation == MS_1_0 ? 0 : 1;

	if (op->n_inputs >= 3)
		return ms_layer_range(op);
	return ms_layer_range_of(op, fb_i32(&op->fields, RANGE_START, 0),
				 fb_i32(&op->fields, RANGE_LIMIT, 0),
				 fb_i32(&op->fields, RANGE_DELTA, absent));
}
