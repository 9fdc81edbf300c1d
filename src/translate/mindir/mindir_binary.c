/* SPDX-License-Identifier: Apache-2.0 */
/* Element by element, of two tensors or more. */
#include "translate/mindir/mindir_op.h"

#include <string.h>

#include "base/checked.h"

struct pair {
	struct onnx_value *a, *b;
};

/* How much a type holds: of two, the larger is what both become. */
static unsigned width(uint32_t dtype)
{
	static const uint32_t order[] = { TENSOCK_BOOL,     TENSOCK_UINT8,   TENSOCK_INT8,
					  TENSOCK_UINT16,   TENSOCK_INT16,   TENSOCK_UINT32,
					  TENSOCK_INT32,    TENSOCK_UINT64,  TENSOCK_INT64,
					  TENSOCK_BFLOAT16, TENSOCK_FLOAT16, TENSOCK_FLOAT32,
					  TENSOCK_FLOAT64 };

	for (unsigned i = 0; i < ARRAY_SIZE(order); i++) {
		if (order[i] == dtype)
			return i + 1;
	}
	return 0;
}

static bool is_number(const struct mindir_value *value)
{
	return value->kind == MINDIR_INT || value->kind == MINDIR_FLOAT ||
	       value->kind == MINDIR_BOOL;
}

/* A number beside a tensor takes its type, unless it would be cut. */
static struct onnx_value *number_beside(struct mindir_op *op, size_t i, struct onnx_value *tensor)
{
	bool whole = op->inputs[i]->kind != MINDIR_FLOAT;

	if (tensor->dtype == TENSOCK_BOOL || (!whole && !mindir_is_float(tensor->dtype)))
		return mindir_in(op, i);
	return mindir_in_as(op, i, tensor->dtype);
}

/* The first two inputs, of one type. */
static struct pair inputs(struct mindir_op *op)
{
	struct pair p;
	uint32_t dtype;

	if (is_number(op->inputs[0]) && !is_number(op->inputs[1])) {
		p.b = mindir_in(op, 1);
		p.a = number_beside(op, 0, p.b);
	} else {
		p.a = mindir_in(op, 0);
		p.b = is_number(op->inputs[1]) ? number_beside(op, 1, p.a) : mindir_in(op, 1);
	}
	dtype = width(p.a->dtype) >= width(p.b->dtype) ? p.a->dtype : p.b->dtype;
	p.a = emit_cast(op->graph, p.a, dtype);
	p.b = emit_cast(op->graph, p.b, dtype);
	return p;
}

static void as_type(struct mindir_op *op, struct pair *p, uint32_t dtype)
{
	p->a = emit_cast(op->graph, p->a, dtype);
	p->b = emit_cast(op->graph, p->b, dtype);
}

/* Both as floats, for what gives fractions of whole numbers. */
static struct pair float_inputs(struct mindir_op *op)
{
	uint32_t claimed = mindir_claim(op, 0).dtype;
	struct pair p = inputs(op);

	if (!mindir_is_float(p.a->dtype))
		as_type(op, &p, mindir_is_float(claimed) ? claimed : TENSOCK_FLOAT32);
	return p;
}

/*
 * Engines count with whole numbers of 32 and 64 bits; smaller ones, and truth values, become such, and
 * the result is cut to the type that the file says, as it would have been.
 */
static struct pair number_inputs(struct mindir_op *op)
{
	struct pair p = inputs(op);

	switch (p.a->dtype) {
	case TENSOCK_BOOL:
	case TENSOCK_INT8:
	case TENSOCK_UINT8:
	case TENSOCK_INT16:
	case TENSOCK_UINT16:
		as_type(op, &p, TENSOCK_INT32);
		break;
	case TENSOCK_UINT32:
	case TENSOCK_UINT64:
		as_type(op, &p, TENSOCK_INT64);
		break;
	default:
		break;
	}
	return p;
}

static struct onnx_value *arithmetic(struct mindir_op *op)
{
	struct pair p = number_inputs(op);

	return emit_binary(op->graph, op->row->onnx, p.a, p.b, p.a->dtype);
}

static struct onnx_value *comparison(struct mindir_op *op)
{
	struct pair p = number_inputs(op);

	return emit_binary(op->graph, op->row->onnx, p.a, p.b, TENSOCK_BOOL);
}

static struct onnx_value *not_equal(struct mindir_op *op)
{
	struct pair p = number_inputs(op);

	return emit_unary(op->graph, "Not",
			  emit_binary(op->graph, "Equal", p.a, p.b, TENSOCK_BOOL));
}

static struct onnx_value *logical(struct mindir_op *op)
{
	struct pair p = inputs(op);

	as_type(op, &p, TENSOCK_BOOL);
	return emit_binary(op->graph, op->row->onnx, p.a, p.b, TENSOCK_BOOL);
}

static struct onnx_value *bitwise(struct mindir_op *op)
{
	static const char *const of_bools[][2] = { { "BitwiseAnd", "And" },
						   { "BitwiseOr", "Or" },
						   { "BitwiseXor", "Xor" } };
	const char *onnx = op->row->onnx;
	struct pair p = inputs(op);

	for (size_t i = 0; p.a->dtype == TENSOCK_BOOL && i < ARRAY_SIZE(of_bools); i++) {
		if (!strcmp(onnx, of_bools[i][0]))
			onnx = of_bools[i][1];
	}
	return emit_binary(op->graph, onnx, p.a, p.b, p.a->dtype);
}

static struct onnx_value *quotient(struct mindir_op *op)
{
	struct pair p = float_inputs(op);

	return emit_binary(op->graph, "Div", p.a, p.b, p.a->dtype);
}

static struct onnx_value *remainder_of(struct mindir_op *op, const struct pair *p, bool floored)
{
	struct onnx_graph *graph = op->graph;
	struct onnx_value *times;
	struct onnx_node *node;
	struct onnx_value *ret;

	if (floored && mindir_is_float(p->a->dtype)) {
		times = emit_unary(graph, "Floor",
				   emit_binary(graph, "Div", p->a, p->b, p->a->dtype));
		return emit_binary(graph, "Sub", p->a,
				   emit_binary(graph, "Mul", times, p->b, p->a->dtype),
				   p->a->dtype);
	}
	/* ONNX's Mod: with the divisor's sign, or (fmod) the dividend's. */
	ret = emit_binary(graph, "Mod", p->a, p->b, p->a->dtype);
	node = ret->maker;
	if (node && !floored)
		onnx_attr_int(graph, node, "fmod", 1);
	return ret;
}

static struct onnx_value *floor_quotient(struct mindir_op *op, const struct pair *p)
{
	struct onnx_graph *graph = op->graph;
	struct onnx_value *whole;

	if (mindir_is_float(p->a->dtype))
		return emit_unary(graph, "Floor",
				  emit_binary(graph, "Div", p->a, p->b, p->a->dtype));
	whole = emit_binary(graph, "Sub", p->a, remainder_of(op, p, true), p->a->dtype);
	return emit_binary(graph, "Div", whole, p->b, p->a->dtype);
}

static struct onnx_value *trunc_quotient(struct mindir_op *op, const struct pair *p)
{
	return mindir_truncated(op, emit_binary(op->graph, "Div", p->a, p->b, p->a->dtype));
}

static struct onnx_value *floor_div(struct mindir_op *op)
{
	struct pair p = number_inputs(op);

	return floor_quotient(op, &p);
}

static struct onnx_value *truncate_div(struct mindir_op *op)
{
	struct pair p = number_inputs(op);

	return trunc_quotient(op, &p);
}

static struct onnx_value *floor_mod(struct mindir_op *op)
{
	struct pair p = number_inputs(op);

	return remainder_of(op, &p, true);
}

static struct onnx_value *truncate_mod(struct mindir_op *op)
{
	struct pair p = number_inputs(op);

	return remainder_of(op, &p, false);
}

/* rounding: None, 1 towards zero, 2 down */
static struct onnx_value *div_mod(struct mindir_op *op)
{
	int64_t mode = mindir_int(op, 2, "rounding_mode", 0);
	struct pair p;

	if (mode == 0)
		return quotient(op);
	p = number_inputs(op);
	if (mode != 1 && mode != 2)
		return mindir_refuse(op, "rounding_mode %lld is not translated", (long long)mode);
	return mode == 1 ? trunc_quotient(op, &p) : floor_quotient(op, &p);
}

/* v, and 0 where `zero` is 0 */
static struct onnx_value *zero_where(struct mindir_op *op, struct onnx_value *zero,
				     struct onnx_value *v)
{
	struct onnx_value *none = onnx_scalar(op->graph, v->dtype, 0);

	return emit_where(op->graph, mindir_compare(op, "Equal", zero, 0), none, v);
}

static struct onnx_value *div_no_nan(struct mindir_op *op)
{
	struct pair p = float_inputs(op);

	return zero_where(op, p.b, emit_binary(op->graph, "Div", p.a, p.b, p.a->dtype));
}

static struct onnx_value *xdivy(struct mindir_op *op)
{
	struct pair p = float_inputs(op);

	return zero_where(op, p.a, emit_binary(op->graph, "Div", p.a, p.b, p.a->dtype));
}

static struct onnx_value *xlogy(struct mindir_op *op)
{
	struct pair p = float_inputs(op);

	return zero_where(op, p.a,
			  emit_binary(op->graph, "Mul", p.a, emit_unary(op->graph, "Log", p.b),
				      p.a->dtype));
}

static struct onnx_value *mul_no_nan(struct mindir_op *op)
{
	struct pair p = number_inputs(op);

	return zero_where(op, p.b, emit_binary(op->graph, "Mul", p.a, p.b, p.a->dtype));
}

/* log(exp(a) + exp(b)), without their becoming too large */
static struct onnx_value *log_add_exp(struct mindir_op *op)
{
	struct onnx_graph *graph = op->graph;
	struct pair p = float_inputs(op);
	struct onnx_value *larger = emit_binary(graph, "Max", p.a, p.b, p.a->dtype);
	struct onnx_value *gap = emit_binary(graph, "Sub", p.a, p.b, p.a->dtype);

	gap = emit_unary(graph, "Neg", emit_unary(graph, "Abs", gap));
	return emit_binary(graph, "Add", larger,
			   emit_unary(graph, "Log",
				      emit_scalar(graph, "Add", emit_unary(graph, "Exp", gap), 1)),
			   larger->dtype);
}

/* Each of one vector with each of another. */
static struct onnx_value *outer(struct mindir_op *op)
{
	static const int64_t last = 1;
	struct pair p = number_inputs(op);

	if (p.a->rank != 1)
		return mindir_refuse(op, "its first input has %d dimensions", p.a->rank);
	return emit_binary(op->graph, "Mul", emit_unsqueeze(op->graph, p.a, &last, 1), p.b,
			   p.a->dtype);
}

static struct onnx_value *squared_difference(struct mindir_op *op)
{
	struct pair p = number_inputs(op);
	struct onnx_value *d = emit_binary(op->graph, "Sub", p.a, p.b, p.a->dtype);

	return emit_binary(op->graph, "Mul", d, d, d->dtype);
}

static struct onnx_value *hypot_of(struct mindir_op *op)
{
	struct pair p = float_inputs(op);
	struct onnx_value *aa = emit_binary(op->graph, "Mul", p.a, p.a, p.a->dtype);
	struct onnx_value *bb = emit_binary(op->graph, "Mul", p.b, p.b, p.a->dtype);

	return emit_unary(op->graph, "Sqrt", emit_binary(op->graph, "Add", aa, bb, aa->dtype));
}

/* atan(y / x), half a turn further where x is negative; 0 of 0 and 0 */
static struct onnx_value *atan2_of(struct mindir_op *op)
{
	struct onnx_graph *graph = op->graph;
	struct pair p = float_inputs(op);
	struct onnx_value *angle, *turn, *half;

	angle = zero_where(op, p.a, emit_binary(graph, "Div", p.a, p.b, p.a->dtype));
	angle = emit_unary(graph, "Atan", angle);
	half = onnx_scalar(graph, p.a->dtype, 3.14159265358979323846);
	turn = emit_where(op->graph, mindir_compare(op, "Less", p.a, 0),
			  emit_unary(graph, "Neg", half), half);
	turn = emit_where(op->graph, mindir_compare(op, "Less", p.b, 0), turn,
			  onnx_scalar(graph, p.a->dtype, 0));
	return emit_binary(graph, "Add", angle, turn, p.a->dtype);
}

/* a + alpha b, and the like */
static struct onnx_value *with_alpha(struct mindir_op *op)
{
	struct pair p = number_inputs(op);
	double alpha = mindir_float(op, 2, "alpha", 1);

	if (alpha != 1)
		p.b = emit_scalar(op->graph, "Mul", p.b, alpha);
	return emit_binary(op->graph, op->row->onnx, p.a, p.b, p.a->dtype);
}

static struct onnx_value *inplace_with_alpha(struct mindir_op *op)
{
	return mindir_overwrite(op, with_alpha(op));
}

static struct onnx_value *inplace_arithmetic(struct mindir_op *op)
{
	return mindir_overwrite(op, arithmetic(op));
}

static struct onnx_value *inplace_quotient(struct mindir_op *op)
{
	return mindir_overwrite(op, quotient(op));
}

static struct onnx_value *inplace_floor_div(struct mindir_op *op)
{
	return mindir_overwrite(op, floor_div(op));
}

static struct onnx_value *add_n(struct mindir_op *op)
{
	const struct mindir_value *tuple = op->inputs[0];
	struct onnx_value *sum = NULL;

	if (tuple->kind != MINDIR_TUPLE || !tuple->n_items)
		return mindir_broken(op, "its input is no tuple of tensors");
	for (uint32_t i = 0; i < tuple->n_items; i++) {
		struct onnx_value *x = mindir_tensor_of(op, &tuple->items[i], 0);

		if (!x)
			return mindir_broken(op, "item %u of its input is no tensor", i);
		sum = sum ? emit_binary(op->graph, "Add", sum, x, sum->dtype) : x;
	}
	return sum;
}

static struct onnx_value *lerp(struct mindir_op *op)
{
	struct pair p = float_inputs(op);
	struct onnx_value *way = emit_binary(op->graph, "Sub", p.b, p.a, p.a->dtype);
	struct onnx_value *weight = mindir_in_cast(op, 2, way->dtype);

	way = emit_binary(op->graph, "Mul", way, weight, way->dtype);
	return emit_binary(op->graph, "Add", p.a, way, way->dtype);
}

/* x + value * (a op b) */
static struct onnx_value *add_scaled(struct mindir_op *op)
{
	struct onnx_value *x = mindir_in(op, 0), *v;

	v = emit_binary(op->graph, op->row->onnx, mindir_in(op, 1), mindir_in(op, 2), x->dtype);
	if (op->n_inputs > 3)
		v = emit_binary(op->graph, "Mul", v, mindir_in_cast(op, 3, x->dtype), x->dtype);
	return emit_binary(op->graph, "Add", x, v, x->dtype);
}

static struct onnx_value *distance(struct mindir_op *op, const struct pair *p)
{
	return emit_unary(op->graph, "Abs", emit_binary(op->graph, "Sub", p->a, p->b, p->a->dtype));
}

static struct onnx_value *approximate_equal(struct mindir_op *op)
{
	struct pair p = number_inputs(op);

	return mindir_compare(op, "Less", distance(op, &p), mindir_float(op, 2, "tolerance", 1e-5));
}

static struct onnx_value *is_close(struct mindir_op *op)
{
	struct pair p = float_inputs(op);
	struct onnx_value *bound;

	if (mindir_bool(op, 4, "equal_nan", false))
		return mindir_refuse(op, "equal_nan is not translated");
	bound = emit_scalar(op->graph, "Mul", emit_unary(op->graph, "Abs", p.b),
			    mindir_float(op, 2, "rtol", 1e-5));
	bound = emit_scalar(op->graph, "Add", bound, mindir_float(op, 3, "atol", 1e-8));
	return emit_binary(op->graph, "LessOrEqual", distance(op, &p), bound, TENSOCK_BOOL);
}

static struct onnx_value *select_of(struct mindir_op *op)
{
	struct onnx_value *condition = emit_cast(op->graph, mindir_in(op, 0), TENSOCK_BOOL);
	struct onnx_value *yes, *no;
	uint32_t claimed = mindir_claim(op, 0).dtype;

	if (is_number(op->inputs[1])) {
		no = mindir_in_as(op, 2, claimed);
		yes = mindir_in_as(op, 1, no->dtype);
	} else {
		yes = mindir_in(op, 1);
		no = mindir_in_as(op, 2, yes->dtype);
	}
	return emit_where(op->graph, condition, yes, emit_cast(op->graph, no, yes->dtype));
}

static struct onnx_value *masked_fill(struct mindir_op *op)
{
	struct onnx_value *x = mindir_in(op, 0);
	struct onnx_value *mask = emit_cast(op->graph, mindir_in(op, 1), TENSOCK_BOOL);
	struct onnx_value *v = mindir_in_cast(op, 2, x->dtype);

	return emit_where(op->graph, mask, v, x);
}

/* Numbers that are computed (from shapes), or known: then so is the result. */
static struct onnx_value *scalar_arithmetic(struct mindir_op *op)
{
	const struct mindir_value *a = op->inputs[0], *b = op->inputs[1];
	int64_t v;
	bool fits;

	if (a->kind != MINDIR_INT || b->kind != MINDIR_INT)
		return arithmetic(op);
	if (!strcmp(op->row->onnx, "Add"))
		fits = tsk_add(a->i, b->i, &v);
	else if (!strcmp(op->row->onnx, "Sub"))
		fits = tsk_sub(a->i, b->i, &v);
	else
		fits = tsk_mul(a->i, b->i, &v);
	if (!fits)
		return mindir_broken(op, "the numbers are too large");
	op->result = (struct mindir_value){ .kind = MINDIR_INT, .i = v };
	return NULL;
}

static struct onnx_value *scalar_floor_div(struct mindir_op *op)
{
	const struct mindir_value *a = op->inputs[0], *b = op->inputs[1];

	if (a->kind != MINDIR_INT || b->kind != MINDIR_INT)
		return floor_div(op);
	if (b->i <= 0)
		return mindir_refuse(op, "division by %lld", (long long)b->i);
	op->result =
		(struct mindir_value){ .kind = MINDIR_INT, .i = a->i / b->i - (a->i % b->i < 0) };
	return NULL;
}

static struct onnx_value *scalar_negated(struct mindir_op *op)
{
	const struct mindir_value *v = op->inputs[0];

	if (v->kind != MINDIR_INT || v->i == INT64_MIN)
		return emit_unary(op->graph, "Neg", mindir_in(op, 0));
	op->result = (struct mindir_value){ .kind = MINDIR_INT, .i = -v->i };
	return NULL;
}

static const struct mindir_operator rows[] = {
	{ "Add", arithmetic, 2, "Add" },
	{ "Sub", arithmetic, 2, "Sub" },
	{ "Mul", arithmetic, 2, "Mul" },
	{ "AddV2", arithmetic, 2, "Add" },
	{ "Fmax", arithmetic, 2, "Max" },
	{ "Fmin", arithmetic, 2, "Min" },
	{ "MulNoNan", mul_no_nan, 2 },
	{ "LogAddExp", log_add_exp, 2 },
	{ "Outer", outer, 2 },
	{ "Ger", outer, 2 },
	{ "Adds", arithmetic, 2, "Add" },
	{ "Subs", arithmetic, 2, "Sub" },
	{ "Muls", arithmetic, 2, "Mul" },
	{ "Maximum", arithmetic, 2, "Max" },
	{ "Minimum", arithmetic, 2, "Min" },
	{ "Pow", arithmetic, 2, "Pow" },
	{ "PowTensorScalar", arithmetic, 2, "Pow" },
	{ "PowScalarTensor", arithmetic, 2, "Pow" },
	{ "AddExt", with_alpha, 2, "Add" },
	{ "AddScalar", with_alpha, 2, "Add" },
	{ "SubExt", with_alpha, 2, "Sub" },
	{ "SubScalar", with_alpha, 2, "Sub" },
	{ "AddN", add_n, 1 },
	{ "AccumulateNV2", add_n, 1 },
	{ "InplaceAddExt", inplace_with_alpha, 2, "Add" },
	{ "InplaceAddsExt", inplace_with_alpha, 2, "Add" },
	{ "InplaceSubExt", inplace_with_alpha, 2, "Sub" },
	{ "InplaceSubScalar", inplace_with_alpha, 2, "Sub" },
	{ "InplaceMul", inplace_arithmetic, 2, "Mul" },
	{ "InplaceMuls", inplace_arithmetic, 2, "Mul" },
	{ "InplaceDiv", inplace_quotient, 2 },
	{ "InplaceDivs", inplace_quotient, 2 },
	{ "InplaceFloorDivide", inplace_floor_div, 2 },
	{ "InplaceFloorDivides", inplace_floor_div, 2 },
	{ "Div", quotient, 2 },
	{ "Divs", quotient, 2 },
	{ "RealDiv", quotient, 2 },
	{ "DivNoNan", div_no_nan, 2 },
	{ "Xdivy", xdivy, 2 },
	{ "Xlogy", xlogy, 2 },
	{ "XlogyScalarOther", xlogy, 2 },
	{ "FloorDiv", floor_div, 2 },
	{ "FloorDivScalar", floor_div, 2 },
	{ "TruncateDiv", truncate_div, 2 },
	{ "DivMod", div_mod, 2 },
	{ "DivMods", div_mod, 2 },
	{ "FloorMod", floor_mod, 2 },
	{ "RemainderTensorTensor", floor_mod, 2 },
	{ "RemainderTensorScalar", floor_mod, 2 },
	{ "RemainderScalarTensor", floor_mod, 2 },
	{ "Mod", truncate_mod, 2 },
	{ "TruncateMod", truncate_mod, 2 },
	{ "FmodTensor", truncate_mod, 2 },
	{ "FmodScalar", truncate_mod, 2 },
	{ "SquaredDifference", squared_difference, 2 },
	{ "Hypot", hypot_of, 2 },
	{ "Atan2", atan2_of, 2 },
	{ "Atan2Ext", atan2_of, 2 },
	{ "Lerp", lerp, 3 },
	{ "LerpScalar", lerp, 3 },
	{ "Addcmul", add_scaled, 3, "Mul" },
	{ "AddcmulExt", add_scaled, 3, "Mul" },
	{ "Addcdiv", add_scaled, 3, "Div" },
	{ "AddcdivExt", add_scaled, 3, "Div" },
	{ "Equal", comparison, 2, "Equal" },
	{ "EqScalar", comparison, 2, "Equal" },
	{ "EqualExt", comparison, 2, "Equal" },
	{ "NotEqual", not_equal, 2 },
	{ "NeScalar", not_equal, 2 },
	{ "Less", comparison, 2, "Less" },
	{ "LessScalar", comparison, 2, "Less" },
	{ "LessEqual", comparison, 2, "LessOrEqual" },
	{ "LessEqualScalar", comparison, 2, "LessOrEqual" },
	{ "Greater", comparison, 2, "Greater" },
	{ "GreaterScalar", comparison, 2, "Greater" },
	{ "GreaterEqual", comparison, 2, "GreaterOrEqual" },
	{ "GreaterEqualScalar", comparison, 2, "GreaterOrEqual" },
	{ "ApproximateEqual", approximate_equal, 2 },
	{ "IsClose", is_close, 2 },
	{ "LogicalAnd", logical, 2, "And" },
	{ "LogicalOr", logical, 2, "Or" },
	{ "LogicalXor", logical, 2, "Xor" },
	{ "BitwiseAnd", bitwise, 2, "BitwiseAnd" },
	{ "BitwiseAndTensor", bitwise, 2, "BitwiseAnd" },
	{ "BitwiseAndScalar", bitwise, 2, "BitwiseAnd" },
	{ "BitwiseOr", bitwise, 2, "BitwiseOr" },
	{ "BitwiseOrTensor", bitwise, 2, "BitwiseOr" },
	{ "BitwiseOrScalar", bitwise, 2, "BitwiseOr" },
	{ "BitwiseXor", bitwise, 2, "BitwiseXor" },
	{ "BitwiseXorTensor", bitwise, 2, "BitwiseXor" },
	{ "BitwiseXorScalar", bitwise, 2, "BitwiseXor" },
	{ "Select", select_of, 3 },
	{ "MaskedFill", masked_fill, 3 },
	{ "MaskedFillScalar", masked_fill, 3 },
	{ "ScalarAdd", scalar_arithmetic, 2, "Add" },
	{ "ScalarSub", scalar_arithmetic, 2, "Sub" },
	{ "ScalarMul", scalar_arithmetic, 2, "Mul" },
	{ "ScalarFloorDiv", scalar_floor_div, 2 },
	{ "ScalarFloordiv", scalar_floor_div, 2 },
	{ "ScalarDiv", quotient, 2 },
	{ "ScalarMod", floor_mod, 2 },
	{ "ScalarUsub", scalar_negated, 1 },
	{ "ScalarMax", arithmetic, 2, "Max" },
	{ "ScalarMin", arithmetic, 2, "Min" },
};

const struct mindir_table mindir_binary_table = { rows, ARRAY_SIZE(rows) };
