/* SPDX-License-Identifier: Apache-2.0 */
#include "translate/mindir/mindir_op.h"

#include <string.h>

/* Two matrices, of which one is transposed: that spares a copy of the weights in another order. */
static struct onnx_value *gemm(struct mindir_op *op, struct onnx_value *a, struct onnx_value *b,
			       bool transpose_a, bool transpose_b)
{
	const int64_t dims[] = { a->dims[transpose_a], b->dims[!transpose_b] };
	struct onnx_node *node = ONNX_NODE(op->graph, "Gemm", a, b);
	struct onnx_value *ret = onnx_out(op->graph, node, a->dtype);

	onnx_attr_int(op->graph, node, "transA", transpose_a);
	onnx_attr_int(op->graph, node, "transB", transpose_b);
	onnx_value_set_shape(ret, dims, 2);
	return ret;
}

static struct onnx_value *multiplied(struct mindir_op *op, struct onnx_value *a,
				     struct onnx_value *b, bool transpose_a, bool transpose_b)
{
	if (a->rank == 2 && b->rank == 2 && a->dtype == TENSOCK_FLOAT32 &&
	    b->dtype == TENSOCK_FLOAT32 && (transpose_a || transpose_b))
		return gemm(op, a, b, transpose_a, transpose_b);
	return emit_matmul(op->graph, a, b, transpose_a, transpose_b);
}

static struct onnx_value *matmul(struct mindir_op *op)
{
	struct onnx_value *a = mindir_in(op, 0), *b = mindir_in(op, 1);
	bool transpose_a = mindir_bool(op, 2, "transpose_a", false);
	bool transpose_b = mindir_bool(op, 3, "transpose_b", false);

	if ((transpose_a && a->rank < 2) || (transpose_b && b->rank < 2))
		return mindir_refuse(op, "a transposed input has %d dimensions",
				     transpose_a ? a->rank : b->rank);
	return multiplied(op, a, b, transpose_a, transpose_b);
}

static struct onnx_value *matmul_ext(struct mindir_op *op)
{
	return emit_matmul(op->graph, mindir_in(op, 0), mindir_in(op, 1), false, false);
}

/* Dense(x, w, bias): w is [out, in] */
static struct onnx_value *dense(struct mindir_op *op)
{
	struct onnx_value *x = mindir_in(op, 0), *w = mindir_in(op, 1), *ret;

	ret = multiplied(op, x, w, false, w->rank == 2);
	if (mindir_setting(op, 2, NULL))
		ret = emit_binary(op->graph, "Add", ret, mindir_in(op, 2), ret->dtype);
	return ret;
}

/* beta input + alpha (a b) */
static struct onnx_value *addmm(struct mindir_op *op)
{
	struct onnx_value *bias = mindir_in(op, 0), *ret;
	double beta = mindir_float(op, 3, "beta", 1), alpha = mindir_float(op, 4, "alpha", 1);

	ret = emit_matmul(op->graph, mindir_in(op, 1), mindir_in(op, 2), false, false);
	if (alpha != 1)
		ret = emit_scalar(op->graph, "Mul", ret, alpha);
	if (beta != 1)
		bias = emit_scalar(op->graph, "Mul", bias, beta);
	return emit_binary(op->graph, "Add", bias, ret, ret->dtype);
}

/*
 * Whether a constant may still be given to the node that made x, as its bias: nobody else may read x,
 * under any name.
 */
static bool takes_bias(const struct mindir_op *op, const struct onnx_value *x,
		       const struct onnx_value *bias)
{
	if (!op->only_for_this || !x->maker ||
	    x->maker->label.bytes != op->only_for_this->label.bytes)
		return false;
	return bias->constant && bias->rank == 1 && !x->is_used && !x->is_output &&
	       x->maker->n_inputs == 2 && x->dtype == bias->dtype &&
	       (!strcmp(x->maker->op, "Conv") || !strcmp(x->maker->op, "ConvTranspose") ||
		!strcmp(x->maker->op, "Gemm"));
}

/* BiasAdd(x, bias, format): along the second dimension */
static struct onnx_value *bias_add(struct mindir_op *op)
{
	struct onnx_value *x = mindir_in(op, 0), *bias = mindir_in(op, 1);

	if (mindir_is_nhwc(op, 2))
		return mindir_refuse(op, "format NHWC is not translated: export the net in NCHW");
	if (x->rank < 0)
		return mindir_refuse(op, "the rank of its input is not known");
	if (takes_bias(op, x, bias)) {
		onnx_in(op->graph, x->maker, bias);
		return x;
	}
	return emit_binary(op->graph, "Add", x, mindir_per_channel(op, bias, x->rank), x->dtype);
}

static struct onnx_value *einsum(struct mindir_op *op)
{
	const struct mindir_value *equation = mindir_attribute(op->node->settings, "equation");
	const struct mindir_value *tuple = op->inputs[0];
	struct onnx_node *node;
	char *text;

	if (!equation || equation->kind != MINDIR_TEXT || equation->text.len > 1000)
		return mindir_broken(op, "it has no equation");
	text = onnx_take(op->graph, equation->text.len + 1, 1);
	if (!text)
		return NULL;
	memcpy(text, equation->text.bytes, equation->text.len);
	node = onnx_node(op->graph, "Einsum");
	if (tuple->kind != MINDIR_TUPLE) {
		onnx_in(op->graph, node, mindir_in(op, 0));
	} else {
		for (uint32_t i = 0; i < tuple->n_items; i++) {
			struct onnx_value *x = mindir_tensor_of(op, &tuple->items[i], 0);

			if (!x)
				return mindir_broken(op, "item %u of its input is no tensor", i);
			onnx_in(op->graph, node, x);
		}
	}
	onnx_attr_text(op->graph, node, "equation", text);
	return onnx_out(op->graph, node, mindir_claim(op, 0).dtype);
}

static const struct mindir_operator rows[] = {
	{ "MatMul", matmul, 2 },        { "BatchMatMul", matmul, 2 },
	{ "MatMulExt", matmul_ext, 2 }, { "BatchMatMulExt", matmul_ext, 2 },
	{ "Mm", matmul_ext, 2 },        { "Mv", matmul_ext, 2 },
	{ "Dot", matmul_ext, 2 },       { "Dense", dense, 2 },
	{ "Linear", dense, 2 },         { "Addmm", addmm, 3 },
	{ "Baddbmm", addmm, 3 },        { "BiasAdd", bias_add, 2 },
	{ "Einsum", einsum, 1 },
};

const struct mindir_table mindir_matmul_table = { rows, ARRAY_SIZE(rows) };
