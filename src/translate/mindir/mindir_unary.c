/* SPDX-License-Identifier: Apache-2.0 */
/* Element by element, of one tensor. */
#include "translate/mindir/mindir_op.h"

#include <float.h>
#include <math.h>

static struct onnx_value *in_float(struct mindir_op *op)
{
	return mindir_in_float(op, 0);
}

static struct onnx_value *unary(struct mindir_op *op)
{
	return emit_unary(op->graph, op->row->onnx, mindir_in(op, 0));
}

static struct onnx_value *inplace_unary(struct mindir_op *op)
{
	return mindir_overwrite(op, emit_unary(op->graph, op->row->onnx, mindir_in(op, 0)));
}

static struct onnx_value *float_unary(struct mindir_op *op)
{
	return emit_unary(op->graph, op->row->onnx, in_float(op));
}

static struct onnx_value *to_bool(struct mindir_op *op)
{
	struct onnx_value *ret = emit_unary(op->graph, op->row->onnx, in_float(op));

	ret->dtype = TENSOCK_BOOL;
	return ret;
}

/* Of whole numbers it changes nothing. */
static struct onnx_value *rounding(struct mindir_op *op)
{
	struct onnx_value *x = mindir_in(op, 0);

	if (mindir_int(op, 1, "decimals", 0) != 0)
		return mindir_refuse(op, "only rounding to whole numbers is translated");
	return mindir_is_float(x->dtype) ? emit_unary(op->graph, op->row->onnx, x) : x;
}

static struct onnx_value *trunc_of(struct mindir_op *op)
{
	return mindir_truncated(op, mindir_in(op, 0));
}

static struct onnx_value *frac(struct mindir_op *op)
{
	struct onnx_value *x = mindir_in(op, 0);

	return emit_binary(op->graph, "Sub", x, mindir_truncated(op, x), x->dtype);
}

/* log(scale x + shift) to a base; -1 is e */
static struct onnx_value *log_of(struct mindir_op *op)
{
	struct onnx_value *x = in_float(op);
	double base = mindir_float(op, ONLY_NAMED, "base", -1);
	double scale = mindir_float(op, ONLY_NAMED, "scale", 1);
	double shift = mindir_float(op, ONLY_NAMED, "shift", 0);

	if (scale != 1)
		x = emit_scalar(op->graph, "Mul", x, scale);
	if (shift != 0)
		x = emit_scalar(op->graph, "Add", x, shift);
	x = emit_unary(op->graph, "Log", x);
	return base > 0 ? emit_scalar(op->graph, "Div", x, log(base)) : x;
}

static struct onnx_value *log_to_base(struct mindir_op *op)
{
	double base = mindir_text_is(op->node->op, "Log2") ? 2 : 10;

	return emit_scalar(op->graph, "Div", emit_unary(op->graph, "Log", in_float(op)), log(base));
}

static struct onnx_value *log1p_of(struct mindir_op *op)
{
	return emit_unary(op->graph, "Log", emit_scalar(op->graph, "Add", in_float(op), 1));
}

static struct onnx_value *expm1_of(struct mindir_op *op)
{
	return emit_scalar(op->graph, "Sub", emit_unary(op->graph, "Exp", in_float(op)), 1);
}

static struct onnx_value *exp2_of(struct mindir_op *op)
{
	return emit_unary(op->graph, "Exp", emit_scalar(op->graph, "Mul", in_float(op), log(2)));
}

static struct onnx_value *square(struct mindir_op *op)
{
	struct onnx_value *x = mindir_in(op, 0);

	return emit_binary(op->graph, "Mul", x, x, x->dtype);
}

static struct onnx_value *rsqrt(struct mindir_op *op)
{
	return emit_unary(op->graph, "Reciprocal", emit_unary(op->graph, "Sqrt", in_float(op)));
}

static struct onnx_value *erfc_of(struct mindir_op *op)
{
	struct onnx_value *x = in_float(op);

	return emit_binary(op->graph, "Sub", onnx_scalar(op->graph, x->dtype, 1),
			   emit_unary(op->graph, "Erf", x), x->dtype);
}

/* sin(pi x) / (pi x), 1 at 0 */
static struct onnx_value *sinc(struct mindir_op *op)
{
	struct onnx_value *x = in_float(op), *angle, *ratio;

	angle = emit_scalar(op->graph, "Mul", x, 3.14159265358979323846);
	ratio = emit_binary(op->graph, "Div", emit_unary(op->graph, "Sin", angle), angle, x->dtype);
	return emit_where(op->graph, mindir_compare(op, "Equal", x, 0),
			  onnx_scalar(op->graph, x->dtype, 1), ratio);
}

/* log(x / (1 - x)), of x kept eps away from 0 and 1 */
static struct onnx_value *logit(struct mindir_op *op)
{
	struct onnx_value *x = in_float(op), *rest;
	double eps = mindir_float(op, 1, "eps", -1);

	if (eps >= 0)
		x = emit_clip(op->graph, x, eps, 1 - eps);
	rest = emit_binary(op->graph, "Sub", onnx_scalar(op->graph, x->dtype, 1), x, x->dtype);
	return emit_unary(op->graph, "Log", emit_binary(op->graph, "Div", x, rest, x->dtype));
}

static double largest(uint32_t dtype)
{
	switch (dtype) {
	case TENSOCK_FLOAT16:
		return 65504;
	case TENSOCK_FLOAT64:
		return DBL_MAX;
	case TENSOCK_BFLOAT16:
		return 3.3895313892515355e38;
	default:
		return (double)FLT_MAX;
	}
}

static struct onnx_value *is_infinite(struct mindir_op *op, struct onnx_value *x, bool negative)
{
	struct onnx_node *node = ONNX_NODE(op->graph, "IsInf", x);
	struct onnx_value *ret = onnx_out(op->graph, node, TENSOCK_BOOL);

	onnx_attr_int(op->graph, node, "detect_negative", negative);
	onnx_attr_int(op->graph, node, "detect_positive", !negative);
	onnx_value_like(ret, x);
	return ret;
}

static struct onnx_value *nan_to_num(struct mindir_op *op)
{
	struct onnx_value *x = in_float(op), *nan = emit_unary(op->graph, "IsNaN", x);
	double max = largest(x->dtype);
	uint32_t dtype = x->dtype;

	nan->dtype = TENSOCK_BOOL;
	x = emit_where(op->graph, is_infinite(op, x, false),
		       onnx_scalar(op->graph, dtype, mindir_float(op, 2, "posinf", max)), x);
	x = emit_where(op->graph, is_infinite(op, x, true),
		       onnx_scalar(op->graph, dtype, mindir_float(op, 3, "neginf", -max)), x);
	return emit_where(op->graph, nan,
			  onnx_scalar(op->graph, dtype, mindir_float(op, 1, "nan", 0)), x);
}

static struct onnx_value *is_finite(struct mindir_op *op)
{
	struct onnx_value *x = in_float(op), *bad = emit_unary(op->graph, "IsInf", x);
	struct onnx_value *nan = emit_unary(op->graph, "IsNaN", x);

	bad->dtype = nan->dtype = TENSOCK_BOOL;
	return emit_unary(op->graph, "Not", emit_binary(op->graph, "Or", bad, nan, TENSOCK_BOOL));
}

/* By Horner's scheme: the coefficient of the highest power comes first. */
static struct onnx_value *polynomial(struct mindir_op *op, struct onnx_value *w, const double *c,
				     size_t n)
{
	struct onnx_value *sum = onnx_scalar(op->graph, w->dtype, c[0]);

	for (size_t i = 1; i < n; i++)
		sum = emit_scalar(op->graph, "Add", emit_binary(op->graph, "Mul", sum, w, w->dtype),
				  c[i]);
	return sum;
}

/* By Giles' approximation, in float32: good to some 1e-6. */
static struct onnx_value *erfinv(struct mindir_op *op)
{
	static const double near[] = { 2.81022636e-08,  3.43273939e-07, -3.5233877e-06,
				       -4.39150654e-06, 0.00021858087,  -0.00125372503,
				       -0.00417768164,  0.246640727,    1.50140941 };
	static const double far[] = { -0.000200214257, 0.000100950558, 0.00134934322,
				      -0.00367342844,  0.00573950773,  -0.0076224613,
				      0.00943887047,   1.00167406,     2.83297682 };
	struct onnx_value *x = in_float(op), *w, *rest, *p;

	rest = emit_binary(op->graph, "Sub", onnx_scalar(op->graph, x->dtype, 1),
			   emit_binary(op->graph, "Mul", x, x, x->dtype), x->dtype);
	w = emit_unary(op->graph, "Neg", emit_unary(op->graph, "Log", rest));
	p = emit_where(
		op->graph, mindir_compare(op, "Less", w, 5),
		polynomial(op, emit_scalar(op->graph, "Sub", w, 2.5), near, ARRAY_SIZE(near)),
		polynomial(op, emit_scalar(op->graph, "Sub", emit_unary(op->graph, "Sqrt", w), 3),
			   far, ARRAY_SIZE(far)));
	return emit_binary(op->graph, "Mul", p, x, x->dtype);
}

static const struct mindir_operator rows[] = {
	{ "Abs", unary, 1, "Abs" },
	{ "Neg", unary, 1, "Neg" },
	{ "Sign", unary, 1, "Sign" },
	{ "LogicalNot", unary, 1, "Not" },
	{ "BitwiseNot", unary, 1, "BitwiseNot" },
	{ "ReLU", unary, 1, "Relu" },
	{ "ReLUV3", unary, 1, "Relu" },
	{ "Softsign", unary, 1, "Softsign" },
	{ "SeLU", unary, 1, "Selu" },
	{ "SeLUExt", unary, 1, "Selu" },
	{ "Softplus", unary, 1, "Softplus" },
	{ "ACos", float_unary, 1, "Acos" },
	{ "Acos", float_unary, 1, "Acos" },
	{ "AcosExt", float_unary, 1, "Acos" },
	{ "Acosh", float_unary, 1, "Acosh" },
	{ "AcoshExt", float_unary, 1, "Acosh" },
	{ "Asin", float_unary, 1, "Asin" },
	{ "AsinExt", float_unary, 1, "Asin" },
	{ "Asinh", float_unary, 1, "Asinh" },
	{ "AsinhExt", float_unary, 1, "Asinh" },
	{ "Atan", float_unary, 1, "Atan" },
	{ "AtanExt", float_unary, 1, "Atan" },
	{ "Atanh", float_unary, 1, "Atanh" },
	{ "Cos", float_unary, 1, "Cos" },
	{ "Cosh", float_unary, 1, "Cosh" },
	{ "Erf", float_unary, 1, "Erf" },
	{ "Exp", float_unary, 1, "Exp" },
	{ "Inv", float_unary, 1, "Reciprocal" },
	{ "Reciprocal", float_unary, 1, "Reciprocal" },
	{ "Sin", float_unary, 1, "Sin" },
	{ "Sinh", float_unary, 1, "Sinh" },
	{ "Sqrt", float_unary, 1, "Sqrt" },
	{ "Tan", float_unary, 1, "Tan" },
	{ "Sigmoid", float_unary, 1, "Sigmoid" },
	{ "Tanh", float_unary, 1, "Tanh" },
	{ "Ceil", rounding, 1, "Ceil" },
	{ "Floor", rounding, 1, "Floor" },
	{ "Rint", rounding, 1, "Round" },
	{ "Round", rounding, 1, "Round" },
	{ "Frac", frac, 1 },
	{ "InplaceReLU", inplace_unary, 1, "Relu" },
	{ "InplaceSigmoid", inplace_unary, 1, "Sigmoid" },
	{ "InplaceTanh", inplace_unary, 1, "Tanh" },
	{ "InplaceExp", inplace_unary, 1, "Exp" },
	{ "InplaceLog", inplace_unary, 1, "Log" },
	{ "InplaceFloor", inplace_unary, 1, "Floor" },
	{ "Trunc", trunc_of, 1 },
	{ "Log", log_of, 1 },
	{ "Log2", log_to_base, 1 },
	{ "Log10", log_to_base, 1 },
	{ "Log1p", log1p_of, 1 },
	{ "Expm1", expm1_of, 1 },
	{ "Exp2", exp2_of, 1 },
	{ "Square", square, 1 },
	{ "Rsqrt", rsqrt, 1 },
	{ "Erfc", erfc_of, 1 },
	{ "Erfinv", erfinv, 1 },
	{ "Sinc", sinc, 1 },
	{ "Logit", logit, 1 },
	{ "IsNan", to_bool, 1, "IsNaN" },
	{ "IsInf", to_bool, 1, "IsInf" },
	{ "IsFinite", is_finite, 1 },
	{ "NanToNum", nan_to_num, 1 },
};

const struct mindir_table mindir_unary_table = { rows, ARRAY_SIZE(rows) };
