/* SPDX-License-Identifier: Apache-2.0 */
/* Element by element, and products of matrices. */
#include "translate/ms/old_op.h"

enum {
	ACTIVATION_TYPE = 0,
	ACTIVATION_ALPHA = 1,
	ACTIVATION_MIN = 2,
	ACTIVATION_MAX_FIELD = 3,
};

enum {
	ARITHMETIC_ACTIVATION = 0,
};

enum {
	ELTWISE_MODE = 0,
};

enum {
	POWER_POWER = 0,
	POWER_SCALE = 1,
	POWER_SHIFT = 2,
};

enum {
	EXP_BASE = 0,
	EXP_SCALE = 1,
	EXP_SHIFT = 2,
};

enum {
	ELU_ALPHA = 0,
};

enum {
	LEAKY_RELU_SLOPE = 0,
};

enum {
	GELU_APPROXIMATE = 0,
};

enum {
	CLIP_MAX = 0,
	CLIP_MIN = 1,
};

enum {
	CAST_TO = 1,
};

enum {
	MATMUL_TRANSPOSE_A = 1,
	MATMUL_TRANSPOSE_B = 2,
};

enum {
	FULL_CONNECTION_HAS_BIAS = 0,
	FULL_CONNECTION_AXIS = 1,
	FULL_CONNECTION_USE_AXIS = 2,
	FULL_CONNECTION_ACTIVATION = 3,
};

int old_activation(struct ms_op *op)
{
	const struct activation_settings settings = {
		.alpha = (double)fb_f32(&op->fields, ACTIVATION_ALPHA, 0.2F),
		.min = (double)fb_f32(&op->fields, ACTIVATION_MIN, -1),
		.max = (double)fb_f32(&op->fields, ACTIVATION_MAX_FIELD, 1),
	};
	int kind = fb_i8(&op->fields, ACTIVATION_TYPE, ACTIVATION_NONE);

	/* Those that came later have numbers from here on. */
	if (kind < 0 || kind > ACTIVATION_SWISH)
		return ms_unsupported(op, "its kind, number %d, is not known", kind);
	return ms_layer_activation(op, (unsigned)kind, &settings);
}

int old_arithmetic(struct ms_op *op)
{
	unsigned activation;
	int r = old_fused_activation(op, ARITHMETIC_ACTIVATION, &activation);

	return r < 0 ? r : ms_layer_binary(op, op->onnx, activation);
}

int old_eltwise(struct ms_op *op)
{
	static const char *const modes[] = { "Mul", "Add", "Max" };
	unsigned mode = fb_u8(&op->fields, ELTWISE_MODE, 0);

	if (mode >= ARRAY_SIZE(modes))
		return ms_unsupported(op, "its mode, number %u, is not known", mode);
	return ms_layer_nary(op, modes[mode]);
}

int old_power(struct ms_op *op)
{
	double power = (double)fb_f32(&op->fields, POWER_POWER, 0);

	return ms_layer_power(op, op->n_inputs > 1 ? NULL : &power,
			      (double)fb_f32(&op->fields, POWER_SCALE, 0),
			      (double)fb_f32(&op->fields, POWER_SHIFT, 0));
}

int old_exp(struct ms_op *op)
{
	return ms_layer_exp(op, (double)fb_f32(&op->fields, EXP_BASE, -1),
			    (double)fb_f32(&op->fields, EXP_SCALE, 1),
			    (double)fb_f32(&op->fields, EXP_SHIFT, 0));
}

int old_elu(struct ms_op *op)
{
	const struct activation_settings settings = {
		.alpha = (double)fb_f32(&op->fields, ELU_ALPHA, 1),
	};

	return ms_layer_activation(op, ACTIVATION_ELU, &settings);
}

int old_leaky_relu(struct ms_op *op)
{
	const struct activation_settings settings = {
		.alpha = (double)fb_f32(&op->fields, LEAKY_RELU_SLOPE, 0),
	};

	return ms_layer_activation(op, ACTIVATION_LEAKY_RELU, &settings);
}

int old_gelu(struct ms_op *op)
{
	const struct activation_settings settings = {
		.approximate = fb_bool(&op->fields, GELU_APPROXIMATE, false),
	};

	return ms_layer_activation(op, ACTIVATION_GELU, &settings);
}

int old_clip(struct ms_op *op)
{
	return ms_layer_clip(op, (double)fb_f32(&op->fields, CLIP_MIN, 0),
			     (double)fb_f32(&op->fields, CLIP_MAX, 0));
}

int old_cast(struct ms_op *op)
{
	return ms_layer_cast(op, ms_dtype(fb_i32(&op->fields, CAST_TO, 0)));
}

int old_matmul(struct ms_op *op)
{
	return ms_layer_matmul(op, fb_bool(&op->fields, MATMUL_TRANSPOSE_A, false),
			       fb_bool(&op->fields, MATMUL_TRANSPOSE_B, false), ACTIVATION_NONE);
}

int old_full_connection(struct ms_op *op)
{
	bool has_bias = fb_bool(&op->fields, FULL_CONNECTION_HAS_BIAS, false);
	unsigned activation;
	int r = old_fused_activation(op, FULL_CONNECTION_ACTIVATION, &activation);

	if (r < 0)
		return r;
	if (op->n_inputs != (has_bias ? 3U : 2U))
		return ms_invalid(op, "%u inputs, %s bias", op->n_inputs,
				  has_bias ? "with a" : "without");
	return ms_layer_full_connection(op, fb_bool(&op->fields, FULL_CONNECTION_USE_AXIS, false),
					fb_i32(&op->fields, FULL_CONNECTION_AXIS, 0), activation);
}
