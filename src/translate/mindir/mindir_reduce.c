/* SPDX-License-Identifier: Apache-2.0 */
/* Operators that make one number of many. */
#include "translate/mindir/mindir_op.h"

#include <string.h>

struct reduction {
	struct onnx_value *x;
	int64_t axes[TENSOCK_RANK_MAX];
	size_t n; /* 0: all axes */
	bool keep_dims;
};

static struct reduction reduction(struct mindir_op *op, size_t axis_at, const char *axis_name,
				  size_t keep_at)
{
	struct reduction r = { .x = mindir_in(op, 0) };

	if (mindir_setting(op, axis_at, axis_name))
		r.n = mindir_axes(op, axis_at, axis_name, r.x->rank, r.axes);
	r.keep_dims = mindir_bool(op, keep_at, "keep_dims", false);
	return r;
}

static struct onnx_value *reduced(struct mindir_op *op, const char *onnx, const struct reduction *r)
{
	return emit_reduce(op->graph, onnx, r->x, r->axes, r->n, r->keep_dims);
}

/* ONNX Runtime reduces no small whole numbers, and nobody counts truth values. */
static void widen(struct mindir_op *op, struct reduction *r)
{
	uint32_t claimed = mindir_claim(op, 0).dtype;

	switch (r->x->dtype) {
	case TENSOCK_FLOAT16:
	case TENSOCK_FLOAT32:
	case TENSOCK_FLOAT64:
	case TENSOCK_INT32:
	case TENSOCK_INT64:
		if (claimed == TENSOCK_INT64 || mindir_is_float(claimed))
			r->x = emit_cast(op->graph, r->x, claimed);
		break;
	default:
		r->x = emit_cast(op->graph, r->x,
				 mindir_is_float(claimed) ? claimed : TENSOCK_INT64);
	}
}

static struct onnx_value *reduce(struct mindir_op *op)
{
	struct reduction r = reduction(op, 1, "axis", 2);

	/* skip_mode: no axes means none, not all */
	if (!r.n && mindir_setting(op, 1, "axis") && mindir_bool(op, 3, "skip_mode", false))
		return r.x;
	widen(op, &r);
	return reduced(op, op->row->onnx, &r);
}

/* Logical: of truth values, which are numbers meanwhile. */
static struct onnx_value *reduce_bool(struct mindir_op *op)
{
	struct reduction r = reduction(op, 1, "axis", 2);

	r.x = emit_cast(op->graph, emit_cast(op->graph, r.x, TENSOCK_BOOL), TENSOCK_INT32);
	return emit_cast(op->graph, reduced(op, op->row->onnx, &r), TENSOCK_BOOL);
}

static struct onnx_value *reduce_all(struct mindir_op *op)
{
	struct reduction r = { .x = mindir_in(op, 0) };

	widen(op, &r);
	return reduced(op, op->row->onnx, &r);
}

static struct onnx_value *log_sum_exp(struct mindir_op *op)
{
	struct reduction r = reduction(op, 1, "axis", 2);

	return reduced(op, "ReduceLogSumExp", &r);
}

static bool count(const struct reduction *r, double *ret)
{
	*ret = 1;
	if (r->x->rank < 0)
		return false;
	for (size_t i = 0; i < (r->n ? r->n : (size_t)r->x->rank); i++) {
		int64_t dim = r->x->dims[r->n ? r->axes[i] : (int64_t)i];

		if (dim < 0)
			return false;
		*ret *= (double)dim;
	}
	return true;
}

/* The mean of the squared distances from the mean; for a sample: over n - correction. */
static struct onnx_value *variance(struct mindir_op *op, const struct reduction *r,
				   double correction)
{
	struct onnx_value *mean = emit_reduce(op->graph, "ReduceMean", r->x, r->axes, r->n, true);
	struct onnx_value *ret;
	struct reduction squares = *r;
	double n;

	squares.x = emit_binary(op->graph, "Sub", r->x, mean, r->x->dtype);
	squares.x = emit_binary(op->graph, "Mul", squares.x, squares.x, r->x->dtype);
	ret = reduced(op, "ReduceMean", &squares);
	if (correction == 0)
		return ret;
	if (!count(r, &n))
		return mindir_refuse(op, "the size that it reduces is not known");
	return emit_scalar(op->graph, "Mul", ret, n / (n - correction));
}

/* ReduceStd(x, axis, unbiased, keep_dims): deviation and mean */
static struct onnx_value *reduce_std(struct mindir_op *op)
{
	struct reduction r = reduction(op, 1, "axis", 3);
	struct onnx_value *ret[2];

	ret[0] = emit_unary(op->graph, "Sqrt",
			    variance(op, &r, mindir_bool(op, 2, "unbiased", true) ? 1 : 0));
	ret[1] = reduced(op, "ReduceMean", &r);
	return mindir_result_tuple(op, ret, 2);
}

/* Var(x, dim, correction, keepdim), Std likewise */
static struct onnx_value *var(struct mindir_op *op)
{
	struct reduction r = reduction(op, 1, "dim", 3);

	return variance(op, &r, mindir_float(op, 2, "correction", 1));
}

static struct onnx_value *std(struct mindir_op *op)
{
	return emit_unary(op->graph, "Sqrt", var(op));
}

/* StdMean(x, dim, correction, keepdim), VarMean */
static struct onnx_value *with_mean(struct mindir_op *op)
{
	struct reduction r = reduction(op, 1, "dim", 3);
	struct onnx_value *ret[2];

	ret[0] = variance(op, &r, mindir_float(op, 2, "correction", 1));
	if (mindir_text_is(op->node->op, "StdMean"))
		ret[0] = emit_unary(op->graph, "Sqrt", ret[0]);
	ret[1] = reduced(op, "ReduceMean", &r);
	return mindir_result_tuple(op, ret, 2);
}

/* The p-th root of the sum of p-th powers. */
static struct onnx_value *norm_of(struct mindir_op *op, const struct reduction *r, double p)
{
	struct reduction powers = *r;
	struct onnx_value *sum;

	if (p == 1)
		return reduced(op, "ReduceL1", r);
	if (p == 2)
		return reduced(op, "ReduceL2", r);
	if (!(p > 0))
		return mindir_refuse(op, "a norm of order %g is not translated", p);
	powers.x = emit_scalar(op->graph, "Pow", emit_unary(op->graph, "Abs", r->x), p);
	sum = reduced(op, "ReduceSum", &powers);
	return emit_scalar(op->graph, "Pow", sum, 1 / p);
}

static struct onnx_value *lp_norm(struct mindir_op *op)
{
	struct reduction r = reduction(op, ONLY_NAMED, "axis", ONLY_NAMED);

	return norm_of(op, &r, mindir_float(op, ONLY_NAMED, "p", 2));
}

/* Norm(x, p, dim, keepdim, dtype) */
static struct onnx_value *norm(struct mindir_op *op)
{
	struct reduction r = reduction(op, 2, "dim", 3);

	return norm_of(op, &r, mindir_float(op, 1, "p", 2));
}

static struct onnx_value *euclidean_norm(struct mindir_op *op)
{
	struct reduction r = reduction(op, 1, "axes", ONLY_NAMED);

	return reduced(op, "ReduceL2", &r);
}

static struct onnx_value *place_of(struct mindir_op *op, struct onnx_value *x, int64_t axis,
				   bool keep_dims, const char *onnx)
{
	struct onnx_node *node = ONNX_NODE(op->graph, onnx, x);
	struct onnx_value *ret = onnx_out(op->graph, node, TENSOCK_INT64);

	onnx_attr_int(op->graph, node, "axis", axis);
	onnx_attr_int(op->graph, node, "keepdims", keep_dims);
	return ret;
}

/* Argmax(x, axis, output_type) */
static struct onnx_value *arg(struct mindir_op *op)
{
	struct onnx_value *x = mindir_in(op, 0);
	int64_t axis = mindir_axis(op, 1, "axis", x->rank, -1);

	return place_of(op, x, axis, false, op->row->onnx);
}

/* ArgMaxExt(x, dim, keepdim): without dim, of all elements in a row */
static struct onnx_value *arg_ext(struct mindir_op *op)
{
	struct onnx_value *x = mindir_in(op, 0);
	bool keep_dims = mindir_bool(op, 2, "keepdim", false);

	if (mindir_setting(op, 1, "dim"))
		return place_of(op, x, mindir_axis(op, 1, "dim", x->rank, -1), keep_dims,
				op->row->onnx);
	x = emit_reshape(op->graph, x, (const int64_t[]){ -1 }, 1);
	return place_of(op, x, 0, false, op->row->onnx);
}

static bool is_max(const struct mindir_op *op)
{
	return !strcmp(op->row->onnx, "ArgMax");
}

/* ArgMaxWithValue(x, axis, keep_dims): place and value */
static struct onnx_value *arg_with_value(struct mindir_op *op)
{
	struct reduction r = reduction(op, ONLY_NAMED, NULL, 2);
	struct onnx_value *ret[2];

	r.axes[0] = mindir_axis(op, 1, "axis", r.x->rank, 0);
	r.n = 1;
	ret[0] = place_of(op, r.x, r.axes[0], r.keep_dims, op->row->onnx);
	ret[1] = reduced(op, is_max(op) ? "ReduceMax" : "ReduceMin", &r);
	return mindir_result_tuple(op, ret, 2);
}

/* MaxDim(x, dim, keepdim): value and place */
static struct onnx_value *value_with_arg(struct mindir_op *op)
{
	struct reduction r = reduction(op, ONLY_NAMED, NULL, 2);
	struct onnx_value *ret[2];

	r.axes[0] = mindir_axis(op, 1, "dim", r.x->rank, 0);
	r.n = 1;
	ret[0] = reduced(op, is_max(op) ? "ReduceMax" : "ReduceMin", &r);
	ret[1] = place_of(op, r.x, r.axes[0], r.keep_dims, op->row->onnx);
	return mindir_result_tuple(op, ret, 2);
}

/* How many are not 0. */
static struct onnx_value *count_nonzero(struct mindir_op *op)
{
	struct reduction r = reduction(op, 1, "dims", ONLY_NAMED);

	r.x = emit_unary(op->graph, "Not", mindir_compare(op, "Equal", r.x, 0));
	r.x = emit_cast(op->graph, r.x, TENSOCK_INT64);
	return reduced(op, "ReduceSum", &r);
}

static const struct mindir_operator rows[] = {
	{ "ReduceMean", reduce, 1, "ReduceMean" },
	{ "ReduceSum", reduce, 1, "ReduceSum" },
	{ "ReduceMax", reduce, 1, "ReduceMax" },
	{ "ReduceMin", reduce, 1, "ReduceMin" },
	{ "ReduceProd", reduce, 1, "ReduceProd" },
	{ "MeanExt", reduce, 1, "ReduceMean" },
	{ "SumExt", reduce, 1, "ReduceSum" },
	{ "ProdExt", reduce, 1, "ReduceProd" },
	{ "AMax", reduce, 1, "ReduceMax" },
	{ "AMin", reduce, 1, "ReduceMin" },
	{ "ReduceAll", reduce_bool, 1, "ReduceMin" },
	{ "ReduceAny", reduce_bool, 1, "ReduceMax" },
	{ "AllExt", reduce_bool, 1, "ReduceMin" },
	{ "AnyExt", reduce_bool, 1, "ReduceMax" },
	{ "All", reduce_bool, 1, "ReduceMin" },
	{ "Any", reduce_bool, 1, "ReduceMax" },
	{ "Max", reduce_all, 1, "ReduceMax" },
	{ "Min", reduce_all, 1, "ReduceMin" },
	{ "LogSumExp", log_sum_exp, 2 },
	{ "ReduceStd", reduce_std, 1 },
	{ "Var", var, 1 },
	{ "Std", std, 1 },
	{ "StdMean", with_mean, 1 },
	{ "VarMean", with_mean, 1 },
	{ "LpNorm", lp_norm, 1 },
	{ "LpNormV2", norm, 1 },
	{ "LinalgVectorNorm", norm, 1 },
	{ "Norm", norm, 1 },
	{ "EuclideanNorm", euclidean_norm, 1 },
	{ "Argmax", arg, 1, "ArgMax" },
	{ "Argmin", arg, 1, "ArgMin" },
	{ "ArgMaxExt", arg_ext, 1, "ArgMax" },
	{ "ArgMinExt", arg_ext, 1, "ArgMin" },
	{ "ArgMaxWithValue", arg_with_value, 1, "ArgMax" },
	{ "ArgMinWithValue", arg_with_value, 1, "ArgMin" },
	{ "MaxDim", value_with_arg, 1, "ArgMax" },
	{ "MinDim", value_with_arg, 1, "ArgMin" },
	{ "CountNonZero", count_nonzero, 1 },
};

const struct mindir_table mindir_reduce_table = { rows, ARRAY_SIZE(rows) };
