/* SPDX-License-Identifier: Apache-2.0 */
#include "translate/emit.h"

#include <string.h>

struct onnx_value *emit_unary(struct onnx_graph *graph, const char *op, struct onnx_value *x)
{
	struct onnx_value *ret = ONNX_CALL(graph, op, x);

	onnx_value_like(ret, x);
	return ret;
}

/* Of two dimensions that go together: -1 where that cannot be known. */
static int64_t broadcast_dim(int64_t a, int64_t b)
{
	if (a == 1)
		return b;
	if (b == 1 || a == b)
		return a;
	/* One that is known and not 1 decides. */
	return a < 0 ? b : b < 0 ? a : -1;
}

void emit_broadcast_shape(struct onnx_value *ret, const struct onnx_value *a,
			  const struct onnx_value *b)
{
	int64_t dims[TENSOCK_RANK_MAX];
	int rank = a->rank > b->rank ? a->rank : b->rank;

	if (a->rank < 0 || b->rank < 0) {
		onnx_value_set_shape(ret, NULL, -1);
		return;
	}
	for (int i = 0; i < rank; i++) {
		int in_a = i - (rank - a->rank), in_b = i - (rank - b->rank);

		dims[i] = broadcast_dim(in_a < 0 ? 1 : a->dims[in_a], in_b < 0 ? 1 : b->dims[in_b]);
	}
	onnx_value_set_shape(ret, dims, rank);
}

struct onnx_value *emit_binary(struct onnx_graph *graph, const char *op, struct onnx_value *a,
			       struct onnx_value *b, uint32_t dtype)
{
	struct onnx_value *ret = ONNX_CALL(graph, op, a, b);

	ret->dtype = dtype;
	emit_broadcast_shape(ret, a, b);
	return ret;
}

struct onnx_value *emit_along(struct onnx_graph *graph, const char *op, struct onnx_value *x,
			      int64_t axis)
{
	struct onnx_node *node = ONNX_NODE(graph, op, x);
	struct onnx_value *ret = onnx_out(graph, node, x->dtype);

	onnx_attr_int(graph, node, "axis", axis);
	onnx_value_like(ret, x);
	return ret;
}

struct onnx_value *emit_scalar(struct onnx_graph *graph, const char *op, struct onnx_value *x,
			       double v)
{
	return emit_binary(graph, op, x, onnx_scalar(graph, x->dtype, v), x->dtype);
}

struct onnx_value *emit_matmul(struct onnx_graph *graph, struct onnx_value *a, struct onnx_value *b,
			       bool transpose_a, bool transpose_b)
{
	struct onnx_value *sides[2] = { a, b }, *ret;
	const bool transposed[2] = { transpose_a, transpose_b };
	int64_t perm[TENSOCK_RANK_MAX];

	for (int s = 0; s < 2; s++) {
		int rank = sides[s]->rank;

		if (!transposed[s] || rank < 2)
			continue;
		for (int i = 0; i < rank; i++)
			perm[i] = i < rank - 2 ? i : i == rank - 2 ? rank - 1 : rank - 2;
		sides[s] = emit_transpose(graph, sides[s], perm, rank);
	}
	ret = ONNX_CALL(graph, "MatMul", sides[0], sides[1]);
	a = sides[0];
	b = sides[1];
	if (a->rank >= 2 && b->rank >= 2) {
		emit_broadcast_shape(ret, a, b);
		ret->dims[ret->rank - 2] = a->dims[a->rank - 2];
		ret->dims[ret->rank - 1] = b->dims[b->rank - 1];
	}
	return ret;
}

/* Where axis stands in a rank; -1 where it does not. */
static int place(int64_t axis, int rank)
{
	if (axis < 0)
		axis += rank;
	return axis >= 0 && axis < rank ? (int)axis : -1;
}

struct onnx_value *emit_reduce(struct onnx_graph *graph, const char *op, struct onnx_value *x,
			       const int64_t *axes, size_t n, bool keep_dims)
{
	struct onnx_node *node = ONNX_NODE(graph, op, x, n ? onnx_int64s(graph, axes, n) : NULL);
	struct onnx_value *ret = onnx_out(graph, node, x->dtype);
	bool reduced[TENSOCK_RANK_MAX] = { false };
	int64_t dims[TENSOCK_RANK_MAX];
	int rank = 0;

	onnx_attr_int(graph, node, "keepdims", keep_dims);
	if (x->rank < 0)
		return ret;
	for (size_t i = 0; i < n; i++) {
		int at = place(axes[i], x->rank);

		if (at >= 0)
			reduced[at] = true;
	}
	for (int i = 0; i < x->rank; i++) {
		if (n && !reduced[i])
			dims[rank++] = x->dims[i];
		else if (keep_dims)
			dims[rank++] = 1;
	}
	onnx_value_set_shape(ret, dims, rank);
	return ret;
}

struct onnx_value *emit_concat(struct onnx_graph *graph, struct onnx_value *const *x, size_t n,
			       int64_t axis)
{
	struct onnx_node *node = onnx_node_of(graph, "Concat", x, n);
	struct onnx_value *ret = onnx_out(graph, node, n ? x[0]->dtype : 0);
	int at = n ? place(axis, x[0]->rank) : -1;
	int64_t sum = 0;

	onnx_attr_int(graph, node, "axis", axis);
	if (at < 0)
		return ret;
	onnx_value_like(ret, x[0]);
	for (size_t i = 0; i < n && sum >= 0; i++) {
		int64_t dim = x[i]->rank == x[0]->rank ? x[i]->dims[at] : -1;

		sum = dim < 0 || dim > INT64_MAX - sum ? -1 : sum + dim;
	}
	ret->dims[at] = sum;
	return ret;
}

struct onnx_value *emit_cast(struct onnx_graph *graph, struct onnx_value *x, uint32_t dtype)
{
	struct onnx_node *node;
	struct onnx_value *ret;

	if (x->dtype == dtype)
		return x;
	node = ONNX_NODE(graph, "Cast", x);
	ret = onnx_out(graph, node, dtype);
	onnx_attr_int(graph, node, "to", onnx_data_type(dtype));
	onnx_value_like(ret, x);
	return ret;
}
