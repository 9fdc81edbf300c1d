/* SPDX-License-Identifier: Apache-2.0 */
/* Elements that are picked by their size, or by a condition. */
#include "translate/emit.h"

#include <math.h>

struct onnx_value *emit_clip(struct onnx_graph *graph, struct onnx_value *x, double min, double max)
{
	struct onnx_value *low = isinf(min) ? NULL : onnx_scalar(graph, x->dtype, min);
	struct onnx_value *high = isinf(max) ? NULL : onnx_scalar(graph, x->dtype, max);
	struct onnx_value *ret = ONNX_CALL(graph, "Clip", x, low, high);

	onnx_value_like(ret, x);
	return ret;
}

struct onnx_value *emit_where(struct onnx_graph *graph, struct onnx_value *condition,
			      struct onnx_value *yes, struct onnx_value *no)
{
	struct onnx_value *ret = ONNX_CALL(graph, "Where", condition, yes, no);

	ret->dtype = no->dtype;
	emit_broadcast_shape(ret, condition, yes);
	emit_broadcast_shape(ret, ret, no);
	return ret;
}

struct top_k emit_top_k(struct onnx_graph *graph, struct onnx_value *x, struct onnx_value *k,
			int64_t axis, bool largest, bool sorted)
{
	struct onnx_node *node = ONNX_NODE(graph, "TopK", x, k);
	struct top_k ret = { onnx_out(graph, node, x->dtype),
			     onnx_out(graph, node, TENSOCK_INT64) };
	int64_t n;

	onnx_attr_int(graph, node, "axis", axis);
	onnx_attr_int(graph, node, "largest", largest);
	onnx_attr_int(graph, node, "sorted", sorted);
	onnx_value_like(ret.values, x);
	if (axis < x->rank)
		ret.values->dims[axis] = onnx_constant_read_ints(k, &n, 1) == 1 && n >= 0 ? n : -1;
	onnx_value_like(ret.places, ret.values);
	return ret;
}
