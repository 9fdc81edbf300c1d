/* SPDX-License-Identifier: Apache-2.0 */
#include "translate/ms/ms_quant.h"

#include <float.h>
#include <string.h>

#include "base/status.h"

/* QuantParam: in all generations; 1.0 ends with INITED. */
enum {
	PARAM_SCALE = 0,
	PARAM_ZERO_POINT = 1,
	PARAM_BITS = 5,
	PARAM_INITED = 6,
	PARAM_VARIANCE = 7,
	PARAM_MEAN = 8,
};

/* Above it, the runtime takes a correction of the variance for none. */
#define VARIANCE_MAX 10.0F

/* A list of clusters has a place for each INT8. */
#define CLUSTER_OF_0 128

struct ms_quant_param ms_quant_param(const struct ms_tensor *tensor, uint32_t i)
{
	struct fb_table table = fb_table_at(&tensor->quant_params, i);

	return (struct ms_quant_param){
		/* MSL2's default; before, there was none, and each parameter has one. */
		.scale = fb_f64(&table, PARAM_SCALE, 1),
		.zero_point = fb_i32(&table, PARAM_ZERO_POINT, 0),
		.n_bits = fb_i32(&table, PARAM_BITS, 8),
		.is_set = fb_bool(&table, PARAM_INITED, false),
		.variance_factor = fb_f32(&table, PARAM_VARIANCE, 1),
		.mean_offset = fb_f32(&table, PARAM_MEAN, 0),
	};
}

static bool is_set(const struct ms_tensor *tensor)
{
	return tensor->quant_params.n > 0 && ms_quant_param(tensor, 0).is_set;
}

static bool is_small_int(uint32_t dtype)
{
	return dtype == TENSOCK_INT8 || dtype == TENSOCK_INT16 || dtype == TENSOCK_UINT8;
}

bool ms_quant_is_packed(const struct ms_tensor *tensor)
{
	int32_t bits;

	if (!tensor->data.n || !is_set(tensor) ||
	    (tensor->dtype != TENSOCK_INT8 && tensor->dtype != TENSOCK_INT16))
		return false;
	bits = ms_quant_param(tensor, 0).n_bits;
	return (bits > 0 && bits < 8) || (bits > 8 && bits < 16);
}

bool ms_quant_is_weight(const struct ms_tensor *tensor)
{
	if (!tensor->data.n)
		return false;
	if (tensor->clusters.n && tensor->dtype == TENSOCK_INT8 && tensor->quant_params.n <= 1)
		return true;
	/* INT32: biases. */
	return is_set(tensor) && (is_small_int(tensor->dtype) || tensor->dtype == TENSOCK_INT32);
}

bool ms_quant_is_activation(const struct ms_tensor *tensor)
{
	return !tensor->data.n && is_set(tensor) && is_small_int(tensor->dtype);
}

static bool is_activation_used(const struct ms_tensor *tensor)
{
	return (tensor->is_input || tensor->is_made) && ms_quant_is_activation(tensor);
}

static bool is_in_range(uint32_t dtype, int32_t zero_point)
{
	if (dtype == TENSOCK_UINT8)
		return zero_point >= 0 && zero_point <= UINT8_MAX;
	return zero_point >= INT8_MIN && zero_point <= INT8_MAX;
}

int ms_quant_check(const struct ms_file *file, struct tensock_error *reterr)
{
	for (uint32_t i = 0; i < file->n_tensors; i++) {
		const struct ms_tensor *tensor = &file->tensors[i];
		struct ms_quant_param param;

		if (!is_activation_used(tensor))
			continue;
		param = ms_quant_param(tensor, 0);
		if (tensor->dtype == TENSOCK_INT16 || tensor->quant_params.n > 1)
			return tsk_fail(reterr, TENSOCK_UNSUPPORTED,
					"tensor %u '%.*s' is quantised to 16 bits, or by channels: "
					"convert the model with its weights alone quantised",
					i, MS_TEXT(tensor->name));
		if (!(param.scale > 0 && param.scale <= (double)FLT_MAX) ||
		    !is_in_range(tensor->dtype, param.zero_point))
			return tsk_fail(reterr, TENSOCK_INVALID_MODEL,
					"tensor %u '%.*s' is quantised by a scale of %g and a zero "
					"point of %d",
					i, MS_TEXT(tensor->name), param.scale, param.zero_point);
	}
	return 0;
}

/* Digits up to a point: *at moves behind it. */
static unsigned version_part(struct onnx_text text, size_t *at)
{
	unsigned v = 0;

	for (; *at < text.len && text.bytes[*at] >= '0' && text.bytes[*at] <= '9' && v < 1000;
	     (*at)++)
		v = v * 10 + (unsigned)(text.bytes[*at] - '0');
	if (*at < text.len && text.bytes[*at] == '.')
		(*at)++;
	return v;
}

/* 1.6.0 is 1006; a file that names no version is of one before. */
static unsigned version_of(const struct ms_file *file)
{
	static const char name[] = "MindSpore Lite ";
	size_t at = sizeof(name) - 1;
	unsigned major;

	if (file->version.len < at || memcmp(file->version.bytes, name, at) != 0)
		return 0;
	major = version_part(file->version, &at);
	return major * 1000 + version_part(file->version, &at);
}

enum {
	SINCE_AXES = 1006,        /* before, the first axis, or the second of a product's */
	SINCE_DECONV_AXES = 1008, /* before, the first axis of a transposed convolution's weight */
};

/* Fields of MSL2 */
enum {
	MATMUL_TRANSPOSE_A = 0,
	MATMUL_TRANSPOSE_B = 1,
	DECONV_GROUP = 8,
	DECONV_IN = 9,
	DECONV_OUT = 10,
	GATHER_AXIS_INPUT = 2,
};

static int64_t matmul_axis(const struct ms_op *op, unsigned i, int64_t rank, unsigned version)
{
	bool by_columns;

	if (i > 1)
		return 0;
	by_columns = i == 0 ? fb_bool(&op->fields, MATMUL_TRANSPOSE_A, false)
			    : !fb_bool(&op->fields, MATMUL_TRANSPOSE_B, false);
	if (version < SINCE_AXES)
		return by_columns ? 1 : 0;
	return by_columns ? rank - 1 : rank - 2;
}

static int64_t deconv_axis(const struct ms_op *op, int64_t rank)
{
	int64_t group = fb_i64(&op->fields, DECONV_GROUP, 1);

	if (fb_i64(&op->fields, DECONV_IN, 0) == group &&
	    fb_i64(&op->fields, DECONV_OUT, 0) == group)
		return 0;
	return rank - 1;
}

/* The axis of input i along which each place has parameters of its own. */
static int64_t channel_axis(struct ms_op *op, unsigned i, int64_t rank)
{
	unsigned version = version_of(op->file);
	int64_t axis = 0;

	if (op->file->generation != MS_L2)
		return 0;
	if (strcmp(op->name, "MatMulFusion") == 0)
		return matmul_axis(op, i, rank, version);
	if (strcmp(op->name, "Conv2dTransposeFusion") == 0 && version >= SINCE_DECONV_AXES)
		return deconv_axis(op, rank);
	if (strcmp(op->name, "Gather") == 0 && version >= SINCE_AXES &&
	    op->n_inputs > GATHER_AXIS_INPUT && ms_in_ints(op, GATHER_AXIS_INPUT, &axis, 1) < 1)
		return -1;
	return axis;
}

/* One number a parameter, of which some is not `none`: else NULL. */
static struct onnx_value *numbers(struct ms_op *op, const struct ms_tensor *tensor,
				  int64_t rank_behind,
				  double (*number)(const struct ms_quant_param *), double none)
{
	uint32_t n = tensor->quant_params.n;
	int64_t dims[TENSOCK_RANK_MAX];
	float *v = onnx_take(op->graph, n, sizeof(*v));
	bool is_needed = false;

	for (uint32_t i = 0; i < TENSOCK_RANK_MAX; i++)
		dims[i] = i == 0 ? n : 1;
	for (uint32_t i = 0; v && i < n; i++) {
		struct ms_quant_param param = ms_quant_param(tensor, i);
		double x = number(&param);

		v[i] = (float)x;
		is_needed = is_needed || x != none;
	}
	if (!v || !is_needed)
		return NULL;
	return onnx_constant(op->graph, TENSOCK_FLOAT32, dims,
			     n == 1 ? 0 : (uint32_t)rank_behind + 1, v, n * sizeof(*v));
}

static double zero_point_of(const struct ms_quant_param *param)
{
	return param->zero_point;
}

static double scale_of(const struct ms_quant_param *param)
{
	return param->scale;
}

static double corrected_scale_of(const struct ms_quant_param *param)
{
	float factor = param->variance_factor;

	return param->scale * (factor >= 0 && factor <= VARIANCE_MAX ? (double)factor : 1);
}

static double mean_of(const struct ms_quant_param *param)
{
	return (double)param->mean_offset;
}

static struct onnx_value *with(struct ms_op *op, const char *onnx_op, struct onnx_value *x,
			       struct onnx_value *y)
{
	return y ? emit_binary(op->graph, onnx_op, x, y, TENSOCK_FLOAT32) : x;
}

/* Each integer is the place of a number in a list. */
static struct onnx_value *from_clusters(struct ms_op *op, const struct ms_tensor *tensor,
					struct onnx_value *integers)
{
	uint32_t n = tensor->clusters.n;
	float *v = onnx_take(op->graph, n, sizeof(*v));
	struct onnx_value *places, *ret;

	for (uint32_t i = 0; v && i < n; i++)
		v[i] = fb_f32_at(&tensor->clusters, i);
	places = emit_scalar(op->graph, "Add", emit_cast(op->graph, integers, TENSOCK_INT32),
			     CLUSTER_OF_0);
	ret = ONNX_CALL(op->graph, "Gather", onnx_floats(op->graph, v, v ? n : 0), places);
	onnx_value_like(ret, integers);
	return ret;
}

struct onnx_value *ms_quant_weight(struct ms_op *op, unsigned i, struct onnx_value *integers)
{
	const struct ms_tensor *tensor = ms_in_tensor(op, i);
	uint32_t n = tensor->quant_params.n;
	int64_t rank = integers->rank, axis = n > 1 ? channel_axis(op, i, rank) : 0;
	int64_t behind = rank - 1 - axis;
	struct onnx_value *x;

	if (tensor->clusters.n && n <= 1) {
		if (tensor->dtype == TENSOCK_INT8)
			return from_clusters(op, tensor, integers);
		ms_unsupported(op, "tensor %u '%.*s' has clusters, and elements that are not INT8",
			       tensor->number, MS_TEXT(tensor->name));
		return NULL;
	}
	if (n > 1 && (axis < 0 || axis >= rank || integers->dims[axis] != n)) {
		ms_invalid(op, "tensor %u '%.*s' is quantised by %u channels, which it has not",
			   tensor->number, MS_TEXT(tensor->name), n);
		return NULL;
	}
	x = emit_cast(op->graph, integers, TENSOCK_FLOAT32);
	x = with(op, "Sub", x, numbers(op, tensor, behind, zero_point_of, 0));
	if (n == 1)
		return with(op, "Mul", x, numbers(op, tensor, behind, scale_of, 1));
	x = with(op, "Mul", x, numbers(op, tensor, behind, corrected_scale_of, 1));
	return with(op, "Add", x, numbers(op, tensor, behind, mean_of, 0));
}

/*
 * How many steps of the scale a number is, in bounds: a float.  QuantizeLinear is not used: where it
 * stands behind a convolution, the runtime of ONNX would quantise the weights anew, and worse.
 */
static struct onnx_value *steps_of(struct onnx_graph *graph, const struct ms_tensor *tensor,
				   struct onnx_value *value)
{
	struct ms_quant_param param = ms_quant_param(tensor, 0);
	int lowest = tensor->dtype == TENSOCK_UINT8 ? 0 : INT8_MIN;
	int highest = tensor->dtype == TENSOCK_UINT8 ? UINT8_MAX : INT8_MAX;
	struct onnx_value *steps =
		emit_unary(graph, "Round", emit_scalar(graph, "Div", value, param.scale));

	return emit_clip(graph, steps, lowest - param.zero_point, highest - param.zero_point);
}

static struct onnx_value *rounded(struct onnx_graph *graph, const struct ms_tensor *tensor,
				  struct onnx_value *value)
{
	return emit_scalar(graph, "Mul", steps_of(graph, tensor, value),
			   ms_quant_param(tensor, 0).scale);
}

struct onnx_value *ms_quant_from(struct onnx_graph *graph, const struct ms_tensor *tensor,
				 struct onnx_value *value)
{
	struct ms_quant_param param;

	if (!ms_quant_is_activation(tensor))
		return value;
	param = ms_quant_param(tensor, 0);
	value = emit_cast(graph, value, TENSOCK_FLOAT32);
	if (param.zero_point)
		value = emit_scalar(graph, "Sub", value, param.zero_point);
	return emit_scalar(graph, "Mul", value, param.scale);
}

struct onnx_value *ms_quant_to(struct onnx_graph *graph, const struct ms_tensor *tensor,
			       struct onnx_value *value)
{
	int32_t zero_point;

	if (!ms_quant_is_activation(tensor))
		return value;
	zero_point = ms_quant_param(tensor, 0).zero_point;
	value = steps_of(graph, tensor, value);
	if (zero_point)
		value = emit_scalar(graph, "Add", value, zero_point);
	return emit_cast(graph, value, tensor->dtype);
}

int ms_quant_check_inputs(struct ms_op *op)
{
	for (unsigned i = 0; i < op->n_inputs && strcmp(op->name, "Cast") == 0; i++) {
		if (ms_quant_is_activation(ms_in_tensor(op, i)))
			return ms_unsupported(op,
					      "takes the integers of a quantised tensor for "
					      "numbers: convert the model with its weights alone "
					      "quantised");
	}
	return 0;
}

static int round_output(struct ms_op *op, struct ms_tensor *tensor)
{
	struct onnx_value **view = tensor->nchw ? &tensor->nchw : &tensor->plain;

	if (!*view)
		return 0;
	if ((*view)->dtype != TENSOCK_FLOAT32)
		return ms_unsupported(op, "gives a quantised tensor of no floating point: convert "
					  "the model with its weights alone quantised");
	*view = rounded(op->graph, tensor, *view);
	if (tensor->nchw)
		tensor->plain = NULL;
	return 0;
}

static bool takes_activation(struct ms_op *op)
{
	for (unsigned i = 0; i < op->n_inputs; i++) {
		if (ms_quant_is_activation(ms_in_tensor(op, i)))
			return true;
	}
	return false;
}

int ms_quant_round_outputs(struct ms_op *op)
{
	for (unsigned i = 0; i < op->n_outputs; i++) {
		struct ms_tensor *tensor = ms_out_tensor(op, i);
		int r = 0;

		if (ms_quant_is_activation(tensor))
			r = round_output(op, tensor);
		else if (is_small_int(tensor->dtype) && takes_activation(op))
			r = ms_unsupported(op, "gives integers that have no scale: convert the "
					       "model with its weights alone quantised");
		if (r < 0)
			return r;
	}
	return 0;
}

int ms_quant_cast(struct ms_op *op)
{
	const struct ms_tensor *to = op->n_outputs ? ms_out_tensor(op, 0) : NULL;
	const struct onnx_value *x = ms_in_as(op, 0, ms_layout(op, 1));

	if (op->error)
		return op->error;
	if (x->dtype != TENSOCK_FLOAT32)
		return ms_unsupported(op, "its input's integers have no scale");
	if (to && is_small_int(to->dtype) && !ms_quant_is_activation(to))
		return ms_unsupported(op, "its output's integers have no scale");
	ms_rename(op, 0);
	return 0;
}
