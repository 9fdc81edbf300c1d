/* SPDX-License-Identifier: Apache-2.0 */
/* What many operators compute with. */
#include "translate/mindir/mindir_op.h"

#include <math.h>
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

static bool same_shape(const struct onnx_value *a, const struct onnx_value *b)
{
	return a->rank == b->rank && a->rank >= 0 &&
	       !memcmp(a->dims, b->dims, (size_t)a->rank * sizeof(*a->dims));
}

/* The shape of the one with most dimensions, where the others do not widen it. */
static void where_shape(struct onnx_value *ret, struct onnx_value *const *parts, size_t n)
{
	const struct onnx_value *widest = parts[0];
	bool same = true;

	for (size_t i = 0; i < n; i++) {
		if (parts[i]->rank < 0)
			return;
		if (parts[i]->rank > widest->rank)
			widest = parts[i];
	}
	for (size_t i = 0; i < n; i++)
		same &= parts[i]->rank == 0 || same_shape(parts[i], widest);
	onnx_value_set_shape(ret, same ? widest->dims : NULL, widest->rank);
}

struct onnx_value *mindir_where(struct mindir_op *op, struct onnx_value *condition,
				struct onnx_value *yes, struct onnx_value *no)
{
	struct onnx_value *parts[] = { condition, yes, no };
	struct onnx_value *ret = onnx_call_of(op->graph, "Where", parts, 3);

	ret->dtype = no->dtype;
	where_shape(ret, parts, 3);
	return ret;
}

struct onnx_value *mindir_compare(struct mindir_op *op, const char *onnx, struct onnx_value *x,
				  double v)
{
	return emit_binary(op->graph, onnx, x, onnx_scalar(op->graph, x->dtype, v), TENSOCK_BOOL);
}

struct onnx_value *mindir_clip(struct mindir_op *op, struct onnx_value *x, double min, double max)
{
	struct onnx_value *low = isinf(min) ? NULL : onnx_scalar(op->graph, x->dtype, min);
	struct onnx_value *high = isinf(max) ? NULL : onnx_scalar(op->graph, x->dtype, max);
	struct onnx_value *ret = ONNX_CALL(op->graph, "Clip", x, low, high);

	onnx_value_like(ret, x);
	return ret;
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
