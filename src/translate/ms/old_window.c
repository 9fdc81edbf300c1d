/* SPDX-License-Identifier: Apache-2.0 */
/* Convolution and pooling. */
#include "translate/ms/old_op.h"

/* PadMode, which is not MSL2's */
enum {
	PAD_NOTSET = 0,
	PAD_SAME_UPPER = 1,
	PAD_VALID = 2,
	/* CAFFE and SAME_LOWER are as NOTSET. */
};

/* The fields of all convolutions, from a first one on that differs by kind. */
enum {
	KERNEL_W,
	KERNEL_H,
	STRIDE_W,
	STRIDE_H,
	PAD_MODE,
	PAD_UP,
	PAD_DOWN,
	PAD_LEFT,
	PAD_RIGHT,
	DILATE_W,
	DILATE_H,
	HAS_BIAS, /* not read: a third input tells */
	ACTIVATION,
};

/* Conv2D and DeConv2D: format, group, channelIn, channelOut and then those */
enum {
	CONV_GROUP = 1,
	CONV_FIRST = 4,
};

/* DepthwiseConv2D and DeDepthwiseConv2D: format, channelIn, channelMultiplier and then those */
enum {
	DEPTHWISE_MULTIPLIER = 2,
	DEPTHWISE_FIRST = 3,
};

enum {
	POOLING_MODE = 1,
	POOLING_GLOBAL = 2,
	POOLING_FIRST = 3, /* those but for the dilations and the bias */
	POOLING_ROUND = 12,
	POOLING_ACTIVATION = 13,
};

static int64_t field(const struct ms_op *op, unsigned first, unsigned i)
{
	return fb_i32(&op->fields, first + i, 0);
}

/* What all windows have; gives MSL2's pad mode. */
static unsigned read_window(const struct ms_op *op, unsigned first, struct window *window)
{
	window->kernel[0] = field(op, first, KERNEL_H);
	window->kernel[1] = field(op, first, KERNEL_W);
	window->strides[0] = field(op, first, STRIDE_H);
	window->strides[1] = field(op, first, STRIDE_W);
	if (fb_i8(&op->fields, first + PAD_MODE, PAD_NOTSET) == PAD_SAME_UPPER)
		return MS_PAD_SAME;
	/* Those of VALID hold as well. */
	window->pads_begin[0] = field(op, first, PAD_UP);
	window->pads_end[0] = field(op, first, PAD_DOWN);
	window->pads_begin[1] = field(op, first, PAD_LEFT);
	window->pads_end[1] = field(op, first, PAD_RIGHT);
	return MS_PAD_EXPLICIT;
}

static unsigned read_conv(const struct ms_op *op, unsigned first, struct window *window)
{
	window->dilations[0] = field(op, first, DILATE_H);
	window->dilations[1] = field(op, first, DILATE_W);
	return read_window(op, first, window);
}

int old_conv(struct ms_op *op)
{
	struct window window = { .group = fb_i32(&op->fields, CONV_GROUP, 0) };
	unsigned pad_mode = read_conv(op, CONV_FIRST, &window), activation;
	int r = old_fused_activation(op, CONV_FIRST + ACTIVATION, &activation);

	if (r < 0)
		return r;
	if (window.group < 1)
		window.group = 1;
	return ms_layer_conv(op, &window, pad_mode, activation);
}

/* The weight is [channels × multiplier, height, width, 1]. */
static int depthwise_group(struct ms_op *op, int64_t *ret)
{
	int64_t dims[TENSOCK_RANK_MAX], multiplier = fb_i32(&op->fields, DEPTHWISE_MULTIPLIER, 0);
	int rank = old_shape(op, 1, dims);

	if (rank < 0)
		return rank;
	if (rank != 4 || dims[0] < 1 || dims[3] != 1)
		return ms_invalid(op, "its weight is not one of 4 dimensions, the last of 1");
	if (multiplier < 1)
		multiplier = 1;
	if (dims[0] % multiplier != 0)
		return ms_invalid(op, "%lld channels, and %lld for each", (long long)dims[0],
				  (long long)multiplier);
	*ret = dims[0] / multiplier;
	return 0;
}

int old_depthwise_conv(struct ms_op *op)
{
	struct window window = { 0 };
	unsigned pad_mode = read_conv(op, DEPTHWISE_FIRST, &window), activation;
	int r = old_fused_activation(op, DEPTHWISE_FIRST + ACTIVATION, &activation);

	if (r == 0)
		r = depthwise_group(op, &window.group);
	return r < 0 ? r : ms_layer_conv(op, &window, pad_mode, activation);
}

/* Without paddings the size that MindSpore Lite gives knows no dilation. */
static int check_valid(struct ms_op *op, unsigned first, struct window *window)
{
	if (fb_i8(&op->fields, first + PAD_MODE, PAD_NOTSET) != PAD_VALID)
		return 0;
	for (unsigned i = 0; i < 2; i++) {
		window->pads_begin[i] = window->pads_end[i] = 0;
		if (window->dilations[i] != 1)
			return ms_unsupported(op,
					      "its pad mode is VALID and its dilation %lld: "
					      "give paddings when the model is converted",
					      (long long)window->dilations[i]);
	}
	return 0;
}

int old_deconv(struct ms_op *op)
{
	struct window window = { .group = 1 };
	unsigned pad_mode = read_conv(op, CONV_FIRST, &window), activation;
	int r = old_fused_activation(op, CONV_FIRST + ACTIVATION, &activation);

	if (r == 0 && fb_i32(&op->fields, CONV_GROUP, 1) > 1)
		return ms_unsupported(op, "has groups, which MindSpore Lite does not run");
	if (r == 0)
		r = check_valid(op, CONV_FIRST, &window);
	return r < 0 ? r : ms_layer_conv_transpose(op, &window, pad_mode, activation);
}

int old_depthwise_deconv(struct ms_op *op)
{
	struct window window = { 0 };
	unsigned pad_mode = read_conv(op, DEPTHWISE_FIRST, &window), activation;
	int r = old_fused_activation(op, DEPTHWISE_FIRST + ACTIVATION, &activation);

	if (r == 0)
		r = depthwise_group(op, &window.group);
	if (r < 0)
		return r;
	if (fb_i32(&op->fields, DEPTHWISE_MULTIPLIER, 1) > 1 || window.dilations[0] != 1 ||
	    window.dilations[1] != 1)
		return ms_unsupported(op, "has a channel multiplier or a dilation, which MindSpore "
					  "Lite does not run");
	if (pad_mode == MS_PAD_SAME)
		return ms_unsupported(op,
				      "its pad mode is SAME, which MindSpore Lite does not run: "
				      "give paddings when the model is converted");
	return ms_layer_conv_transpose(op, &window, pad_mode, activation);
}

int old_pooling(struct ms_op *op)
{
	static const char *const modes[] = { "MaxPool", "AveragePool" };
	struct window window = { .ceil_mode = fb_i8(&op->fields, POOLING_ROUND, 0) == 1 };
	unsigned pad_mode = read_window(op, POOLING_FIRST, &window), activation;
	unsigned mode = fb_u8(&op->fields, POOLING_MODE, 0);
	int r = old_fused_activation(op, POOLING_ACTIVATION, &activation);

	if (r < 0)
		return r;
	if (mode >= ARRAY_SIZE(modes))
		return ms_unsupported(op, "its mode, number %u, is not known", mode);
	return ms_layer_pool(op, modes[mode], &window, pad_mode,
			     fb_bool(&op->fields, POOLING_GLOBAL, false), activation);
}
