/* SPDX-License-Identifier: Apache-2.0 */
#include "translate/mindir/mindir_op.h"

static struct onnx_value *mul(struct mindir_op *op, struct onnx_value *a, struct onnx_value *b)
{
	return emit_binary(op->graph, "Mul", a, b, a->dtype);
}

static struct onnx_value *add(struct mindir_op *op, struct onnx_value *a, struct onnx_value *b)
{
	return emit_binary(op->graph, "Add", a, b, a->dtype);
}

static struct onnx_value *refuse_training(struct mindir_op *op)
{
	return mindir_refuse(op, "it is in training mode: call net.set_train(False), then export "
				 "again");
}

/* BatchNorm(x, gamma, beta, mean, variance, is_training, epsilon, momentum, format) */
static struct onnx_value *batch_norm(struct mindir_op *op)
{
	struct onnx_value *x = mindir_in(op, 0), *ret[5] = { NULL };

	if (mindir_bool(op, 5, "is_training", false))
		return refuse_training(op);
	if (mindir_is_nhwc(op, 8))
		return mindir_refuse(op, "format NHWC is not translated: export the net in NCHW");
	ret[0] = emit_batch_norm(op->graph, x, mindir_in(op, 1), mindir_in(op, 2), mindir_in(op, 3),
				 mindir_in(op, 4), mindir_float(op, 6, "epsilon", 1e-5));
	return mindir_result_tuple(op, ret, 5);
}

/* BatchNormExt(x, weight, bias, mean, variance, training, momentum, epsilon); the first two may be None */
static struct onnx_value *batch_norm_ext(struct mindir_op *op)
{
	struct onnx_value *x = mindir_in(op, 0), *mean = mindir_in(op, 3), *ret[3] = { NULL };
	struct onnx_value *scale, *bias;

	if (mindir_bool(op, 5, "training", false))
		return refuse_training(op);
	if (mean->rank != 1 || mean->dims[0] < 0)
		return mindir_refuse(op, "the number of its channels is not known");
	scale = mindir_setting(op, 1, NULL) ? mindir_in(op, 1)
					    : mindir_filled(op, mean->dtype, 1, mean->dims[0]);
	bias = mindir_setting(op, 2, NULL) ? mindir_in(op, 2)
					   : mindir_filled(op, mean->dtype, 0, mean->dims[0]);
	ret[0] = emit_batch_norm(op->graph, x, scale, bias, mean, mindir_in(op, 4),
				 mindir_float(op, 7, "eps", 1e-5));
	return mindir_result_tuple(op, ret, 3);
}

/* (x - mean) / sqrt(variance + eps) over the axes; the mean and the variance as well */
struct moments {
	struct onnx_value *x, *mean, *variance, *rstd;
};

static struct moments normalised(struct mindir_op *op, struct onnx_value *x, const int64_t *axes,
				 size_t n, double eps)
{
	struct onnx_graph *graph = op->graph;
	struct moments m;

	m.mean = emit_reduce(graph, "ReduceMean", x, axes, n, true);
	m.x = emit_binary(graph, "Sub", x, m.mean, x->dtype);
	m.variance = emit_reduce(graph, "ReduceMean", mul(op, m.x, m.x), axes, n, true);
	m.rstd = emit_unary(graph, "Reciprocal",
			    emit_unary(graph, "Sqrt", emit_scalar(graph, "Add", m.variance, eps)));
	m.x = mul(op, m.x, m.rstd);
	return m;
}

static size_t axes_from(int64_t first, int rank, int64_t axes[static TENSOCK_RANK_MAX])
{
	size_t n = 0;

	for (int64_t i = first; i < rank; i++)
		axes[n++] = i;
	return n;
}

/* LayerNorm(x, gamma, beta, begin_norm_axis, begin_params_axis, epsilon): result, mean, variance */
static struct onnx_value *layer_norm(struct mindir_op *op)
{
	struct onnx_value *x = mindir_in_ranked(op, 0, 1, TENSOCK_RANK_MAX), *ret[3] = { NULL };
	struct onnx_value *gamma = mindir_in(op, 1), *beta = mindir_in(op, 2);
	int64_t axis = mindir_axis(op, 3, "begin_norm_axis", x->rank, 1);
	double eps = mindir_float(op, 5, "epsilon", 1e-7);
	int64_t axes[TENSOCK_RANK_MAX];
	struct moments m;

	if (op->error)
		return NULL;
	if (gamma->rank == x->rank - axis && !mindir_is_wanted(op, 1) && !mindir_is_wanted(op, 2)) {
		ret[0] = emit_layer_norm(op->graph, x, gamma, beta, axis, eps);
	} else {
		m = normalised(op, x, axes, axes_from(axis, x->rank, axes), eps);
		ret[0] = add(op, mul(op, m.x, gamma), beta);
		ret[1] = m.mean;
		ret[2] = m.variance;
	}
	return mindir_result_tuple(op, ret, 3);
}

/* LayerNormExt(x, normalized_shape, weight, bias, eps): result, mean, 1 / deviation */
static struct onnx_value *layer_norm_ext(struct mindir_op *op)
{
	struct onnx_value *x = mindir_in_ranked(op, 0, 1, TENSOCK_RANK_MAX), *ret[3] = { NULL };
	double eps = mindir_float(op, 4, "eps", 1e-5);
	int64_t shape[TENSOCK_RANK_MAX], axes[TENSOCK_RANK_MAX];
	int64_t n = (int64_t)mindir_ints(op, 1, "normalized_shape", shape, TENSOCK_RANK_MAX);
	struct moments m;

	if (n < 1 || n > x->rank)
		return mindir_broken(op, "normalized_shape has %lld dimensions", (long long)n);
	if (!mindir_is_wanted(op, 1) && !mindir_is_wanted(op, 2) && mindir_setting(op, 2, NULL)) {
		ret[0] = emit_layer_norm(op->graph, x, mindir_in(op, 2),
					 mindir_setting(op, 3, NULL) ? mindir_in(op, 3) : NULL,
					 x->rank - n, eps);
		return mindir_result_tuple(op, ret, 3);
	}
	m = normalised(op, x, axes, axes_from(x->rank - n, x->rank, axes), eps);
	ret[0] = m.x;
	if (mindir_setting(op, 2, NULL))
		ret[0] = mul(op, ret[0], mindir_in(op, 2));
	if (mindir_setting(op, 3, NULL))
		ret[0] = add(op, ret[0], mindir_in(op, 3));
	ret[1] = m.mean;
	ret[2] = m.rstd;
	return mindir_result_tuple(op, ret, 3);
}

/* RmsNorm(x, gamma, epsilon): result, 1 / root of the mean square */
static struct onnx_value *rms_norm(struct mindir_op *op)
{
	struct onnx_value *x = mindir_in(op, 0), *gamma = mindir_in(op, 1), *ret[2];
	int64_t axes[TENSOCK_RANK_MAX];
	struct onnx_value *mean;

	if (x->rank < 1 || gamma->rank < 1 || gamma->rank > x->rank)
		return mindir_refuse(op, "its inputs have %d and %d dimensions", x->rank,
				     gamma->rank);
	mean = emit_reduce(op->graph, "ReduceMean", mul(op, x, x), axes,
			   axes_from(x->rank - gamma->rank, x->rank, axes), true);
	mean = emit_scalar(op->graph, "Add", mean, mindir_float(op, 2, "epsilon", 1e-6));
	ret[1] = emit_unary(op->graph, "Reciprocal", emit_unary(op->graph, "Sqrt", mean));
	ret[0] = mul(op, mul(op, x, ret[1]), gamma);
	return mindir_result_tuple(op, ret, 2);
}

/* Each group of channels is normalised as one channel is by ONNX's InstanceNormalization. */
static struct onnx_value *by_groups(struct mindir_op *op, struct onnx_value *x, int64_t groups,
				    double eps)
{
	struct onnx_value *ret = emit_reshape(op->graph, x, (const int64_t[]){ 0, groups, -1 }, 3);

	ret = emit_instance_norm(op->graph, ret, mindir_filled(op, x->dtype, 1, groups),
				 mindir_filled(op, x->dtype, 0, groups), eps);
	return mindir_reshape_like(op, ret, x);
}

/* GroupNorm(x, num_groups, weight, bias, eps): result, mean, 1 / deviation */
static struct onnx_value *group_norm(struct mindir_op *op)
{
	struct onnx_value *x = mindir_in_ranked(op, 0, 3, TENSOCK_RANK_MAX), *ret[3] = { NULL };
	int64_t groups = mindir_int(op, 1, "num_groups", 1);

	if (groups < 1 || groups > x->dims[1])
		return mindir_broken(op, "%lld groups of %lld channels", (long long)groups,
				     (long long)x->dims[1]);
	ret[0] = by_groups(op, x, groups, mindir_float(op, 4, "eps", 1e-5));
	if (mindir_setting(op, 2, NULL))
		ret[0] = mul(op, ret[0], mindir_per_channel(op, mindir_in(op, 2), x->rank));
	if (mindir_setting(op, 3, NULL))
		ret[0] = add(op, ret[0], mindir_per_channel(op, mindir_in(op, 3), x->rank));
	return mindir_result_tuple(op, ret, 3);
}

/* InstanceNorm(x, gamma, beta, mean, variance): its statistics are x's own in any mode */
static struct onnx_value *instance_norm(struct mindir_op *op)
{
	struct onnx_value *ret[3] = { NULL };

	if (!mindir_bool(op, ONLY_NAMED, "is_training", true))
		return mindir_refuse(op, "with kept statistics it is not translated");
	ret[0] = emit_instance_norm(op->graph, mindir_in(op, 0), mindir_in(op, 1), mindir_in(op, 2),
				    mindir_float(op, ONLY_NAMED, "epsilon", 1e-5));
	return mindir_result_tuple(op, ret, 3);
}

/* x / sqrt(max(sum of squares, epsilon)) */
static struct onnx_value *l2_normalize(struct mindir_op *op)
{
	struct onnx_value *x = mindir_in(op, 0), *sum;
	int64_t axes[TENSOCK_RANK_MAX];
	size_t n = mindir_axes(op, ONLY_NAMED, "axis", x->rank, axes);

	sum = emit_reduce(op->graph, "ReduceSumSquare", x, axes, n, true);
	sum = emit_scalar(op->graph, "Max", sum, mindir_float(op, ONLY_NAMED, "epsilon", 1e-4));
	return emit_binary(op->graph, "Div", x, emit_unary(op->graph, "Sqrt", sum), x->dtype);
}

static struct onnx_value *lrn(struct mindir_op *op)
{
	int64_t radius = mindir_int(op, ONLY_NAMED, "depth_radius", 5);

	if (radius < 0 || radius > 1000)
		return mindir_broken(op, "depth_radius is %lld", (long long)radius);
	return emit_lrn(op->graph, mindir_in(op, 0), radius,
			mindir_float(op, ONLY_NAMED, "alpha", 1),
			mindir_float(op, ONLY_NAMED, "beta", 0.5),
			mindir_float(op, ONLY_NAMED, "bias", 1));
}

static struct onnx_value *dropout(struct mindir_op *op)
{
	struct onnx_value *ret[2] = { mindir_in(op, 0), NULL };

	if (mindir_float(op, ONLY_NAMED, "keep_prob", 0) != 1)
		return refuse_training(op);
	return mindir_result_tuple(op, ret, 2);
}

static struct onnx_value *random_numbers(struct mindir_op *op)
{
	return mindir_refuse(op, "random numbers are for training: call net.set_train(False), then "
				 "export again");
}

static const struct mindir_operator rows[] = {
	{ "BatchNorm", batch_norm, 5 },
	{ "BatchNormExt", batch_norm_ext, 5 },
	{ "LayerNorm", layer_norm, 3 },
	{ "LayerNormExt", layer_norm_ext, 2 },
	{ "RmsNorm", rms_norm, 2 },
	{ "GroupNorm", group_norm, 1 },
	{ "InstanceNorm", instance_norm, 3 },
	{ "L2Normalize", l2_normalize, 1 },
	{ "LRN", lrn, 1 },
	{ "Dropout", dropout, 1 },
	{ "Dropout2D", dropout, 1 },
	{ "Dropout3D", dropout, 1 },
	{ "DropoutExt", random_numbers, 0 },
	{ "DropoutGenMaskExt", random_numbers, 0 },
	{ "UniformReal", random_numbers, 0 },
	{ "UniformExt", random_numbers, 0 },
	{ "UniformInt", random_numbers, 0 },
	{ "StandardNormal", random_numbers, 0 },
	{ "NormalFloatFloat", random_numbers, 0 },
	{ "RandExt", random_numbers, 0 },
	{ "Randn", random_numbers, 0 },
};

const struct mindir_table mindir_norm_table = { rows, ARRAY_SIZE(rows) };
