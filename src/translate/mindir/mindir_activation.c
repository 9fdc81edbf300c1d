/* SPDX-License-Identifier: Apache-2.0 */
/* Activations; those that are one node of ONNX without settings: mindir_unary.c. */
#include "translate/mindir/mindir_op.h"

static struct onnx_value *activation(struct mindir_op *op, unsigned kind, double alpha)
{
	const struct activation_settings settings = { .alpha = alpha };

	return emit_activation(op->graph, mindir_in(op, 0), kind, &settings);
}

static struct onnx_value *relu6(struct mindir_op *op)
{
	return activation(op, ACTIVATION_RELU6, 0);
}

static struct onnx_value *hsigmoid(struct mindir_op *op)
{
	return activation(op, ACTIVATION_HSIGMOID, 0);
}

static struct onnx_value *hswish(struct mindir_op *op)
{
	return activation(op, ACTIVATION_HSWISH, 0);
}

static struct onnx_value *silu(struct mindir_op *op)
{
	return activation(op, ACTIVATION_SWISH, 0);
}

static struct onnx_value *elu(struct mindir_op *op)
{
	return activation(op, ACTIVATION_ELU, mindir_float(op, 1, "alpha", 1));
}

static struct onnx_value *leaky_relu(struct mindir_op *op)
{
	return activation(op, ACTIVATION_LEAKY_RELU, mindir_float(op, 1, "negative_slope", 0.01));
}

static struct onnx_value *celu(struct mindir_op *op)
{
	struct onnx_value *x = mindir_in(op, 0);
	struct onnx_node *node = ONNX_NODE(op->graph, "Celu", x);
	struct onnx_value *ret = onnx_out(op->graph, node, x->dtype);

	onnx_attr_float(op->graph, node, "alpha", (float)mindir_float(op, 1, "alpha", 1));
	onnx_value_like(ret, x);
	return ret;
}

/* MindSpore's GeLU is the form by tanh. */
static struct onnx_value *gelu(struct mindir_op *op)
{
	const struct activation_settings settings = { .approximate = true };

	return emit_activation(op->graph, mindir_in(op, 0), ACTIVATION_GELU, &settings);
}

static struct onnx_value *gelu_ext(struct mindir_op *op)
{
	const struct activation_settings settings = {
		.approximate = mindir_text(op, 1, "approximate", "tanh") ||
			       (op->n_inputs > 1 && op->inputs[1]->kind == MINDIR_INT &&
				op->inputs[1]->i == 1)
	};

	return emit_activation(op->graph, mindir_in(op, 0), ACTIVATION_GELU, &settings);
}

/* x sigmoid(1.702 x) */
static struct onnx_value *fast_gelu(struct mindir_op *op)
{
	struct onnx_value *x = mindir_in(op, 0);

	return emit_binary(op->graph, "Mul", x,
			   emit_unary(op->graph, "Sigmoid",
				      emit_scalar(op->graph, "Mul", x, 1.702)),
			   x->dtype);
}

static struct onnx_value *mish(struct mindir_op *op)
{
	struct onnx_value *x = mindir_in(op, 0);

	return emit_binary(op->graph, "Mul", x,
			   emit_unary(op->graph, "Tanh", emit_unary(op->graph, "Softplus", x)),
			   x->dtype);
}

/* log(1 + exp(beta x)) / beta, and x itself where beta x is above the threshold */
static struct onnx_value *softplus_ext(struct mindir_op *op)
{
	double beta = mindir_float(op, 1, "beta", 1),
	       threshold = mindir_float(op, 2, "threshold", 20);
	struct onnx_value *x = mindir_in(op, 0), *steep = x, *ret;

	if (beta != 1)
		steep = emit_scalar(op->graph, "Mul", x, beta);
	ret = emit_unary(op->graph, "Softplus", steep);
	if (beta != 1)
		ret = emit_scalar(op->graph, "Div", ret, beta);
	return emit_where(op->graph, mindir_compare(op, "Greater", steep, threshold), x, ret);
}

static struct onnx_value *log_sigmoid(struct mindir_op *op)
{
	struct onnx_value *x = mindir_in(op, 0);
	struct onnx_value *ret =
		emit_unary(op->graph, "Neg",
			   emit_unary(op->graph, "Softplus", emit_unary(op->graph, "Neg", x)));

	if (op->node->shape && op->node->shape->kind == MINDIR_TUPLE)
		return mindir_result_tuple(op, (struct onnx_value *[]){ ret, NULL }, 2);
	return ret;
}

static struct onnx_value *shrink(struct mindir_op *op, double bias, double lambd)
{
	struct onnx_value *x = mindir_in(op, 0);
	struct onnx_node *node = ONNX_NODE(op->graph, "Shrink", x);
	struct onnx_value *ret = onnx_out(op->graph, node, x->dtype);

	onnx_attr_float(op->graph, node, "bias", (float)bias);
	onnx_attr_float(op->graph, node, "lambd", (float)lambd);
	onnx_value_like(ret, x);
	return ret;
}

static struct onnx_value *hard_shrink(struct mindir_op *op)
{
	return shrink(op, 0, mindir_float(op, 1, "lambd", 0.5));
}

static struct onnx_value *soft_shrink(struct mindir_op *op)
{
	double lambd = mindir_float(op, 1, "lambd", 0.5);

	return shrink(op, lambd, lambd);
}

static struct onnx_value *threshold(struct mindir_op *op)
{
	struct onnx_value *x = mindir_in(op, 0);

	return emit_where(op->graph,
			  mindir_compare(op, "Greater", x, mindir_float(op, 1, "threshold", 0)), x,
			  onnx_scalar(op->graph, x->dtype, mindir_float(op, 2, "value", 0)));
}

/* The slope is one number, or one for each channel: of the second dimension. */
static struct onnx_value *prelu(struct mindir_op *op)
{
	struct onnx_value *x = mindir_in(op, 0), *w = mindir_in(op, 1), *ret;

	if (x->rank < 0 || w->rank < 0)
		return mindir_refuse(op, "the rank of its input is not known");
	if (w->rank == 1 && w->dims[0] != 1 && x->rank > 2)
		w = mindir_per_channel(op, w, x->rank);
	ret = ONNX_CALL(op->graph, "PRelu", x, w);
	onnx_value_like(ret, x);
	return ret;
}

static struct onnx_value *softmax_over(struct mindir_op *op, struct onnx_value *x,
				       const int64_t *axes, size_t n)
{
	struct onnx_value *top = emit_reduce(op->graph, "ReduceMax", x, axes, n, true), *sum;

	x = emit_unary(op->graph, "Exp", emit_binary(op->graph, "Sub", x, top, x->dtype));
	sum = emit_reduce(op->graph, "ReduceSum", x, axes, n, true);
	return emit_binary(op->graph, "Div", x, sum, x->dtype);
}

static struct onnx_value *softmax(struct mindir_op *op)
{
	int64_t axes[TENSOCK_RANK_MAX];
	struct onnx_value *x = mindir_in_float(op, 0);
	size_t n = mindir_axes(op, 1, "axis", x->rank, axes);

	if (n > 1)
		return softmax_over(op, x, axes, n);
	return emit_along(op->graph, "Softmax", x, n ? axes[0] : -1);
}

static struct onnx_value *log_softmax(struct mindir_op *op)
{
	struct onnx_value *x = mindir_in_float(op, 0);

	return emit_along(op->graph, "LogSoftmax", x, mindir_axis(op, 1, "axis", x->rank, -1));
}

static void halves(struct mindir_op *op, struct onnx_value **ret_a, struct onnx_value **ret_b)
{
	struct onnx_value *x = mindir_in(op, 0);
	int64_t axis = mindir_axis(op, 1, "axis", x->rank, -1);
	struct onnx_node *node = ONNX_NODE(op->graph, "Split", x);

	*ret_a = onnx_out(op->graph, node, x->dtype);
	*ret_b = onnx_out(op->graph, node, x->dtype);
	onnx_attr_int(op->graph, node, "axis", axis);
	onnx_attr_int(op->graph, node, "num_outputs", 2);
}

/* Half of the channels, times the sigmoid of the others. */
static struct onnx_value *glu(struct mindir_op *op)
{
	struct onnx_value *a, *b;

	halves(op, &a, &b);
	return emit_binary(op->graph, "Mul", a, emit_unary(op->graph, "Sigmoid", b), a->dtype);
}

/* a sigmoid(a) b, of the halves a and b */
static struct onnx_value *swiglu(struct mindir_op *op)
{
	struct onnx_value *a, *b;

	halves(op, &a, &b);
	a = emit_activation(op->graph, a, ACTIVATION_SWISH, NULL);
	return emit_binary(op->graph, "Mul", a, b, a->dtype);
}

/* A bound is None, a number, or a tensor. */
static struct onnx_value *bound(struct mindir_op *op, size_t i, struct onnx_value *x)
{
	return mindir_setting(op, i, NULL) ? mindir_in_cast(op, i, x->dtype) : NULL;
}

static struct onnx_value *clamp(struct mindir_op *op)
{
	struct onnx_value *x = mindir_in(op, 0);
	struct onnx_value *low = bound(op, 1, x), *high = bound(op, 2, x);

	if (low)
		x = emit_binary(op->graph, "Max", x, low, x->dtype);
	if (high)
		x = emit_binary(op->graph, "Min", x, high, x->dtype);
	return x;
}

static struct onnx_value *hard_tanh(struct mindir_op *op)
{
	return emit_clip(op->graph, mindir_in(op, 0), mindir_float(op, 1, "min_val", -1),
			 mindir_float(op, 2, "max_val", 1));
}

static const struct mindir_operator rows[] = {
	{ "ReLU6", relu6, 1 },
	{ "HSigmoid", hsigmoid, 1 },
	{ "HSwish", hswish, 1 },
	{ "SiLU", silu, 1 },
	{ "Swish", silu, 1 },
	{ "Elu", elu, 1 },
	{ "EluExt", elu, 1 },
	{ "CeLU", celu, 1 },
	{ "LeakyReLU", leaky_relu, 1 },
	{ "LeakyReLUExt", leaky_relu, 1 },
	{ "GeLU", gelu, 1 },
	{ "GeluExt", gelu_ext, 1 },
	{ "GeLUExt", gelu_ext, 1 },
	{ "FastGeLU", fast_gelu, 1 },
	{ "FastGelu", fast_gelu, 1 },
	{ "Mish", mish, 1 },
	{ "MishExt", mish, 1 },
	{ "SoftplusExt", softplus_ext, 1 },
	{ "LogSigmoid", log_sigmoid, 1 },
	{ "HShrink", hard_shrink, 1 },
	{ "SoftShrink", soft_shrink, 1 },
	{ "Threshold", threshold, 1 },
	{ "PReLU", prelu, 2 },
	{ "Softmax", softmax, 1 },
	{ "LogSoftmax", log_softmax, 1 },
	{ "LogSoftmaxExt", log_softmax, 1 },
	{ "GLU", glu, 1 },
	{ "Swiglu", swiglu, 1 },
	{ "ClampScalar", clamp, 1 },
	{ "ClampTensor", clamp, 1 },
	{ "Hardtanh", hard_tanh, 1 },
};

const struct mindir_table mindir_activation_table = { rows, ARRAY_SIZE(rows) };
