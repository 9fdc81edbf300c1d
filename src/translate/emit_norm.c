/* SPDX-License-Identifier: Apache-2.0 */
/* Normalisation, by ONNX's own operators. */
#include "translate/emit.h"

static struct onnx_value *finish(struct onnx_graph *graph, struct onnx_node *node,
				 const struct onnx_value *x, double epsilon)
{
	struct onnx_value *ret = onnx_out(graph, node, x->dtype);

	onnx_attr_float(graph, node, "epsilon", (float)epsilon);
	onnx_value_like(ret, x);
	return ret;
}

struct onnx_value *emit_batch_norm(struct onnx_graph *graph, struct onnx_value *x,
				   struct onnx_value *scale, struct onnx_value *offset,
				   struct onnx_value *mean, struct onnx_value *variance,
				   double epsilon)
{
	struct onnx_node *node =
		ONNX_NODE(graph, "BatchNormalization", x, scale, offset, mean, variance);

	return finish(graph, node, x, epsilon);
}

struct onnx_value *emit_instance_norm(struct onnx_graph *graph, struct onnx_value *x,
				      struct onnx_value *scale, struct onnx_value *offset,
				      double epsilon)
{
	return finish(graph, ONNX_NODE(graph, "InstanceNormalization", x, scale, offset), x,
		      epsilon);
}

struct onnx_value *emit_layer_norm(struct onnx_graph *graph, struct onnx_value *x,
				   struct onnx_value *scale, struct onnx_value *offset,
				   int64_t axis, double epsilon)
{
	struct onnx_node *node = offset ? ONNX_NODE(graph, "LayerNormalization", x, scale, offset)
					: ONNX_NODE(graph, "LayerNormalization", x, scale);

	onnx_attr_int(graph, node, "axis", axis);
	return finish(graph, node, x, epsilon);
}

struct onnx_value *emit_lrn(struct onnx_graph *graph, struct onnx_value *x, int64_t radius,
			    double alpha, double beta, double bias)
{
	const int64_t size = 2 * radius + 1;
	struct onnx_node *node = ONNX_NODE(graph, "LRN", x);
	struct onnx_value *ret = onnx_out(graph, node, x->dtype);

	onnx_attr_int(graph, node, "size", size);
	/* ONNX divides by the number of channels that it sums over. */
	onnx_attr_float(graph, node, "alpha", (float)(alpha * (double)size));
	onnx_attr_float(graph, node, "beta", (float)beta);
	onnx_attr_float(graph, node, "bias", (float)bias);
	onnx_value_like(ret, x);
	return ret;
}
