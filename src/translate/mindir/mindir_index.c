/* SPDX-License-Identifier: Apache-2.0 */
/* Operators that take, or put, elements by indices that are computed. */
#include "translate/mindir/mindir_op.h"

struct onnx_value *mindir_indices(struct mindir_op *op, size_t i)
{
	return mindir_in_cast(op, i, TENSOCK_INT64);
}

static struct onnx_value *gather_along(struct mindir_op *op, const char *onnx, struct onnx_value *x,
				       struct onnx_value *indices, int64_t axis)
{
	struct onnx_node *node = ONNX_NODE(op->graph, onnx, x, indices);
	struct onnx_value *ret = onnx_out(op->graph, node, x->dtype);

	onnx_attr_int(op->graph, node, "axis", axis);
	return ret;
}

/* With batch dimensions: each index is a vector of one, of which GatherND takes a batch. */
static struct onnx_value *gather_batch(struct mindir_op *op, struct onnx_value *x,
				       struct onnx_value *indices, int64_t axis, int64_t n_batch)
{
	static const int64_t last = -1;
	struct onnx_node *node;
	struct onnx_value *ret;

	if (axis != n_batch)
		return mindir_refuse(op, "axis %lld with %lld batch dimensions is not translated",
				     (long long)axis, (long long)n_batch);
	node = ONNX_NODE(op->graph, "GatherND", x, emit_unsqueeze(op->graph, indices, &last, 1));
	ret = onnx_out(op->graph, node, x->dtype);
	onnx_attr_int(op->graph, node, "batch_dims", n_batch);
	return ret;
}

/* Gather(x, indices, axis, batch_dims) */
static struct onnx_value *gather(struct mindir_op *op)
{
	struct onnx_value *x = mindir_in(op, 0), *indices = mindir_indices(op, 1);
	int64_t axis = mindir_axis(op, 2, "axis", x->rank, 0);
	int64_t n_batch = mindir_int(op, 3, "batch_dims", 0);

	if (n_batch < 0)
		n_batch += indices->rank;
	return n_batch ? gather_batch(op, x, indices, axis, n_batch)
		       : gather_along(op, "Gather", x, indices, axis);
}

/* IndexSelect(x, dim, index), and SelectExt: one index, whose dimension goes */
static struct onnx_value *index_select(struct mindir_op *op)
{
	struct onnx_value *x = mindir_in(op, 0);

	return gather_along(op, "Gather", x, mindir_indices(op, 2),
			    mindir_axis(op, 1, "dim", x->rank, 0));
}

/* GatherD(x, dim, index) */
static struct onnx_value *gather_elements(struct mindir_op *op)
{
	struct onnx_value *x = mindir_in(op, 0);

	return gather_along(op, "GatherElements", x, mindir_indices(op, 2),
			    mindir_axis(op, 1, "dim", x->rank, 0));
}

static struct onnx_value *gather_nd(struct mindir_op *op)
{
	return ONNX_CALL(op->graph, "GatherND", mindir_in(op, 0), mindir_indices(op, 1));
}

/* Embedding(indices, weight, ...) */
static struct onnx_value *embedding(struct mindir_op *op)
{
	return gather_along(op, "Gather", mindir_in(op, 1), mindir_indices(op, 0), 0);
}

/* EmbeddingLookup(weight, indices, offset) */
static struct onnx_value *embedding_lookup(struct mindir_op *op)
{
	int64_t offset = mindir_int(op, 2, "offset", 0);
	struct onnx_value *indices = mindir_indices(op, 1);

	if (offset)
		indices = emit_scalar(op->graph, "Sub", indices, (double)offset);
	return gather_along(op, "Gather", mindir_in(op, 0), indices, 0);
}

/* OneHot(indices, depth, on, off, axis) */
static struct onnx_value *one_hot(struct mindir_op *op)
{
	static const int64_t zero = 0;
	struct onnx_value *on = mindir_in(op, 2), *off = mindir_in_as(op, 3, on->dtype), *values[2];
	struct onnx_node *node;

	values[0] = emit_unsqueeze(op->graph, emit_cast(op->graph, off, on->dtype), &zero, 1);
	values[1] = emit_unsqueeze(op->graph, on, &zero, 1);
	node = ONNX_NODE(op->graph, "OneHot", mindir_indices(op, 0), mindir_indices(op, 1),
			 emit_concat(op->graph, values, 2, 0));
	onnx_attr_int(op->graph, node, "axis", mindir_int(op, 4, "axis", -1));
	return onnx_out(op->graph, node, on->dtype);
}

/* OneHotExt(indices, classes): whole numbers */
static struct onnx_value *one_hot_ext(struct mindir_op *op)
{
	static const int64_t off_on[] = { 0, 1 };
	struct onnx_value *ret;

	if (mindir_int(op, 1, "num_classes", -1) < 1)
		return mindir_refuse(op, "the number of its classes is not known");
	ret = ONNX_CALL(op->graph, "OneHot", mindir_indices(op, 0), mindir_indices(op, 1),
			onnx_int64s(op->graph, off_on, 2));
	ret->dtype = TENSOCK_INT64;
	return ret;
}

/* Take(x, index): of all elements in a row */
static struct onnx_value *take(struct mindir_op *op)
{
	static const int64_t row = -1;

	return gather_along(op, "Gather", emit_reshape(op->graph, mindir_in(op, 0), &row, 1),
			    mindir_indices(op, 1), 0);
}

static struct onnx_value *scatter_nd_into(struct mindir_op *op, struct onnx_value *x,
					  struct onnx_value *indices, struct onnx_value *updates,
					  const char *reduction)
{
	struct onnx_node *node = ONNX_NODE(op->graph, "ScatterND", x, indices, updates);
	struct onnx_value *ret = onnx_out(op->graph, node, x->dtype);

	if (reduction)
		onnx_attr_text(op->graph, node, "reduction", reduction);
	onnx_value_like(ret, x);
	return ret;
}

/* TensorScatterUpdate(x, indices, updates), and with sums */
static struct onnx_value *tensor_scatter(struct mindir_op *op)
{
	struct onnx_value *x = mindir_in(op, 0);

	return scatter_nd_into(op, x, mindir_indices(op, 1), mindir_in_as(op, 2, x->dtype),
			       op->row->onnx);
}

/* ScatterNd(indices, updates, shape): into zeros */
static struct onnx_value *scatter_nd(struct mindir_op *op)
{
	struct onnx_value *updates = mindir_in(op, 1), *zeros;

	zeros = ONNX_CALL(op->graph, "Expand", onnx_scalar(op->graph, updates->dtype, 0),
			  mindir_int_vector(op, 2, "shape"));
	return scatter_nd_into(op, zeros, mindir_indices(op, 0), updates, "add");
}

static struct onnx_value *scatter_elements(struct mindir_op *op, size_t indices_at,
					   size_t updates_at, size_t axis_at)
{
	struct onnx_value *x = mindir_in(op, 0), *ret;
	int64_t reduce = mindir_int(op, 4, NULL, 0);
	struct onnx_node *node =
		ONNX_NODE(op->graph, "ScatterElements", x, mindir_indices(op, indices_at),
			  mindir_in_as(op, updates_at, x->dtype));

	if (reduce != 0 && reduce != 1)
		return mindir_refuse(op, "reduce %lld is not translated", (long long)reduce);
	ret = onnx_out(op->graph, node, x->dtype);
	onnx_attr_int(op->graph, node, "axis", mindir_axis(op, axis_at, "axis", x->rank, 0));
	if (reduce == 1)
		onnx_attr_text(op->graph, node, "reduction", "add");
	onnx_value_like(ret, x);
	return ret;
}

/* TensorScatterElements(x, indices, updates, axis, reduce) */
static struct onnx_value *tensor_scatter_elements(struct mindir_op *op)
{
	return scatter_elements(op, 1, 2, 3);
}

/* Scatter(x, dim, index, src, reduce) */
static struct onnx_value *scatter(struct mindir_op *op)
{
	return scatter_elements(op, 2, 3, 1);
}

/* The places of what is not 0, a row for each. */
static struct onnx_value *places(struct mindir_op *op, struct onnx_value *x)
{
	static const int64_t perm[] = { 1, 0 };
	struct onnx_value *columns = ONNX_CALL(op->graph, "NonZero", x);
	const int64_t dims[] = { x->rank, -1 };

	columns->dtype = TENSOCK_INT64;
	onnx_value_set_shape(columns, dims, 2);
	return emit_transpose(op->graph, columns, perm, 2);
}

static struct onnx_value *non_zero(struct mindir_op *op)
{
	return places(op, mindir_in(op, 0));
}

static struct onnx_value *masked_select(struct mindir_op *op)
{
	struct onnx_value *x = mindir_in(op, 0), *mask = mindir_in(op, 1), *yes, *shape;

	/* both as large as the two together */
	yes = emit_binary(op->graph, "Equal", x, x, TENSOCK_BOOL);
	shape = emit_where(op->graph, mask, yes, emit_unary(op->graph, "Not", yes));
	shape = ONNX_CALL(op->graph, "Shape", shape);
	shape->dtype = TENSOCK_INT64;
	x = ONNX_CALL(op->graph, "Expand", x, shape);
	mask = ONNX_CALL(op->graph, "Expand", mask, shape);
	return ONNX_CALL(op->graph, "GatherND", x, places(op, mask));
}

/* IndexFill(x, dim, index, value): where the axis has one of the indices */
static struct onnx_value *index_fill(struct mindir_op *op)
{
	struct onnx_value *x = mindir_in(op, 0), *index = mindir_indices(op, 2), *hits;
	int64_t axis = mindir_axis(op, 1, "dim", x->rank, 0), dims[TENSOCK_RANK_MAX], zero = 0;
	static const float off_on[] = { 0, 1 };

	if (op->error || x->rank < 1 || x->dims[axis] < 1)
		return mindir_refuse(op, "the size that it indexes is not known");
	for (int i = 0; i < x->rank; i++)
		dims[i] = i == axis ? x->dims[axis] : 1;
	index = emit_reshape(op->graph, index, (const int64_t[]){ -1 }, 1);
	hits = ONNX_CALL(op->graph, "OneHot", index, onnx_int64(op->graph, x->dims[axis]),
			 onnx_floats(op->graph, off_on, 2));
	hits->dtype = TENSOCK_FLOAT32;
	hits = emit_reduce(op->graph, "ReduceMax", hits, &zero, 1, false);
	hits = emit_cast(op->graph, emit_reshape(op->graph, hits, dims, x->rank), TENSOCK_BOOL);
	return emit_where(op->graph, hits, mindir_in_cast(op, 3, x->dtype), x);
}

static const struct mindir_operator rows[] = {
	{ "Gather", gather, 2 },
	{ "SparseGatherV2", gather, 2 },
	{ "IndexSelect", index_select, 3 },
	{ "SelectExt", index_select, 3 },
	{ "SelectExtView", index_select, 3 },
	{ "GatherD", gather_elements, 3 },
	{ "GatherNd", gather_nd, 2 },
	{ "Embedding", embedding, 2 },
	{ "EmbeddingLookup", embedding_lookup, 2 },
	{ "OneHot", one_hot, 4 },
	{ "OneHotExt", one_hot_ext, 2 },
	{ "Take", take, 2 },
	{ "TensorScatterUpdate", tensor_scatter, 3, NULL },
	{ "TensorScatterAdd", tensor_scatter, 3, "add" },
	{ "TensorScatterMul", tensor_scatter, 3, "mul" },
	{ "TensorScatterMax", tensor_scatter, 3, "max" },
	{ "TensorScatterMin", tensor_scatter, 3, "min" },
	{ "ScatterNd", scatter_nd, 3 },
	{ "TensorScatterElements", tensor_scatter_elements, 3 },
	{ "Scatter", scatter, 4 },
	{ "NonZero", non_zero, 1 },
	{ "MaskedSelect", masked_select, 2 },
	{ "IndexFill", index_fill, 4 },
};

const struct mindir_table mindir_index_table = { rows, ARRAY_SIZE(rows) };
