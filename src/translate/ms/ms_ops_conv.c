/* SPDX-License-Identifier: Apache-2.0 */
/* MSL2's convolutions, pools and matrix products: their fields. */
#include "translate/ms/ms_layer.h"
#include "translate/ms/ms_ops.h"

enum {
	CONV_KERNEL = 1,
	CONV_STRIDE = 2,
	CONV_DILATION = 3,
	CONV_PAD_MODE = 4,
	CONV_PAD_LIST = 5,
	CONV_GROUP = 7,
	CONV_ACTIVATION = 10,
};

/* Conv2dTransposeFusion has one field more in the middle. */
enum {
	CONV_TRANSPOSE_PAD_LIST = 6,
	CONV_TRANSPOSE_GROUP = 8,
	CONV_TRANSPOSE_ACTIVATION = 11,
	CONV_TRANSPOSE_OUTPUT_PADDINGS = 12,
};

enum {
	POOL_KERNEL = 0,
	POOL_STRIDES = 1,
	POOL_PAD = 2,
	POOL_PAD_MODE = 3,
	POOL_ROUND_MODE = 4,
	POOL_GLOBAL = 6,
	POOL_ACTIVATION = 7,
};

/* Two of height and width; `absent` where the field is not there. */
static int read_pair(struct ms_op *op, unsigned field, int64_t absent, int64_t *ret)
{
	struct fb_vector vector = fb_vector(&op->fields, field, 8);

	if (vector.n != 0 && vector.n != 2)
		return ms_invalid(op, "field %u has %u elements instead of 2", field, vector.n);
	for (uint32_t i = 0; i < 2; i++)
		ret[i] = vector.n ? fb_int_at(&vector, i) : absent;
	return 0;
}

/* Up, down, left, right. */
static int read_pads(struct ms_op *op, unsigned field, struct window *window)
{
	struct fb_vector vector = fb_vector(&op->fields, field, 8);

	if (vector.n != 0 && vector.n != 4)
		return ms_invalid(op, "field %u has %u elements instead of 4", field, vector.n);
	for (uint32_t i = 0; i < 2; i++) {
		window->pads_begin[i] = fb_int_at(&vector, 2 * i);
		window->pads_end[i] = fb_int_at(&vector, 2 * i + 1);
	}
	return 0;
}

static int read_conv(struct ms_op *op, unsigned pad_list, unsigned group, struct window *window)
{
	int r = read_pair(op, CONV_KERNEL, 0, window->kernel);

	if (r == 0)
		r = read_pair(op, CONV_STRIDE, 1, window->strides);
	if (r == 0)
		r = read_pair(op, CONV_DILATION, 1, window->dilations);
	if (r == 0)
		r = read_pads(op, pad_list, window);
	window->group = fb_i64(&op->fields, group, 0);
	return r;
}

int ms_op_conv(struct ms_op *op)
{
	struct window window = { 0 };
	int r = read_conv(op, CONV_PAD_LIST, CONV_GROUP, &window);

	if (r < 0)
		return r;
	return ms_layer_conv(op, &window, fb_u8(&op->fields, CONV_PAD_MODE, 0),
			     fb_u8(&op->fields, CONV_ACTIVATION, 0));
}

int ms_op_conv_transpose(struct ms_op *op)
{
	struct window window = { 0 };
	int r = read_conv(op, CONV_TRANSPOSE_PAD_LIST, CONV_TRANSPOSE_GROUP, &window);

	if (r == 0)
		r = read_pair(op, CONV_TRANSPOSE_OUTPUT_PADDINGS, 0, window.output_padding);
	if (r < 0)
		return r;
	return ms_layer_conv_transpose(op, &window, fb_u8(&op->fields, CONV_PAD_MODE, 0),
				       fb_u8(&op->fields, CONV_TRANSPOSE_ACTIVATION, 0));
}

int ms_op_pool(struct ms_op *op)
{
	struct window window = { .ceil_mode = fb_u8(&op->fields, POOL_ROUND_MODE, 0) == 1 };
	int r = read_pair(op, POOL_KERNEL, 1, window.kernel);

	if (r == 0)
		r = read_pair(op, POOL_STRIDES, 1, window.strides);
	if (r == 0)
		r = read_pads(op, POOL_PAD, &window);
	if (r < 0)
		return r;
	return ms_layer_pool(op, op->onnx, &window, fb_u8(&op->fields, POOL_PAD_MODE, 0),
			     fb_bool(&op->fields, POOL_GLOBAL, false),
			     fb_u8(&op->fields, POOL_ACTIVATION, 0));
}

enum {
	MATMUL_TRANSPOSE_A = 0,
	MATMUL_TRANSPOSE_B = 1,
	MATMUL_ACTIVATION = 2,
};

int ms_op_matmul(struct ms_op *op)
{
	return ms_layer_matmul(op, fb_bool(&op->fields, MATMUL_TRANSPOSE_A, false),
			       fb_bool(&op->fields, MATMUL_TRANSPOSE_B, false),
			       fb_u8(&op->fields, MATMUL_ACTIVATION, 0));
}

enum {
	FULL_CONNECTION_USE_AXIS = 1,
	FULL_CONNECTION_AXIS = 2,
	FULL_CONNECTION_ACTIVATION = 3,
};

int ms_op_full_connection(struct ms_op *op)
{
	return ms_layer_full_connection(op, fb_bool(&op->fields, FULL_CONNECTION_USE_AXIS, false),
					fb_i64(&op->fields, FULL_CONNECTION_AXIS, 0),
					fb_u8(&op->fields, FULL_CONNECTION_ACTIVATION, 0));
}
