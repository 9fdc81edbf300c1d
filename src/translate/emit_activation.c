/* SPDX-License-Identifier: Apache-2.0 */
#include "translate/emit.h"

static struct onnx_value *with_alpha(struct onnx_graph *graph, const char *op, struct onnx_value *x,
				     double alpha)
{
	struct onnx_node *node = ONNX_NODE(graph, op, x);
	struct onnx_value *ret = onnx_out(graph, node, x->dtype);

	onnx_attr_float(graph, node, "alpha", (float)alpha);
	onnx_value_like(ret, x);
	return ret;
}

/* MindSpore's: max(0, min(1, x / 6 + 0.5)) */
static struct onnx_value *hard_sigmoid(struct onnx_graph *graph, struct onnx_value *x)
{
	struct onnx_node *node = ONNX_NODE(graph, "HardSigmoid", x);
	struct onnx_value *ret = onnx_out(graph, node, x->dtype);

	onnx_attr_float(graph, node, "alpha", 1.0f / 6.0f);
	onnx_attr_float(graph, node, "beta", 0.5f);
	onnx_value_like(ret, x);
	return ret;
}

static struct onnx_value *gelu(struct onnx_graph *graph, struct onnx_value *x, bool approximate)
{
	struct onnx_node *node = ONNX_NODE(graph, "Gelu", x);
	struct onnx_value *ret = onnx_out(graph, node, x->dtype);

	onnx_attr_text(graph, node, "approximate", approximate ? "tanh" : "none");
	onnx_value_like(ret, x);
	return ret;
}

struct onnx_value *emit_activation(struct onnx_graph *graph, struct onnx_value *x, unsigned kind,
				   const struct activation_settings *settings)
{
	static const struct activation_settings none = { 0 };
	const struct activation_settings *s = settings ? settings : &none;

	switch (kind) {
	case ACTIVATION_NONE:
		return x;
	case ACTIVATION_RELU:
		return emit_unary(graph, "Relu", x);
	case ACTIVATION_SIGMOID:
		return emit_unary(graph, "Sigmoid", x);
	case ACTIVATION_RELU6:
		return emit_clip(graph, x, 0, 6);
	case ACTIVATION_ELU:
		return with_alpha(graph, "Elu", x, s->alpha);
	case ACTIVATION_LEAKY_RELU:
		return with_alpha(graph, "LeakyRelu", x, s->alpha);
	case ACTIVATION_ABS:
		return emit_unary(graph, "Abs", x);
	case ACTIVATION_RELU1:
		return emit_clip(graph, x, 0, 1);
	case ACTIVATION_SOFTSIGN:
		return emit_unary(graph, "Softsign", x);
	case ACTIVATION_SOFTPLUS:
		return emit_unary(graph, "Softplus", x);
	case ACTIVATION_TANH:
		return emit_unary(graph, "Tanh", x);
	case ACTIVATION_SELU:
		return emit_unary(graph, "Selu", x);
	case ACTIVATION_HSWISH:
		return emit_binary(graph, "Mul", x, hard_sigmoid(graph, x), x->dtype);
	case ACTIVATION_HSIGMOID:
		return hard_sigmoid(graph, x);
	case ACTIVATION_THRESHOLDED_RELU:
		return with_alpha(graph, "ThresholdedRelu", x, s->alpha);
	case ACTIVATION_HARD_TANH:
		return emit_clip(graph, x, s->min, s->max);
	case ACTIVATION_SIGN:
		return emit_unary(graph, "Sign", x);
	case ACTIVATION_SWISH:
		return emit_binary(graph, "Mul", x, emit_unary(graph, "Sigmoid", x), x->dtype);
	case ACTIVATION_GELU:
		return gelu(graph, x, s->approximate);
	case ACTIVATION_FAST_GELU:
		return gelu(graph, x, true);
	default:
		return NULL;
	}
}
