/* SPDX-License-Identifier: Apache-2.0 */
#include "translate/ms/ms_layer.h"

#include <math.h>

/* Numbers of ReduceMode, in both schemas. */
static const char *const modes[] = {
	"ReduceMean",      "ReduceMax", "ReduceMin", "ReduceProd", "ReduceSum",
	"ReduceSumSquare", "ReduceL1",  "ReduceMin", "ReduceL2",
};

enum {
	MODE_ALL = 7,
};

/* The axes as places in the layout's view; all of them where there are none. */
static int places_of(struct ms_op *op, const int64_t *axes, size_t n, bool to_end, int64_t *ret,
		     size_t *ret_n)
{
	int rank = ms_in_rank(op, 0), r;

	if (rank < 0)
		return rank;
	if (to_end && n != 1)
		return ms_invalid(op, "it has %zu axes", n);
	r = ms_in_axes(op, axes, n, ret);
	if (r < 0)
		return r;
	for (int64_t i = to_end ? ret[0] + 1 : n ? rank : 0; i < rank; i++)
		ret[n++] = i;
	*ret_n = n;
	return 0;
}

static struct onnx_value *reduce(struct ms_op *op, unsigned mode, struct onnx_value *x,
				 const int64_t *places, size_t n, bool keep_dims)
{
	struct onnx_value *ret;

	if (mode != MODE_ALL)
		return emit_reduce(op->graph, modes[mode], x, places, n, keep_dims);
	/* All of what is true: the smallest is 1. */
	ret = emit_cast(op->graph, emit_cast(op->graph, x, TENSOCK_BOOL), TENSOCK_INT32);
	ret = emit_reduce(op->graph, modes[mode], ret, places, n, keep_dims);
	return emit_cast(op->graph, ret, x->dtype);
}

int ms_layer_reduce(struct ms_op *op, unsigned mode, const int64_t *axes, size_t n, bool keep_dims,
		    bool reduce_to_end, double coeff)
{
	int64_t places[TENSOCK_RANK_MAX];
	size_t n_places = 0;
	enum ms_layout layout;
	struct onnx_value *ret;
	int r = places_of(op, axes, n, reduce_to_end, places, &n_places);

	if (r < 0)
		return r;
	if (mode >= ARRAY_SIZE(modes))
		return ms_unsupported(op, "its mode, number %u, is not known", mode);
	keep_dims = keep_dims && !reduce_to_end;
	layout = keep_dims || n_places == 4 ? ms_layout(op, 1)
					    : ms_layout_without(op, places, n_places);
	for (size_t i = 0; i < n_places; i++)
		places[i] = ms_axis(layout, places[i]);
	ret = reduce(op, mode, ms_in_as(op, 0, layout), places, n_places, keep_dims);
	if (reduce_to_end && fabs(coeff) > 1e-5 && coeff != 1)
		ret = emit_scalar(op->graph, "Mul", ret, coeff);
	return ms_out_as(op, 0, ret, keep_dims ? layout : MS_PLAIN);
}

/* One place along an axis, as MindSpore's INT32. */
static struct onnx_value *index_of(struct ms_op *op, const char *onnx_op, struct onnx_value *x,
				   int64_t axis, bool keep_dims)
{
	struct onnx_node *node = ONNX_NODE(op->graph, onnx_op, x);
	struct onnx_value *ret = onnx_out(op->graph, node, TENSOCK_INT64);
	int64_t dims[TENSOCK_RANK_MAX];
	int rank = 0;

	onnx_attr_int(op->graph, node, "axis", axis);
	onnx_attr_int(op->graph, node, "keepdims", keep_dims);
	for (int i = 0; i < x->rank; i++) {
		if (i != axis)
			dims[rank++] = x->dims[i];
		else if (keep_dims)
			dims[rank++] = 1;
	}
	onnx_value_set_shape(ret, dims, rank);
	return emit_cast(op->graph, ret, TENSOCK_INT32);
}

/* The first top_k places, and their values. */
static int arg_top(struct ms_op *op, int64_t axis, int64_t top_k, bool is_max, bool out_value)
{
	struct top_k top = emit_top_k(op->graph, ms_in(op, 0), onnx_int64s(op->graph, &top_k, 1),
				      axis, is_max, true);

	if (op->n_outputs > 1)
		ms_out(op, 1, top.values);
	return ms_out(op, 0,
		      out_value && op->n_outputs == 1
			      ? top.values
			      : emit_cast(op->graph, top.places, TENSOCK_INT32));
}

int ms_layer_arg(struct ms_op *op, const char *onnx_op, int64_t axis, int64_t top_k, bool keep_dims,
		 bool out_max_value)
{
	bool is_max = onnx_op[3] == 'M' && onnx_op[4] == 'a';
	enum ms_layout layout;
	struct onnx_value *x, *value;
	int r = ms_in_axis(op, 0, axis, &axis);

	if (r < 0)
		return r;
	if (top_k > 1)
		return arg_top(op, axis, top_k, is_max, out_max_value);
	layout = keep_dims ? ms_layout(op, 1) : MS_PLAIN;
	x = ms_in_as(op, 0, layout);
	axis = ms_axis(layout, axis);
	if (out_max_value || op->n_outputs > 1) {
		value = emit_reduce(op->graph, is_max ? "ReduceMax" : "ReduceMin", x, &axis, 1,
				    keep_dims);
		ms_out_as(op, op->n_outputs > 1 ? 1 : 0, value, layout);
	}
	if (!out_max_value || op->n_outputs > 1)
		ms_out_as(op, 0, index_of(op, onnx_op, x, axis, keep_dims), layout);
	return 0;
}
