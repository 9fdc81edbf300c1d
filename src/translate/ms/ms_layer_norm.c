/* SPDX-License-Identifier: Apache-2.0 */
/* Normalisations, and what else goes along the channels. */
#include "translate/ms/ms_layer.h"

int ms_layer_bias_add(struct ms_op *op)
{
	return ms_layer_binary(op, "Add", ACTIVATION_NONE);
}

/* Input i, whose first axis stands at `axis` of input 0, to be broadcast against it. */
static struct onnx_value *aligned(struct ms_op *op, unsigned i, int64_t axis, int rank,
				  enum ms_layout layout)
{
	struct onnx_value *value = ms_in(op, i);
	int64_t ones[TENSOCK_RANK_MAX];
	int n_behind;

	if (op->error || value->rank < 1)
		return value;
	n_behind = rank - (int)axis - value->rank;
	if (n_behind < 0) {
		ms_invalid(op, "input %u has %d dimensions at axis %lld of %d", i, value->rank,
			   (long long)axis, rank);
		return value;
	}
	if (layout == MS_PLAIN && n_behind == 0)
		return value;
	for (int k = 0; k < n_behind; k++)
		ones[k] = value->rank + k;
	value = emit_unsqueeze(op->graph, value, ones, (size_t)n_behind);
	if (layout == MS_PLAIN)
		return value;
	for (int k = 0; k < (int)axis; k++)
		ones[k] = k;
	value = emit_unsqueeze(op->graph, value, ones, (size_t)axis);
	return emit_transpose(op->graph, value, ms_to_nchw, 4);
}

int ms_layer_scale(struct ms_op *op, int64_t axis, unsigned activation)
{
	enum ms_layout layout = ms_layout(op, 1);
	int rank = ms_in_rank(op, 0);
	struct onnx_value *x, *scale;

	if (rank < 0)
		return rank;
	if (ms_in_axis(op, 0, axis, &axis) < 0)
		return op->error;
	scale = aligned(op, 1, axis, rank, layout);
	x = ms_in_as(op, 0, layout);
	x = emit_binary(op->graph, "Mul", x, scale, x->dtype);
	if (op->n_inputs > 2)
		x = emit_binary(op->graph, "Add", x, aligned(op, 2, axis, rank, layout), x->dtype);
	return ms_layer_activated(op, x, layout, activation);
}

/* n times the same. */
static struct onnx_value *filled(struct ms_op *op, uint32_t dtype, int64_t n, double v)
{
	return ms_expanded(op, onnx_scalar(op->graph, dtype, v), onnx_int64s(op->graph, &n, 1));
}

/* By the formula: channels last, or of a rank that ONNX's operator does not have. */
static struct onnx_value *batch_norm_by_hand(struct ms_op *op, unsigned mean, double epsilon)
{
	struct onnx_graph *graph = op->graph;
	struct onnx_value *x = ms_in(op, 0), *variance = ms_in(op, mean + 1);
	struct onnx_value *factor =
		emit_unary(graph, "Reciprocal",
			   emit_unary(graph, "Sqrt", emit_scalar(graph, "Add", variance, epsilon)));

	x = emit_binary(graph, "Sub", x, ms_in(op, mean), x->dtype);
	if (mean > 1)
		factor = emit_binary(graph, "Mul", factor, ms_in(op, 1), x->dtype);
	x = emit_binary(graph, "Mul", x, factor, x->dtype);
	return mean > 1 ? emit_binary(graph, "Add", x, ms_in(op, 2), x->dtype) : x;
}

/* Inputs: x, perhaps scale and offset, then mean (which stands at `mean`) and variance. */
static int batch_norm(struct ms_op *op, unsigned mean, double epsilon)
{
	int rank = ms_in_rank(op, 0);
	struct onnx_value *x, *scale, *offset;
	enum ms_layout layout = rank == 4 ? MS_NCHW : MS_PLAIN;
	int64_t n;

	if (rank < 0)
		return rank;
	n = ms_in(op, mean)->rank == 1 ? ms_in(op, mean)->dims[0] : -1;
	if (n < 0)
		return ms_invalid(op, "its mean is no list of known length");
	if (rank != 2 && rank != 4)
		return ms_out(op, 0, batch_norm_by_hand(op, mean, epsilon));
	x = ms_in_as(op, 0, layout);
	scale = mean > 1 ? ms_in(op, 1) : filled(op, x->dtype, n, 1);
	offset = mean > 1 ? ms_in(op, 2) : filled(op, x->dtype, n, 0);
	return ms_out_as(op, 0,
			 emit_batch_norm(op->graph, x, scale, offset, ms_in(op, mean),
					 ms_in(op, mean + 1), epsilon),
			 layout);
}

int ms_layer_batch_norm(struct ms_op *op, double epsilon)
{
	return batch_norm(op, 1, epsilon);
}

int ms_layer_fused_batch_norm(struct ms_op *op, double epsilon)
{
	return batch_norm(op, 3, epsilon);
}

/* Dimension `axis` of input 0, of rank 4, as the file sees it: either view tells. */
static int64_t dim_of_image(struct ms_op *op, int axis)
{
	const struct ms_tensor *tensor = ms_in_tensor(op, 0);

	return tensor->plain ? tensor->plain->dims[axis]
			     : tensor->nchw->dims[ms_axis(MS_NCHW, axis)];
}

/* Channels are last of four, and second of three; unless the scale says that they are second of four. */
static enum ms_layout layout_of_channels(struct ms_op *op, int rank, int64_t n_channels)
{
	bool are_second =
		rank == 4 && dim_of_image(op, 3) != n_channels && dim_of_image(op, 1) == n_channels;

	return rank != 4 || are_second ? MS_PLAIN : MS_NCHW;
}

int ms_layer_instance_norm(struct ms_op *op, double epsilon)
{
	int rank = ms_in_rank(op, 0);
	struct onnx_value *scale = ms_in(op, 1), *offset = ms_in(op, 2), *x;
	enum ms_layout layout;

	if (op->error)
		return op->error;
	if (rank < 3 || scale->rank != 1 || offset->rank != 1)
		return ms_unsupported(op, "an input of %d dimensions, scaled by one of %d", rank,
				      scale->rank);
	layout = layout_of_channels(op, rank, scale->dims[0]);
	x = ms_in_as(op, 0, layout);
	return ms_out_as(op, 0, emit_instance_norm(op->graph, x, scale, offset, epsilon), layout);
}

/* Channels are second, where the converter puts them; unless the scale says that they are last. */
static enum ms_layout layout_of_groups(struct ms_op *op, int rank, int64_t n_channels)
{
	bool are_last =
		rank == 4 && dim_of_image(op, 1) != n_channels && dim_of_image(op, 3) == n_channels;

	return are_last ? MS_NCHW : MS_PLAIN;
}

int ms_layer_group_norm(struct ms_op *op, int64_t n_groups, double epsilon)
{
	struct onnx_graph *graph = op->graph;
	const int64_t grouped[] = { 0, n_groups, -1 };
	struct onnx_value *scale = ms_in(op, 1), *x, *ret;
	enum ms_layout layout;
	int64_t ones[TENSOCK_RANK_MAX];
	int rank = ms_in_rank(op, 0);

	if (op->error)
		return op->error;
	layout = layout_of_groups(op, rank, scale->dims[0]);
	x = ms_in_as(op, 0, layout);
	if (x->rank < 3 || n_groups < 1 || n_groups > ONNX_SMALL_MAX)
		return ms_unsupported(op, "an input of %d dimensions in %lld groups", x->rank,
				      (long long)n_groups);
	for (int i = 0; i < x->rank - 2; i++)
		ones[i] = i + 1;
	ret = emit_reshape(graph, x, grouped, 3);
	ret = emit_instance_norm(graph, ret, filled(op, x->dtype, n_groups, 1),
				 filled(op, x->dtype, n_groups, 0), epsilon);
	ret = emit_reshape_to(graph, ret, emit_shape_of(graph, x));
	onnx_value_like(ret, x);
	ret = emit_binary(graph, "Mul", ret,
			  emit_unsqueeze(graph, scale, ones, (size_t)x->rank - 2), x->dtype);
	ret = emit_binary(graph, "Add", ret,
			  emit_unsqueeze(graph, ms_in(op, 2), ones, (size_t)x->rank - 2), x->dtype);
	return ms_out_as(op, 0, ret, layout);
}

/* (x - mean) / sqrt(variance + epsilon) over the axes from begin on. */
static struct onnx_value *standardized(struct ms_op *op, struct onnx_value *x, int64_t begin,
				       double epsilon)
{
	struct onnx_graph *graph = op->graph;
	int64_t axes[TENSOCK_RANK_MAX];
	size_t n = 0;
	struct onnx_value *d, *variance;

	for (int64_t i = begin; i < x->rank; i++)
		axes[n++] = i;
	d = emit_binary(graph, "Sub", x, emit_reduce(graph, "ReduceMean", x, axes, n, true),
			x->dtype);
	variance = emit_reduce(graph, "ReduceMean", emit_binary(graph, "Mul", d, d, x->dtype), axes,
			       n, true);
	return emit_binary(graph, "Div", d,
			   emit_unary(graph, "Sqrt", emit_scalar(graph, "Add", variance, epsilon)),
			   x->dtype);
}

int ms_layer_layer_norm(struct ms_op *op, int64_t begin_axis, double epsilon)
{
	struct onnx_value *x = ms_in(op, 0), *ret;

	if (ms_in_axis(op, 0, begin_axis, &begin_axis) < 0)
		return op->error;
	if (op->n_inputs >= 3 && ms_in(op, 1)->rank == x->rank - begin_axis &&
	    ms_in(op, 2)->rank == ms_in(op, 1)->rank)
		return ms_out_as(op, 0,
				 emit_layer_norm(op->graph, x, ms_in(op, 1), ms_in(op, 2),
						 begin_axis, epsilon),
				 MS_PLAIN);
	ret = standardized(op, x, begin_axis, epsilon);
	if (op->n_inputs > 1)
		ret = emit_binary(op->graph, "Mul", ret, ms_in(op, 1), x->dtype);
	if (op->n_inputs > 2)
		ret = emit_binary(op->graph, "Add", ret, ms_in(op, 2), x->dtype);
	return ms_out(op, 0, ret);
}

int ms_layer_l2_normalize(struct ms_op *op, const int64_t *axes, size_t n, double epsilon,
			  unsigned activation)
{
	struct onnx_graph *graph = op->graph;
	enum ms_layout layout = ms_layout(op, 1);
	int64_t places[TENSOCK_RANK_MAX];
	struct onnx_value *x = ms_in_as(op, 0, layout), *sum;

	if (ms_in_axes(op, axes, n, places) < 0)
		return op->error;
	for (size_t i = 0; i < n; i++)
		places[i] = ms_axis(layout, places[i]);
	sum = emit_reduce(graph, "ReduceSumSquare", x, places, n, true);
	sum = emit_scalar(graph, "Max", sum, epsilon > 1e-6 ? epsilon : 1e-6);
	x = emit_binary(graph, "Div", x, emit_unary(graph, "Sqrt", sum), x->dtype);
	return ms_layer_activated(op, x, layout, activation);
}

int ms_layer_lrn(struct ms_op *op, int64_t radius, double bias, double alpha, double beta)
{
	struct onnx_value *x = ms_in_nchw(op, 0);

	if (radius < 0 || radius > INT32_MAX)
		return ms_invalid(op, "its radius is %lld", (long long)radius);
	return ms_out_nchw(op, 0, emit_lrn(op->graph, x, radius, alpha, beta, bias));
}

int ms_layer_softmax(struct ms_op *op, const char *onnx_op, int64_t axis)
{
	enum ms_layout layout = ms_layout(op, 1);
	struct onnx_value *x = ms_in_as(op, 0, layout);

	if (ms_in_axis(op, 0, axis, &axis) < 0)
		return op->error;
	return ms_out_as(op, 0, emit_along(op->graph, onnx_op, x, ms_axis(layout, axis)), layout);
}

int ms_layer_prelu(struct ms_op *op)
{
	enum ms_layout layout = ms_layout(op, 1);
	struct onnx_value *x = ms_in_as(op, 0, layout), *slope = ms_in_broadcast(op, 1, layout);
	struct onnx_value *ret = ONNX_CALL(op->graph, "PRelu", x, slope);

	onnx_value_like(ret, x);
	return ms_out_as(op, 0, ret, layout);
}
