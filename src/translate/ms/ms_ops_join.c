/* SPDX-License-Identifier: Apache-2.0 */
/* MSL2's operators that join, cut, move and resize: their fields. */
#include <string.h>

#include "translate/ms/ms_layer.h"
#include "translate/ms/ms_ops.h"

/* Field 0 of these: the axis. */
int ms_op_concat(struct ms_op *op)
{
	return ms_layer_concat(op, fb_i64(&op->fields, 0, 0));
}

int ms_op_stack(struct ms_op *op)
{
	return ms_layer_stack(op, fb_i64(&op->fields, 0, 0));
}

int ms_op_unstack(struct ms_op *op)
{
	return ms_layer_unstack(op, fb_i64(&op->fields, 0, 0));
}

enum {
	SPLIT_SIZES = 1,
	SPLIT_AXIS = 2,
};

int ms_op_split(struct ms_op *op)
{
	int64_t sizes[ONNX_NODE_INPUTS_MAX];
	int n = ms_field_ints(op, SPLIT_SIZES, 8, sizes, ONNX_NODE_INPUTS_MAX);

	if (n < 0)
		return n;
	return ms_layer_split(op, fb_i64(&op->fields, SPLIT_AXIS, 0), sizes, (size_t)n);
}

/* The axis is input 2. */
int ms_op_gather(struct ms_op *op)
{
	int64_t axis;
	int n = ms_in_ints(op, 2, &axis, 1);

	if (n < 0)
		return n;
	return ms_layer_gather(op, n ? axis : 0);
}

/* The axis is input 1, the places are input 2. */
int ms_op_gather_d(struct ms_op *op)
{
	int64_t axis;
	int n = ms_in_ints(op, 1, &axis, 1);

	if (n < 0)
		return n;
	return ms_layer_gather_elements(op, 2, n ? axis : 0);
}

/* The axes of a slice: a field, or the first ones; as many as input 1 has elements. */
static int slice_axes(struct ms_op *op, int64_t *ret)
{
	const struct onnx_value *begin = ms_in(op, 1);
	int n_axes = ms_field_ints(op, 0, 8, ret, TENSOCK_RANK_MAX);
	int64_t n = begin->rank == 1 ? begin->dims[0] : -1;

	if (n_axes < 0 || op->error)
		return op->error;
	if (n < 0 || n > TENSOCK_RANK_MAX || (n_axes != 0 && n_axes < n))
		return ms_invalid(op, "%d axes and %lld beginnings", n_axes, (long long)n);
	for (int i = n_axes; i < n; i++)
		ret[i] = i;
	return (int)n;
}

/* Begin and size are inputs 1 and 2. */
int ms_op_slice(struct ms_op *op)
{
	int64_t axes[TENSOCK_RANK_MAX], begin[TENSOCK_RANK_MAX], size[TENSOCK_RANK_MAX];
	int n = slice_axes(op, axes), n_size;

	if (n < 0)
		return n;
	if (!ms_in(op, 1)->constant || !ms_in(op, 2)->constant)
		return ms_layer_slice_sized(op, axes, (size_t)n);
	n = ms_in_ints(op, 1, begin, TENSOCK_RANK_MAX);
	n_size = ms_in_ints(op, 2, size, TENSOCK_RANK_MAX);
	if (n < 0 || n_size < 0)
		return op->error;
	if (n != n_size)
		return ms_invalid(op, "%d beginnings and %d sizes", n, n_size);
	return ms_layer_slice(op, axes, begin, size, (size_t)n);
}

enum {
	STRIDED_BEGIN_MASK = 0,
	STRIDED_END_MASK = 1,
	STRIDED_ELLIPSIS_MASK = 2,
	STRIDED_NEW_AXIS_MASK = 3,
	STRIDED_SHRINK_AXIS_MASK = 4,
};

/* begin, end, and strides; or begin, end, axes and strides */
static unsigned strides_of(const struct ms_op *op)
{
	return op->n_inputs > 4 ? 4 : 3;
}

static bool is_constant_slice(struct ms_op *op)
{
	for (unsigned i = 1; i < op->n_inputs; i++) {
		if (!ms_in(op, i)->constant)
			return false;
	}
	return true;
}

static int computed_slice(struct ms_op *op)
{
	unsigned strides = strides_of(op);

	for (unsigned field = 0; field <= STRIDED_SHRINK_AXIS_MASK; field++) {
		if (fb_i64(&op->fields, field, 0))
			return ms_unsupported(op,
					      "its ends are computed, and it has masks: convert "
					      "the model with fixed shapes");
	}
	return ms_layer_slice_computed(op, ms_in(op, 1), ms_in(op, 2),
				       strides == 4 ? ms_in(op, 3) : NULL,
				       op->n_inputs > 3 ? ms_in(op, strides) : NULL);
}

/* By named axes: puts each term to its axis, all others are whole. */
static int by_axes(struct ms_op *op, struct ms_strided_slice *slice)
{
	struct ms_strided_slice all = *slice;
	int64_t axes[TENSOCK_RANK_MAX], axis;
	int n = ms_in_ints(op, 3, axes, TENSOCK_RANK_MAX), rank = ms_in_rank(op, 0);

	if (n < 0 || rank < 0)
		return op->error;
	if (n == 0)
		return 0;
	if ((size_t)n != slice->n)
		return ms_invalid(op, "%d axes for %zu slices", n, slice->n);
	all.n = (size_t)rank;
	for (int i = 0; i < rank; i++) {
		all.begin[i] = 0;
		all.end[i] = INT64_MAX;
		all.strides[i] = 1;
	}
	for (int i = 0; i < n; i++) {
		if (ms_in_axis(op, 0, axes[i], &axis) < 0)
			return op->error;
		all.begin[axis] = slice->begin[i];
		all.end[axis] = slice->end[i];
		all.strides[axis] = slice->strides[i];
	}
	*slice = all;
	return 0;
}

int ms_op_strided_slice(struct ms_op *op)
{
	struct ms_strided_slice slice = {
		.begin_mask = (uint32_t)fb_i64(&op->fields, STRIDED_BEGIN_MASK, 0),
		.end_mask = (uint32_t)fb_i64(&op->fields, STRIDED_END_MASK, 0),
		.ellipsis_mask = (uint32_t)fb_i64(&op->fields, STRIDED_ELLIPSIS_MASK, 0),
		.new_axis_mask = (uint32_t)fb_i64(&op->fields, STRIDED_NEW_AXIS_MASK, 0),
		.shrink_axis_mask = (uint32_t)fb_i64(&op->fields, STRIDED_SHRINK_AXIS_MASK, 0),
	};
	int n_begin, n_end, n_strides = 0, r;

	if (!is_constant_slice(op))
		return op->error ? op->error : computed_slice(op);
	n_begin = ms_in_ints(op, 1, slice.begin, TENSOCK_RANK_MAX);
	n_end = ms_in_ints(op, 2, slice.end, TENSOCK_RANK_MAX);
	if (op->n_inputs > 3)
		n_strides = ms_in_ints(op, strides_of(op), slice.strides, TENSOCK_RANK_MAX);
	if (op->error)
		return op->error;
	if (n_begin != n_end || (n_strides != 0 && n_strides != n_begin))
		return ms_invalid(op, "%d beginnings, %d ends and %d strides", n_begin, n_end,
				  n_strides);
	for (int i = n_strides; i < n_begin; i++)
		slice.strides[i] = 1;
	slice.n = (size_t)n_begin;
	r = op->n_inputs > 4 ? by_axes(op, &slice) : 0;
	return r < 0 ? r : ms_layer_strided_slice(op, &slice);
}

/* Field 0 of both: axes. */
int ms_op_reverse(struct ms_op *op)
{
	int64_t axes[TENSOCK_RANK_MAX];
	int n = ms_field_ints(op, 0, 8, axes, TENSOCK_RANK_MAX);

	return n < 0 ? n : ms_layer_reverse(op, axes, (size_t)n);
}

enum {
	SEQUENCE_TIME_AXIS = 0,
	SEQUENCE_BATCH_AXIS = 1,
};

int ms_op_reverse_sequence(struct ms_op *op)
{
	return ms_layer_reverse_sequence(op, fb_i64(&op->fields, SEQUENCE_TIME_AXIS, 0),
					 fb_i64(&op->fields, SEQUENCE_BATCH_AXIS, 0));
}

static bool are_first_axes(const int64_t *axes, int n)
{
	for (int i = 0; i < n; i++) {
		if (axes[i] != i)
			return false;
	}
	return true;
}

/* The multiples are input 1; the axes they are for, where not the first ones, a field. */
int ms_op_tile(struct ms_op *op)
{
	int64_t axes[TENSOCK_RANK_MAX], given[TENSOCK_RANK_MAX], multiples[TENSOCK_RANK_MAX], axis;
	int n_axes = ms_field_ints(op, 0, 8, axes, TENSOCK_RANK_MAX), n, rank = ms_in_rank(op, 0);

	if (are_first_axes(axes, n_axes) && !ms_in(op, 1)->constant)
		return op->error ? op->error : ms_layer_tile_by(op, 1);
	n = ms_in_ints(op, 1, given, TENSOCK_RANK_MAX);
	if (n_axes < 0 || n < 0 || rank < 0)
		return op->error;
	if (n_axes != 0 && n_axes != n)
		return ms_invalid(op, "%d axes and %d multiples", n_axes, n);
	for (int i = 0; i < rank; i++)
		multiples[i] = 1;
	for (int i = 0; i < n; i++) {
		if (ms_in_axis(op, 0, n_axes ? axes[i] : i, &axis) < 0)
			return op->error;
		multiples[axis] = given[i];
	}
	return ms_layer_tile(op, multiples, (size_t)rank);
}

enum {
	PAD_PADDINGS = 0,
	PAD_MODE = 1,
	PAD_VALUE = 2,
};

/* The paddings are input 1, or, in older files, a field. */
int ms_op_pad(struct ms_op *op)
{
	int64_t paddings[2 * TENSOCK_RANK_MAX];
	double value = (double)fb_f32(&op->fields, PAD_VALUE, 0);
	int n = op->n_inputs > 1 ? ms_in_ints(op, 1, paddings, ARRAY_SIZE(paddings))
				 : ms_field_rows(op, PAD_PADDINGS, paddings, ARRAY_SIZE(paddings));

	if (n < 0)
		return n;
	if (op->n_inputs > 2 && ms_in_floats(op, 2, &value, 1) < 0)
		return op->error;
	return ms_layer_pad(op, paddings, (size_t)n, fb_u8(&op->fields, PAD_MODE, 0), value);
}

enum {
	DEPTH_BLOCK = 0,
	DEPTH_MODE = 2,
};

int ms_op_depth_to_space(struct ms_op *op)
{
	struct fb_vector mode = fb_string(&op->fields, DEPTH_MODE);
	bool is_crd = mode.n == 3 && memcmp(mode.bytes, "CRD", 3) == 0;

	if (mode.n && !is_crd && !(mode.n == 3 && memcmp(mode.bytes, "DCR", 3) == 0))
		return ms_unsupported(op, "its mode is neither DCR nor CRD");
	return ms_layer_depth_to_space(op, fb_i64(&op->fields, DEPTH_BLOCK, 0), is_crd);
}

int ms_op_space_to_depth(struct ms_op *op)
{
	return ms_layer_space_to_depth(op, fb_i64(&op->fields, DEPTH_BLOCK, 0));
}

enum {
	CROP_AXIS = 0,
	CROP_OFFSETS = 1,
};

int ms_op_crop(struct ms_op *op)
{
	int64_t offsets[TENSOCK_RANK_MAX];
	int n = ms_field_ints(op, CROP_OFFSETS, 8, offsets, TENSOCK_RANK_MAX);

	return n < 0 ? n : ms_layer_crop(op, fb_i64(&op->fields, CROP_AXIS, 0), offsets, (size_t)n);
}

enum {
	RESIZE_METHOD = 1,
	RESIZE_HEIGHT = 2,
	RESIZE_WIDTH = 3,
	RESIZE_PRESERVE_RATIO = 4,
	RESIZE_COORDINATES = 5,
	RESIZE_CUBIC_COEFF = 6,
	RESIZE_EXCLUDE_OUTSIDE = 7,
};

int ms_op_resize(struct ms_op *op)
{
	const struct ms_resize resize = {
		.method = fb_i8(&op->fields, RESIZE_METHOD, 0),
		.coordinates = fb_i8(&op->fields, RESIZE_COORDINATES, 0),
		.new_height = fb_i64(&op->fields, RESIZE_HEIGHT, 0),
		.new_width = fb_i64(&op->fields, RESIZE_WIDTH, 0),
		.cubic_coeff = (double)fb_f32(&op->fields, RESIZE_CUBIC_COEFF, 0),
		.exclude_outside = fb_i64(&op->fields, RESIZE_EXCLUDE_OUTSIDE, 0) != 0,
	};

	if (fb_bool(&op->fields, RESIZE_PRESERVE_RATIO, false))
		return ms_unsupported(op, "preserves the aspect ratio, which MindSpore Lite does "
					  "not do either");
	return ms_layer_resize(op, &resize);
}

int ms_op_glu(struct ms_op *op)
{
	struct onnx_value *x = ms_in(op, 0), *half[2];
	struct onnx_node *node;
	int64_t axis = fb_i64(&op->fields, 0, -1);

	if (ms_in_axis(op, 0, axis, &axis) < 0)
		return op->error;
	node = ONNX_NODE(op->graph, "Split", x);
	onnx_attr_int(op->graph, node, "axis", axis);
	onnx_attr_int(op->graph, node, "num_outputs", 2);
	for (int i = 0; i < 2; i++) {
		half[i] = onnx_out(op->graph, node, x->dtype);
		onnx_value_like(half[i], x);
		half[i]->dims[axis] = x->dims[axis] < 0 ? -1 : x->dims[axis] / 2;
	}
	return ms_out(op, 0,
		      emit_binary(op->graph, "Mul", half[0],
				  emit_unary(op->graph, "Sigmoid", half[1]), x->dtype));
}
