/* SPDX-License-Identifier: Apache-2.0 */
/* Convolution and pooling: they take and give NCHW. */
#include "translate/ms/ms_layer.h"

/* No window of a real model comes near; below it no sum of these overflows. */
#define SIZE_MAX_OF_WINDOW ((int64_t)1 << 24)

static bool is_size(int64_t v, int64_t min)
{
	return v >= min && v <= SIZE_MAX_OF_WINDOW;
}

static int check_window(struct ms_op *op, const struct window *window)
{
	for (unsigned i = 0; i < window->n; i++) {
		if (!is_size(window->kernel[i], 1) || !is_size(window->strides[i], 1) ||
		    !is_size(window->dilations[i], 1) || !is_size(window->pads_begin[i], 0) ||
		    !is_size(window->pads_end[i], 0) || !is_size(window->output_padding[i], 0))
			return ms_invalid(op,
					  "its kernel, strides, dilations or paddings are out of "
					  "bounds");
	}
	return 0;
}

static int64_t extent(const struct window *window, unsigned i)
{
	return (window->kernel[i] - 1) * window->dilations[i] + 1;
}

/* SAME means a number of positions, for which the size must be known, or must not matter. */
static int resolve_same(struct ms_op *op, struct window *window, const struct onnx_value *x)
{
	if (window_pad_same(window, x))
		return 0;
	for (unsigned i = 0; i < window->n; i++) {
		if (window->dilations[i] != 1)
			return ms_unsupported(
				op, "pads a picture whose size is not known, with strides "
				    "and dilations: convert the model with fixed shapes");
	}
	window->auto_pad = "SAME_UPPER";
	return 0;
}

static int take_kernel(struct ms_op *op, struct window *window, const struct onnx_value *weight)
{
	window->n = 2;
	if (weight->rank != 4)
		return ms_invalid(op, "the weight has %d dimensions instead of 4", weight->rank);
	for (unsigned i = 0; i < 2; i++) {
		if (window->kernel[i] != 0 && window->kernel[i] != weight->dims[2 + i])
			return ms_invalid(op, "its kernel is %lld x %lld, its weight's %lld x %lld",
					  (long long)window->kernel[0],
					  (long long)window->kernel[1], (long long)weight->dims[2],
					  (long long)weight->dims[3]);
		window->kernel[i] = weight->dims[2 + i];
	}
	if (weight->dims[0] < 1 || weight->dims[1] < 1)
		return ms_unsupported(op, "the weight's shape is not known, or empty");
	return check_window(op, window);
}

static struct onnx_value *bias_of(struct ms_op *op)
{
	return op->n_inputs > 2 ? ms_in(op, 2) : NULL;
}

/* Puts the fused activation behind, and gives the result. */
static int finish(struct ms_op *op, struct onnx_value *value, unsigned activation)
{
	ms_out_nchw(op, 0, ms_fused(op, value, activation));
	return op->error;
}

/* A picture whose sizes no sum of ours overflows. */
static int check_input(struct ms_op *op, const struct onnx_value *x)
{
	for (unsigned i = 1; i < 4 && !op->error; i++) {
		if (x->dims[i] > INT32_MAX)
			return ms_invalid(op, "its input has a dimension of %lld",
					  (long long)x->dims[i]);
	}
	return op->error;
}

int ms_layer_conv(struct ms_op *op, struct window *window, unsigned pad_mode, unsigned activation)
{
	struct onnx_value *x = ms_in_nchw(op, 0), *weight = ms_in_nchw(op, 1), *bias = bias_of(op);
	int r = check_input(op, x) < 0 ? op->error : take_kernel(op, window, weight);

	if (r < 0)
		return r;
	if (window->group == 0)
		window->group = weight->dims[0];
	if (window->group < 1 || weight->dims[0] % window->group != 0)
		return ms_invalid(op, "%lld groups of %lld output channels",
				  (long long)window->group, (long long)weight->dims[0]);
	/* The second: as a product it could overflow. */
	if (x->dims[1] >= 0 &&
	    (x->dims[1] % window->group != 0 || x->dims[1] / window->group != weight->dims[1]))
		return ms_invalid(op, "%lld channels, and a weight for %lld in each of %lld groups",
				  (long long)x->dims[1], (long long)weight->dims[1],
				  (long long)window->group);
	if (pad_mode == MS_PAD_SAME) {
		r = resolve_same(op, window, x);
		if (r < 0)
			return r;
	}
	return finish(op, emit_conv(op->graph, x, weight, bias, window), activation);
}

/* The size is to be stride times the input's: what is too much is cut, half of it in front. */
static void resolve_same_transposed(struct window *window)
{
	for (unsigned i = 0; i < window->n; i++) {
		int64_t all = extent(window, i) - window->strides[i];
		int64_t begin = (all - window->output_padding[i]) / 2;
		int64_t end;

		begin = begin > 0 ? begin : 0;
		end = all - begin;
		window->pads_begin[i] = begin;
		window->pads_end[i] = end > 0 ? end : 0;
		window->output_padding[i] += end < 0 ? -end : 0;
	}
}

int ms_layer_conv_transpose(struct ms_op *op, struct window *window, unsigned pad_mode,
			    unsigned activation)
{
	struct onnx_value *x = ms_in_nchw(op, 0), *weight = ms_in_nchw(op, 1), *bias = bias_of(op);
	int r = check_input(op, x) < 0 ? op->error : take_kernel(op, window, weight);

	if (r < 0)
		return r;
	if (window->group == 0)
		window->group = weight->dims[0];
	if (window->group < 1 || weight->dims[0] % window->group != 0)
		return ms_invalid(op, "%lld groups of %lld channels", (long long)window->group,
				  (long long)weight->dims[0]);
	if (x->dims[1] >= 0 && x->dims[1] != weight->dims[0])
		return ms_invalid(op, "%lld channels, and a weight for %lld", (long long)x->dims[1],
				  (long long)weight->dims[0]);
	if (pad_mode == MS_PAD_SAME)
		resolve_same_transposed(window);
	return finish(op, emit_conv_transpose(op->graph, x, weight, bias, window), activation);
}

/*
 * A number of positions rounded up, said by paddings: ONNX's ceil_mode drops a window that would begin
 * in the padding, and says less about the shape.
 */
static void resolve_ceil(struct window *window, const struct onnx_value *x)
{
	int64_t more[EMIT_SPATIAL_MAX];

	for (unsigned i = 0; i < window->n; i++) {
		int64_t n = x->dims[2 + i], room, rest;

		if (n < 0 || n > SIZE_MAX_OF_WINDOW)
			return;
		room = n + window->pads_begin[i] + window->pads_end[i] - extent(window, i);
		if (room < 0)
			return;
		rest = room % window->strides[i];
		more[i] = rest ? window->strides[i] - rest : 0;
		/* The runtime of ONNX takes no padding of a whole window. */
		if (window->pads_end[i] + more[i] >= window->kernel[i])
			return;
	}
	for (unsigned i = 0; i < window->n; i++)
		window->pads_end[i] += more[i];
	window->ceil_mode = false;
}

static struct onnx_value *global_pool(struct ms_op *op, const char *onnx_op, struct onnx_value *x)
{
	const int64_t dims[] = { x->dims[0], x->dims[1], 1, 1 };
	struct onnx_value *ret =
		emit_unary(op->graph, onnx_op[0] == 'M' ? "GlobalMaxPool" : "GlobalAveragePool", x);

	onnx_value_set_shape(ret, dims, 4);
	return ret;
}

int ms_layer_pool(struct ms_op *op, const char *onnx_op, struct window *window, unsigned pad_mode,
		  bool is_global, unsigned activation)
{
	struct onnx_value *x = ms_in_nchw(op, 0);
	int r;

	if (check_input(op, x) < 0)
		return op->error;
	if (is_global)
		return finish(op, global_pool(op, onnx_op, x), activation);
	window->n = 2;
	window->dilations[0] = window->dilations[1] = 1;
	r = check_window(op, window);
	if (r == 0 && pad_mode == MS_PAD_SAME) {
		window->ceil_mode = false;
		r = resolve_same(op, window, x);
	}
	if (r < 0)
		return r;
	if (window->ceil_mode)
		resolve_ceil(window, x);
	return finish(op, emit_pool(op->graph, onnx_op, x, window), activation);
}
