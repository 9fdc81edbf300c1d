/* SPDX-License-Identifier: Apache-2.0 */
/* Element by element: in either layout. */
#include "translate/ms/ms_layer.h"

#include <float.h>
#include <math.h>

struct onnx_value *ms_fused(struct ms_op *op, struct onnx_value *value, unsigned activation)
{
	struct onnx_value *ret;

	switch (activation) {
	case ACTIVATION_ELU:
	case ACTIVATION_LEAKY_RELU:
	case ACTIVATION_THRESHOLDED_RELU:
	case ACTIVATION_HARD_TANH:
		ms_unsupported(op,
			       "its activation, number %u, needs a number that it has no field for",
			       activation);
		return value;
	default:
		ret = emit_activation(op->graph, value, activation, NULL);
		if (!ret)
			ms_unsupported(op, "its activation, number %u, is not known", activation);
		return ret ? ret : value;
	}
}

int ms_layer_activated(struct ms_op *op, struct onnx_value *value, enum ms_layout layout,
		       unsigned activation)
{
	value = ms_fused(op, value, activation);
	return op->error ? op->error : ms_out_as(op, 0, value, layout);
}

/* Two operands that broadcast, of one type: ONNX has no others. */
struct pair {
	struct onnx_value *a, *b;
};

bool ms_is_float(uint32_t dtype)
{
	return dtype == TENSOCK_FLOAT32 || dtype == TENSOCK_FLOAT16 || dtype == TENSOCK_FLOAT64;
}

static struct pair operands(struct ms_op *op, enum ms_layout layout)
{
	struct pair pair = { ms_in_broadcast(op, 0, layout), ms_in_broadcast(op, 1, layout) };

	if (op->error || pair.a->dtype == pair.b->dtype)
		return pair;
	if (ms_is_float(pair.a->dtype) != ms_is_float(pair.b->dtype))
		ms_unsupported(op,
			       "its inputs are of different types: cast one of them in the model");
	else
		pair.b = emit_cast(op->graph, pair.b, pair.a->dtype);
	return pair;
}

int ms_layer_unary(struct ms_op *op)
{
	enum ms_layout layout = ms_layout(op, 1);

	return ms_out_as(op, 0, emit_unary(op->graph, op->onnx, ms_in_as(op, 0, layout)), layout);
}

int ms_layer_activation(struct ms_op *op, unsigned kind, const struct activation_settings *settings)
{
	enum ms_layout layout = ms_layout(op, 1);
	struct onnx_value *value =
		emit_activation(op->graph, ms_in_as(op, 0, layout), kind, settings);

	if (!value)
		return ms_unsupported(op, "its kind, number %u, is not known", kind);
	if (value == ms_in_as(op, 0, layout))
		ms_rename(op, 0);
	return ms_out_as(op, 0, value, layout);
}

int ms_layer_binary(struct ms_op *op, const char *onnx_op, unsigned activation)
{
	enum ms_layout layout = ms_layout(op, 2);
	struct pair in = operands(op, layout);

	return ms_layer_activated(op, emit_binary(op->graph, onnx_op, in.a, in.b, in.a->dtype),
				  layout, activation);
}

int ms_layer_arithmetic(struct ms_op *op)
{
	return ms_layer_binary(op, op->onnx, ACTIVATION_NONE);
}

int ms_layer_compare(struct ms_op *op)
{
	enum ms_layout layout = ms_layout(op, 2);
	struct pair in = operands(op, layout);

	return ms_out_as(op, 0, emit_binary(op->graph, op->onnx, in.a, in.b, TENSOCK_BOOL), layout);
}

int ms_layer_not_equal(struct ms_op *op)
{
	enum ms_layout layout = ms_layout(op, 2);
	struct pair in = operands(op, layout);
	struct onnx_value *equal = emit_binary(op->graph, "Equal", in.a, in.b, TENSOCK_BOOL);

	return ms_out_as(op, 0, emit_unary(op->graph, "Not", equal), layout);
}

/* Of BOOL; operands of other types are true where they are not 0, and give such a type back. */
int ms_layer_logic(struct ms_op *op)
{
	enum ms_layout layout = ms_layout(op, 2);
	struct onnx_value *a = ms_in_broadcast(op, 0, layout), *b = ms_in_broadcast(op, 1, layout);
	struct onnx_value *ret =
		emit_binary(op->graph, op->onnx, emit_cast(op->graph, a, TENSOCK_BOOL),
			    emit_cast(op->graph, b, TENSOCK_BOOL), TENSOCK_BOOL);

	return ms_out_as(op, 0, emit_cast(op->graph, ret, a->dtype), layout);
}

int ms_layer_not(struct ms_op *op)
{
	enum ms_layout layout = ms_layout(op, 1);
	struct onnx_value *x = ms_in_as(op, 0, layout);
	struct onnx_value *ret =
		emit_unary(op->graph, "Not", emit_cast(op->graph, x, TENSOCK_BOOL));

	return ms_out_as(op, 0, emit_cast(op->graph, ret, x->dtype), layout);
}

int ms_layer_nary(struct ms_op *op, const char *onnx_op)
{
	enum ms_layout layout = ms_layout(op, op->n_inputs);
	struct onnx_value *sum = ms_in_broadcast(op, 0, layout);

	for (unsigned i = 1; i < op->n_inputs; i++)
		sum = emit_binary(op->graph, onnx_op, sum, ms_in_broadcast(op, i, layout),
				  sum->dtype);
	if (op->n_inputs == 1)
		ms_rename(op, 0);
	return ms_out_as(op, 0, sum, layout);
}

int ms_layer_add_n(struct ms_op *op)
{
	return ms_layer_nary(op, "Add");
}

/* scale · x + shift, which often is x */
static struct onnx_value *scaled(struct ms_op *op, struct onnx_value *x, double scale, double shift)
{
	if (scale != 1)
		x = emit_scalar(op->graph, "Mul", x, scale);
	if (shift != 0)
		x = emit_scalar(op->graph, "Add", x, shift);
	return x;
}

int ms_layer_exp(struct ms_op *op, double base, double scale, double shift)
{
	enum ms_layout layout = ms_layout(op, 1);
	struct onnx_value *x = ms_in_as(op, 0, layout);
	double by = base == -1 ? 1 : log(base);

	if (base != -1 && !(base > 0 && base <= FLT_MAX))
		return ms_invalid(op, "its base is not above 0");
	x = scaled(op, x, scale * by, shift * by);
	return ms_out_as(op, 0, emit_unary(op->graph, "Exp", x), layout);
}

int ms_layer_power(struct ms_op *op, const double *power, double scale, double shift)
{
	enum ms_layout layout = ms_layout(op, power ? 1 : 2);
	struct onnx_value *x = scaled(op, ms_in_broadcast(op, 0, layout), scale, shift), *y;

	if (power && *power == 1) {
		if (x == ms_in_as(op, 0, layout))
			ms_rename(op, 0);
		return ms_out_as(op, 0, x, layout);
	}
	y = power ? onnx_scalar(op->graph, x->dtype, *power) : ms_in_broadcast(op, 1, layout);
	return ms_out_as(op, 0, emit_binary(op->graph, "Pow", x, y, x->dtype), layout);
}

int ms_layer_clip(struct ms_op *op, double min, double max)
{
	enum ms_layout layout = ms_layout(op, 1);

	if (!(min <= max))
		return ms_invalid(op, "its minimum is above its maximum");
	return ms_out_as(op, 0, emit_clip(op->graph, ms_in_as(op, 0, layout), min, max), layout);
}

/* ONNX has the bounds as scalars. */
static struct onnx_value *bound(struct ms_op *op, unsigned i, uint32_t dtype)
{
	return emit_as_scalar(op->graph, emit_cast(op->graph, ms_in(op, i), dtype));
}

int ms_layer_clip_to(struct ms_op *op)
{
	enum ms_layout layout = ms_layout(op, 1);
	struct onnx_value *x = ms_in_as(op, 0, layout), *ret;

	ret = ONNX_CALL(op->graph, "Clip", x, bound(op, 1, x->dtype),
			op->n_inputs > 2 ? bound(op, 2, x->dtype) : NULL);
	onnx_value_like(ret, x);
	return ms_out_as(op, 0, ret, layout);
}

int ms_layer_cast(struct ms_op *op, uint32_t dtype)
{
	enum ms_layout layout = ms_layout(op, 1);
	struct onnx_value *x = ms_in_as(op, 0, layout);

	if (dtype == TENSOCK_DTYPE_INVALID)
		return ms_unsupported(op, "casts to a type that is none of numbers");
	if (x->dtype == dtype) {
		ms_rename(op, 0);
		return 0;
	}
	return ms_out_as(op, 0, emit_cast(op->graph, x, dtype), layout);
}

int ms_layer_select(struct ms_op *op)
{
	enum ms_layout layout = ms_layout(op, 3);
	struct onnx_value *a = ms_in_broadcast(op, 1, layout), *b = ms_in_broadcast(op, 2, layout);
	struct onnx_value *condition =
		emit_cast(op->graph, ms_in_broadcast(op, 0, layout), TENSOCK_BOOL);

	return ms_out_as(op, 0, emit_where(op->graph, condition, a, b), layout);
}

/* Halves go away from 0; ONNX's Round gives the even neighbour. */
int ms_layer_round(struct ms_op *op)
{
	enum ms_layout layout = ms_layout(op, 1);
	struct onnx_graph *graph = op->graph;
	struct onnx_value *x = ms_in_as(op, 0, layout);
	struct onnx_value *size =
		emit_unary(graph, "Floor",
			   emit_scalar(graph, "Add", emit_unary(graph, "Abs", x), 0.5));

	return ms_out_as(op, 0,
			 emit_binary(graph, "Mul", size, emit_unary(graph, "Sign", x), x->dtype),
			 layout);
}

int ms_layer_square(struct ms_op *op)
{
	enum ms_layout layout = ms_layout(op, 1);
	struct onnx_value *x = ms_in_as(op, 0, layout);

	return ms_out_as(op, 0, emit_binary(op->graph, "Mul", x, x, x->dtype), layout);
}

int ms_layer_squared_difference(struct ms_op *op)
{
	enum ms_layout layout = ms_layout(op, 2);
	struct pair in = operands(op, layout);
	struct onnx_value *d = emit_binary(op->graph, "Sub", in.a, in.b, in.a->dtype);

	return ms_out_as(op, 0, emit_binary(op->graph, "Mul", d, d, d->dtype), layout);
}

int ms_layer_rsqrt(struct ms_op *op)
{
	enum ms_layout layout = ms_layout(op, 1);
	struct onnx_value *root = emit_unary(op->graph, "Sqrt", ms_in_as(op, 0, layout));

	return ms_out_as(op, 0, emit_unary(op->graph, "Reciprocal", root), layout);
}

static struct onnx_value *mod(struct ms_op *op, struct onnx_value *a, struct onnx_value *b,
			      bool like_c)
{
	struct onnx_value *ret = emit_binary(op->graph, "Mod", a, b, a->dtype);

	if (like_c && ret->maker)
		onnx_attr_int(op->graph, ret->maker, "fmod", 1);
	return ret;
}

/* The sign is the dividend's. */
int ms_layer_mod(struct ms_op *op)
{
	enum ms_layout layout = ms_layout(op, 2);
	struct pair in = operands(op, layout);

	return ms_out_as(op, 0, mod(op, in.a, in.b, true), layout);
}

static struct onnx_value *floor_div(struct ms_op *op, struct onnx_value *a, struct onnx_value *b)
{
	if (ms_is_float(a->dtype))
		return emit_unary(op->graph, "Floor",
				  emit_binary(op->graph, "Div", a, b, a->dtype));
	a = emit_binary(op->graph, "Sub", a, mod(op, a, b, false), a->dtype);
	return emit_binary(op->graph, "Div", a, b, a->dtype);
}

int ms_layer_floor_div(struct ms_op *op)
{
	enum ms_layout layout = ms_layout(op, 2);
	struct pair in = operands(op, layout);

	return ms_out_as(op, 0, floor_div(op, in.a, in.b), layout);
}

/* The sign is the divisor's. */
int ms_layer_floor_mod(struct ms_op *op)
{
	enum ms_layout layout = ms_layout(op, 2);
	struct pair in = operands(op, layout);
	uint32_t dtype = in.a->dtype;
	struct onnx_value *whole;

	if (!ms_is_float(dtype))
		return ms_out_as(op, 0, mod(op, in.a, in.b, false), layout);
	whole = emit_binary(op->graph, "Mul", floor_div(op, in.a, in.b), in.b, dtype);
	return ms_out_as(op, 0, emit_binary(op->graph, "Sub", in.a, whole, dtype), layout);
}
