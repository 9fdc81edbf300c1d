/* SPDX-License-Identifier: Apache-2.0 */
/* What goes by places of elements: it takes and gives the plain view. */
#include "translate/ms/ms_layer.h"

int ms_layer_gather_nd(struct ms_op *op)
{
	struct onnx_value *x = ms_in(op, 0),
			  *places = emit_cast(op->graph, ms_in(op, 1), TENSOCK_INT64);
	struct onnx_value *ret = ONNX_CALL(op->graph, "GatherND", x, places);
	int64_t dims[2 * TENSOCK_RANK_MAX], depth;
	int rank = 0;

	ms_out(op, 0, ret);
	if (places->rank <= 0 || x->rank < 0 || places->dims[places->rank - 1] < 0)
		return 0;
	depth = places->dims[places->rank - 1];
	for (int i = 0; i < places->rank - 1; i++)
		dims[rank++] = places->dims[i];
	for (int64_t i = depth; i < x->rank; i++)
		dims[rank++] = x->dims[i];
	if (depth > x->rank || rank > (int)TENSOCK_RANK_MAX)
		return ms_invalid(op, "its places have %lld axes, its input %d", (long long)depth,
				  x->rank);
	onnx_value_set_shape(ret, dims, rank);
	return 0;
}

/* One element as a vector of it. */
static struct onnx_value *vector_of(struct ms_op *op, unsigned i, uint32_t dtype)
{
	static const int64_t one[] = { 1 };

	return emit_reshape(op->graph, emit_cast(op->graph, ms_in(op, i), dtype), one, 1);
}

/* ONNX counts negative places from the end; where there are four inputs MindSpore has them nowhere. */
static struct onnx_value *without_negatives(struct ms_op *op, struct onnx_value *places,
					    struct onnx_value *depth)
{
	struct onnx_graph *graph = op->graph;
	struct onnx_value *negative =
		emit_binary(graph, "Less", places, onnx_scalar(graph, places->dtype, 0),
			    TENSOCK_BOOL);
	struct onnx_value *ret = ONNX_CALL(graph, "Where", negative, depth, places);

	ret->dtype = places->dtype;
	onnx_value_like(ret, places);
	return ret;
}

/* Off and on as ONNX has them: a vector of two. */
static struct onnx_value *off_and_on(struct ms_op *op)
{
	struct onnx_value *both[2];

	if (op->n_inputs == 3)
		return ms_in(op, 2);
	both[1] = vector_of(op, 2, ms_in(op, 2)->dtype);
	both[0] = vector_of(op, 3, both[1]->dtype);
	return emit_concat(op->graph, both, 2, 0);
}

int ms_layer_one_hot(struct ms_op *op, int64_t axis)
{
	struct onnx_value *places = emit_cast(op->graph, ms_in(op, 0), TENSOCK_INT64), *depth, *ret;
	struct onnx_node *node;
	int rank = ms_in_rank(op, 0);

	if (rank < 0)
		return rank;
	if (axis < -rank - 1 || axis > rank || rank >= (int)TENSOCK_RANK_MAX)
		return ms_invalid(op, "its axis is %lld, of %d dimensions", (long long)axis,
				  rank + 1);
	depth = vector_of(op, 1, TENSOCK_INT64);
	if (op->n_inputs > 3)
		places = without_negatives(op, places, depth);
	node = ONNX_NODE(op->graph, "OneHot", places, depth, off_and_on(op));
	onnx_attr_int(op->graph, node, "axis", axis);
	ret = onnx_out(op->graph, node, op->n_inputs > 2 ? ms_in(op, 2)->dtype : TENSOCK_FLOAT32);
	onnx_value_set_shape(ret, NULL, rank + 1);
	ms_out(op, 0, ret);
	return 0;
}

static struct onnx_value *count(struct ms_op *op, int64_t k)
{
	return k > 0 ? onnx_int64s(op->graph, &k, 1) : vector_of(op, 1, TENSOCK_INT64);
}

int ms_layer_top_k(struct ms_op *op, int64_t k, int64_t axis)
{
	struct onnx_value *x = ms_in(op, 0), *values, *places;
	struct onnx_node *node;
	int r = ms_in_axis(op, 0, axis, &axis);

	if (r < 0)
		return r;
	if (k < 0)
		return ms_invalid(op, "it is to give %lld elements", (long long)k);
	node = ONNX_NODE(op->graph, "TopK", x, count(op, k));
	values = onnx_out(op->graph, node, x->dtype);
	places = onnx_out(op->graph, node, TENSOCK_INT64);
	onnx_attr_int(op->graph, node, "axis", axis);
	onnx_value_like(values, x);
	values->dims[axis] = k > 0 ? k : -1;
	onnx_value_like(places, values);
	ms_out(op, 0, values);
	if (op->n_outputs > 1)
		ms_out(op, 1, emit_cast(op->graph, places, TENSOCK_INT32));
	return 0;
}

int ms_layer_reverse(struct ms_op *op, const int64_t *axes, size_t n)
{
	int64_t places[TENSOCK_RANK_MAX], begin[TENSOCK_RANK_MAX], end[TENSOCK_RANK_MAX];
	enum ms_layout layout = ms_layout(op, 1);
	struct onnx_value *x, *ret;

	if (n == 0 || n > TENSOCK_RANK_MAX)
		return ms_invalid(op, "it has %zu axes", n);
	for (size_t i = 0; i < n; i++) {
		int r = ms_in_axis(op, 0, axes[i], &places[i]);

		if (r < 0)
			return r;
		places[i] = ms_axis(layout, places[i]);
		begin[i] = -1;
		end[i] = INT64_MIN;
		for (size_t k = 0; k < i; k++) {
			if (places[k] == places[i])
				return ms_invalid(op, "it has an axis twice");
		}
	}
	x = ms_in_as(op, 0, layout);
	ret = ONNX_CALL(op->graph, "Slice", x, onnx_int64s(op->graph, begin, n),
			onnx_int64s(op->graph, end, n), onnx_int64s(op->graph, places, n),
			onnx_int64s(op->graph, begin, n)); /* steps of -1 as well */
	onnx_value_like(ret, x);
	ms_out_as(op, 0, ret, layout);
	return 0;
}
