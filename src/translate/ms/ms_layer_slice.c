/* SPDX-License-Identifier: Apache-2.0 */
/* Parts of tensors, by ONNX's Slice. */
#include "translate/ms/ms_layer.h"

#include "base/checked.h"

/* How many elements from begin to end by steps of stride, of length; -1 where that is not known. */
static int64_t slice_length(int64_t begin, int64_t end, int64_t stride, int64_t length)
{
	int64_t lowest = stride < 0 ? -1 : 0, highest = stride < 0 ? length - 1 : length, n;

	if (length < 0 || stride == 0 || stride == INT64_MIN)
		return -1;
	if (length == 0)
		return 0;
	begin = begin < 0 ? (begin < -length ? lowest : begin + length) : begin;
	end = end < 0 ? (end < -length ? lowest : end + length) : end;
	begin = begin < lowest ? lowest : begin > highest ? highest : begin;
	end = end < lowest ? lowest : end > highest ? highest : end;
	n = stride > 0 ? end - begin : begin - end;
	stride = stride > 0 ? stride : -stride;
	return n <= 0 ? 0 : (n - 1) / stride + 1;
}

/* By constants, along n axes of x as it is. */
static struct onnx_value *slice(struct ms_op *op, struct onnx_value *x, const int64_t *axes,
				const int64_t *begin, const int64_t *end, const int64_t *strides,
				size_t n)
{
	struct onnx_graph *graph = op->graph;
	struct onnx_value *ret = ONNX_CALL(graph, "Slice", x, onnx_int64s(graph, begin, n),
					   onnx_int64s(graph, end, n), onnx_int64s(graph, axes, n),
					   onnx_int64s(graph, strides, n));

	onnx_value_like(ret, x);
	for (size_t i = 0; i < n && x->rank >= 0; i++)
		ret->dims[axes[i]] = slice_length(begin[i], end[i], strides[i], x->dims[axes[i]]);
	return ret;
}

int ms_layer_slice(struct ms_op *op, const int64_t *axes, const int64_t *begin, const int64_t *size,
		   size_t n)
{
	enum ms_layout layout = ms_layout(op, 1);
	struct onnx_value *x = ms_in_as(op, 0, layout);
	int64_t places[TENSOCK_RANK_MAX], end[TENSOCK_RANK_MAX], strides[TENSOCK_RANK_MAX];
	int r = ms_in_axes(op, axes, n, places);

	if (r < 0)
		return r;
	if (n == 0)
		return ms_layer_identity(op);
	for (size_t i = 0; i < n; i++) {
		if (size[i] < -1 || begin[i] < 0)
			return ms_invalid(op, "it takes %lld elements from element %lld on",
					  (long long)size[i], (long long)begin[i]);
		if (size[i] == -1 || !tsk_add(begin[i], size[i], &end[i]))
			end[i] = INT64_MAX;
		places[i] = ms_axis(layout, places[i]);
		strides[i] = 1;
	}
	return ms_out_as(op, 0, slice(op, x, places, begin, end, strides, n), layout);
}

int ms_layer_reverse(struct ms_op *op, const int64_t *axes, size_t n)
{
	enum ms_layout layout = ms_layout(op, 1);
	struct onnx_value *x = ms_in_as(op, 0, layout);
	int64_t places[TENSOCK_RANK_MAX], begin[TENSOCK_RANK_MAX], end[TENSOCK_RANK_MAX];
	int64_t strides[TENSOCK_RANK_MAX];
	int r = ms_in_axes(op, axes, n, places);

	if (r < 0)
		return r;
	if (n == 0)
		return ms_layer_identity(op);
	for (size_t i = 0; i < n; i++) {
		places[i] = ms_axis(layout, places[i]);
		begin[i] = -1;
		end[i] = INT64_MIN;
		strides[i] = -1;
	}
	return ms_out_as(op, 0, slice(op, x, places, begin, end, strides, n), layout);
}

int ms_layer_reverse_sequence(struct ms_op *op, int64_t time_axis, int64_t batch_axis)
{
	struct onnx_value *x = ms_in(op, 0), *ret;
	struct onnx_node *node;

	if (ms_in_axis(op, 0, time_axis, &time_axis) < 0 ||
	    ms_in_axis(op, 0, batch_axis, &batch_axis) < 0)
		return op->error;
	if (time_axis > 1 || batch_axis > 1 || time_axis == batch_axis)
		return ms_unsupported(op, "axes %lld and %lld: only the first two are covered",
				      (long long)time_axis, (long long)batch_axis);
	node = ONNX_NODE(op->graph, "ReverseSequence", x,
			 emit_cast(op->graph, ms_in(op, 1), TENSOCK_INT64));
	ret = onnx_out(op->graph, node, x->dtype);
	onnx_attr_int(op->graph, node, "time_axis", time_axis);
	onnx_attr_int(op->graph, node, "batch_axis", batch_axis);
	onnx_value_like(ret, x);
	return ms_out(op, 0, ret);
}

/* Input 0 from offsets on, as much as input 1 has, along the axes from `axis` on. */
int ms_layer_crop(struct ms_op *op, int64_t axis, const int64_t *offsets, size_t n)
{
	int64_t axes[TENSOCK_RANK_MAX], begin[TENSOCK_RANK_MAX], size[TENSOCK_RANK_MAX];
	enum ms_layout layout = ms_layout(op, 2);
	const struct onnx_value *like = ms_in_as(op, 1, layout);
	int rank = ms_in_rank(op, 0);
	size_t n_axes = 0;

	if (rank < 0 || ms_in_axis(op, 0, axis, &axis) < 0)
		return op->error;
	if (like->rank != rank || (n > 1 && n != (size_t)(rank - axis)))
		return ms_invalid(op, "%zu offsets, from axis %lld of %d on", n, (long long)axis,
				  rank);
	for (int64_t i = axis; i < rank; i++) {
		axes[n_axes] = i;
		begin[n_axes] = n == 0 ? 0 : n == 1 ? offsets[0] : offsets[i - axis];
		size[n_axes] = like->dims[ms_axis(layout, i)];
		if (size[n_axes++] < 0)
			return ms_unsupported(op, "the size is not known: convert the model with "
						  "fixed shapes");
	}
	return ms_layer_slice(op, axes, begin, size, n_axes);
}

/* A strided slice, on its way from the file's terms to ONNX's. */
struct terms {
	int64_t axes[TENSOCK_RANK_MAX], begin[TENSOCK_RANK_MAX], end[TENSOCK_RANK_MAX];
	int64_t strides[TENSOCK_RANK_MAX];
	size_t n;
	int64_t added[TENSOCK_RANK_MAX], gone[TENSOCK_RANK_MAX]; /* axes of the result */
	size_t n_added, n_gone;
};

static bool has_bit(uint32_t mask, size_t i)
{
	return mask >> (i & 31) & 1;
}

/* How many of the terms name an axis of the input. */
static size_t count_axes(const struct ms_strided_slice *slice)
{
	size_t n = 0;

	for (size_t i = 0; i < slice->n; i++)
		n += !has_bit(slice->new_axis_mask, i) && !has_bit(slice->ellipsis_mask, i);
	return n;
}

/* One axis of the input: term i. */
static void add_term(struct terms *terms, const struct ms_strided_slice *slice, size_t i,
		     int64_t axis)
{
	int64_t stride = slice->strides[i];

	terms->axes[terms->n] = axis;
	terms->begin[terms->n] =
		has_bit(slice->begin_mask, i) ? (stride < 0 ? INT64_MAX : 0) : slice->begin[i];
	terms->end[terms->n] = !has_bit(slice->end_mask, i) ? slice->end[i]
			       : stride < 0                 ? INT64_MIN
							    : INT64_MAX;
	terms->strides[terms->n] = stride;
	if (has_bit(slice->shrink_axis_mask, i)) {
		terms->begin[terms->n] = slice->begin[i];
		terms->end[terms->n] = slice->begin[i] == -1
					       ? INT64_MAX
					       : (int64_t)((uint64_t)slice->begin[i] + 1);
		terms->strides[terms->n] = 1;
		terms->gone[terms->n_gone++] = axis;
	}
	terms->n++;
}

static int read_terms(struct ms_op *op, const struct ms_strided_slice *slice, int rank,
		      struct terms *terms)
{
	size_t n_axes = count_axes(slice);
	int64_t axis = 0, result = 0;

	if (n_axes > (size_t)rank || slice->n > TENSOCK_RANK_MAX)
		return ms_invalid(op, "it slices %zu of %d dimensions", n_axes, rank);
	for (size_t i = 0; i < slice->n; i++) {
		if (has_bit(slice->ellipsis_mask, i)) {
			axis += rank - (int64_t)n_axes;
			result += rank - (int64_t)n_axes;
			n_axes = (size_t)rank; /* a second one stands for nothing */
		} else if (has_bit(slice->new_axis_mask, i)) {
			terms->added[terms->n_added++] = result++;
		} else {
			if (slice->strides[i] == 0)
				return ms_invalid(op, "it has a stride of 0");
			add_term(terms, slice, i, axis++);
			result += !has_bit(slice->shrink_axis_mask, i);
		}
	}
	return 0;
}

static bool changes(const struct terms *terms)
{
	for (size_t i = 0; i < terms->n; i++) {
		if (terms->begin[i] != 0 || terms->end[i] != INT64_MAX || terms->strides[i] != 1)
			return true;
	}
	return false;
}

int ms_layer_strided_slice(struct ms_op *op, const struct ms_strided_slice *by)
{
	struct terms terms = { 0 };
	int rank = ms_in_rank(op, 0), r;
	enum ms_layout layout;
	struct onnx_value *x;

	if (rank < 0)
		return rank;
	r = read_terms(op, by, rank, &terms);
	if (r < 0)
		return r;
	if (rank - (int)terms.n_gone + (int)terms.n_added > (int)TENSOCK_RANK_MAX)
		return ms_unsupported(op, "gives more than %u dimensions", TENSOCK_RANK_MAX);
	layout = terms.n_added || terms.n_gone ? MS_PLAIN : ms_layout(op, 1);
	x = ms_in_as(op, 0, layout);
	for (size_t i = 0; i < terms.n; i++)
		terms.axes[i] = ms_axis(layout, terms.axes[i]);
	if (changes(&terms))
		x = slice(op, x, terms.axes, terms.begin, terms.end, terms.strides, terms.n);
	if (terms.n_gone)
		x = emit_squeeze(op->graph, x, terms.gone, terms.n_gone);
	if (terms.n_added)
		x = emit_unsqueeze(op->graph, x, terms.added, terms.n_added);
	if (x == ms_in_as(op, 0, layout))
		return ms_layer_identity(op);
	return ms_out_as(op, 0, x, layout);
}

/* By tensors that are computed; ONNX's Slice then does it as it is. */
int ms_layer_slice_computed(struct ms_op *op, struct onnx_value *begin, struct onnx_value *end,
			    struct onnx_value *axes, struct onnx_value *strides)
{
	struct onnx_value *x = ms_in(op, 0), *ret;

	ret = ONNX_CALL(op->graph, "Slice", x, emit_cast(op->graph, begin, TENSOCK_INT64),
			emit_cast(op->graph, end, TENSOCK_INT64),
			axes ? emit_cast(op->graph, axes, TENSOCK_INT64) : NULL,
			strides ? emit_cast(op->graph, strides, TENSOCK_INT64) : NULL);
	onnx_value_set_shape(ret, NULL, x->rank);
	return ms_out(op, 0, ret);
}

int ms_layer_slice_sized(struct ms_op *op, const int64_t *axes, size_t n)
{
	struct onnx_graph *graph = op->graph;
	struct onnx_value *begin = emit_cast(graph, ms_in(op, 1), TENSOCK_INT64);
	struct onnx_value *size = emit_cast(graph, ms_in(op, 2), TENSOCK_INT64), *end, *to_end;
	int64_t places[TENSOCK_RANK_MAX];
	int r = ms_in_axes(op, axes, n, places);

	if (r < 0)
		return r;
	to_end = emit_binary(graph, "Equal", size, onnx_int64(graph, -1), TENSOCK_BOOL);
	end = emit_binary(graph, "Add", begin, size, TENSOCK_INT64);
	end = emit_where(graph, to_end, onnx_int64(graph, INT64_MAX), end);
	return ms_layer_slice_computed(op, begin, end, onnx_int64s(graph, places, n), NULL);
}
