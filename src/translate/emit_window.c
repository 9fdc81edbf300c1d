/* SPDX-License-Identifier: Apache-2.0 */
/* Convolution and pooling. */
#include <string.h>

#include "base/checked.h"
#include "translate/emit.h"

static void pads(struct onnx_graph *graph, struct onnx_node *node, const struct window *w)
{
	int64_t all[2 * EMIT_SPATIAL_MAX];

	if (w->auto_pad) {
		onnx_attr_text(graph, node, "auto_pad", w->auto_pad);
		return;
	}
	for (unsigned i = 0; i < w->n; i++) {
		all[i] = w->pads_begin[i];
		all[w->n + i] = w->pads_end[i];
	}
	onnx_attr_ints(graph, node, "pads", all, (size_t)2 * w->n);
}

static void window_attributes(struct onnx_graph *graph, struct onnx_node *node,
			      const struct window *w)
{
	onnx_attr_ints(graph, node, "kernel_shape", w->kernel, w->n);
	onnx_attr_ints(graph, node, "strides", w->strides, w->n);
	pads(graph, node, w);
}

/* Numbers of a file that may be added up without a thought: the others have no shape. */
static bool is_plain(const struct window *w, unsigned i)
{
	const int64_t max = INT32_MAX;

	return w->kernel[i] >= 1 && w->kernel[i] <= max && w->strides[i] >= 1 &&
	       w->strides[i] <= max && w->dilations[i] >= 1 && w->dilations[i] <= max &&
	       w->pads_begin[i] >= 0 && w->pads_begin[i] <= max && w->pads_end[i] >= 0 &&
	       w->pads_end[i] <= max && w->output_padding[i] >= 0 && w->output_padding[i] <= max;
}

/* The positions of a window along dimension i of n elements; -1 where it cannot be known. */
static int64_t positions(const struct window *w, unsigned i, int64_t n)
{
	int64_t extent, room;

	if (n < 0 || n > INT32_MAX || !is_plain(w, i))
		return -1;
	if (w->auto_pad)
		return n / w->strides[i] + (n % w->strides[i] != 0);
	extent = (w->kernel[i] - 1) * w->dilations[i] + 1;
	room = n + w->pads_begin[i] + w->pads_end[i];
	return room < extent || w->ceil_mode ? -1 : (room - extent) / w->strides[i] + 1;
}

bool window_pad_same(struct window *window, const struct onnx_value *x)
{
	for (unsigned i = 0; i < window->n; i++) {
		int64_t stride = window->strides[i];
		int64_t n = x->rank == (int)window->n + 2 ? x->dims[2 + i] : -1;
		int64_t extent, missing;

		if (!is_plain(window, i))
			return false;
		extent = (window->kernel[i] - 1) * window->dilations[i] + 1;
		if (stride == 1)
			missing = extent - 1;
		else if (n < 0 || n > INT32_MAX)
			return false;
		else
			missing = (n / stride + (n % stride != 0) - 1) * stride + extent - n;
		window->pads_begin[i] = missing > 0 ? missing / 2 : 0;
		window->pads_end[i] = missing > 0 ? missing - missing / 2 : 0;
	}
	return true;
}

/* [N, channels, ...] where x is of a rank that goes with the window. */
static void window_shape(struct onnx_value *ret, const struct onnx_value *x, const struct window *w,
			 int64_t channels)
{
	int64_t dims[2 + EMIT_SPATIAL_MAX];

	dims[0] = x->rank == (int)w->n + 2 ? x->dims[0] : -1;
	dims[1] = channels;
	for (unsigned i = 0; i < w->n; i++)
		dims[2 + i] = x->rank == (int)w->n + 2 ? positions(w, i, x->dims[2 + i]) : -1;
	onnx_value_set_shape(ret, dims, (int)w->n + 2);
}

static struct onnx_node *conv_node(struct onnx_graph *graph, const char *op, struct onnx_value *x,
				   struct onnx_value *w, struct onnx_value *b,
				   const struct window *window)
{
	struct onnx_node *node = b ? ONNX_NODE(graph, op, x, w, b) : ONNX_NODE(graph, op, x, w);

	window_attributes(graph, node, window);
	onnx_attr_ints(graph, node, "dilations", window->dilations, window->n);
	onnx_attr_int(graph, node, "group", window->group);
	return node;
}

struct onnx_value *emit_conv(struct onnx_graph *graph, struct onnx_value *x, struct onnx_value *w,
			     struct onnx_value *b, const struct window *window)
{
	struct onnx_node *node = conv_node(graph, "Conv", x, w, b, window);
	struct onnx_value *ret = onnx_out(graph, node, x->dtype);

	window_shape(ret, x, window, w->rank > 0 ? w->dims[0] : -1);
	return ret;
}

/* The elements along dimension i of what is convolved back. */
static int64_t spread(const struct window *w, unsigned i, int64_t n)
{
	int64_t all;

	if (n < 1 || n > INT32_MAX || !is_plain(w, i))
		return -1;
	all = (n - 1) * w->strides[i] + w->output_padding[i] +
	      (w->kernel[i] - 1) * w->dilations[i] + 1 - w->pads_begin[i] - w->pads_end[i];
	return all < 0 ? -1 : all;
}

struct onnx_value *emit_conv_transpose(struct onnx_graph *graph, struct onnx_value *x,
				       struct onnx_value *w, struct onnx_value *b,
				       const struct window *window)
{
	struct onnx_node *node = conv_node(graph, "ConvTranspose", x, w, b, window);
	struct onnx_value *ret = onnx_out(graph, node, x->dtype);
	int64_t dims[2 + EMIT_SPATIAL_MAX], channels = -1;
	bool known = x->rank == (int)window->n + 2;

	onnx_attr_ints(graph, node, "output_padding", window->output_padding, window->n);
	if (w->rank > 1 && w->dims[1] >= 0 && !tsk_mul(w->dims[1], window->group, &channels))
		channels = -1;
	dims[0] = known ? x->dims[0] : -1;
	dims[1] = channels;
	for (unsigned i = 0; i < window->n; i++)
		dims[2 + i] = known ? spread(window, i, x->dims[2 + i]) : -1;
	onnx_value_set_shape(ret, dims, (int)window->n + 2);
	return ret;
}

/*
 * ONNX Runtime (1.21) merges a Pad into the pool behind it, and pads with what a pool pads with, not with
 * the Pad's value.  One whose axes are named is left alone.
 */
static void keep_pad_apart(struct onnx_graph *graph, struct onnx_value *x)
{
	struct onnx_node *pad = x->maker;
	int64_t axes[TENSOCK_RANK_MAX];

	if (!pad || strcmp(pad->op, "Pad") != 0 || pad->n_inputs > 3 || x->rank < 0)
		return;
	for (int i = 0; i < x->rank; i++)
		axes[i] = i;
	while (pad->n_inputs < 3)
		onnx_in(graph, pad, NULL);
	onnx_in(graph, pad, onnx_int64s(graph, axes, (size_t)x->rank));
}

struct onnx_value *emit_pool(struct onnx_graph *graph, const char *op, struct onnx_value *x,
			     const struct window *window)
{
	struct onnx_node *node = ONNX_NODE(graph, op, x);
	struct onnx_value *ret = onnx_out(graph, node, x->dtype);

	keep_pad_apart(graph, x);
	window_attributes(graph, node, window);
	if (window->ceil_mode)
		onnx_attr_int(graph, node, "ceil_mode", 1);
	if (window->count_include_pad)
		onnx_attr_int(graph, node, "count_include_pad", 1);
	window_shape(ret, x, window, x->rank > 1 ? x->dims[1] : -1);
	return ret;
}
