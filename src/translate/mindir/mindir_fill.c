/* SPDX-License-Identifier: Apache-2.0 */
/* Tensors made of little: of one number, of a few, of what repeats. */
#include "translate/mindir/mindir_op.h"

static struct onnx_value *filled(struct mindir_op *op, struct onnx_value *one,
				 struct onnx_value *shape)
{
	return ONNX_CALL(op->graph, "Expand", one, shape);
}

static uint32_t claimed_dtype(const struct mindir_op *op)
{
	uint32_t dtype = mindir_claim(op, 0).dtype;

	return dtype ? dtype : TENSOCK_FLOAT32;
}

/* Zeros(shape, dtype), Ones */
static struct onnx_value *constant_of_shape(struct mindir_op *op)
{
	double v = mindir_text_is(op->node->op, "Ones") ? 1 : 0;

	return filled(op, onnx_scalar(op->graph, claimed_dtype(op), v),
		      mindir_int_vector(op, 0, "shape"));
}

/* FillV2(shape, value) */
static struct onnx_value *fill(struct mindir_op *op)
{
	uint32_t dtype = claimed_dtype(op);

	return filled(op, mindir_in_cast(op, 1, dtype), mindir_int_vector(op, 0, "shape"));
}

/* Fill(type, shape, value) of 1.x */
static struct onnx_value *fill_typed(struct mindir_op *op)
{
	uint32_t dtype = claimed_dtype(op);

	return filled(op, mindir_in_cast(op, 2, dtype), mindir_int_vector(op, 1, "shape"));
}

static struct onnx_value *like(struct mindir_op *op)
{
	struct onnx_value *x = mindir_in(op, 0);
	uint32_t dtype = mindir_claim(op, 0).dtype;
	double v = mindir_text_is(op->node->op, "OnesLike") ||
		   mindir_text_is(op->node->op, "OnesLikeExt");

	return filled(op, onnx_scalar(op->graph, dtype ? dtype : x->dtype, v),
		      emit_shape_of(op->graph, x));
}

/* FullLike(x, value, dtype) */
static struct onnx_value *full_like(struct mindir_op *op)
{
	uint32_t dtype = claimed_dtype(op);

	return filled(op, mindir_in_cast(op, 1, dtype), emit_shape_of(op->graph, mindir_in(op, 0)));
}

static struct onnx_value *identity_matrix(struct mindir_op *op, uint32_t dtype, int64_t rows,
					  int64_t columns)
{
	const int64_t dims[] = { rows, columns };
	struct onnx_value *zeros = filled(op, onnx_scalar(op->graph, TENSOCK_FLOAT32, 0),
					  onnx_int64s(op->graph, dims, 2));
	struct onnx_value *ret = ONNX_CALL(op->graph, "EyeLike", zeros);

	onnx_value_set_shape(ret, dims, 2);
	return emit_cast(op->graph, ret, dtype);
}

/* Eye(rows, columns, dtype) */
static struct onnx_value *eye(struct mindir_op *op)
{
	int64_t rows = mindir_int(op, 0, "n", 1);

	return identity_matrix(op, claimed_dtype(op), rows, mindir_int(op, 1, "m", rows));
}

static struct onnx_value *diag(struct mindir_op *op)
{
	static const int64_t last = 1;
	struct onnx_value *x = mindir_in_ranked(op, 0, 1, 1);

	if (op->error || x->dims[0] < 0)
		return mindir_refuse(op, "the size of its input is not known");
	return emit_binary(op->graph, "Mul", emit_unsqueeze(op->graph, x, &last, 1),
			   identity_matrix(op, x->dtype, x->dims[0], x->dims[0]), x->dtype);
}

static struct onnx_value *scalar_in(struct mindir_op *op, size_t i, uint32_t dtype)
{
	return emit_as_scalar(op->graph, mindir_in_cast(op, i, dtype));
}

/* Range(start, limit, delta) */
static struct onnx_value *range(struct mindir_op *op)
{
	uint32_t dtype = claimed_dtype(op);
	struct onnx_value *delta =
		op->n_inputs > 2 ? scalar_in(op, 2, dtype) : onnx_scalar(op->graph, dtype, 1);

	return ONNX_CALL(op->graph, "Range", scalar_in(op, 0, dtype), scalar_in(op, 1, dtype),
			 delta);
}

/* LinSpace(start, stop, num) */
static struct onnx_value *lin_space(struct mindir_op *op)
{
	double start = mindir_float(op, 0, "start", 0), stop = mindir_float(op, 1, "stop", 1);
	int64_t n = mindir_int(op, 2, "num", 1);
	float v[ONNX_SMALL_MAX];

	if (n < 1 || n > (int64_t)ONNX_SMALL_MAX)
		return mindir_refuse(op, "%lld numbers: up to %u are translated", (long long)n,
				     ONNX_SMALL_MAX);
	for (int64_t i = 0; i < n; i++)
		v[i] = (float)(start + (n > 1 ? (stop - start) * (double)i / (double)(n - 1) : 0));
	return onnx_floats(op->graph, v, (size_t)n);
}

/* Meshgrid(tensors, indexing): 1 is xy, where the first two change places */
static struct onnx_value *meshgrid(struct mindir_op *op)
{
	const struct mindir_value *tuple = op->inputs[0];
	bool swaps =
		mindir_int(op, 1, NULL, 0) == 1 || mindir_text(op, ONLY_NAMED, "indexing", "xy");
	struct onnx_value *parts[TENSOCK_RANK_MAX], *lengths[TENSOCK_RANK_MAX];
	int64_t dims[TENSOCK_RANK_MAX];
	uint32_t n = tuple->n_items;

	if (tuple->kind != MINDIR_TUPLE || !n || n > TENSOCK_RANK_MAX)
		return mindir_broken(op, "its input is no tuple of tensors");
	for (uint32_t i = 0; i < n; i++) {
		uint32_t axis = swaps && n > 1 && i < 2 ? 1 - i : i;

		for (uint32_t k = 0; k < n; k++)
			dims[k] = k == axis ? -1 : 1;
		parts[i] = mindir_tensor_of(op, &tuple->items[i], 0);
		if (!parts[i])
			return mindir_broken(op, "item %u of its input is no tensor", i);
		parts[i] = emit_reshape(op->graph, parts[i], (const int64_t[]){ -1 }, 1);
		lengths[axis] = emit_shape_of(op->graph, parts[i]);
		parts[i] = emit_reshape(op->graph, parts[i], dims, (int)n);
	}
	for (uint32_t i = 0; i < n; i++)
		parts[i] = filled(op, parts[i], emit_concat(op->graph, lengths, n, 0));
	return mindir_result_tuple(op, parts, n);
}

/* RepeatInterleaveInt(x, repeats, dim): each element that often, in place */
static struct onnx_value *repeat_interleave(struct mindir_op *op)
{
	struct onnx_value *x = mindir_in(op, 0);
	int64_t repeats[TENSOCK_RANK_MAX + 1], dims[TENSOCK_RANK_MAX], axis, behind;
	int rank;

	if (!mindir_setting(op, 2, "dim"))
		x = emit_reshape(op->graph, x, (const int64_t[]){ -1 }, 1);
	axis = mindir_axis(op, 2, "dim", x->rank, 0);
	if (op->error || x->rank >= (int)TENSOCK_RANK_MAX)
		return mindir_refuse(op, "its input has too many dimensions");
	behind = axis + 1;
	rank = x->rank;
	for (int i = 0; i <= x->rank; i++)
		repeats[i] = i == behind ? mindir_int(op, 1, "repeats", 1) : 1;
	for (int i = 0; i < x->rank; i++) {
		dims[i] = i == axis ? -1 : x->dims[i];
		if (dims[i] < 0 && i != axis)
			return mindir_refuse(op, "its size is not known");
	}
	x = emit_unsqueeze(op->graph, x, &behind, 1);
	x = ONNX_CALL(op->graph, "Tile", x, onnx_int64s(op->graph, repeats, (size_t)x->rank));
	return emit_reshape(op->graph, x, dims, rank);
}

static const struct mindir_operator rows[] = {
	{ "Zeros", constant_of_shape, 1 },
	{ "Ones", constant_of_shape, 1 },
	{ "FillV2", fill, 2 },
	{ "Fill", fill_typed, 3 },
	{ "Fills", full_like, 2 },
	{ "FillScalar", fill, 2 },
	{ "FillTensor", fill, 2 },
	{ "ZerosLike", like, 1 },
	{ "ZerosLikeExt", like, 1 },
	{ "OnesLike", like, 1 },
	{ "OnesLikeExt", like, 1 },
	{ "FullLike", full_like, 2 },
	{ "Eye", eye, 1 },
	{ "Diag", diag, 1 },
	{ "Range", range, 2 },
	{ "Arange", range, 2 },
	{ "LinSpace", lin_space, 2 },
	{ "LinSpaceExt", lin_space, 2 },
	{ "Meshgrid", meshgrid, 1 },
	{ "RepeatInterleaveInt", repeat_interleave, 2 },
};

const struct mindir_table mindir_fill_table = { rows, ARRAY_SIZE(rows) };
