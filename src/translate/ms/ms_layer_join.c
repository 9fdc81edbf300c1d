/* SPDX-License-Identifier: Apache-2.0 */
/* What puts tensors together and takes them apart. */
#include "translate/ms/ms_layer.h"

#include "base/checked.h"

int ms_layer_concat(struct ms_op *op, int64_t axis)
{
	enum ms_layout layout = ms_layout(op, op->n_inputs);
	struct onnx_value *all[ONNX_NODE_INPUTS_MAX];

	if (ms_in_axis(op, 0, axis, &axis) < 0)
		return op->error;
	for (unsigned i = 0; i < op->n_inputs; i++) {
		all[i] = ms_in_as(op, i, layout);
		if (op->error)
			return op->error;
	}
	if (op->n_inputs == 1)
		return ms_layer_identity(op);
	return ms_out_as(op, 0, emit_concat(op->graph, all, op->n_inputs, ms_axis(layout, axis)),
			 layout);
}

int ms_layer_stack(struct ms_op *op, int64_t axis)
{
	struct onnx_value *all[ONNX_NODE_INPUTS_MAX];
	int rank = ms_in_rank(op, 0), r = ms_in_new_axis(op, 0, axis, &axis);

	if (r < 0)
		return r;
	for (unsigned i = 0; i < op->n_inputs; i++) {
		if (ms_in(op, i)->rank != rank)
			return ms_invalid(op, "input %u has not the first one's %d dimensions", i,
					  rank);
		all[i] = emit_unsqueeze(op->graph, ms_in(op, i), &axis, 1);
	}
	if (op->n_inputs == 1)
		return ms_out(op, 0, all[0]);
	return ms_out(op, 0, emit_concat(op->graph, all, op->n_inputs, axis));
}

/* One node with all of the outputs: of these sizes along the axis, or, n 0, of equal ones. */
static struct onnx_node *split_node(struct ms_op *op, struct onnx_value *x, int64_t axis,
				    const int64_t *sizes, size_t n, struct onnx_value **ret)
{
	struct onnx_node *node =
		n ? ONNX_NODE(op->graph, "Split", x, onnx_int64s(op->graph, sizes, n))
		  : ONNX_NODE(op->graph, "Split", x);

	onnx_attr_int(op->graph, node, "axis", axis);
	if (n == 0)
		onnx_attr_int(op->graph, node, "num_outputs", op->n_outputs);
	for (unsigned i = 0; i < op->n_outputs; i++) {
		ret[i] = onnx_out(op->graph, node, x->dtype);
		onnx_value_like(ret[i], x);
		ret[i]->dims[axis] = n ? sizes[i] : -1;
	}
	return node;
}

/* Sizes that are all known, where the axis' length is. */
static int resolve_sizes(struct ms_op *op, int64_t length, const int64_t *sizes, size_t n,
			 int64_t *ret)
{
	int64_t sum = 0;
	size_t open = n;

	for (size_t i = 0; i < n; i++) {
		ret[i] = sizes[i];
		if (sizes[i] == -1 && open == n)
			open = i;
		else if (sizes[i] < 0 || !tsk_add(sum, sizes[i], &sum))
			return ms_invalid(op, "it has a part of %lld", (long long)sizes[i]);
	}
	if (open < n && length < 0)
		return ms_unsupported(op, "the length of what it splits is not known: convert the "
					  "model with fixed shapes");
	if (length >= 0 && (open < n ? sum > length : sum != length))
		return ms_invalid(op, "its parts are %lld long, the whole %lld", (long long)sum,
				  (long long)length);
	if (open < n)
		ret[open] = length - sum;
	return 0;
}

int ms_layer_split(struct ms_op *op, int64_t axis, const int64_t *sizes, size_t n)
{
	enum ms_layout layout = ms_layout(op, 1);
	struct onnx_value *x = ms_in_as(op, 0, layout), *parts[ONNX_NODE_INPUTS_MAX];
	int64_t own[ONNX_NODE_INPUTS_MAX];
	int r = ms_in_axis(op, 0, axis, &axis);

	if (r < 0)
		return r;
	if (n != 0 && n != op->n_outputs)
		return ms_invalid(op, "it has %zu sizes for %u outputs", n, op->n_outputs);
	axis = ms_axis(layout, axis);
	if (n == 0 && x->dims[axis] >= 0) {
		if (x->dims[axis] % op->n_outputs != 0)
			return ms_invalid(op, "%lld elements in %u equal parts",
					  (long long)x->dims[axis], op->n_outputs);
		n = op->n_outputs;
		for (size_t i = 0; i < n; i++)
			own[i] = x->dims[axis] / op->n_outputs;
	} else {
		r = resolve_sizes(op, x->dims[axis], sizes, n, own);
		if (r < 0)
			return r;
	}
	split_node(op, x, axis, own, n, parts);
	for (unsigned i = 0; i < op->n_outputs; i++)
		ms_out_as(op, i, parts[i], layout);
	return 0;
}

int ms_layer_unstack(struct ms_op *op, int64_t axis)
{
	struct onnx_value *x = ms_in(op, 0), *parts[ONNX_NODE_INPUTS_MAX];
	int64_t ones[ONNX_NODE_INPUTS_MAX];

	if (ms_in_axis(op, 0, axis, &axis) < 0)
		return op->error;
	if (x->dims[axis] >= 0 && x->dims[axis] != op->n_outputs)
		return ms_invalid(op, "%lld elements in %u outputs", (long long)x->dims[axis],
				  op->n_outputs);
	for (unsigned i = 0; i < op->n_outputs; i++)
		ones[i] = 1;
	split_node(op, x, axis, ones, op->n_outputs, parts);
	for (unsigned i = 0; i < op->n_outputs; i++)
		ms_out(op, i, emit_squeeze(op->graph, parts[i], &axis, 1));
	return 0;
}

int ms_layer_gather(struct ms_op *op, int64_t axis)
{
	struct onnx_value *x = ms_in(op, 0), *indices = ms_in(op, 1), *ret;
	int64_t dims[2 * TENSOCK_RANK_MAX];
	int rank = 0;
	struct onnx_node *node;

	if (ms_in_axis(op, 0, axis, &axis) < 0)
		return op->error;
	if (indices->dtype != TENSOCK_INT32 && indices->dtype != TENSOCK_INT64)
		indices = emit_cast(op->graph, indices, TENSOCK_INT64);
	node = ONNX_NODE(op->graph, "Gather", x, indices);
	ret = onnx_out(op->graph, node, x->dtype);
	onnx_attr_int(op->graph, node, "axis", axis);
	for (int i = 0; i < x->rank; i++) {
		if (i != axis)
			dims[rank++] = x->dims[i];
		for (int k = 0; i == axis && k < indices->rank; k++)
			dims[rank++] = indices->dims[k];
	}
	if (indices->rank >= 0)
		onnx_value_set_shape(ret, dims, rank);
	return ms_out(op, 0, ret);
}

int ms_layer_tile(struct ms_op *op, const int64_t *multiples, size_t n)
{
	enum ms_layout layout = ms_layout(op, 1);
	struct onnx_value *x = ms_in_as(op, 0, layout), *ret;
	int64_t repeats[TENSOCK_RANK_MAX], dims[TENSOCK_RANK_MAX];
	int rank = ms_in_rank(op, 0);

	if (rank < 0)
		return rank;
	if (n != (size_t)rank)
		return ms_invalid(op, "%zu multiples of %d dimensions", n, rank);
	for (size_t i = 0; i < n; i++) {
		if (multiples[i] < 0)
			return ms_invalid(op, "it repeats %lld times", (long long)multiples[i]);
		repeats[i] = multiples[i];
	}
	ms_axes_permute(layout, repeats, (unsigned)n);
	for (int i = 0; i < rank; i++) {
		if (x->dims[i] < 0 || !tsk_mul(x->dims[i], repeats[i], &dims[i]))
			dims[i] = -1;
	}
	ret = ONNX_CALL(op->graph, "Tile", x, onnx_int64s(op->graph, repeats, n));
	onnx_value_set_shape(ret, dims, rank);
	return ms_out_as(op, 0, ret, layout);
}

int ms_layer_tile_by(struct ms_op *op, unsigned i)
{
	struct onnx_value *x = ms_in(op, 0), *multiples = ms_in(op, i), *ret;
	int rank = ms_in_rank(op, 0);

	if (rank < 0)
		return rank;
	if (multiples->rank != 1 || multiples->dims[0] != rank)
		return ms_unsupported(op,
				      "its multiples are computed, and not one for each of %d "
				      "dimensions",
				      rank);
	ret = ONNX_CALL(op->graph, "Tile", x, emit_cast(op->graph, multiples, TENSOCK_INT64));
	onnx_value_set_shape(ret, NULL, rank);
	return ms_out(op, 0, ret);
}

enum {
	PAD_CONSTANT,
	PAD_REFLECT,
	PAD_SYMMETRIC,
};

/* The first or last n elements along an axis, turned round. */
static struct onnx_value *mirrored(struct ms_op *op, struct onnx_value *x, int64_t axis, int64_t n,
				   bool first)
{
	struct onnx_graph *graph = op->graph;
	const int64_t begin = first ? n - 1 : -1, end = first ? INT64_MIN : -n - 1, stride = -1;
	struct onnx_value *ret =
		ONNX_CALL(graph, "Slice", x, onnx_int64s(graph, &begin, 1),
			  onnx_int64s(graph, &end, 1), onnx_int64s(graph, &axis, 1),
			  onnx_int64s(graph, &stride, 1));

	onnx_value_like(ret, x);
	ret->dims[axis] = n;
	return ret;
}

/* SYMMETRIC, which ONNX does not have: the edge itself is repeated. */
static int pad_symmetric(struct ms_op *op, struct onnx_value *x, const int64_t *pads, int rank,
			 enum ms_layout layout)
{
	for (int i = 0; i < rank; i++) {
		struct onnx_value *parts[3];
		size_t n = 0;

		if (pads[i] < 0 || pads[rank + i] < 0 || pads[i] > INT32_MAX ||
		    pads[rank + i] > INT32_MAX ||
		    (x->dims[i] >= 0 && (pads[i] > x->dims[i] || pads[rank + i] > x->dims[i])))
			return ms_invalid(op, "it mirrors more than there is");
		if (pads[i] > 0)
			parts[n++] = mirrored(op, x, i, pads[i], true);
		parts[n++] = x;
		if (pads[rank + i] > 0)
			parts[n++] = mirrored(op, x, i, pads[rank + i], false);
		if (n > 1)
			x = emit_concat(op->graph, parts, n, i);
	}
	if (x == ms_in_as(op, 0, layout))
		return ms_layer_identity(op);
	return ms_out_as(op, 0, x, layout);
}

int ms_layer_pad(struct ms_op *op, const int64_t *paddings, size_t n, unsigned mode, double value)
{
	enum ms_layout layout = ms_layout(op, 1);
	struct onnx_value *x = ms_in_as(op, 0, layout), *ret;
	int64_t pads[2 * TENSOCK_RANK_MAX], dims[TENSOCK_RANK_MAX];
	int rank = ms_in_rank(op, 0);
	struct onnx_node *node;

	if (rank < 0)
		return rank;
	if (n != 2 * (size_t)rank || mode > PAD_SYMMETRIC)
		return ms_invalid(op, "%zu paddings of %d dimensions, in mode %u", n, rank, mode);
	for (int i = 0; i < rank; i++) {
		pads[i] = paddings[2 * i];
		pads[rank + i] = paddings[2 * i + 1];
	}
	ms_axes_permute(layout, pads, (unsigned)rank);
	ms_axes_permute(layout, pads + rank, (unsigned)rank);
	if (mode == PAD_SYMMETRIC)
		return pad_symmetric(op, x, pads, rank, layout);
	for (int i = 0; i < rank; i++) {
		if (x->dims[i] < 0 || !tsk_add(x->dims[i], pads[i], &dims[i]) ||
		    !tsk_add(dims[i], pads[rank + i], &dims[i]))
			dims[i] = -1;
	}
	node = ONNX_NODE(op->graph, "Pad", x, onnx_int64s(op->graph, pads, n));
	if (mode == PAD_CONSTANT)
		onnx_in(op->graph, node, onnx_scalar(op->graph, x->dtype, value));
	ret = onnx_out(op->graph, node, x->dtype);
	onnx_attr_text(op->graph, node, "mode", mode == PAD_CONSTANT ? "constant" : "reflect");
	onnx_value_set_shape(ret, dims, rank);
	return ms_out_as(op, 0, ret, layout);
}

/* "DepthToSpace", "SpaceToDepth": channels are moved, so it is in NCHW. */
static int move_depth(struct ms_op *op, const char *onnx_op, int64_t block, const char *mode)
{
	struct onnx_value *x = ms_in_nchw(op, 0), *ret;
	bool to_space = onnx_op[0] == 'D';
	int64_t dims[4];
	struct onnx_node *node;

	if (block < 1 || block > INT16_MAX)
		return ms_invalid(op, "blocks of %lld", (long long)block);
	node = ONNX_NODE(op->graph, onnx_op, x);
	ret = onnx_out(op->graph, node, x->dtype);
	onnx_attr_int(op->graph, node, "blocksize", block);
	if (mode)
		onnx_attr_text(op->graph, node, "mode", mode);
	for (int i = 0; i < 4; i++) {
		int64_t by = i == 0 ? 1 : i == 1 ? block * block : block;
		bool grows = (i == 1) != to_space;

		dims[i] = x->dims[i];
		if (dims[i] >= 0 && !grows)
			dims[i] /= by;
		else if (dims[i] >= 0 && !tsk_mul(dims[i], by, &dims[i]))
			dims[i] = -1;
	}
	onnx_value_set_shape(ret, dims, 4);
	return ms_out_nchw(op, 0, ret);
}

int ms_layer_depth_to_space(struct ms_op *op, int64_t block, bool column_first)
{
	return move_depth(op, "DepthToSpace", block, column_first ? "CRD" : "DCR");
}

int ms_layer_space_to_depth(struct ms_op *op, int64_t block)
{
	return move_depth(op, "SpaceToDepth", block, NULL);
}
