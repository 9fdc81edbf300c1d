/* SPDX-License-Identifier: Apache-2.0 */
/* What puts tensors together, takes them apart, and picks from them. */
#include "translate/ms/old_op.h"

enum {
	CONCAT_AXIS = 0,
};

enum {
	STACK_AXIS = 0,
};

enum {
	UNSTACK_AXIS = 1,
};

enum {
	SPLIT_NUMBER = 0,
	SPLIT_SIZES = 1,
	SPLIT_DIM = 2,
};

enum {
	SLICE_AXES = 1,
	SLICE_BEGIN = 2,
	SLICE_SIZE = 3,
};

enum {
	STRIDED_BEGIN_MASK = 0,
	STRIDED_END_MASK = 1,
	STRIDED_ELLIPSIS_MASK = 2,
	STRIDED_NEW_AXIS_MASK = 3,
	STRIDED_SHRINK_AXIS_MASK = 4,
	STRIDED_BEGIN = 5,
	STRIDED_END = 6,
	STRIDED_STRIDE = 7,
};

enum {
	CROP_AXIS = 0,
	CROP_OFFSETS = 1, /* long */
};

enum {
	GATHER_AXIS = 0,
	GATHER_BATCH_DIMS = 1,
};

enum {
	ONE_HOT_AXIS = 0,
};

enum {
	TOP_K_K = 0,
};

enum {
	REVERSE_AXIS = 0,
};

int old_concat(struct ms_op *op)
{
	return ms_layer_concat(op, fb_i32(&op->fields, CONCAT_AXIS, 0));
}

int old_stack(struct ms_op *op)
{
	return ms_layer_stack(op, fb_i32(&op->fields, STACK_AXIS, 0));
}

int old_unstack(struct ms_op *op)
{
	return ms_layer_unstack(op, fb_i32(&op->fields, UNSTACK_AXIS, 0));
}

#define PARTS_MAX 1024

int old_split(struct ms_op *op)
{
	int64_t sizes[PARTS_MAX];
	int number = fb_i32(&op->fields, SPLIT_NUMBER, 0);
	int n = ms_field_ints(op, SPLIT_SIZES, 4, sizes, PARTS_MAX);

	if (n < 0)
		return n;
	if ((number != 0 && number != (int)op->n_outputs) || (n != 0 && n < (int)op->n_outputs))
		return ms_invalid(op, "gives %u tensors, of %d parts and %d sizes", op->n_outputs,
				  number, n);
	return ms_layer_split(op, fb_i32(&op->fields, SPLIT_DIM, 0), sizes, n ? op->n_outputs : 0);
}

/* A negative end is taken for a size.  Of a negative begin, which is refused, nothing is subtracted. */
static int64_t size_until(int64_t begin, int64_t end)
{
	if (end >= INT32_MAX)
		return -1;
	return begin < 0 || end < 0 ? end : end - begin;
}

/* What the fields leave out, inputs 1 to 4 tell: begins, ends, axes and steps. */
static int read_slice(struct ms_op *op, int64_t *axes, int64_t *begin, int64_t *size)
{
	bool by_inputs = op->n_inputs >= 5;
	int n = old_ints(op, SLICE_BEGIN, by_inputs ? 1 : ~0U, begin, TENSOCK_RANK_MAX);
	int n_size = n < 0 ? n : ms_field_ints(op, SLICE_SIZE, 4, size, TENSOCK_RANK_MAX);
	int n_axes;

	if (n_size == 0 && by_inputs) {
		n_size = ms_in_ints(op, 2, size, TENSOCK_RANK_MAX);
		for (int i = 0; i < n_size && i < n; i++)
			size[i] = size_until(begin[i], size[i]);
	}
	n_axes = n_size < 0 ? n_size
			    : old_ints(op, SLICE_AXES, by_inputs ? 3 : ~0U, axes, TENSOCK_RANK_MAX);
	if (n_axes < 0)
		return n_axes;
	if (n < 1 || n != n_size || n != n_axes)
		return ms_invalid(op, "%d begins, %d sizes and %d axes", n, n_size, n_axes);
	return n;
}

/* Steps of input 4 are not looked at by the runtime: others than 1 would be lost. */
static int check_steps(struct ms_op *op)
{
	int64_t steps[TENSOCK_RANK_MAX];
	int n = op->n_inputs >= 5 ? ms_in_ints(op, 4, steps, TENSOCK_RANK_MAX) : 0;

	for (int i = 0; i < n; i++) {
		if (steps[i] != 1)
			return ms_unsupported(op,
					      "has steps of %lld, which MindSpore Lite does not "
					      "run",
					      (long long)steps[i]);
	}
	return n < 0 ? n : 0;
}

int old_slice(struct ms_op *op)
{
	int64_t axes[TENSOCK_RANK_MAX], begin[TENSOCK_RANK_MAX], size[TENSOCK_RANK_MAX];
	int n = read_slice(op, axes, begin, size), r = n < 0 ? n : check_steps(op);

	return r < 0 ? r : ms_layer_slice(op, axes, begin, size, (size_t)n);
}

static int same_count(struct ms_op *op, int n, int other)
{
	if (n < 0 || other < 0)
		return n < 0 ? n : other;
	if (n != other)
		return ms_invalid(op, "begins, ends and strides differ in number");
	return n;
}

/* Fields, or else inputs 1, 2 and `strides`. */
static int read_strided(struct ms_op *op, unsigned strides, struct ms_strided_slice *slice)
{
	bool by_fields = op->n_inputs == 1;
	int n = by_fields ? ms_field_ints(op, STRIDED_BEGIN, 4, slice->begin, TENSOCK_RANK_MAX)
			  : ms_in_ints(op, 1, slice->begin, TENSOCK_RANK_MAX);

	if (n >= 0)
		n = same_count(op, n,
			       by_fields ? ms_field_ints(op, STRIDED_END, 4, slice->end,
							 TENSOCK_RANK_MAX)
					 : ms_in_ints(op, 2, slice->end, TENSOCK_RANK_MAX));
	if (n >= 0)
		n = same_count(op, n,
			       by_fields
				       ? ms_field_ints(op, STRIDED_STRIDE, 4, slice->strides,
						       TENSOCK_RANK_MAX)
				       : ms_in_ints(op, strides, slice->strides, TENSOCK_RANK_MAX));
	slice->n = n < 0 ? 0 : (size_t)n;
	return n < 0 ? n : 0;
}

/* Input 3 names the axes: the others are whole. */
static int spread_axes(struct ms_op *op, struct ms_strided_slice *slice)
{
	const struct ms_strided_slice was = *slice;
	int64_t axes[TENSOCK_RANK_MAX];
	int rank = ms_in_rank(op, 0);
	int n = rank < 0 ? rank : ms_in_ints(op, 3, axes, TENSOCK_RANK_MAX);

	if (n <= 0)
		return n;
	if ((size_t)n != was.n || was.n > (size_t)rank)
		return ms_invalid(op, "%d axes, %zu begins, and %d dimensions", n, was.n, rank);
	slice->n = (size_t)rank;
	for (int i = 0; i < rank; i++) {
		slice->begin[i] = 0;
		slice->end[i] = INT32_MAX;
		slice->strides[i] = 1;
	}
	for (int i = 0; i < n; i++) {
		int r = ms_in_axis(op, 0, axes[i], &axes[i]);

		if (r < 0)
			return r;
		slice->begin[axes[i]] = was.begin[i];
		slice->end[axes[i]] = was.end[i];
		slice->strides[axes[i]] = was.strides[i];
	}
	return 0;
}

int old_strided_slice(struct ms_op *op)
{
	struct ms_strided_slice slice = {
		.begin_mask = (uint32_t)fb_i32(&op->fields, STRIDED_BEGIN_MASK, 0),
		.end_mask = (uint32_t)fb_i32(&op->fields, STRIDED_END_MASK, 0),
		.ellipsis_mask = (uint32_t)fb_i32(&op->fields, STRIDED_ELLIPSIS_MASK, 0),
		.new_axis_mask = (uint32_t)fb_i32(&op->fields, STRIDED_NEW_AXIS_MASK, 0),
		.shrink_axis_mask = (uint32_t)fb_i32(&op->fields, STRIDED_SHRINK_AXIS_MASK, 0),
	};
	bool has_axes = op->n_inputs >= 5;
	int r;

	if (op->n_inputs == 2 || op->n_inputs == 3)
		return ms_invalid(op, "has %u inputs instead of 1, 4 or 5", op->n_inputs);
	r = read_strided(op, has_axes ? 4 : 3, &slice);
	if (r == 0 && has_axes)
		r = spread_axes(op, &slice);
	return r < 0 ? r : ms_layer_strided_slice(op, &slice);
}

int old_crop(struct ms_op *op)
{
	int64_t offsets[TENSOCK_RANK_MAX];
	int n = ms_field_ints(op, CROP_OFFSETS, 8, offsets, TENSOCK_RANK_MAX);

	return n < 0 ? n : ms_layer_crop(op, fb_i64(&op->fields, CROP_AXIS, 0), offsets, (size_t)n);
}

int old_gather(struct ms_op *op)
{
	if (fb_i32(&op->fields, GATHER_BATCH_DIMS, 0) != 0)
		return ms_unsupported(op, "has batchDims, which MindSpore Lite does not run");
	return ms_layer_gather(op, fb_i32(&op->fields, GATHER_AXIS, 0));
}

int old_one_hot(struct ms_op *op)
{
	return ms_layer_one_hot(op, fb_i32(&op->fields, ONE_HOT_AXIS, 0));
}

/* Along the last axis: with a k of the field's, which is no input. */
static int top_k(struct ms_op *op, int64_t k)
{
	int rank = ms_in_rank(op, 0);
	struct top_k top;

	if (rank < 0)
		return rank;
	if (k < 1 || rank == 0)
		return ms_invalid(op, "is to give %lld elements of %d dimensions", (long long)k,
				  rank);
	top = emit_top_k(op->graph, ms_in(op, 0), onnx_int64s(op->graph, &k, 1), rank - 1, true,
			 true);
	ms_out(op, 0, top.values);
	if (op->n_outputs > 1)
		ms_out(op, 1, emit_cast(op->graph, top.places, TENSOCK_INT32));
	return 0;
}

/* In order, also where none is asked for. */
int old_top_k(struct ms_op *op)
{
	if (op->n_inputs > 1)
		return ms_layer_top_k(op, -1, true, true);
	return top_k(op, fb_i32(&op->fields, TOP_K_K, 0));
}

int old_reverse(struct ms_op *op)
{
	int64_t axes[TENSOCK_RANK_MAX];
	int n = ms_field_ints(op, REVERSE_AXIS, 4, axes, TENSOCK_RANK_MAX);

	return n < 0 ? n : ms_layer_reverse(op, axes, (size_t)n);
}
