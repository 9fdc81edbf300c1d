/* SPDX-License-Identifier: Apache-2.0 */
/* Operators that sort, pick by size, and add up one after the other. */
#include "translate/mindir/mindir_op.h"

/* Along an axis of n elements: what grows with it, node by node, stops here. */
#define UNROLLED_MAX 64

/* How many elements there are along the axis, as a vector of one. */
static struct onnx_value *length(struct mindir_op *op, struct onnx_value *x, int64_t axis)
{
	struct onnx_value *ret;

	if (axis < x->rank && x->dims[axis] >= 0)
		return onnx_int64s(op->graph, &x->dims[axis], 1);
	ret = ONNX_CALL(op->graph, "Gather", emit_shape_of(op->graph, x),
			onnx_int64s(op->graph, &axis, 1));
	return ret;
}

static struct onnx_value *one_number(struct mindir_op *op, size_t i, const char *name)
{
	static const int64_t one = 1;

	return emit_reshape(op->graph, mindir_int_vector(op, i, name), &one, 1);
}

static struct onnx_value *topk(struct mindir_op *op)
{
	struct onnx_value *x = mindir_in(op, 0);
	int64_t axis = mindir_axis(op, 2, "axis", x->rank, -1);
	struct top_k s;

	if (op->error)
		return NULL;
	s = emit_top_k(op->graph, x, one_number(op, 1, "k"), axis,
		       mindir_bool(op, 3, "largest", true), true);
	return mindir_result_tuple(op, (struct onnx_value *[]){ s.values, s.places }, 2);
}

static struct top_k sorted(struct mindir_op *op, size_t axis_at, size_t descending_at)
{
	struct onnx_value *x = mindir_in(op, 0);
	int64_t axis =
		mindir_axis(op, axis_at, axis_at == ONLY_NAMED ? "axis" : "dim", x->rank, -1);

	return emit_top_k(op->graph, x, length(op, x, axis), axis,
			  mindir_bool(op, descending_at, "descending", false), true);
}

static struct onnx_value *sort(struct mindir_op *op)
{
	struct top_k s = sorted(op, ONLY_NAMED, ONLY_NAMED);

	return mindir_result_tuple(op, (struct onnx_value *[]){ s.values, s.places }, 2);
}

static struct onnx_value *sort_ext(struct mindir_op *op)
{
	struct top_k s = sorted(op, 1, 2);

	return mindir_result_tuple(op, (struct onnx_value *[]){ s.values, s.places }, 2);
}

static struct onnx_value *argsort(struct mindir_op *op)
{
	return sorted(op, 1, 2).places;
}

/* Of an even number the lower one. */
static struct onnx_value *median(struct mindir_op *op)
{
	struct onnx_value *x = mindir_in(op, 0), *middle, *ret[2];
	int64_t axis = mindir_axis(op, 1, "axis", x->rank, 0);
	bool keep_dims = mindir_bool(op, 2, "keep_dims", false);
	struct top_k s;

	if (op->error || mindir_bool(op, ONLY_NAMED, "global_median", false) || x->dims[axis] < 1)
		return mindir_refuse(op, "it is translated along one axis of a known size only");
	s = emit_top_k(op->graph, x, length(op, x, axis), axis, false, true);
	middle = onnx_int64s(op->graph, &(int64_t){ (x->dims[axis] - 1) / 2 }, 1);
	for (int i = 0; i < 2; i++) {
		struct onnx_node *node =
			ONNX_NODE(op->graph, "Gather", i ? s.places : s.values, middle);

		ret[i] = onnx_out(op->graph, node, i ? TENSOCK_INT64 : x->dtype);
		onnx_attr_int(op->graph, node, "axis", axis);
		onnx_value_like(ret[i], x);
		ret[i]->dims[axis] = 1;
		if (!keep_dims)
			ret[i] = emit_squeeze(op->graph, ret[i], &axis, 1);
	}
	return mindir_result_tuple(op, ret, 2);
}

static struct onnx_value *cum_sum(struct mindir_op *op)
{
	struct onnx_value *x = mindir_in(op, 0), *ret;
	int64_t axis = mindir_axis(op, 1, "axis", x->rank, 0);
	uint32_t dtype = x->dtype;
	struct onnx_node *node;

	if (!mindir_is_float(dtype) && dtype != TENSOCK_INT32 && dtype != TENSOCK_INT64)
		x = emit_cast(op->graph, x, TENSOCK_INT64);
	node = ONNX_NODE(op->graph, "CumSum", x, onnx_int64(op->graph, axis));
	ret = onnx_out(op->graph, node, x->dtype);
	onnx_attr_int(op->graph, node, "exclusive", mindir_bool(op, 2, "exclusive", false));
	onnx_attr_int(op->graph, node, "reverse", mindir_bool(op, 3, "reverse", false));
	onnx_value_like(ret, x);
	return ret;
}

static struct onnx_value *cum_sum_ext(struct mindir_op *op)
{
	op->n_inputs =
		op->n_inputs > 2 ? 2 : op->n_inputs; /* its third is a type, which the claim says */
	return cum_sum(op);
}

/* The slices along an axis, one by one; how many. */
static size_t slices(struct mindir_op *op, struct onnx_value *x, int64_t axis,
		     struct onnx_value **ret)
{
	struct onnx_node *node;
	size_t n;

	if (axis >= x->rank || x->dims[axis] < 1 || x->dims[axis] > UNROLLED_MAX) {
		mindir_refuse(op, "an axis of %lld elements: up to %d are translated",
			      (long long)(axis < x->rank ? x->dims[axis] : -1), UNROLLED_MAX);
		return 0;
	}
	n = (size_t)x->dims[axis];
	node = ONNX_NODE(op->graph, "Split", x);
	onnx_attr_int(op->graph, node, "axis", axis);
	onnx_attr_int(op->graph, node, "num_outputs", (int64_t)n);
	for (size_t i = 0; i < n; i++) {
		ret[i] = onnx_out(op->graph, node, x->dtype);
		onnx_value_like(ret[i], x);
		ret[i]->dims[axis] = 1;
	}
	return n;
}

static struct onnx_value *cum_prod(struct mindir_op *op)
{
	struct onnx_value *x = mindir_in(op, 0), *parts[UNROLLED_MAX];
	int64_t axis = mindir_axis(op, 1, "axis", x->rank, 0);
	size_t n;

	if (mindir_bool(op, 2, "exclusive", false) || mindir_bool(op, 3, "reverse", false))
		return mindir_refuse(op, "exclusive and reverse are not translated");
	n = op->error ? 0 : slices(op, x, axis, parts);
	for (size_t i = 1; i < n; i++)
		parts[i] = emit_binary(op->graph, "Mul", parts[i - 1], parts[i], x->dtype);
	return n ? emit_concat(op->graph, parts, n, axis) : NULL;
}

/* The largest so far, and its place; of equal ones the last, as MindSpore has it. */
static struct onnx_value *cum_extreme(struct mindir_op *op)
{
	struct onnx_value *x = mindir_in(op, 0), *values[UNROLLED_MAX], *places[UNROLLED_MAX],
			  *ret[2];
	int64_t axis = mindir_axis(op, 1, "axis", x->rank, 0);
	size_t n = op->error ? 0 : slices(op, x, axis, values);

	for (size_t i = 0; i < n; i++) {
		struct onnx_value *here = onnx_int64(op->graph, (int64_t)i), *is_better;

		if (i == 0) {
			is_better =
				emit_binary(op->graph, "Equal", values[0], values[0], TENSOCK_BOOL);
			places[0] = emit_where(op->graph, is_better, here, here);
			continue;
		}
		is_better = emit_binary(op->graph, op->row->onnx, values[i], values[i - 1],
					TENSOCK_BOOL);
		values[i] = emit_where(op->graph, is_better, values[i], values[i - 1]);
		places[i] = emit_where(op->graph, is_better, here, places[i - 1]);
	}
	if (!n)
		return NULL;
	ret[0] = emit_concat(op->graph, values, n, axis);
	ret[1] = emit_concat(op->graph, places, n, axis);
	return mindir_result_tuple(op, ret, 2);
}

static const struct mindir_operator rows[] = {
	{ "TopK", topk, 2 },
	{ "TopkExt", topk, 2 },
	{ "Sort", sort, 1 },
	{ "SortExt", sort_ext, 1 },
	{ "ArgSort", argsort, 1 },
	{ "Median", median, 1 },
	{ "MedianDim", median, 1 },
	{ "CumSum", cum_sum, 1 },
	{ "CumsumExt", cum_sum_ext, 1 },
	{ "CumProd", cum_prod, 1 },
	{ "Cummax", cum_extreme, 1, "GreaterOrEqual" },
	{ "Cummin", cum_extreme, 1, "LessOrEqual" },
	{ "CummaxExt", cum_extreme, 1, "GreaterOrEqual" },
	{ "CumminExt", cum_extreme, 1, "LessOrEqual" },
};

const struct mindir_table mindir_order_table = { rows, ARRAY_SIZE(rows) };
