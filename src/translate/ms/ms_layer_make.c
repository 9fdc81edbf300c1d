/* SPDX-License-Identifier: Apache-2.0 */
/* Tensors that are made of shapes and numbers, and what selects from tensors by numbers. */
#include "translate/ms/ms_layer.h"

struct onnx_value *ms_expanded(struct ms_op *op, struct onnx_value *value, struct onnx_value *shape)
{
	struct onnx_value *ret =
		ONNX_CALL(op->graph, "Expand", value, emit_cast(op->graph, shape, TENSOCK_INT64));
	int64_t dims[TENSOCK_RANK_MAX];
	int n = onnx_constant_read_ints(shape, dims, TENSOCK_RANK_MAX);

	if (n >= 0)
		onnx_value_set_shape(ret, dims, n);
	else if (shape->rank == 1 && shape->dims[0] >= 0 && shape->dims[0] <= (int)TENSOCK_RANK_MAX)
		onnx_value_set_shape(ret, NULL, (int)shape->dims[0]);
	return ret;
}

int ms_layer_fill(struct ms_op *op, unsigned value, unsigned shape)
{
	return ms_out(op, 0,
		      ms_expanded(op, emit_as_scalar(op->graph, ms_in(op, value)),
				  ms_in(op, shape)));
}

int ms_layer_filled(struct ms_op *op, unsigned shape, uint32_t dtype, double v)
{
	if (dtype == TENSOCK_DTYPE_INVALID)
		return ms_unsupported(op, "gives a type that is none of numbers");
	return ms_out(op, 0, ms_expanded(op, onnx_scalar(op->graph, dtype, v), ms_in(op, shape)));
}

static int filled_like(struct ms_op *op, double v)
{
	enum ms_layout layout = ms_layout(op, 1);
	struct onnx_value *x = ms_in_as(op, 0, layout);
	struct onnx_value *ret =
		ms_expanded(op, onnx_scalar(op->graph, x->dtype, v), emit_shape_of(op->graph, x));

	onnx_value_like(ret, x);
	return ms_out_as(op, 0, ret, layout);
}

int ms_layer_zeros_like(struct ms_op *op)
{
	return filled_like(op, 0);
}

int ms_layer_ones_like(struct ms_op *op)
{
	return filled_like(op, 1);
}

int ms_layer_range(struct ms_op *op)
{
	struct onnx_value *start = emit_as_scalar(op->graph, ms_in(op, 0));
	struct onnx_value *ret =
		ONNX_CALL(op->graph, "Range", start, emit_as_scalar(op->graph, ms_in(op, 1)),
			  emit_as_scalar(op->graph, ms_in(op, 2)));

	onnx_value_set_shape(ret, NULL, 1);
	return ms_out(op, 0, ret);
}

int ms_layer_range_of(struct ms_op *op, int64_t start, int64_t limit, int64_t delta)
{
	struct onnx_graph *graph = op->graph;
	struct onnx_value *ret;

	if (delta == 0 || start != (int32_t)start || limit != (int32_t)limit ||
	    delta != (int32_t)delta)
		return ms_invalid(op, "from %lld to %lld by %lld", (long long)start,
				  (long long)limit, (long long)delta);
	ret = ONNX_CALL(graph, "Range", onnx_scalar(graph, TENSOCK_INT32, (double)start),
			onnx_scalar(graph, TENSOCK_INT32, (double)limit),
			onnx_scalar(graph, TENSOCK_INT32, (double)delta));
	onnx_value_set_shape(ret, NULL, 1);
	return ms_out(op, 0, ret);
}

/* The values that ONNX wants: [off, on]. */
static struct onnx_value *one_hot_values(struct ms_op *op)
{
	static const int64_t one[] = { 1 };
	struct onnx_value *on, *off;

	if (op->n_inputs == 3)
		return ms_in(op, 2);
	on = emit_reshape(op->graph, ms_in(op, 2), one, 1);
	off = emit_reshape(op->graph, ms_in(op, 3), one, 1);
	return emit_concat(op->graph, (struct onnx_value *const[]){ off, on }, 2, 0);
}

/* ONNX counts negative places from the end; beside on and off MindSpore has them nowhere. */
static struct onnx_value *one_hot_places(struct ms_op *op, struct onnx_value *depth)
{
	struct onnx_graph *graph = op->graph;
	struct onnx_value *places = emit_cast(graph, ms_in(op, 0), TENSOCK_INT64);

	if (op->n_inputs == 3)
		return places;
	return emit_where(graph,
			  emit_binary(graph, "Less", places, onnx_int64(graph, 0), TENSOCK_BOOL),
			  depth, places);
}

int ms_layer_one_hot(struct ms_op *op, int64_t axis)
{
	struct onnx_value *indices = ms_in(op, 0), *values = one_hot_values(op), *count, *ret;
	int64_t dims[TENSOCK_RANK_MAX], depth = -1;
	struct onnx_node *node;
	int rank = ms_in_rank(op, 0), r = ms_in_new_axis(op, 0, axis, &axis);

	if (r < 0)
		return r;
	if (onnx_constant_read_ints(ms_in(op, 1), &depth, 1) != 1)
		depth = -1;
	count = emit_as_scalar(op->graph, emit_cast(op->graph, ms_in(op, 1), TENSOCK_INT64));
	node = ONNX_NODE(op->graph, "OneHot", one_hot_places(op, count), count, values);
	ret = onnx_out(op->graph, node, values->dtype);
	onnx_attr_int(op->graph, node, "axis", axis);
	for (int i = 0; i <= rank; i++)
		dims[i] = i == axis ? depth : indices->dims[i < axis ? i : i - 1];
	onnx_value_set_shape(ret, dims, rank + 1);
	return ms_out(op, 0, ret);
}

int ms_layer_gather_nd(struct ms_op *op)
{
	struct onnx_value *x = ms_in(op, 0), *indices = ms_in(op, 1), *ret;
	int64_t n = indices->rank > 0 ? indices->dims[indices->rank - 1] : -1;

	ret = ONNX_CALL(op->graph, "GatherND", x, emit_cast(op->graph, indices, TENSOCK_INT64));
	if (n >= 0 && x->rank >= n && indices->rank - 1 + x->rank - n <= (int)TENSOCK_RANK_MAX)
		onnx_value_set_shape(ret, NULL, indices->rank - 1 + x->rank - (int)n);
	return ms_out(op, 0, ret);
}

int ms_layer_gather_elements(struct ms_op *op, unsigned indices, int64_t axis)
{
	struct onnx_value *x = ms_in(op, 0), *at = ms_in(op, indices), *ret;
	struct onnx_node *node;

	if (ms_in_axis(op, 0, axis, &axis) < 0)
		return op->error;
	node = ONNX_NODE(op->graph, "GatherElements", x, emit_cast(op->graph, at, TENSOCK_INT64));
	ret = onnx_out(op->graph, node, x->dtype);
	onnx_attr_int(op->graph, node, "axis", axis);
	onnx_value_like(ret, at);
	return ms_out(op, 0, ret);
}

int ms_layer_scatter_nd(struct ms_op *op, const char *reduction)
{
	struct onnx_value *x = ms_in(op, 0), *ret;
	struct onnx_node *node =
		ONNX_NODE(op->graph, "ScatterND", x,
			  emit_cast(op->graph, ms_in(op, 1), TENSOCK_INT64), ms_in(op, 2));

	ret = onnx_out(op->graph, node, x->dtype);
	if (reduction)
		onnx_attr_text(op->graph, node, "reduction", reduction);
	onnx_value_like(ret, x);
	return ms_out(op, 0, ret);
}

/* The k that is at one end, in order; places are MindSpore's INT32. */
int ms_layer_top_k(struct ms_op *op, int64_t axis, bool largest, bool sorted)
{
	static const int64_t one[] = { 1 };
	struct onnx_value *x = ms_in(op, 0), *k;
	struct top_k top;

	if (ms_in_axis(op, 0, axis, &axis) < 0)
		return op->error;
	k = emit_reshape(op->graph, emit_cast(op->graph, ms_in(op, 1), TENSOCK_INT64), one, 1);
	top = emit_top_k(op->graph, x, k, axis, largest, sorted);
	ms_out(op, 0, top.values);
	if (op->n_outputs > 1)
		ms_out(op, 1, emit_cast(op->graph, top.places, TENSOCK_INT32));
	return 0;
}

int ms_layer_cum_sum(struct ms_op *op, bool exclusive, bool reverse)
{
	struct onnx_value *x = ms_in(op, 0), *ret;
	struct onnx_node *node =
		ONNX_NODE(op->graph, "CumSum", x, emit_as_scalar(op->graph, ms_in(op, 1)));

	ret = onnx_out(op->graph, node, x->dtype);
	onnx_attr_int(op->graph, node, "exclusive", exclusive);
	onnx_attr_int(op->graph, node, "reverse", reverse);
	onnx_value_like(ret, x);
	return ms_out(op, 0, ret);
}

int ms_layer_triangle(struct ms_op *op, bool upper)
{
	struct onnx_value *x = ms_in(op, 0), *ret;
	struct onnx_node *node = ONNX_NODE(op->graph, "Trilu", x);

	if (op->n_inputs > 1)
		onnx_in(op->graph, node,
			emit_as_scalar(op->graph,
				       emit_cast(op->graph, ms_in(op, 1), TENSOCK_INT64)));
	ret = onnx_out(op->graph, node, x->dtype);
	onnx_attr_int(op->graph, node, "upper", upper);
	onnx_value_like(ret, x);
	return ms_out(op, 0, ret);
}
