/* SPDX-License-Identifier: Apache-2.0 */
/* MSL2's normalisations: their fields. */
#include "translate/ms/ms_layer.h"
#include "translate/ms/ms_ops.h"

/* Field 0 of several: epsilon, and nothing else that matters. */
static double epsilon(struct ms_op *op, float absent)
{
	return (double)fb_f32(&op->fields, 0, absent);
}

enum {
	BATCH_NORM_IS_TRAINING = 2,
};

int ms_op_batch_norm(struct ms_op *op)
{
	if (fb_bool(&op->fields, BATCH_NORM_IS_TRAINING, false))
		return ms_refuse_training(op);
	return ms_layer_batch_norm(op, epsilon(op, 0));
}

int ms_op_fused_batch_norm(struct ms_op *op)
{
	return ms_layer_fused_batch_norm(op, epsilon(op, 0.0001f));
}

int ms_op_instance_norm(struct ms_op *op)
{
	return ms_layer_instance_norm(op, epsilon(op, 0));
}

enum {
	GROUP_NORM_GROUPS = 0,
	GROUP_NORM_EPSILON = 1,
};

int ms_op_group_norm(struct ms_op *op)
{
	return ms_layer_group_norm(op, fb_i64(&op->fields, GROUP_NORM_GROUPS, 0),
				   (double)fb_f32(&op->fields, GROUP_NORM_EPSILON, 1e-5f));
}

enum {
	LAYER_NORM_BEGIN_AXIS = 0,
	LAYER_NORM_EPSILON = 1,
};

int ms_op_layer_norm(struct ms_op *op)
{
	return ms_layer_layer_norm(op, fb_i64(&op->fields, LAYER_NORM_BEGIN_AXIS, 0),
				   (double)fb_f32(&op->fields, LAYER_NORM_EPSILON, 0.00001f));
}

enum {
	L2_NORMALIZE_AXIS = 0,
	L2_NORMALIZE_EPSILON = 1,
	L2_NORMALIZE_ACTIVATION = 2,
};

int ms_op_l2_normalize(struct ms_op *op)
{
	int64_t axes[TENSOCK_RANK_MAX];
	int n = ms_field_ints(op, L2_NORMALIZE_AXIS, 8, axes, TENSOCK_RANK_MAX);

	if (n < 0)
		return n;
	return ms_layer_l2_normalize(op, axes, (size_t)n,
				     (double)fb_f32(&op->fields, L2_NORMALIZE_EPSILON, 0),
				     fb_u8(&op->fields, L2_NORMALIZE_ACTIVATION, 0));
}

enum {
	LRN_RADIUS = 0,
	LRN_BIAS = 1,
	LRN_ALPHA = 2,
	LRN_BETA = 3,
};

int ms_op_lrn(struct ms_op *op)
{
	return ms_layer_lrn(op, fb_i64(&op->fields, LRN_RADIUS, 0),
			    (double)fb_f32(&op->fields, LRN_BIAS, 0),
			    (double)fb_f32(&op->fields, LRN_ALPHA, 0),
			    (double)fb_f32(&op->fields, LRN_BETA, 0));
}

enum {
	SCALE_AXIS = 0,
	SCALE_ACTIVATION = 1,
};

int ms_op_scale(struct ms_op *op)
{
	return ms_layer_scale(op, fb_i64(&op->fields, SCALE_AXIS, 0),
			      fb_u8(&op->fields, SCALE_ACTIVATION, 0));
}

/* A list of one axis. */
int ms_op_softmax(struct ms_op *op)
{
	struct fb_vector axes = fb_vector(&op->fields, 0, 8);

	if (axes.n > 1)
		return ms_unsupported(op, "runs over %u axes at once", axes.n);
	return ms_layer_softmax(op, "Softmax", axes.n ? fb_int_at(&axes, 0) : -1);
}

int ms_op_log_softmax(struct ms_op *op)
{
	return ms_layer_softmax(op, "LogSoftmax", fb_i64(&op->fields, 0, 0));
}
