/* SPDX-License-Identifier: Apache-2.0 */
/* What many operators compute with. */
#include "translate/mindir/mindir_op.h"

#include <string.h>

bool mindir_is_float(uint32_t dtype)
{
	return dtype == TENSOCK_FLOAT32 || dtype == TENSOCK_FLOAT16 || dtype == TENSOCK_FLOAT64 ||
	       dtype == TENSOCK_BFLOAT16;
}

struct onnx_value *mindir_in_float(struct mindir_op *op, size_t i)
{
	struct onnx_value *x = mindir_in(op, i);
	uint32_t claimed = mindir_claim(op, 0).dtype;

	if (mindir_is_float(x->dtype))
		return x;
	return emit_cast(op->graph, x, mindir_is_float(claimed) ? claimed : TENSOCK_FLOAT32);
}

struct onnx_value *mindir_compare(struct mindir_op *op, const char *onnx, struct onnx_value *x,
				  double v)
{
	return emit_binary(op->graph, onnx, x, onnx_scalar(op->graph, x->dtype, v), TENSOCK_BOOL);
}

struct onnx_value *mindir_truncated(struct mindir_op *op, struct onnx_value *x)
{
	struct onnx_value *size;

	if (!mindir_is_float(x->dtype))
		return x;
	size = emit_unary(op->graph, "Floor", emit_unary(op->graph, "Abs", x));
	return emit_binary(op->graph, "Mul", emit_unary(op->graph, "Sign", x), size, x->dtype);
}

static void write_repeated(const struct onnx_constant *constant, unsigned char *to)
{
	for (size_t i = 0; i < constant->n_bytes; i += constant->n_source)
		memcpy(to + i, constant->bytes, constant->n_source);
}

struct onnx_value *mindir_filled(struct mindir_op *op, uint32_t dtype, double v, int64_t n)
{
	const struct onnx_constant *one = onnx_scalar(op->graph, dtype, v)->constant;
	struct onnx_constant all = {
		.dtype = dtype, .rank = 1, .dims = { n }, .write = write_repeated
	};

	if (!one)
		return &op->graph->no_value;
	all.bytes = one->bytes;
	all.n_source = one->n_bytes;
	return onnx_constant_made(op->graph, &all);
}
