/* SPDX-License-Identifier: Apache-2.0 */
#include "translate/ms/old_op.h"

#include <math.h>
#include <string.h>

enum {
	RESIZE_METHOD = 1,
	RESIZE_NEW_HEIGHT = 2,
	RESIZE_NEW_WIDTH = 3,
	RESIZE_ALIGN_CORNERS = 4,
};

enum {
	UPSAMPLE_MODE = 0,
	UPSAMPLE_SCALES = 1,
};

/* The sizes that scales of height and width give; the input's must be known. */
static int scale_sizes(struct ms_op *op, double by_height, double by_width,
		       struct ms_resize *resize)
{
	int64_t dims[TENSOCK_RANK_MAX];
	int rank = old_shape(op, 0, dims);
	double height, width;

	if (rank < 0)
		return rank;
	if (rank != 4 || dims[1] < 0 || dims[2] < 0)
		return ms_unsupported(op, "its input's height and width are not known: convert the "
					  "model with fixed shapes");
	/* In the runtime's own precision. */
	height = floor((double)((float)dims[1] * (float)by_height));
	width = floor((double)((float)dims[2] * (float)by_width));
	if (!(height >= 1 && height <= INT32_MAX && width >= 1 && width <= INT32_MAX))
		return ms_invalid(op, "scales of %g and %g give no size", by_height, by_width);
	resize->new_height = (int64_t)height;
	resize->new_width = (int64_t)width;
	return 0;
}

/* Input 1: height and width, or a scale of each axis, in the order that its format tells. */
static int read_input(struct ms_op *op, struct ms_resize *resize)
{
	double v[4];
	int n = ms_in_floats(op, 1, v, 4);
	unsigned height = n == 4 && ms_in_tensor(op, 1)->format == MS_FORMAT_NCHW ? 2 : 1;

	if (n < 0)
		return n;
	if (n == 4)
		return scale_sizes(op, v[height], v[height + 1], resize);
	if (n != 2 || !(v[0] >= 1 && v[0] <= INT32_MAX && v[1] >= 1 && v[1] <= INT32_MAX))
		return ms_invalid(op,
				  "input 1 is neither a height and a width nor scales of 4 axes");
	resize->new_height = (int64_t)v[0];
	resize->new_width = (int64_t)v[1];
	return 0;
}

int old_resize(struct ms_op *op)
{
	struct ms_resize resize = {
		.method = fb_i8(&op->fields, RESIZE_METHOD, 0),
		.coordinates = fb_bool(&op->fields, RESIZE_ALIGN_CORNERS, false)
				       ? MS_RESIZE_ALIGN_CORNERS
				       : MS_RESIZE_ASYMMETRIC,
		.new_height = fb_i64(&op->fields, RESIZE_NEW_HEIGHT, 0),
		.new_width = fb_i64(&op->fields, RESIZE_NEW_WIDTH, 0),
	};
	int r = op->n_inputs > 1 ? read_input(op, &resize) : 0;

	if (r < 0)
		return r;
	if (resize.method != MS_RESIZE_LINEAR && resize.method != MS_RESIZE_NEAREST)
		return ms_unsupported(op, "its method, number %d, is none that MindSpore Lite runs",
				      resize.method);
	if (resize.new_height < 1 || resize.new_height > INT32_MAX || resize.new_width < 1 ||
	    resize.new_width > INT32_MAX)
		return ms_invalid(op, "its new size is %lld by %lld", (long long)resize.new_height,
				  (long long)resize.new_width);
	return ms_layer_resize(op, &resize);
}

/* Scales of NHWC: input 1, or the field. */
static int read_scales(struct ms_op *op, double ret[4])
{
	struct fb_vector scales = fb_vector(&op->fields, UPSAMPLE_SCALES, 4);
	int n;

	if (op->n_inputs > 1) {
		n = ms_in_floats(op, 1, ret, 4);
	} else {
		n = scales.n == 4 ? 4 : 0;
		for (uint32_t i = 0; i < (uint32_t)n; i++)
			ret[i] = fb_f32_at(&scales, i);
	}
	return n < 0 ? n : n == 4 ? 0 : ms_invalid(op, "it has not 4 scales");
}

int old_upsample(struct ms_op *op)
{
	struct fb_vector mode = fb_string(&op->fields, UPSAMPLE_MODE);
	struct ms_resize resize = { .coordinates = MS_RESIZE_ASYMMETRIC };
	double scales[4];
	int r = read_scales(op, scales);

	if (r == 0)
		r = scale_sizes(op, scales[1], scales[2], &resize);
	if (r < 0)
		return r;
	if (mode.n == 7 && memcmp(mode.bytes, "nearest", 7) == 0)
		resize.method = MS_RESIZE_NEAREST;
	else if (mode.n == 6 && memcmp(mode.bytes, "linear", 6) == 0)
		resize.method = MS_RESIZE_LINEAR;
	else
		return ms_unsupported(op, "its mode is neither \"nearest\" nor \"linear\"");
	return ms_layer_resize(op, &resize);
}
