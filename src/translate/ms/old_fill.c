/* SPDX-License-Identifier: Apache-2.0 */
/* Tensors of one value, ranges, and the one operator of sequences. */
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

enum {
	LSTM_BIDIRECTION = 0,
};

int old_fill(struct ms_op *op)
{
	int64_t dims[TENSOCK_RANK_MAX];
	int n = old_ints(op, FILL_DIMS, 1, dims, TENSOCK_RANK_MAX);

	return n < 0 ? n : ms_layer_fill(op, dims, (size_t)n);
}

int old_zeros_like(struct ms_op *op)
{
	return ms_layer_like(op, 0);
}

int old_ones_like(struct ms_op *op)
{
	return ms_layer_like(op, 1);
}

int old_constant_of_shape(struct ms_op *op)
{
	struct fb_vector value;

	if (op->file->generation == MS_1_0)
		return ms_layer_constant_of_shape(op, TENSOCK_FLOAT32,
						  (double)fb_f32(&op->fields, CONSTANT_VALUE_1_0,
								 0));
	value = fb_vector(&op->fields, CONSTANT_VALUE, 4);
	if (value.n != 1)
		return ms_invalid(op, "has %u values instead of 1", value.n);
	return ms_layer_constant_of_shape(op, ms_dtype(fb_i32(&op->fields, CONSTANT_DATA_TYPE, 0)),
					  (double)fb_f32_at(&value, 0));
}

int old_range(struct ms_op *op)
{
	int32_t absent = op->file->generation == MS_1_0 ? 0 : 1;

	return ms_layer_range(op, fb_i32(&op->fields, RANGE_START, 0),
			      fb_i32(&op->fields, RANGE_LIMIT, 0),
			      fb_i32(&op->fields, RANGE_DELTA, absent));
}

int old_lstm(struct ms_op *op)
{
	return ms_layer_lstm(op, fb_bool(&op->fields, LSTM_BIDIRECTION, false));
}
