/* SPDX-License-Identifier: Apache-2.0 */
/* What picks elements by values that only the run knows, and puts them elsewhere. */
#include "translate/ms/ms_layer.h"

/* Rows of one table, which may come in parts; the places are the last input. */
int ms_layer_embedding(struct ms_op *op)
{
	struct onnx_value *parts[ONNX_NODE_INPUTS_MAX], *table, *ids, *ret;
	unsigned n = op->n_inputs - 1;

	for (unsigned i = 0; i < n; i++) {
		parts[i] = ms_in(op, i);
		if (op->error)
			return op->error;
		if (parts[i]->rank < 1)
			return ms_unsupported(op, "input %u is no table", i);
	}
	table = n == 1 ? parts[0] : emit_concat(op->graph, parts, n, 0);
	ids = ms_in(op, n);
	ret = ONNX_CALL(op->graph, "Gather", table, emit_cast(op->graph, ids, TENSOCK_INT64));
	if (ids->rank >= 0)
		onnx_value_set_shape(ret, NULL, ids->rank + table->rank - 1);
	return ms_out(op, 0, ret);
}

/*
 * Zeros, with updates at places.  Files of 1.2 have shape, places, updates; those of 2.7 places, updates,
 * shape.  A shape has one dimension, places have two at least.
 */
int ms_layer_scatter_to_zeros(struct ms_op *op)
{
	bool is_first = ms_in_rank(op, 0) == 1;
	unsigned at = is_first ? 0 : 2, places = is_first ? 1 : 0;
	struct onnx_graph *graph = op->graph;
	struct onnx_value *shape = ms_in(op, at), *updates = ms_in(op, places + 1), *zeros, *ret;
	struct onnx_node *node;

	if (op->error)
		return op->error;
	zeros = ms_expanded(op, onnx_scalar(graph, updates->dtype, 0), shape);
	node = ONNX_NODE(graph, "ScatterND", zeros,
			 emit_cast(graph, ms_in(op, places), TENSOCK_INT64), updates);
	ret = onnx_out(graph, node, updates->dtype);
	onnx_attr_text(graph, node, "reduction", "add");
	onnx_value_like(ret, zeros);
	return ms_out(op, 0, ret);
}

int ms_layer_scatter_elements(struct ms_op *op, int64_t axis)
{
	struct onnx_value *x = ms_in(op, 0), *ret;
	struct onnx_node *node;

	if (ms_in_axis(op, 0, axis, &axis) < 0)
		return op->error;
	node = ONNX_NODE(op->graph, "ScatterElements", x,
			 emit_cast(op->graph, ms_in(op, 1), TENSOCK_INT64), ms_in(op, 2));
	ret = onnx_out(op->graph, node, x->dtype);
	onnx_attr_int(op->graph, node, "axis", axis);
	onnx_value_like(ret, x);
	return ms_out(op, 0, ret);
}

/* Boxes and scores; perhaps how many at most, and two thresholds.  Places as MindSpore's INT32. */
int ms_layer_non_max_suppression(struct ms_op *op, bool center_point_box)
{
	struct onnx_graph *graph = op->graph;
	static const int64_t one[] = { 1 };
	const int64_t dims[] = { -1, 3 };
	struct onnx_value *inputs[5] = { ms_in(op, 0), ms_in(op, 1) }, *ret;
	struct onnx_node *node;

	if (op->n_inputs > 5)
		return ms_invalid(op, "it has %u inputs", op->n_inputs);
	for (unsigned i = 2; i < op->n_inputs; i++)
		inputs[i] = emit_reshape(graph,
					 emit_cast(graph, ms_in(op, i),
						   i == 2 ? TENSOCK_INT64 : TENSOCK_FLOAT32),
					 one, 1);
	node = onnx_node_of(graph, "NonMaxSuppression", inputs, op->n_inputs);
	onnx_attr_int(graph, node, "center_point_box", center_point_box);
	ret = onnx_out(graph, node, TENSOCK_INT64);
	onnx_value_set_shape(ret, dims, 2);
	return ms_out(op, 0, emit_cast(graph, ret, TENSOCK_INT32));
}

/* The places of what is not 0: a column each, or a row each. */
int ms_layer_non_zero(struct ms_op *op, bool in_rows)
{
	static const int64_t turned[] = { 1, 0 };
	struct onnx_value *x = ms_in(op, 0), *ret;
	int64_t dims[] = { x->rank, -1 };

	ret = ONNX_CALL(op->graph, "NonZero", x);
	ret->dtype = TENSOCK_INT64;
	onnx_value_set_shape(ret, dims, 2);
	if (in_rows)
		ret = emit_transpose(op->graph, ret, turned, 2);
	return ms_out(op, 0, emit_cast(op->graph, ret, TENSOCK_INT32));
}
