/* SPDX-License-Identifier: Apache-2.0 */
/* Convolution, and pooling over windows. */
#include "translate/mindir/mindir_op.h"

#include <string.h>

#include "base/checked.h"

#define SIZE_MAX_PLAIN INT32_MAX /* of a window's numbers: sums of them are computed */

/*
 * Numbers of a window: one for all dimensions, one for each, or two more in front, for batch and
 * channels.  False where none are named.
 */
static bool spatial(struct mindir_op *op, size_t i, const char *name, unsigned n, int64_t *ret)
{
	int64_t all[2 + EMIT_SPATIAL_MAX];
	size_t given = mindir_ints(op, i, name, all, ARRAY_SIZE(all));

	if (!given)
		return false;
	if (given != 1 && given != n && given != n + 2) {
		mindir_broken(op, "%s has %zu numbers, for %u dimensions", name, given, n);
		return false;
	}
	for (unsigned k = 0; k < n; k++) {
		ret[k] = given == 1 ? all[0] : all[given - n + k];
		if (ret[k] < 0 || ret[k] > SIZE_MAX_PLAIN)
			mindir_broken(op, "%s is %lld", name, (long long)ret[k]);
	}
	return true;
}

/* Pairs of begin and end, or one number for both.  False, and w as it was, where they are not known. */
static bool padding(struct mindir_op *op, size_t i, const char *name, struct window *w)
{
	int64_t all[2 * EMIT_SPATIAL_MAX];
	size_t given = mindir_ints(op, i, name, all, ARRAY_SIZE(all));

	if (given != 1 && given != w->n && given != 2 * w->n)
		return false;
	for (size_t k = 0; k < given; k++) {
		if (all[k] < 0 || all[k] > SIZE_MAX_PLAIN)
			return false; /* of a shape that was not known yet */
	}
	for (unsigned k = 0; k < w->n; k++) {
		w->pads_begin[k] = given == 1 ? all[0] : given == w->n ? all[k] : all[2 * k];
		w->pads_end[k] = given == 2 * w->n ? all[2 * k + 1] : w->pads_begin[k];
	}
	return true;
}

static struct window plain_window(unsigned n)
{
	struct window w = { .n = n, .group = 1 };

	for (unsigned i = 0; i < n; i++)
		w.kernel[i] = w.strides[i] = w.dilations[i] = 1;
	return w;
}

/* Words or the numbers of MindSpore's PadMode. */
static bool pad_mode_is(struct mindir_op *op, size_t i, const char *word, int64_t number)
{
	const struct mindir_value *value = mindir_setting(op, i, "pad_mode");

	if (value && value->kind == MINDIR_INT)
		return value->i == number;
	return mindir_text(op, i, "pad_mode", word);
}

static bool is_same(struct mindir_op *op, size_t i)
{
	return pad_mode_is(op, i, "same", 1);
}

static void check_format(struct mindir_op *op, size_t i)
{
	const struct mindir_value *format = mindir_setting(op, i, "format");

	if (format && format->kind == MINDIR_TEXT && !mindir_text(op, i, "format", "NCHW") &&
	    !mindir_text(op, i, "format", "NCDHW"))
		mindir_refuse(op, "format '%.*s' is not translated: export the net in NCHW",
			      MINDIR_TEXT(format->text));
}

static void kernel_of(struct window *w, const struct onnx_value *weight)
{
	for (unsigned i = 0; i < w->n; i++)
		w->kernel[i] = weight->dims[2 + i];
}

/* Settings of the operators of convolution that have attributes. */
static struct window conv_window(struct mindir_op *op, const struct onnx_value *x,
				 const struct onnx_value *weight, unsigned n)
{
	struct window w = plain_window(n);

	check_format(op, ONLY_NAMED);
	if (weight->rank != (int)n + 2 || (x->rank >= 0 && x->rank != (int)n + 2)) {
		mindir_broken(op, "its inputs are not of %u dimensions", n + 2);
		return w;
	}
	kernel_of(&w, weight);
	if (!spatial(op, ONLY_NAMED, "stride", n, w.strides))
		spatial(op, ONLY_NAMED, "strides", n, w.strides);
	if (!spatial(op, ONLY_NAMED, "dilation", n, w.dilations))
		spatial(op, ONLY_NAMED, "dilations", n, w.dilations);
	w.group = mindir_int(op, ONLY_NAMED, "group", mindir_int(op, ONLY_NAMED, "groups", 1));
	for (unsigned i = 0; i < n; i++) {
		if (w.kernel[i] < 1 || w.kernel[i] > SIZE_MAX_PLAIN)
			mindir_refuse(op, "the shape of its weight is not known");
	}
	return w;
}

static void conv_padding(struct mindir_op *op, const struct onnx_value *x, struct window *w)
{
	if (is_same(op, ONLY_NAMED) && x->rank >= 0 && window_pad_same(w, x))
		return;
	if (is_same(op, ONLY_NAMED) && !padding(op, ONLY_NAMED, "pad_list", w)) {
		for (unsigned i = 0; i < w->n; i++) {
			if (w->dilations[i] != 1)
				mindir_refuse(
					op, "pad_mode same with strides and dilation, of an input "
					    "whose size is not known: give it a fixed size");
		}
		w->auto_pad = "SAME_UPPER";
		return;
	}
	if (pad_mode_is(op, ONLY_NAMED, "valid", 2))
		return;
	if (!padding(op, ONLY_NAMED, "pad_list", w) && !padding(op, ONLY_NAMED, "pad", w))
		mindir_refuse(op, "its padding is not known");
}

static struct onnx_value *conv(struct mindir_op *op, unsigned n)
{
	struct onnx_value *x = mindir_in(op, 0), *weight = mindir_in(op, 1);
	struct window w = conv_window(op, x, weight, n);

	if (op->error)
		return NULL;
	conv_padding(op, x, &w);
	return emit_conv(op->graph, x, weight, NULL, &w);
}

static struct onnx_value *conv2d(struct mindir_op *op)
{
	return conv(op, 2);
}

static struct onnx_value *conv3d(struct mindir_op *op)
{
	return conv(op, 3);
}

/* The size of the output decides how much is added at its end. */
static void fit_output(struct mindir_op *op, const struct onnx_value *x, struct window *w,
		       const int64_t *size)
{
	for (unsigned i = 0; i < w->n; i++) {
		int64_t n = x->rank == (int)w->n + 2 ? x->dims[2 + i] : -1, plain;

		if (size[i] < 0 || n < 1 || size[i] > SIZE_MAX_PLAIN || n > SIZE_MAX_PLAIN)
			continue;
		plain = (n - 1) * w->strides[i] + (w->kernel[i] - 1) * w->dilations[i] + 1 -
			w->pads_begin[i] - w->pads_end[i];
		if (size[i] >= plain && size[i] - plain < w->strides[i])
			w->output_padding[i] = size[i] - plain;
		else if (size[i] < plain)
			w->pads_end[i] += plain - size[i];
		else
			mindir_refuse(op,
				      "its output of %lld is larger than its window reaches (%lld)",
				      (long long)size[i], (long long)plain);
	}
}

static struct onnx_value *conv_transpose(struct mindir_op *op, unsigned n, size_t size_at)
{
	struct onnx_value *x = mindir_in(op, 0), *weight = mindir_in(op, 1);
	struct window w = conv_window(op, x, weight, n);
	struct mindir_claim claim = mindir_claim(op, 0);
	int64_t size[2 + EMIT_SPATIAL_MAX] = { 0 };

	if (op->error)
		return NULL;
	if (!padding(op, ONLY_NAMED, "pad_list", &w) && !padding(op, ONLY_NAMED, "pad", &w) &&
	    !pad_mode_is(op, ONLY_NAMED, "valid", 2))
		return mindir_refuse(op, "its padding is not known: give its input a fixed size");
	for (unsigned i = 0; i < n; i++)
		size[2 + i] = claim.rank == (int)n + 2 ? claim.dims[2 + i] : -1;
	if (mindir_is_known(op, size_at, "input_size"))
		mindir_ints(op, size_at, "input_size", size, n + 2);
	if (mindir_setting(op, ONLY_NAMED, "output_padding") && size[2] < 0)
		spatial(op, ONLY_NAMED, "output_padding", n, w.output_padding);
	fit_output(op, x, &w, size + 2);
	return emit_conv_transpose(op->graph, x, weight, NULL, &w);
}

static struct onnx_value *conv2d_transpose(struct mindir_op *op)
{
	return conv_transpose(op, 2, 2);
}

static struct onnx_value *conv3d_transpose(struct mindir_op *op)
{
	return conv_transpose(op, 3, ONLY_NAMED);
}

/* The window of an operator that serves all numbers of dimensions: the weight tells. */
static struct window window_of(struct mindir_op *op, const struct onnx_value *x,
			       const struct onnx_value *weight)
{
	struct window w = plain_window(1);

	if (weight->rank < 3 || weight->rank > 2 + EMIT_SPATIAL_MAX ||
	    (x->rank >= 0 && x->rank != weight->rank)) {
		mindir_refuse(op, "its inputs have %d and %d dimensions", x->rank, weight->rank);
		return w;
	}
	w = plain_window((unsigned)weight->rank - 2);
	kernel_of(&w, weight);
	return w;
}

static struct onnx_value *bias_or_none(struct mindir_op *op, size_t i)
{
	return mindir_setting(op, i, NULL) ? mindir_in(op, i) : NULL;
}

/* Convolution(x, w, bias, stride, padding, dilation, transposed, output_padding, groups) */
static struct onnx_value *convolution(struct mindir_op *op)
{
	struct onnx_value *x = mindir_in(op, 0), *weight = mindir_in(op, 1),
			  *bias = bias_or_none(op, 2);
	bool transposed = mindir_bool(op, 6, NULL, false);
	struct window w = window_of(op, x, weight);

	if (op->error)
		return NULL;
	spatial(op, 3, "stride", w.n, w.strides);
	spatial(op, 5, "dilation", w.n, w.dilations);
	spatial(op, 7, "output_padding", w.n, w.output_padding);
	w.group = mindir_int(op, 8, "groups", 1);
	if (!padding(op, 4, "padding", &w))
		return mindir_refuse(op, "its padding is not known");
	return transposed ? emit_conv_transpose(op->graph, x, weight, bias, &w)
			  : emit_conv(op->graph, x, weight, bias, &w);
}

/* ConvTranspose2D(x, w, bias, stride, padding, output_padding, groups, dilation) */
static struct onnx_value *conv_transpose_ext(struct mindir_op *op)
{
	struct onnx_value *x = mindir_in(op, 0), *weight = mindir_in(op, 1),
			  *bias = bias_or_none(op, 2);
	struct window w = window_of(op, x, weight);

	if (op->error)
		return NULL;
	spatial(op, 3, "stride", w.n, w.strides);
	spatial(op, 5, "output_padding", w.n, w.output_padding);
	spatial(op, 7, "dilation", w.n, w.dilations);
	w.group = mindir_int(op, 6, "groups", 1);
	if (mindir_setting(op, 4, "padding") && !padding(op, 4, "padding", &w))
		return mindir_refuse(op, "its padding is not known");
	return emit_conv_transpose(op->graph, x, weight, bias, &w);
}

/* Conv2DExt(x, w, bias, stride, padding, dilation, groups), and with words for the padding */
static struct onnx_value *conv_ext(struct mindir_op *op)
{
	struct onnx_value *x = mindir_in(op, 0), *weight = mindir_in(op, 1),
			  *bias = bias_or_none(op, 2);
	struct window w = window_of(op, x, weight);

	if (op->error)
		return NULL;
	spatial(op, 3, "stride", w.n, w.strides);
	spatial(op, 5, "dilation", w.n, w.dilations);
	w.group = mindir_int(op, 6, "groups", 1);
	if (op->n_inputs > 4 && op->inputs[4]->kind == MINDIR_TEXT) {
		if (mindir_text(op, 4, NULL, "same") && !window_pad_same(&w, x))
			return mindir_refuse(op, "its padding is not known");
	} else if (mindir_setting(op, 4, "padding") && !padding(op, 4, "padding", &w)) {
		return mindir_refuse(op, "its padding is not known");
	}
	return emit_conv(op->graph, x, weight, bias, &w);
}

/* What pools have in common; name, place: of the kernel. */
static struct window pool_window(struct mindir_op *op, const struct onnx_value *x, unsigned n,
				 size_t i, const char *name)
{
	struct window w = plain_window(n);

	check_format(op, ONLY_NAMED);
	if (x->rank >= 0 && x->rank != (int)n + 2)
		mindir_broken(op, "its input has %d dimensions, not %u", x->rank, n + 2);
	if (!spatial(op, i, name, n, w.kernel) && !spatial(op, i, "ksize", n, w.kernel))
		mindir_broken(op, "it has no %s", name);
	memcpy(w.strides, w.kernel, sizeof(w.strides));
	if (!spatial(op, i == ONLY_NAMED ? i : i + 1, "strides", n, w.strides) && i != ONLY_NAMED)
		spatial(op, i + 1, "stride", n, w.strides);
	return w;
}

static void pool_padding(struct mindir_op *op, const struct onnx_value *x, struct window *w,
			 size_t mode)
{
	static const char *const names[] = { "pad_list", "pad", "pads" };
	bool is_said = mindir_setting(op, mode, "pad_mode") != NULL;

	if (is_same(op, mode)) {
		if (x->rank >= 0 && window_pad_same(w, x))
			return;
		w->auto_pad = "SAME_UPPER";
		return;
	}
	if (pad_mode_is(op, mode, "valid", 2))
		return;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (padding(op, ONLY_NAMED, names[i], w))
			return;
		is_said |= mindir_setting(op, ONLY_NAMED, names[i]) != NULL;
	}
	if (is_said)
		mindir_refuse(op, "its padding is not known");
}

static struct onnx_value *max_pool(struct mindir_op *op, unsigned n)
{
	struct onnx_value *x = mindir_in(op, 0);
	struct window w = pool_window(op, x, n, ONLY_NAMED, "kernel_size");

	w.ceil_mode = mindir_bool(op, ONLY_NAMED, "ceil_mode", false);
	pool_padding(op, x, &w, ONLY_NAMED);
	return emit_pool(op->graph, "MaxPool", x, &w);
}

static struct onnx_value *max_pool2d(struct mindir_op *op)
{
	return max_pool(op, 2);
}

static struct onnx_value *max_pool3d(struct mindir_op *op)
{
	return max_pool(op, 3);
}

/* ONNX counts through the whole tensor, MindSpore within each plane. */
static struct onnx_value *plane_indices(struct mindir_op *op, struct onnx_value *all,
					const struct onnx_value *x, unsigned n)
{
	int64_t plane = 1;

	for (unsigned i = 0; i < n; i++) {
		if (x->rank != (int)n + 2 || x->dims[2 + i] < 1 ||
		    !tsk_mul(plane, x->dims[2 + i], &plane))
			return mindir_refuse(op, "indices of an input whose size is not known");
	}
	return emit_binary(op->graph, "Mod", all, onnx_int64(op->graph, plane), TENSOCK_INT64);
}

/* Settings at input 1 and behind, or by name: kernel, strides, pads, dilation, ceil_mode. */
static struct onnx_value *max_pool_with_indices(struct mindir_op *op, unsigned n, size_t i)
{
	struct onnx_value *x = mindir_in(op, 0), *ret[2] = { NULL, NULL };
	struct window w = pool_window(op, x, n, i, "kernel_size");
	struct onnx_node *node;

	spatial(op, i == ONLY_NAMED ? i : 3, "pads", n, w.pads_begin);
	spatial(op, i == ONLY_NAMED ? i : 4, "dilation", n, w.dilations);
	w.ceil_mode = mindir_bool(op, i == ONLY_NAMED ? i : 5, "ceil_mode", false);
	memcpy(w.pads_end, w.pads_begin, sizeof(w.pads_end));
	ret[0] = emit_pool(op->graph, "MaxPool", x, &w);
	node = ret[0]->maker;
	if (!node)
		return NULL;
	onnx_attr_ints(op->graph, node, "dilations", w.dilations, n);
	if (mindir_is_wanted(op, 1) && !mindir_text_is(op->node->op, "MaxPoolWithMask")) {
		ret[1] = onnx_out(op->graph, node, TENSOCK_INT64);
		ret[1] = plane_indices(op, ret[1], x, n);
	}
	return mindir_result_tuple(op, ret, 2);
}

static struct onnx_value *max_pool2d_with_indices(struct mindir_op *op)
{
	return max_pool_with_indices(op, 2, ONLY_NAMED);
}

static struct onnx_value *max_pool3d_with_indices(struct mindir_op *op)
{
	return max_pool_with_indices(op, 3, ONLY_NAMED);
}

/* MaxPoolWithIndices(x, kernel_size, strides, pads, dilation, ceil_mode), or with a mask */
static struct onnx_value *max_pool_ext(struct mindir_op *op)
{
	return max_pool_with_indices(op, 2, 1);
}

/* AvgPool(x, kernel_size, strides, pad_mode, format); in older files all but x are attributes */
static struct onnx_value *avg_pool(struct mindir_op *op)
{
	struct onnx_value *x = mindir_in(op, 0);
	struct window w = pool_window(op, x, 2, 1, "kernel_size");

	if (mindir_is_nhwc(op, 4))
		mindir_refuse(op, "format NHWC is not translated: export the net in NCHW");
	pool_padding(op, x, &w, 3);
	return emit_pool(op->graph, "AveragePool", x, &w);
}

/* The sum of a window over a number of one's own. */
static struct onnx_value *divided_by(struct mindir_op *op, struct onnx_value *mean,
				     const struct window *w, int64_t divisor)
{
	double n = 1;

	if (w->ceil_mode || !w->count_include_pad)
		return mindir_refuse(op, "divisor_override goes with count_include_pad and without "
					 "ceil_mode only");
	for (unsigned i = 0; i < w->n; i++)
		n *= (double)w->kernel[i];
	return emit_scalar(op->graph, "Mul", mean, n / (double)divisor);
}

static struct onnx_value *avg_pool3d(struct mindir_op *op)
{
	struct onnx_value *x = mindir_in(op, 0), *ret;
	struct window w = pool_window(op, x, 3, ONLY_NAMED, "kernel_size");
	int64_t divisor = mindir_int(op, ONLY_NAMED, "divisor_override", 0);

	w.ceil_mode = mindir_bool(op, ONLY_NAMED, "ceil_mode", false);
	w.count_include_pad =
		mindir_bool(op, ONLY_NAMED, "count_include_pad", true) && !is_same(op, ONLY_NAMED);
	pool_padding(op, x, &w, ONLY_NAMED);
	ret = emit_pool(op->graph, "AveragePool", x, &w);
	return divisor ? divided_by(op, ret, &w, divisor) : ret;
}

/* AvgPool2D(x, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override) */
static struct onnx_value *avg_pool_ext(struct mindir_op *op, unsigned n)
{
	struct onnx_value *x = mindir_in(op, 0), *ret;
	struct window w = pool_window(op, x, n, 1, "kernel_size");
	int64_t divisor = mindir_int(op, 6, "divisor_override", 0);

	if (mindir_setting(op, 3, "padding") && !padding(op, 3, "padding", &w))
		return mindir_refuse(op, "its padding is not known");
	w.ceil_mode = mindir_bool(op, 4, "ceil_mode", false);
	w.count_include_pad = mindir_bool(op, 5, "count_include_pad", true);
	ret = emit_pool(op->graph, "AveragePool", x, &w);
	return divisor ? divided_by(op, ret, &w, divisor) : ret;
}

static struct onnx_value *avg_pool1d_ext(struct mindir_op *op)
{
	return avg_pool_ext(op, 1);
}

static struct onnx_value *avg_pool2d_ext(struct mindir_op *op)
{
	return avg_pool_ext(op, 2);
}

static struct onnx_value *avg_pool3d_ext(struct mindir_op *op)
{
	return avg_pool_ext(op, 3);
}

static const struct mindir_operator rows[] = {
	{ "Conv2D", conv2d, 2 },
	{ "Conv3D", conv3d, 2 },
	{ "DepthwiseConv2dNative", conv2d, 2 },
	{ "Conv2DTranspose", conv2d_transpose, 2 },
	{ "Conv2DBackpropInput", conv2d_transpose, 2 },
	{ "Conv3DTranspose", conv3d_transpose, 2 },
	{ "Convolution", convolution, 2 },
	{ "Conv1DExt", conv_ext, 2 },
	{ "Conv2DExt", conv_ext, 2 },
	{ "Conv3DExt", conv_ext, 2 },
	{ "ConvTranspose2D", conv_transpose_ext, 2 },
	{ "Conv1DPadding", conv_ext, 2 },
	{ "Conv2DPadding", conv_ext, 2 },
	{ "Conv3DPadding", conv_ext, 2 },
	{ "MaxPool", max_pool2d, 1 },
	{ "MaxPool3D", max_pool3d, 1 },
	{ "MaxPoolWithArgmaxV2", max_pool2d_with_indices, 1 },
	{ "MaxPool3DWithArgmax", max_pool3d_with_indices, 1 },
	{ "MaxPoolWithIndices", max_pool_ext, 2 },
	{ "MaxPoolWithMask", max_pool_ext, 2 },
	{ "AvgPool", avg_pool, 1 },
	{ "AvgPool3D", avg_pool3d, 1 },
	{ "AvgPool1D", avg_pool1d_ext, 2 },
	{ "AvgPool2D", avg_pool2d_ext, 1 },
	{ "AvgPool3DExt", avg_pool3d_ext, 1 },
};

const struct mindir_table mindir_window_table = { rows, ARRAY_SIZE(rows) };
