/* SPDX-License-Identifier: Apache-2.0 */
/* Windows of an image as columns, and columns as an image. */
#include "translate/mindir/mindir_op.h"

#include <string.h>

#include "base/checked.h"

#define CHANNELS_MAX 65536

/* As many numbers as a window has dimensions: two. */
static void two(struct mindir_op *op, const char *name, int64_t fallback, int64_t ret[static 2])
{
	size_t n = mindir_ints(op, ONLY_NAMED, name, ret, 2);

	if (n < 2)
		ret[1] = n ? ret[0] : fallback;
	if (!n)
		ret[0] = fallback;
	if (ret[0] < 0 || ret[0] > CHANNELS_MAX || ret[1] < 0 || ret[1] > CHANNELS_MAX)
		mindir_broken(op, "%s is %lld, %lld", name, (long long)ret[0], (long long)ret[1]);
}

/* A filter for each channel and place in the window, 1 there and 0 elsewhere. */
static void write_selectors(const struct onnx_constant *constant, unsigned char *to)
{
	static const float one = 1;
	size_t n = (size_t)(constant->dims[2] * constant->dims[3]);
	size_t n_filters = (size_t)constant->dims[0];

	memset(to, 0, constant->n_bytes);
	for (size_t i = 0; i < n_filters; i++)
		memcpy(to + (i * n + i % n) * sizeof(one), &one, sizeof(one));
}

/* Im2Col(x): [N, C, places in a window, windows]; a convolution that picks one element each */
static struct onnx_value *im2col(struct mindir_op *op)
{
	struct onnx_value *x = mindir_in_ranked(op, 0, 4, 4), *picked;
	struct window w = { .n = 2 };
	struct onnx_constant filters = { .dtype = TENSOCK_FLOAT32,
					 .rank = 4,
					 .write = write_selectors };
	int64_t n;

	two(op, "ksizes", 1, w.kernel);
	two(op, "strides", 1, w.strides);
	two(op, "dilations", 1, w.dilations);
	two(op, "pads", 0, w.pads_begin);
	memcpy(w.pads_end, w.pads_begin, sizeof(w.pads_end));
	n = w.kernel[0] * w.kernel[1];
	if (op->error || n < 1 || n > CHANNELS_MAX || x->dims[1] < 1 || x->dims[1] > CHANNELS_MAX)
		return mindir_refuse(op, "its sizes are not known");
	w.group = x->dims[1];
	memcpy(filters.dims, (const int64_t[]){ x->dims[1] * n, 1, w.kernel[0], w.kernel[1] },
	       4 * sizeof(int64_t));
	picked = emit_conv(op->graph, x,
			   emit_cast(op->graph, onnx_constant_made(op->graph, &filters), x->dtype),
			   NULL, &w);
	return emit_reshape(op->graph, picked, (const int64_t[]){ 0, x->dims[1], n, -1 }, 4);
}

/* Col2Im(x, output_size): x is [N, C, places in a window, windows] */
static struct onnx_value *col2im(struct mindir_op *op)
{
	struct onnx_value *x = mindir_in_ranked(op, 0, 4, 4), *ret;
	int64_t kernel[2], strides[2], dilations[2], padding[2], columns;
	struct onnx_node *node;

	two(op, "kernel_size", 1, kernel);
	two(op, "stride", 1, strides);
	two(op, "dilation", 1, dilations);
	two(op, "padding", 0, padding);
	if (op->error || x->dims[1] < 0 || x->dims[2] < 0 || x->dims[3] < 0 ||
	    !tsk_mul(x->dims[1], x->dims[2], &columns))
		return mindir_refuse(op, "its sizes are not known");
	x = emit_reshape(op->graph, x, (const int64_t[]){ 0, columns, x->dims[3] }, 3);
	node = ONNX_NODE(op->graph, "Col2Im", x, mindir_int_vector(op, 1, "output_size"),
			 onnx_int64s(op->graph, kernel, 2));
	ret = onnx_out(op->graph, node, x->dtype);
	onnx_attr_ints(op->graph, node, "strides", strides, 2);
	onnx_attr_ints(op->graph, node, "dilations", dilations, 2);
	onnx_attr_ints(op->graph, node, "pads",
		       (const int64_t[]){ padding[0], padding[1], padding[0], padding[1] }, 4);
	return ret;
}

static const struct mindir_operator rows[] = {
	{ "Im2Col", im2col, 1 },
	{ "Col2Im", col2im, 2 },
};

const struct mindir_table mindir_unfold_table = { rows, ARRAY_SIZE(rows) };
