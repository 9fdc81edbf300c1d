/* SPDX-License-Identifier: Apache-2.0 */
/* MSL2's operators that go element by element: their fields. */
#include "translate/ms/ms_layer.h"
#include "translate/ms/ms_ops.h"

enum {
	ACTIVATION_TYPE = 0,
	ACTIVATION_ALPHA = 1,
	ACTIVATION_MIN = 2,
	ACTIVATION_MAX_VALUE = 3,
	ACTIVATION_APPROXIMATE = 4,
};

int ms_op_activation(struct ms_op *op)
{
	const struct activation_settings settings = {
		.alpha = (double)fb_f32(&op->fields, ACTIVATION_ALPHA, 0),
		.min = (double)fb_f32(&op->fields, ACTIVATION_MIN, 0),
		.max = (double)fb_f32(&op->fields, ACTIVATION_MAX_VALUE, 0),
		.approximate = fb_bool(&op->fields, ACTIVATION_APPROXIMATE, false),
	};

	return ms_layer_activation(op, fb_u8(&op->fields, ACTIVATION_TYPE, 0), &settings);
}

/* Fields 0: alpha, and no other. */
static int with_alpha(struct ms_op *op, unsigned kind)
{
	const struct activation_settings settings = { .alpha = (double)fb_f32(&op->fields, 0, 0) };

	return ms_layer_activation(op, kind, &settings);
}

int ms_op_elu(struct ms_op *op)
{
	return with_alpha(op, ACTIVATION_ELU);
}

int ms_op_leaky_relu(struct ms_op *op)
{
	return with_alpha(op, ACTIVATION_LEAKY_RELU);
}

/* Field 0 of the four that have one: the activation behind. */
static unsigned fused(struct ms_op *op)
{
	return fb_u8(&op->fields, 0, 0);
}

int ms_op_add(struct ms_op *op)
{
	return ms_layer_binary(op, "Add", fused(op));
}

int ms_op_sub(struct ms_op *op)
{
	return ms_layer_binary(op, "Sub", fused(op));
}

int ms_op_mul(struct ms_op *op)
{
	return ms_layer_binary(op, "Mul", fused(op));
}

int ms_op_div(struct ms_op *op)
{
	return ms_layer_binary(op, "Div", fused(op));
}

int ms_op_real_div(struct ms_op *op)
{
	return ms_layer_binary(op, "Div", ACTIVATION_NONE);
}

int ms_op_maximum(struct ms_op *op)
{
	return ms_layer_binary(op, "Max", ACTIVATION_NONE);
}

int ms_op_minimum(struct ms_op *op)
{
	return ms_layer_binary(op, "Min", ACTIVATION_NONE);
}

int ms_op_eltwise(struct ms_op *op)
{
	static const char *const modes[] = { "Mul", "Add", "Max" };
	unsigned mode = fb_u8(&op->fields, 0, 0);

	if (mode >= ARRAY_SIZE(modes))
		return ms_unsupported(op, "its mode, number %u, is not known", mode);
	return ms_layer_binary(op, modes[mode], ACTIVATION_NONE);
}

int ms_op_add_n(struct ms_op *op)
{
	return ms_layer_nary(op, "Add");
}

enum {
	EXP_BASE = 0,
	EXP_SCALE = 1,
	EXP_SHIFT = 2,
};

int ms_op_exp(struct ms_op *op)
{
	return ms_layer_exp(op, (double)fb_f32(&op->fields, EXP_BASE, -1),
			    (double)fb_f32(&op->fields, EXP_SCALE, 1),
			    (double)fb_f32(&op->fields, EXP_SHIFT, 0));
}

enum {
	POW_SCALE = 0,
	POW_SHIFT = 1,
};

int ms_op_pow(struct ms_op *op)
{
	return ms_layer_power(op, NULL, (double)fb_f32(&op->fields, POW_SCALE, 1),
			      (double)fb_f32(&op->fields, POW_SHIFT, 0));
}

enum {
	CLIP_MAX = 0,
	CLIP_MIN = 1,
};

/* Bounds of 0 are not written down; but a file without any bound means none. */
int ms_op_clip(struct ms_op *op)
{
	if (op->n_inputs > 1)
		return ms_layer_clip_to(op);
	if (!fb_has(&op->fields, CLIP_MIN) && !fb_has(&op->fields, CLIP_MAX))
		return ms_invalid(op, "it has no bounds");
	return ms_layer_clip(op, (double)fb_f32(&op->fields, CLIP_MIN, 0),
			     (double)fb_f32(&op->fields, CLIP_MAX, 0));
}

/* The type is input 1's value: a number of a dataType. */
int ms_op_cast(struct ms_op *op)
{
	int64_t type;
	int n = ms_in_ints(op, 1, &type, 1);

	if (n < 0)
		return n;
	return ms_layer_cast(op, n == 1 ? ms_dtype(type) : TENSOCK_DTYPE_INVALID);
}

int ms_op_abs(struct ms_op *op)
{
	return ms_layer_unary(op, "Abs");
}

int ms_op_ceil(struct ms_op *op)
{
	return ms_layer_unary(op, "Ceil");
}

int ms_op_cos(struct ms_op *op)
{
	return ms_layer_unary(op, "Cos");
}

int ms_op_erf(struct ms_op *op)
{
	return ms_layer_unary(op, "Erf");
}

int ms_op_floor(struct ms_op *op)
{
	return ms_layer_unary(op, "Floor");
}

int ms_op_log(struct ms_op *op)
{
	return ms_layer_unary(op, "Log");
}

int ms_op_neg(struct ms_op *op)
{
	return ms_layer_unary(op, "Neg");
}

int ms_op_reciprocal(struct ms_op *op)
{
	return ms_layer_unary(op, "Reciprocal");
}

int ms_op_sin(struct ms_op *op)
{
	return ms_layer_unary(op, "Sin");
}

int ms_op_sqrt(struct ms_op *op)
{
	return ms_layer_unary(op, "Sqrt");
}

int ms_op_equal(struct ms_op *op)
{
	return ms_layer_compare(op, "Equal");
}

int ms_op_greater(struct ms_op *op)
{
	return ms_layer_compare(op, "Greater");
}

int ms_op_greater_equal(struct ms_op *op)
{
	return ms_layer_compare(op, "GreaterOrEqual");
}

int ms_op_less(struct ms_op *op)
{
	return ms_layer_compare(op, "Less");
}

int ms_op_less_equal(struct ms_op *op)
{
	return ms_layer_compare(op, "LessOrEqual");
}

int ms_op_logical_and(struct ms_op *op)
{
	return ms_layer_logic(op, "And");
}

int ms_op_logical_or(struct ms_op *op)
{
	return ms_layer_logic(op, "Or");
}

int ms_op_log1p(struct ms_op *op)
{
	enum ms_layout layout = ms_layout(op, 1);
	struct onnx_value *x = emit_scalar(op->graph, "Add", ms_in_as(op, 0, layout), 1);

	ms_out_as(op, 0, emit_unary(op->graph, "Log", x), layout);
	return 0;
}

int ms_op_is_finite(struct ms_op *op)
{
	enum ms_layout layout = ms_layout(op, 1);
	struct onnx_value *x = ms_in_as(op, 0, layout);
	struct onnx_value *nan = emit_unary(op->graph, "IsNaN", x);
	struct onnx_value *inf = emit_unary(op->graph, "IsInf", x);

	nan->dtype = inf->dtype = TENSOCK_BOOL;
	ms_out_as(op, 0,
		  emit_unary(op->graph, "Not",
			     emit_binary(op->graph, "Or", nan, inf, TENSOCK_BOOL)),
		  layout);
	return 0;
}
