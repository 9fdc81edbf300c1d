/* SPDX-License-Identifier: Apache-2.0 */
/* What changes shapes and moves no element, or all of them. */
#include "translate/ms/ms_layer.h"

#include <string.h>

#include "base/checked.h"

int ms_layer_identity(struct ms_op *op)
{
	ms_rename(op, 0);
	return 0;
}

/* Input 0 in any order that keeps its elements' order: NCHW of 1 × 1 is NHWC. */
static struct onnx_value *in_order(struct ms_op *op)
{
	const struct ms_tensor *tensor = ms_in_tensor(op, 0);
	const struct onnx_value *nchw = tensor->nchw;

	if (!tensor->plain && nchw && nchw->dims[2] == 1 && nchw->dims[3] == 1)
		return tensor->nchw;
	return ms_in(op, 0);
}

static int check_dims(struct ms_op *op, const int64_t *dims, size_t n, bool *ret_copies)
{
	unsigned n_open = 0;

	*ret_copies = false;
	for (size_t i = 0; i < n; i++) {
		n_open += dims[i] == -1;
		*ret_copies = *ret_copies || dims[i] == 0;
		if (dims[i] < -1)
			return ms_invalid(op, "its new shape has a dimension of %lld",
					  (long long)dims[i]);
	}
	if (n_open > 1 || n > TENSOCK_RANK_MAX)
		return ms_invalid(op, "its new shape has %zu dimensions, and %u of them open", n,
				  n_open);
	return 0;
}

/* A dimension of a new shape is the one of a value, which is known. */
static bool is_kept(int64_t dim, int64_t of_value)
{
	return of_value >= 0 && dim == of_value;
}

/*
 * What shuffles channels takes them apart, [N, H, W, C] to [N, H, W, groups, C / groups], and joins them
 * again.  Both are said of NCHW, so that the Transpose between is the only one.
 */
static bool split_channels(struct ms_op *op, const int64_t *dims, size_t n)
{
	static const int64_t to_plain[] = { 0, 3, 4, 1, 2 };
	const struct ms_tensor *tensor = ms_in_tensor(op, 0);
	struct onnx_value *x = tensor->nchw;
	int64_t channels;

	if (n != 5 || tensor->plain || !x || !is_kept(dims[1], x->dims[2]) ||
	    !is_kept(dims[2], x->dims[3]) || dims[3] < 1 || !tsk_mul(dims[3], dims[4], &channels) ||
	    !is_kept(channels, x->dims[1]))
		return false;
	x = emit_reshape(op->graph, x,
			 (const int64_t[]){ dims[0], dims[3], dims[4], dims[1], dims[2] }, 5);
	ms_out(op, 0, emit_transpose(op->graph, x, to_plain, 5));
	return true;
}

static bool join_channels(struct ms_op *op, const int64_t *dims, size_t n)
{
	static const int64_t to_channels_first[] = { 0, 3, 4, 1, 2 };
	struct onnx_value *x = ms_in_tensor(op, 0)->plain;
	int64_t channels;

	if (n != 4 || !x || x->rank != 5 || !x->maker || strcmp(x->maker->op, "Transpose") != 0 ||
	    !is_kept(dims[1], x->dims[1]) || !is_kept(dims[2], x->dims[2]) || x->dims[3] < 1 ||
	    !tsk_mul(x->dims[3], x->dims[4], &channels) || !is_kept(dims[3], channels))
		return false;
	x = emit_transpose(op->graph, x, to_channels_first, 5);
	ms_out_nchw(op, 0,
		    emit_reshape(op->graph, x,
				 (const int64_t[]){ dims[0], dims[3], dims[1], dims[2] }, 4));
	return true;
}

int ms_layer_reshape(struct ms_op *op, const int64_t *dims, size_t n)
{
	bool copies;
	int r = check_dims(op, dims, n, &copies);
	struct onnx_value *x;

	if (r < 0 || split_channels(op, dims, n) || join_channels(op, dims, n))
		return r;
	/* A dimension that is copied is the plain view's. */
	x = copies ? ms_in(op, 0) : in_order(op);
	return ms_out(op, 0, emit_reshape(op->graph, x, dims, (int)n));
}

int ms_layer_reshape_to(struct ms_op *op, unsigned i)
{
	struct onnx_value *shape = ms_in(op, i);
	int64_t dims[TENSOCK_RANK_MAX];

	if (shape->constant) {
		int n = ms_in_ints(op, i, dims, TENSOCK_RANK_MAX);

		return n < 0 ? n : ms_layer_reshape(op, dims, (size_t)n);
	}
	return ms_out(op, 0, emit_reshape_to(op->graph, ms_in(op, 0), shape));
}

int ms_layer_flatten(struct ms_op *op, int64_t axis)
{
	struct onnx_value *x, *ret;
	struct onnx_node *node;
	int64_t dims[] = { 1, 1 };
	int rank = ms_in_rank(op, 0);

	if (rank < 0)
		return rank;
	if (axis < -rank || axis > rank)
		return ms_invalid(op, "its axis is %lld, of %d dimensions", (long long)axis, rank);
	axis = axis < 0 ? axis + rank : axis;
	x = axis == 1 ? in_order(op) : ms_in(op, 0);
	node = ONNX_NODE(op->graph, "Flatten", x);
	ret = onnx_out(op->graph, node, x->dtype);
	onnx_attr_int(op->graph, node, "axis", axis);
	for (int i = 0; i < x->rank; i++) {
		int64_t *side = &dims[i >= axis];

		if (x->dims[i] < 0 || *side < 0 || !tsk_mul(*side, x->dims[i], side))
			*side = -1;
	}
	onnx_value_set_shape(ret, dims, 2);
	return ms_out(op, 0, ret);
}

int ms_layer_nhwc_to_nchw(struct ms_op *op)
{
	if (op->n_inputs > 0 && !ms_in_tensor(op, 0)->nchw && ms_in(op, 0)->rank != 4)
		return ms_layer_identity(op);
	return ms_out(op, 0, ms_in_nchw(op, 0));
}

int ms_layer_nchw_to_nhwc(struct ms_op *op)
{
	if (op->n_inputs > 0 && ms_in(op, 0)->rank != 4)
		return ms_layer_identity(op);
	return ms_out_nchw(op, 0, ms_in(op, 0));
}

static bool is_order(const int64_t *perm, size_t n, const int64_t wanted[4])
{
	return n == 4 && memcmp(perm, wanted, 4 * sizeof(*perm)) == 0;
}

/* Order perm of input 0, each axis once. */
static int transpose(struct ms_op *op, const int64_t *perm, size_t n)
{
	enum ms_layout layout = ms_layout(op, 1);
	int64_t inside[TENSOCK_RANK_MAX];
	bool seen[TENSOCK_RANK_MAX] = { false };

	for (size_t i = 0; i < n; i++) {
		if (perm[i] < 0 || perm[i] >= (int64_t)n || seen[perm[i]])
			return ms_invalid(op, "its order of axes names one twice, or none");
		seen[perm[i]] = true;
		inside[i] = ms_axis(layout, perm[i]);
	}
	return ms_out(op, 0, emit_transpose(op->graph, ms_in_as(op, 0, layout), inside, (int)n));
}

int ms_layer_transpose(struct ms_op *op, const int64_t *perm, size_t n)
{
	int64_t reversed[TENSOCK_RANK_MAX];
	int rank = ms_in_rank(op, 0);

	if (rank < 0)
		return rank;
	/* What is not of four dimensions is left as it is, by an order of four. */
	if (n == 4 && rank != 4)
		return ms_layer_identity(op);
	if (n == 0) {
		for (int i = 0; i < rank; i++)
			reversed[i] = rank - 1 - i;
		return transpose(op, reversed, (size_t)rank);
	}
	if (n != (size_t)rank)
		return ms_invalid(op, "its order has %zu axes, its input %d", n, rank);
	if (is_order(perm, n, ms_to_nchw))
		return ms_layer_nhwc_to_nchw(op);
	if (is_order(perm, n, ms_to_nhwc))
		return ms_layer_nchw_to_nhwc(op);
	return transpose(op, perm, n);
}

/* Without height and width, NCHW has the order of NHWC. */
enum ms_layout ms_layout_without(struct ms_op *op, const int64_t *axes, size_t n)
{
	bool height = false, width = false;

	for (size_t i = 0; i < n; i++) {
		height = height || axes[i] == 1;
		width = width || axes[i] == 2;
	}
	return height && width ? ms_layout(op, 1) : MS_PLAIN;
}

int ms_layer_squeeze(struct ms_op *op, const int64_t *axes, size_t n)
{
	int64_t places[TENSOCK_RANK_MAX] = { 0 };
	enum ms_layout layout;
	struct onnx_value *x;
	int r = ms_in_axes(op, axes, n, places);

	if (r < 0)
		return r;
	layout = ms_layout_without(op, places, n);
	x = ms_in_as(op, 0, layout);
	for (size_t i = 0; i < n; i++) {
		places[i] = ms_axis(layout, places[i]);
		if (x->dims[places[i]] > 1)
			return ms_invalid(op, "axis %lld has %lld elements instead of 1",
					  (long long)axes[i], (long long)x->dims[places[i]]);
	}
	if (n == 0 && x->rank < 0)
		return ms_in_rank(op, 0);
	return ms_out(op, 0, emit_squeeze(op->graph, x, places, n));
}

int ms_layer_unsqueeze(struct ms_op *op, const int64_t *axes, size_t n)
{
	bool seen[TENSOCK_RANK_MAX] = { false };
	int64_t places[TENSOCK_RANK_MAX];
	int rank = ms_in_rank(op, 0);

	if (rank < 0)
		return rank;
	if (n > TENSOCK_RANK_MAX || (size_t)rank + n > TENSOCK_RANK_MAX)
		return ms_unsupported(op, "gives more than %u dimensions", TENSOCK_RANK_MAX);
	rank += (int)n;
	for (size_t i = 0; i < n; i++) {
		places[i] = axes[i] < 0 && axes[i] >= -rank ? axes[i] + rank : axes[i];
		if (places[i] < 0 || places[i] >= rank || seen[places[i]])
			return ms_invalid(
				op, "its axis %lld is none of the result's, or is given twice",
				(long long)axes[i]);
		seen[places[i]] = true;
	}
	if (n == 0)
		return ms_layer_identity(op);
	return ms_out(op, 0, emit_unsqueeze(op->graph, ms_in(op, 0), places, n));
}

/* A constant of INT32, the type of MindSpore's shapes. */
static struct onnx_value *int32s(struct ms_op *op, const int64_t *v, uint32_t rank, size_t n)
{
	const int64_t dims[] = { (int64_t)n };
	int32_t small[TENSOCK_RANK_MAX];

	for (size_t i = 0; i < n; i++)
		small[i] = (int32_t)v[i];
	return onnx_constant(op->graph, TENSOCK_INT32, dims, rank,
			     onnx_copy(op->graph, small, n, sizeof(*small)), n * sizeof(*small));
}

static bool fit_int32(const struct onnx_value *x)
{
	for (int i = 0; i < x->rank; i++) {
		if (x->dims[i] > INT32_MAX)
			return false;
	}
	return onnx_value_is_fixed(x);
}

struct onnx_value *ms_shape_of(struct ms_op *op, unsigned i)
{
	enum ms_layout layout = MS_PLAIN;
	struct onnx_value *x, *ret;
	int64_t dims[TENSOCK_RANK_MAX];

	if (i < op->n_inputs && !ms_in_tensor(op, i)->plain && ms_in_tensor(op, i)->nchw)
		layout = MS_NCHW;
	x = ms_in_as(op, i, layout);
	if (fit_int32(x)) {
		for (int k = 0; k < x->rank; k++)
			dims[k] = x->dims[ms_axis(layout, k)];
		return int32s(op, dims, 1, (size_t)x->rank);
	}
	ret = emit_shape_of(op->graph, x);
	if (layout == MS_NCHW)
		ret = ONNX_CALL(op->graph, "Gather", ret, onnx_int64s(op->graph, ms_to_nhwc, 4));
	dims[0] = x->rank;
	onnx_value_set_shape(ret, dims, 1);
	return emit_cast(op->graph, ret, TENSOCK_INT32);
}

int ms_layer_shape(struct ms_op *op)
{
	return ms_out(op, 0, ms_shape_of(op, 0));
}

int ms_layer_rank(struct ms_op *op)
{
	int rank = ms_in_rank(op, 0);
	int64_t v = rank;

	return rank < 0 ? rank : ms_out(op, 0, int32s(op, &v, 0, 1));
}

int ms_layer_size(struct ms_op *op)
{
	struct onnx_value *x = ms_in_as(op, 0, ms_layout(op, 1));
	struct onnx_value *ret = ONNX_CALL(op->graph, "Size", x);

	ret->dtype = TENSOCK_INT64;
	onnx_value_set_shape(ret, NULL, 0);
	return ms_out(op, 0, emit_cast(op->graph, ret, TENSOCK_INT32));
}

int ms_layer_broadcast_to(struct ms_op *op, const int64_t *dims, size_t n)
{
	struct onnx_value *x = ms_in(op, 0), *ret;
	int64_t wanted[TENSOCK_RANK_MAX], known[TENSOCK_RANK_MAX];

	if (n > TENSOCK_RANK_MAX)
		return ms_unsupported(op, "gives more than %u dimensions", TENSOCK_RANK_MAX);
	for (size_t i = 0; i < n; i++) {
		int at = x->rank - (int)(n - i);

		if (dims[i] < -1)
			return ms_invalid(op, "its shape has a dimension of %lld",
					  (long long)dims[i]);
		/* -1 keeps the input's. */
		wanted[i] = dims[i] < 0 ? 1 : dims[i];
		known[i] = wanted[i] != 1 ? wanted[i] : at >= 0 && x->rank >= 0 ? x->dims[at] : 1;
	}
	ret = ONNX_CALL(op->graph, "Expand", x, onnx_int64s(op->graph, wanted, n));
	if (x->rank >= 0 && x->rank <= (int)n)
		onnx_value_set_shape(ret, known, (int)n);
	return ms_out(op, 0, ret);
}

int ms_layer_broadcast_as(struct ms_op *op, unsigned i)
{
	struct onnx_value *shape = ms_in(op, i);
	int64_t dims[TENSOCK_RANK_MAX];

	if (shape->constant) {
		int n = ms_in_ints(op, i, dims, TENSOCK_RANK_MAX);

		return n < 0 ? n : ms_layer_broadcast_to(op, dims, (size_t)n);
	}
	return ms_out(op, 0, ms_expanded(op, ms_in(op, 0), shape));
}
