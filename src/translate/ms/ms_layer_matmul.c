/* SPDX-License-Identifier: Apache-2.0 */
#include "translate/ms/ms_layer.h"

/* By Gemm: both of rank 2. */
static struct onnx_value *gemm(struct ms_op *op, struct onnx_value *a, struct onnx_value *b,
			       bool transpose_a, bool transpose_b)
{
	struct onnx_value *bias = op->n_inputs > 2 ? ms_in(op, 2) : NULL;
	struct onnx_node *node = bias ? ONNX_NODE(op->graph, "Gemm", a, b, bias)
				      : ONNX_NODE(op->graph, "Gemm", a, b);
	struct onnx_value *ret = onnx_out(op->graph, node, a->dtype);
	const int64_t dims[] = { a->dims[transpose_a ? 1 : 0], b->dims[transpose_b ? 0 : 1] };

	onnx_attr_int(op->graph, node, "transA", transpose_a);
	onnx_attr_int(op->graph, node, "transB", transpose_b);
	onnx_value_set_shape(ret, dims, 2);
	return ret;
}

/* [N, C, 1, 1] is multiplied as a matrix. */
static struct onnx_value *left_side(struct ms_op *op)
{
	static const int64_t last[] = { 2, 3 };
	struct onnx_value *a = ms_in(op, 0);

	if (a->rank == 4 && a->dims[2] == 1 && a->dims[3] == 1 && ms_in(op, 1)->rank == 2)
		return emit_squeeze(op->graph, a, last, 2);
	return a;
}

int ms_layer_matmul(struct ms_op *op, bool transpose_a, bool transpose_b, unsigned activation)
{
	struct onnx_value *a = left_side(op), *b = ms_in(op, 1), *ret;

	if (op->error)
		return op->error;
	if (a->rank < 1 || b->rank < 1)
		return ms_unsupported(op,
				      "multiplies what has no dimensions, or an unknown number: "
				      "convert the model with fixed shapes");
	if ((transpose_a && a->rank < 2) || (transpose_b && b->rank < 2))
		return ms_invalid(op, "transposes what has one dimension");
	if (a->rank == 2 && b->rank == 2) {
		ret = gemm(op, a, b, transpose_a, transpose_b);
	} else {
		ret = emit_matmul(op->graph, a, b, transpose_a, transpose_b);
		if (op->n_inputs > 2)
			ret = emit_binary(op->graph, "Add", ret, ms_in(op, 2), ret->dtype);
	}
	return ms_layer_activated(op, ret, MS_PLAIN, activation);
}

/* The rows of x that the weight [n, k] multiplies. */
static struct onnx_value *rows(struct ms_op *op, struct onnx_value *x, int64_t k)
{
	const int64_t dims[] = { -1, k };

	return x->rank == 2 && x->dims[1] == k ? x : emit_reshape(op->graph, x, dims, 2);
}

int ms_layer_full_connection(struct ms_op *op, bool use_axis, int64_t axis, unsigned activation)
{
	struct onnx_value *x = ms_in(op, 0), *weight = ms_in(op, 1), *ret;
	int64_t dims[TENSOCK_RANK_MAX];

	if (op->error)
		return op->error;
	if (weight->rank != 2 || weight->dims[0] < 1 || weight->dims[1] < 1)
		return ms_invalid(op, "its weight is no matrix");
	if (use_axis && (x->rank < 2 || axis < 1 || axis >= x->rank))
		return ms_unsupported(op,
				      "its axis %lld, of an input of %d dimensions, is not covered",
				      (long long)axis, x->rank);
	ret = gemm(op, rows(op, x, weight->dims[1]), weight, false, true);
	if (use_axis && axis > 1) {
		for (int i = 0; i < (int)axis; i++) {
			if (x->dims[i] < 0)
				return ms_unsupported(op,
						      "dimension %d of its input is not known: "
						      "convert the model with fixed shapes",
						      i);
			dims[i] = x->dims[i];
		}
		dims[axis] = weight->dims[0];
		ret = emit_reshape(op->graph, ret, dims, (int)axis + 1);
	}
	return ms_layer_activated(op, ret, MS_PLAIN, activation);
}
