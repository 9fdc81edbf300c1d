/* SPDX-License-Identifier: Apache-2.0 */
#include "translate/ms/ms_weight.h"

#include "tensor/shape.h"
#include "translate/ms/ms_coding.h"
#include "translate/ms/ms_quant.h"

/* The shape: the reader of the file left it to those who need it. */
static int read_shape(struct ms_op *op, const struct ms_tensor *tensor, int64_t *ret_dims)
{
	if (tensor->dtype == TENSOCK_DTYPE_INVALID)
		return ms_unsupported(op,
				      "tensor %u '%.*s' has elements of type %d, which is none "
				      "of numbers",
				      tensor->number, MS_TEXT(tensor->name), tensor->data_type);
	if (tensor->dims.n > TENSOCK_RANK_MAX)
		return ms_unsupported(op, "tensor %u '%.*s' has %u dimensions, above %u",
				      tensor->number, MS_TEXT(tensor->name), tensor->dims.n,
				      TENSOCK_RANK_MAX);
	for (uint32_t i = 0; i < tensor->dims.n; i++)
		ret_dims[i] = fb_int_at(&tensor->dims, i);
	return 0;
}

static struct onnx_value *dense(struct ms_op *op, const struct ms_tensor *tensor,
				const int64_t *dims)
{
	uint64_t wanted;

	if (tsk_shape_bytes(tensor->dtype, dims, tensor->dims.n, &wanted) < 0 ||
	    wanted != tensor->data.n) {
		ms_invalid(op, "tensor %u '%.*s' has %u bytes, which are not those of its shape",
			   tensor->number, MS_TEXT(tensor->name), tensor->data.n);
		return NULL;
	}
	return onnx_constant(op->graph, tensor->dtype, dims, tensor->dims.n, tensor->data.bytes,
			     tensor->data.n);
}

/* What the file holds, element by element. */
static struct onnx_value *stored(struct ms_op *op, const struct ms_tensor *tensor)
{
	int64_t dims[TENSOCK_RANK_MAX];

	if (read_shape(op, tensor, dims) < 0)
		return NULL;
	return ms_is_coded(tensor) ? ms_decoded(op, tensor, dims) : dense(op, tensor, dims);
}

/* Weights of half the size in a model that computes with floats: the runtime of ONNX widens them once. */
static bool is_halved(const struct ms_op *op, const struct ms_tensor *tensor)
{
	return tensor->dtype == TENSOCK_FLOAT16 && !op->file->is_half;
}

/* The numbers that the elements stand for. */
static struct onnx_value *numbers_of(struct ms_op *op, unsigned i, struct onnx_value *value,
				     enum ms_layout layout)
{
	const struct ms_tensor *tensor = ms_in_tensor(op, i);

	if (ms_quant_is_weight(tensor))
		return ms_quant_weight(op, i, value, layout);
	return is_halved(op, tensor) ? emit_cast(op->graph, value, TENSOCK_FLOAT32) : value;
}

struct onnx_value *ms_weight(struct ms_op *op, unsigned i)
{
	const struct ms_tensor *tensor = ms_in_tensor(op, i);
	struct onnx_value *value;

	if (!tensor->data.bytes) {
		ms_invalid(op, "tensor %u '%.*s' is read, but nothing makes it", tensor->number,
			   MS_TEXT(tensor->name));
		return NULL;
	}
	value = stored(op, tensor);
	return value ? numbers_of(op, i, value, MS_PLAIN) : NULL;
}

struct onnx_value *ms_weight_nchw(struct ms_op *op, unsigned i)
{
	static const int64_t to_nchw[] = { 0, 3, 1, 2 };
	const struct ms_tensor *tensor = ms_in_tensor(op, i);
	struct onnx_value *value;

	if (!tensor->data.bytes || tensor->plain || tensor->is_input || tensor->dims.n != 4 ||
	    (!ms_quant_is_weight(tensor) && !is_halved(op, tensor)))
		return NULL;
	value = stored(op, tensor);
	if (!value)
		return NULL;
	value = onnx_constant_transposed(op->graph, value, to_nchw);
	return numbers_of(op, i, value, MS_NCHW);
}
