/* SPDX-License-Identifier: Apache-2.0 */
#include "translate/ms/ms_quant.h"

#include <string.h>

#include "tensor/shape.h"

/* QuantParam */
enum {
	PARAM_SCALE = 0,
	PARAM_ZERO_POINT = 1,
	PARAM_NUM_BITS = 5,
	PARAM_INITED = 6,
	PARAM_VAR_CORR = 7,
	PARAM_MEAN_CORR = 8,
};

/* How many bytes of floats may be made of small integers, above as many as the file has. */
#define FLOATS_BASE ((size_t)24 << 20)

/* A correction of variance above this is none: the runtime takes 1. */
#define VAR_CORR_MAX 10.0f

struct channel {
	double scale;
	int32_t zero_point;
	float factor, term; /* varCorr, meanCorr */
};

/* A weight as it lies in the file. */
struct weight {
	const unsigned char *bytes;
	size_t n_bytes;
	unsigned bits;  /* of an element; below 32 they may be packed: from bit 0 of byte 0 on */
	bool is_packed; /* then they are stored with 2^(bits - 1) added */
	int64_t n, n_channels, inner; /* of n, element [outer][c][inner] is channel c's */
	const struct channel *channels;
	struct fb_vector
		clusters; /* n > 0: the values themselves, element -128 being the first's */
	int64_t planes, points,
		depth; /* as NCHW: [planes][points][depth] becomes [planes][depth][points] */
};

static struct fb_table first_param(const struct ms_tensor *tensor)
{
	return fb_table_at(&tensor->quant_params, 0);
}

static bool is_inited(const struct ms_tensor *tensor)
{
	struct fb_table param = first_param(tensor);

	return fb_is_there(&param) && fb_bool(&param, PARAM_INITED, false);
}

bool ms_quant_is_weight(struct ms_op *op, unsigned i)
{
	const struct ms_tensor *tensor = ms_in_tensor(op, i);
	bool is_integer = tensor->dtype == TENSOCK_INT8 || tensor->dtype == TENSOCK_INT16 ||
			  tensor->dtype == TENSOCK_INT32;

	if (!is_integer || !tensor->data.n || op->node->quant_type == MS_QUANT_NONE)
		return false;
	return is_inited(tensor) ||
	       (tensor->quant_params.n == 0 && tensor->clusters.n && tensor->dtype == TENSOCK_INT8);
}

static int64_t element(const struct weight *weight, size_t i)
{
	size_t width = weight->bits / 8, bit = i * weight->bits, at = bit / 8;
	uint64_t v = 0;

	if (!weight->is_packed) {
		for (size_t k = 0; k < width; k++)
			v |= (uint64_t)weight->bytes[i * width + k] << (8 * k);
		return (int64_t)(v << (64 - weight->bits)) >> (64 - weight->bits);
	}
	for (size_t k = 0; k < 3 && at + k < weight->n_bytes; k++)
		v |= (uint64_t)weight->bytes[at + k] << (8 * k);
	v = v >> (bit % 8) & (((uint64_t)1 << weight->bits) - 1);
	return (int64_t)v - ((int64_t)1 << (weight->bits - 1));
}

static float value_of(const struct weight *weight, size_t i)
{
	int64_t q = element(weight, i);
	const struct channel *channel;

	if (weight->clusters.n)
		return fb_f32_at(&weight->clusters, (uint32_t)(q + 128));
	channel = &weight->channels[(int64_t)i / weight->inner % weight->n_channels];
	return (float)((double)(q - channel->zero_point) * channel->scale *
			       (double)channel->factor +
		       (double)channel->term);
}

static void write_floats(const struct onnx_constant *constant, unsigned char *to)
{
	const struct weight *weight = constant->context;
	float v;

	for (int64_t p = 0; p < weight->planes; p++) {
		for (int64_t d = 0; d < weight->depth; d++) {
			for (int64_t i = 0; i < weight->points; i++) {
				v = value_of(weight,
					     (size_t)((p * weight->points + i) * weight->depth +
						      d));
				memcpy(to, &v, sizeof(v));
				to += sizeof(v);
			}
		}
	}
}

static bool is_operator(const struct ms_op *op, const char *name)
{
	return strcmp(op->name, name) == 0;
}

/* The dimension that has a parameter for each of its places. */
static int64_t channel_axis(struct ms_op *op, unsigned i, const int64_t *dims, int64_t rank)
{
	bool is_old = is_operator(op, "MatMul"), turned;

	if (is_operator(op, "MatMulFusion") || is_old) {
		turned = fb_bool(&op->fields, (is_old ? 1u : 0u) + (i == 0 ? 0u : 1u), false);
		/* The rows of the left side, the columns of the right. */
		return i == 0 ? rank - (turned ? 1 : 2) : rank - (turned ? 2 : 1);
	}
	if ((is_operator(op, "Conv2dTransposeFusion") || is_operator(op, "DeConv2D")) && i == 1 &&
	    rank == 4 && dims[3] != 1)
		return 3;
	return 0;
}

static int set_shape(struct ms_op *op, unsigned i, struct weight *weight,
		     struct onnx_constant *constant, int64_t *ret_axis)
{
	const struct ms_tensor *tensor = ms_in_tensor(op, i);
	uint32_t n = tensor->quant_params.n;
	int64_t axis, rank = tensor->dims.n;
	uint64_t n_elements;

	if (tensor->dims.n > TENSOCK_RANK_MAX)
		return ms_unsupported(op, "tensor %u has %u dimensions", tensor->number,
				      tensor->dims.n);
	constant->rank = tensor->dims.n;
	for (uint32_t k = 0; k < tensor->dims.n; k++)
		constant->dims[k] = fb_int_at(&tensor->dims, k);
	if (tsk_shape_elems(constant->dims, constant->rank, &n_elements) < 0)
		return ms_invalid(op, "tensor %u has a shape that none has", tensor->number);
	weight->n = weight->inner = (int64_t)n_elements;
	weight->n_channels = 1;
	*ret_axis = -1;
	if (n <= 1)
		return 0;
	axis = channel_axis(op, i, constant->dims, rank);
	if (axis < 0 || axis >= rank || constant->dims[axis] != n)
		return ms_invalid(
			op,
			"tensor %u has %u parameters of quantisation: its dimension %lld is "
			"not as long",
			tensor->number, n, (long long)axis);
	*ret_axis = axis;
	weight->n_channels = n;
	weight->inner = 1;
	for (int64_t k = axis + 1; k < rank; k++)
		weight->inner *= constant->dims[k];
	return 0;
}

/* How wide the elements are, and that all of them are there. */
static int set_width(struct ms_op *op, unsigned i, struct weight *weight)
{
	const struct ms_tensor *tensor = ms_in_tensor(op, i);
	struct fb_table param = first_param(tensor);
	int32_t bits = fb_is_there(&param) ? fb_i32(&param, PARAM_NUM_BITS, 8) : 8;
	unsigned width = tensor->dtype == TENSOCK_INT8    ? 8
			 : tensor->dtype == TENSOCK_INT16 ? 16
							  : 32;
	uint64_t wanted;

	weight->bits = width;
	weight->is_packed =
		width < 32 && bits >= 1 && bits < 16 && bits != 8 && bits < (int32_t)width;
	if (weight->is_packed)
		weight->bits = (unsigned)bits;
	if (__builtin_mul_overflow((uint64_t)weight->n, weight->bits, &wanted))
		return ms_invalid(op, "tensor %u has a shape that none has", tensor->number);
	/* Packed ones end with a whole element of the type. */
	wanted = (wanted + width - 1) / width * (width / 8);
	if (tensor->data.n != wanted)
		return ms_invalid(op,
				  "tensor %u '%.*s' has %u bytes, which are not those of its shape",
				  tensor->number, MS_TEXT(tensor->name), tensor->data.n);
	weight->bytes = tensor->data.bytes;
	weight->n_bytes = tensor->data.n;
	return 0;
}

static int set_channels(struct ms_op *op, unsigned i, struct weight *weight)
{
	const struct ms_tensor *tensor = ms_in_tensor(op, i);
	uint32_t n = tensor->quant_params.n;
	struct channel *channels;

	/* Clusters come with one parameter, or none. */
	if (tensor->clusters.n && n <= 1) {
		if (weight->bits != 8 || tensor->clusters.n < 256)
			return ms_unsupported(op, "tensor %u is of %u clusters, not of 256",
					      tensor->number, tensor->clusters.n);
		weight->clusters = tensor->clusters;
		return 0;
	}
	channels = onnx_take(op->graph, n, sizeof(*channels));
	if (!channels)
		return op->graph->failed;
	for (uint32_t k = 0; k < n; k++) {
		struct fb_table param = fb_table_at(&tensor->quant_params, k);
		float factor = fb_f32(&param, PARAM_VAR_CORR, 1);
		float term = fb_f32(&param, PARAM_MEAN_CORR, 0);
		bool is_corrected = n > 1 && factor >= 0 && factor <= VAR_CORR_MAX;

		channels[k].scale = fb_f64(&param, PARAM_SCALE, 1);
		channels[k].zero_point = fb_i32(&param, PARAM_ZERO_POINT, 0);
		channels[k].factor = is_corrected ? factor : 1;
		channels[k].term = n > 1 ? term : 0;
	}
	weight->channels = channels;
	return 0;
}

static void set_order(struct weight *weight, struct onnx_constant *constant, bool as_nchw)
{
	int64_t channels = constant->dims[3];

	weight->planes = weight->depth = 1;
	weight->points = weight->n;
	if (!as_nchw)
		return;
	weight->planes = constant->dims[0];
	weight->points = constant->dims[1] * constant->dims[2];
	weight->depth = channels;
	constant->dims[3] = constant->dims[2];
	constant->dims[2] = constant->dims[1];
	constant->dims[1] = channels;
}

/* Whether DequantizeLinear can say it. */
static bool is_linear(const struct weight *weight)
{
	if (weight->bits != 8 || weight->is_packed || weight->clusters.n)
		return false;
	for (int64_t i = 0; i < weight->n_channels; i++) {
		const struct channel *channel = &weight->channels[i];

		if (channel->zero_point < INT8_MIN || channel->zero_point > INT8_MAX ||
		    channel->term != 0)
			return false;
	}
	return true;
}

/* DequantizeLinear, with a list of scales and zero points where there is an axis. */
static struct onnx_value *dequantize_linear(struct onnx_graph *graph, struct onnx_value *value,
					    const struct channel *channels, int64_t n, int64_t axis)
{
	float *scales = onnx_take(graph, (size_t)n, sizeof(*scales));
	int8_t *zeros = onnx_take(graph, (size_t)n, sizeof(*zeros));
	struct onnx_node *node;
	struct onnx_value *ret;
	uint32_t rank = axis < 0 ? 0 : 1;

	if (!scales || !zeros)
		return value;
	for (int64_t i = 0; i < n; i++) {
		scales[i] = (float)(channels[i].scale * (double)channels[i].factor);
		zeros[i] = (int8_t)channels[i].zero_point;
	}
	node = ONNX_NODE(graph, "DequantizeLinear", value,
			 onnx_constant(graph, TENSOCK_FLOAT32, &n, rank, scales,
				       (size_t)n * sizeof(*scales)),
			 onnx_constant(graph, TENSOCK_INT8, &n, rank, zeros, (size_t)n));
	if (axis >= 0)
		onnx_attr_int(graph, node, "axis", axis);
	ret = onnx_out(graph, node, TENSOCK_FLOAT32);
	onnx_value_like(ret, value);
	return ret;
}

/* What is too large as floats. */
static struct onnx_value *as_it_is(struct ms_op *op, const struct weight *weight,
				   const struct onnx_constant *constant, int64_t axis, bool as_nchw)
{
	static const int64_t to_nchw[] = { 0, 3, 1, 2 };
	struct onnx_value *value = onnx_constant(op->graph, TENSOCK_INT8, constant->dims,
						 constant->rank, weight->bytes, weight->n_bytes);

	if (as_nchw)
		value = onnx_constant_transposed(op->graph, value, to_nchw);
	return dequantize_linear(op->graph, value, weight->channels, weight->n_channels,
				 axis < 0 || !as_nchw ? axis : ms_axis(MS_NCHW, axis));
}

struct onnx_value *ms_quant_weight(struct ms_op *op, unsigned i, bool as_nchw)
{
	struct onnx_constant constant = { .dtype = TENSOCK_FLOAT32, .write = write_floats };
	struct weight *weight = onnx_take(op->graph, 1, sizeof(*weight));
	size_t *n_floats = &op->file->n_dequantized;
	int64_t axis;

	if (!weight || set_shape(op, i, weight, &constant, &axis) < 0 ||
	    set_width(op, i, weight) < 0 || set_channels(op, i, weight) < 0)
		return NULL;
	if (as_nchw && constant.rank != 4) {
		ms_invalid(op, "input %u must have 4 dimensions, and has %u", i, constant.rank);
		return NULL;
	}
	if (*n_floats + (size_t)weight->n > (op->file->flatbuffer.n_bytes + FLOATS_BASE) / 4 &&
	    is_linear(weight))
		return as_it_is(op, weight, &constant, axis, as_nchw);
	*n_floats += (size_t)weight->n;
	set_order(weight, &constant, as_nchw);
	constant.context = weight;
	return onnx_constant_made(op->graph, &constant);
}

bool ms_quant_is_activation(const struct ms_tensor *tensor)
{
	return tensor->dtype == TENSOCK_INT8 && tensor->quant_params.n == 1 && !tensor->data.n &&
	       is_inited(tensor);
}

static struct channel channel_of(const struct ms_tensor *tensor)
{
	struct fb_table param = first_param(tensor);
	int32_t zero = fb_i32(&param, PARAM_ZERO_POINT, 0);

	return (struct channel){
		.scale = fb_f64(&param, PARAM_SCALE, 1),
		.zero_point = zero < INT8_MIN   ? INT8_MIN
			      : zero > INT8_MAX ? INT8_MAX
						: zero,
		.factor = 1,
	};
}

struct onnx_value *ms_quant_dequantize(struct onnx_graph *graph, const struct ms_tensor *tensor,
				       struct onnx_value *value)
{
	struct channel channel = channel_of(tensor);

	return dequantize_linear(graph, value, &channel, 1, -1);
}

struct onnx_value *ms_quant_quantize(struct onnx_graph *graph, const struct ms_tensor *tensor,
				     struct onnx_value *value)
{
	struct channel channel = channel_of(tensor);
	struct onnx_value *ret =
		ONNX_CALL(graph, "QuantizeLinear", value,
			  onnx_scalar(graph, TENSOCK_FLOAT32, channel.scale),
			  onnx_scalar(graph, TENSOCK_INT8, (double)channel.zero_point));

	ret->dtype = TENSOCK_INT8;
	onnx_value_like(ret, value);
	return ret;
}

void ms_quant_round_outputs(struct ms_op *op)
{
	for (unsigned i = 0; i < op->n_outputs; i++) {
		struct ms_tensor *tensor = ms_out_tensor(op, i);
		struct onnx_value **view = tensor->nchw ? &tensor->nchw : &tensor->plain;

		if (!*view || (*view)->dtype != TENSOCK_FLOAT32 || !ms_quant_is_activation(tensor))
			continue;
		*view = ms_quant_quantize(op->graph, tensor, *view);
		*view = ms_quant_dequantize(op->graph, tensor, *view);
		if (view == &tensor->nchw)
			tensor->plain = NULL;
	}
}
