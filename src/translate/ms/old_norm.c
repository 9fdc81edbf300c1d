/* SPDX-License-Identifier: Apache-2.0 */
/* Normalisation, softmax, and what works by channels. */
#include "translate/ms/old_op.h"

enum {
	SOFTMAX_AXIS = 0,
};

enum {
	BATCH_NORM_EPSILON = 0,
};

enum {
	LAYER_NORM_SHAPE = 0,
	LAYER_NORM_EPSILON = 1,
};

enum {
	L2_NORM_AXIS = 0,
	L2_NORM_EPSILON = 1,
	L2_NORM_ACTIVATION = 2,
};

enum {
	LRN_ALPHA = 0,
	LRN_BETA = 1,
	LRN_BIAS = 2,
	LRN_SIZE = 3,
};

enum {
	LOCAL_RADIUS = 0,
	LOCAL_BIAS = 1,
	LOCAL_ALPHA = 2,
	LOCAL_BETA = 3,
};

enum {
	SCALE_AXIS = 0,
	SCALE_ACTIVATION = 1,
};

enum {
	PRELU_SHARED = 0,
	PRELU_SLOPE = 1,
};

#define EPSILON 1e-5F

int old_softmax(struct ms_op *op)
{
	int32_t absent = op->file->generation == MS_1_0 ? 0 : -1;

	return ms_layer_softmax(op, "Softmax", fb_i32(&op->fields, SOFTMAX_AXIS, absent));
}

int old_batch_norm(struct ms_op *op)
{
	return ms_layer_batch_norm(op, (double)fb_f32(&op->fields, BATCH_NORM_EPSILON, EPSILON));
}

int old_fused_batch_norm(struct ms_op *op)
{
	return ms_layer_fused_batch_norm(op,
					 (double)fb_f32(&op->fields, BATCH_NORM_EPSILON, EPSILON));
}

/* Behind a Nhwc2Nchw node, where the file says so and the scale does not speak against it. */
static bool is_nchw(struct ms_op *op)
{
	const struct onnx_value *x, *scale;

	if (ms_in_tensor(op, 0)->format != MS_FORMAT_NCHW || ms_in_rank(op, 0) != 4)
		return false;
	x = ms_in(op, 0);
	scale = ms_in(op, 1);
	return scale->rank == 1 && x->dims[1] == scale->dims[0];
}

int old_instance_norm(struct ms_op *op)
{
	double epsilon = (double)fb_f32(&op->fields, BATCH_NORM_EPSILON, EPSILON);

	if (!is_nchw(op))
		return op->error ? op->error : ms_layer_instance_norm(op, epsilon);
	ms_out(op, 0,
	       emit_instance_norm(op->graph, ms_in(op, 0), ms_in(op, 1), ms_in(op, 2), epsilon));
	return 0;
}

int old_layer_norm(struct ms_op *op)
{
	struct fb_vector shape = fb_vector(&op->fields, LAYER_NORM_SHAPE, 4);
	int rank = ms_in_rank(op, 0);

	if (rank < 0)
		return rank;
	/* Without, what it is depends on a layout that the runtime works out. */
	if (shape.n == 0)
		return ms_unsupported(op, "has no normalizedShape: convert the model by MindSpore "
					  "Lite 1.2 or later");
	if (shape.n > (uint32_t)rank)
		return ms_invalid(op, "normalises %u axes of %d", shape.n, rank);
	return ms_layer_layer_norm(op, rank - (int64_t)shape.n,
				   (double)fb_f32(&op->fields, LAYER_NORM_EPSILON, EPSILON));
}

int old_l2_norm(struct ms_op *op)
{
	int64_t axes[TENSOCK_RANK_MAX];
	float epsilon = fb_f32(&op->fields, L2_NORM_EPSILON, 0);
	int n = ms_field_ints(op, L2_NORM_AXIS, 4, axes, TENSOCK_RANK_MAX);
	unsigned activation;
	int r = n < 0 ? n : old_fused_activation(op, L2_NORM_ACTIVATION, &activation);

	if (r < 0)
		return r;
	return ms_layer_l2_normalize(op, axes, (size_t)n, epsilon < 1e-6F ? 1e-6 : (double)epsilon,
				     activation);
}

int old_lrn(struct ms_op *op)
{
	int32_t size = fb_i32(&op->fields, LRN_SIZE, 0);

	if (size < 1 || size % 2 == 0)
		return ms_unsupported(op, "its size is %d: odd ones from 1 on are run", size);
	return ms_layer_lrn(op, (size - 1) / 2, (double)fb_f32(&op->fields, LRN_BIAS, 1),
			    (double)fb_f32(&op->fields, LRN_ALPHA, 0.0001F) / size,
			    (double)fb_f32(&op->fields, LRN_BETA, 0.75F));
}

int old_local_response_norm(struct ms_op *op)
{
	return ms_layer_lrn(op, fb_i32(&op->fields, LOCAL_RADIUS, 0),
			    (double)fb_f32(&op->fields, LOCAL_BIAS, 0),
			    (double)fb_f32(&op->fields, LOCAL_ALPHA, 0),
			    (double)fb_f32(&op->fields, LOCAL_BETA, 0));
}

int old_scale(struct ms_op *op)
{
	unsigned activation;
	int r = old_fused_activation(op, SCALE_ACTIVATION, &activation);

	return r < 0 ? r : ms_layer_scale(op, fb_i32(&op->fields, SCALE_AXIS, 0), activation);
}

/* The slopes of a field: one, or one a channel. */
static struct onnx_value *slopes(struct ms_op *op, enum ms_layout layout)
{
	struct fb_vector field = fb_vector(&op->fields, PRELU_SLOPE, 4);
	uint32_t n = fb_bool(&op->fields, PRELU_SHARED, false) && field.n ? 1 : field.n;
	float *v = onnx_take(op->graph, n, sizeof(*v));
	const int64_t dims[] = { n, 1, 1 };

	for (uint32_t i = 0; v && i < n; i++)
		v[i] = fb_f32_at(&field, i);
	return onnx_constant(op->graph, TENSOCK_FLOAT32, dims, layout == MS_NCHW ? 3 : 1, v,
			     n * sizeof(*v));
}

static int check_channels(struct ms_op *op, const struct onnx_value *x, enum ms_layout layout,
			  const struct onnx_value *slope)
{
	int64_t n = x->rank < 1 ? -1 : x->dims[layout == MS_NCHW ? 1 : x->rank - 1];

	if (slope->dims[0] != 1 && n >= 0 && n != slope->dims[0])
		return ms_invalid(op, "%lld slopes for %lld channels", (long long)slope->dims[0],
				  (long long)n);
	return 0;
}

int old_prelu(struct ms_op *op)
{
	enum ms_layout layout;
	struct onnx_value *x, *slope, *ret;
	int r;

	if (op->n_inputs > 1)
		return ms_layer_prelu(op);
	if (fb_vector(&op->fields, PRELU_SLOPE, 4).n == 0)
		return ms_invalid(op, "has no slopes");
	layout = ms_layout(op, 1);
	x = ms_in_as(op, 0, layout);
	slope = slopes(op, layout);
	r = op->error ? op->error : check_channels(op, x, layout, slope);
	if (r < 0)
		return r;
	ret = ONNX_CALL(op->graph, "PRelu", x, slope);
	onnx_value_like(ret, x);
	ms_out_as(op, 0, ret, layout);
	return 0;
}
