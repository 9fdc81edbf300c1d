/* SPDX-License-Identifier: Apache-2.0 */
/* Operators that take parts of a tensor, by where they lie. */
#include "translate/mindir/mindir_op.h"

#include <string.h>

#include "base/checked.h"

static struct onnx_value *slice_by(struct mindir_op *op, struct onnx_value *x,
				   struct onnx_value *starts, struct onnx_value *ends,
				   const int64_t *axes, const int64_t *steps, size_t n)
{
	struct onnx_value *ret =
		ONNX_CALL(op->graph, "Slice", x, starts, ends, onnx_int64s(op->graph, axes, n),
			  onnx_int64s(op->graph, steps, n));

	onnx_value_like(ret, x);
	for (size_t i = 0; i < n; i++) {
		if (axes[i] >= 0 && axes[i] < ret->rank)
			ret->dims[axes[i]] = -1;
	}
	return ret;
}

struct onnx_value *mindir_slice(struct mindir_op *op, struct onnx_value *x, int64_t axis,
				int64_t start, int64_t end, int64_t step)
{
	return slice_by(op, x, onnx_int64s(op->graph, &start, 1), onnx_int64s(op->graph, &end, 1),
			&axis, &step, 1);
}

/* The entries of begin, end: numbers, or computed vectors of one. */
struct bounds {
	size_t n;
	int64_t starts[TENSOCK_RANK_MAX], ends[TENSOCK_RANK_MAX], steps[TENSOCK_RANK_MAX];
	struct onnx_value *start_vectors[TENSOCK_RANK_MAX], *end_vectors[TENSOCK_RANK_MAX];
};

/* Entries of one setting: how many. */
static size_t entries(struct mindir_op *op, size_t i, int64_t *ints, struct onnx_value **vectors)
{
	const struct mindir_value *value = mindir_setting(op, i, NULL);
	struct onnx_value *all;
	size_t n = 0;

	if (mindir_is_known(op, i, NULL))
		return mindir_ints(op, i, NULL, ints, TENSOCK_RANK_MAX);
	if (value && value->kind == MINDIR_TUPLE)
		n = value->n_items;
	else if (value && value->kind == MINDIR_VALUE && value->value->rank == 1 &&
		 value->value->dims[0] >= 0)
		n = (size_t)value->value->dims[0];
	if (!n || n > TENSOCK_RANK_MAX) {
		mindir_refuse(op, "how many dimensions it cuts is not known");
		return 0;
	}
	all = mindir_int_vector(op, i, NULL);
	for (size_t k = 0; k < n; k++) {
		int64_t at = (int64_t)k;

		if (value->kind == MINDIR_TUPLE && value->items[k].kind == MINDIR_INT) {
			ints[k] = value->items[k].i;
			continue;
		}
		vectors[k] = ONNX_CALL(op->graph, "Gather", all, onnx_int64s(op->graph, &at, 1));
		onnx_value_set_shape(vectors[k], &(int64_t){ 1 }, 1);
	}
	return n;
}

static struct onnx_value *bound_vector(struct mindir_op *op, const int64_t *ints,
				       struct onnx_value *const *vectors, size_t n)
{
	struct onnx_value *parts[TENSOCK_RANK_MAX];
	bool all_known = true;

	for (size_t k = 0; k < n; k++) {
		parts[k] = vectors[k] ? vectors[k] : onnx_int64s(op->graph, &ints[k], 1);
		all_known &= !vectors[k];
	}
	return all_known ? onnx_int64s(op->graph, ints, n) : emit_concat(op->graph, parts, n, 0);
}

/* The end of a part of one element: behind -1 there is no 0, behind the largest number nothing. */
static void end_of_one(struct mindir_op *op, struct bounds *b, size_t k)
{
	struct onnx_value *end;

	b->steps[k] = 1;
	b->end_vectors[k] = NULL;
	if (!b->start_vectors[k]) {
		if (b->starts[k] == -1 || !tsk_add(b->starts[k], 1, &b->ends[k]))
			b->ends[k] = INT64_MAX;
		return;
	}
	end = emit_scalar(op->graph, "Add", b->start_vectors[k], 1);
	b->end_vectors[k] = emit_where(op->graph, mindir_compare(op, "Equal", end, 0),
				       onnx_int64s(op->graph, &(int64_t){ INT64_MAX }, 1), end);
}

static void mask_bounds(struct bounds *b, size_t k, int64_t begin_mask, int64_t end_mask)
{
	if (begin_mask >> k & 1) {
		b->starts[k] = b->steps[k] < 0 ? INT64_MAX : 0;
		b->start_vectors[k] = NULL;
	}
	if (end_mask >> k & 1) {
		b->ends[k] = b->steps[k] < 0 ? INT64_MIN : INT64_MAX;
		b->end_vectors[k] = NULL;
	}
}

/* StridedSlice(x, begin, end, strides, five masks); bits beyond the entries mean nothing */
static struct onnx_value *strided_slice(struct mindir_op *op)
{
	struct onnx_value *x = mindir_in_ranked(op, 0, 0, TENSOCK_RANK_MAX);
	int64_t begin_mask = mindir_int(op, 4, "begin_mask", 0);
	int64_t end_mask = mindir_int(op, 5, "end_mask", 0);
	int64_t shrink_mask = mindir_int(op, 8, "shrink_axis_mask", 0);
	int64_t axes[TENSOCK_RANK_MAX], gone[TENSOCK_RANK_MAX];
	struct bounds b = { 0 };
	size_t n_gone = 0;

	if (mindir_int(op, 6, "ellipsis_mask", 0) || mindir_int(op, 7, "new_axis_mask", 0))
		return mindir_refuse(
			op, "masks for ellipsis and new axes are not translated: write the "
			    "slice in Python's own form");
	b.n = entries(op, 1, b.starts, b.start_vectors);
	if (entries(op, 2, b.ends, b.end_vectors) != b.n ||
	    mindir_ints(op, 3, "strides", b.steps, TENSOCK_RANK_MAX) != b.n || (int)b.n > x->rank)
		return mindir_broken(op, "its begin, end and strides do not go with its input");
	for (size_t k = 0; k < b.n; k++) {
		axes[k] = (int64_t)k;
		mask_bounds(&b, k, begin_mask, end_mask);
		if (shrink_mask >> k & 1) {
			end_of_one(op, &b, k);
			gone[n_gone++] = (int64_t)k;
		}
		if (b.steps[k] == 0)
			return mindir_broken(op, "a stride is 0");
	}
	if (op->error || !b.n)
		return x;
	x = slice_by(op, x, bound_vector(op, b.starts, b.start_vectors, b.n),
		     bound_vector(op, b.ends, b.end_vectors, b.n), axes, b.steps, b.n);
	return n_gone ? emit_squeeze(op->graph, x, gone, n_gone) : x;
}

/* Slice(x, begin, size): a size of -1 reaches to the end */
static struct onnx_value *slice(struct mindir_op *op)
{
	int64_t begin[TENSOCK_RANK_MAX], size[TENSOCK_RANK_MAX], axes[TENSOCK_RANK_MAX],
		steps[TENSOCK_RANK_MAX];
	struct onnx_value *x = mindir_in(op, 0);
	size_t n = mindir_ints(op, 1, "begin", begin, TENSOCK_RANK_MAX);

	if (mindir_ints(op, 2, "size", size, TENSOCK_RANK_MAX) != n)
		return mindir_broken(op, "its begin and size do not go together");
	for (size_t k = 0; k < n; k++) {
		axes[k] = (int64_t)k;
		steps[k] = 1;
		if (size[k] < 0)
			size[k] = INT64_MAX;
		else if (!tsk_add(begin[k], size[k], &size[k]))
			return mindir_broken(op, "its size is too large");
	}
	return op->error || !n ? x
			       : slice_by(op, x, onnx_int64s(op->graph, begin, n),
					  onnx_int64s(op->graph, size, n), axes, steps, n);
}

/* SliceExt(x, dim, start, end, step) */
static struct onnx_value *slice_ext(struct mindir_op *op)
{
	struct onnx_value *x = mindir_in(op, 0);
	int64_t axis = mindir_axis(op, 1, "dim", x->rank, 0), step = mindir_int(op, 4, "step", 1);

	if (step < 1)
		return mindir_broken(op, "its step is %lld", (long long)step);
	return slice_by(op, x, mindir_int_vector(op, 2, "start"), mindir_int_vector(op, 3, "end"),
			&axis, &step, 1);
}

/* Narrow(x, dim, start, length) */
static struct onnx_value *narrow(struct mindir_op *op)
{
	struct onnx_value *x = mindir_in(op, 0), *start = mindir_int_vector(op, 2, "start");
	int64_t axis = mindir_axis(op, 1, "dim", x->rank, 0), one = 1;

	return slice_by(op, x, start,
			emit_binary(op->graph, "Add", start, mindir_int_vector(op, 3, "length"),
				    TENSOCK_INT64),
			&axis, &one, 1);
}

static struct onnx_value *reverse(struct mindir_op *op)
{
	struct onnx_value *x = mindir_in(op, 0), *ret = x;
	int64_t axes[TENSOCK_RANK_MAX];
	size_t n = mindir_axes(op, 1, "axis", x->rank, axes);

	for (size_t k = 0; k < n; k++)
		ret = mindir_slice(op, ret, axes[k], -1, INT64_MIN, -1);
	onnx_value_like(ret, x);
	return ret;
}

/* Roll(x, shifts, dims): the last `shift` elements come first */
static struct onnx_value *roll(struct mindir_op *op)
{
	struct onnx_value *x = mindir_in(op, 0), *parts[2];
	int64_t axes[TENSOCK_RANK_MAX], shifts[TENSOCK_RANK_MAX];
	size_t n = mindir_axes(op, 2, "axis", x->rank, axes);

	if (!n || mindir_ints(op, 1, "shift", shifts, TENSOCK_RANK_MAX) != n)
		return mindir_refuse(op, "its shifts and dimensions do not go together");
	for (size_t k = 0; k < n && !op->error; k++) {
		int64_t size = x->dims[axes[k]];

		if (size < 1)
			return mindir_refuse(op, "the size that it rolls is not known");
		shifts[k] %= size;
		if (!shifts[k])
			continue;
		parts[0] = mindir_slice(op, x, axes[k], -shifts[k], INT64_MAX, 1);
		parts[1] = mindir_slice(op, x, axes[k], 0, -shifts[k], 1);
		x = emit_concat(op->graph, parts, 2, axes[k]);
		x->dims[axes[k]] = size;
	}
	return x;
}

/* Triangles: elements beyond a diagonal become 0. */
static struct onnx_value *triangle(struct mindir_op *op)
{
	struct onnx_value *x = mindir_in(op, 0), *ret;
	uint32_t dtype = x->dtype;
	struct onnx_node *node;

	if (dtype != TENSOCK_FLOAT32 && dtype != TENSOCK_FLOAT64 && dtype != TENSOCK_BOOL)
		x = emit_cast(op->graph, x,
			      dtype == TENSOCK_FLOAT16 ? TENSOCK_FLOAT32 : TENSOCK_INT64);
	node = ONNX_NODE(op->graph, "Trilu", x,
			 onnx_int64(op->graph, mindir_int(op, 1, "diagonal", 0)));
	ret = onnx_out(op->graph, node, x->dtype);
	onnx_attr_int(op->graph, node, "upper", !strcmp(op->row->onnx, "upper"));
	onnx_value_like(ret, x);
	return emit_cast(op->graph, ret, dtype);
}

static const struct mindir_operator rows[] = {
	{ "StridedSlice", strided_slice, 4 },
	{ "Slice", slice, 3 },
	{ "SliceExt", slice_ext, 4 },
	{ "SliceExtView", slice_ext, 4 },
	{ "Narrow", narrow, 4 },
	{ "NarrowView", narrow, 4 },
	{ "ReverseV2", reverse, 1 },
	{ "Roll", roll, 1 },
	{ "Tril", triangle, 1, "lower" },
	{ "TrilExt", triangle, 1, "lower" },
	{ "Triu", triangle, 1, "upper" },
};

const struct mindir_table mindir_slice_table = { rows, ARRAY_SIZE(rows) };
