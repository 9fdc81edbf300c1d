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

/* Field 0: alpha, and no other. */
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

/* Field 0: the activation behind. */
int ms_op_arithmetic(struct ms_op *op)
{
	return ms_layer_binary(op, op->onnx, fb_u8(&op->fields, 0, 0));
}

int ms_op_eltwise(struct ms_op *op)
{
	static const char *const modes[] = { "Mul", "Add", "Max" };
	unsigned mode = fb_u8(&op->fields, 0, 0);

	if (mode >= ARRAY_SIZE(modes))
		return ms_unsupported(op, "its mode, number %u, is not known", mode);
	return ms_layer_binary(op, modes[mode], ACTIVATION_NONE);
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
