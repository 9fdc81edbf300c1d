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

struct onnx_value *ms_weight(struct ms_op *op, unsigned i)
{
	const struct ms_tensor *tensor = ms_in_tensor(op, i);
	int64_t dims[TENSOCK_RANK_MAX];
	struct onnx_value *value;

	if (!tensor->data.bytes) {
		ms_invalid(op, "tensor %u '%.*s' is read, but nothing makes it", tensor->number,
			   MS_TEXT(tensor->name));
		return NULL;
	}
	if (read_shape(op, tensor, dims) < 0)
		return NULL;
	value = ms_is_coded(tensor) ? ms_decoded(op, tensor, dims) : dense(op, tensor, dims);
	if (value && ms_quant_is_weight(tensor))
		value = ms_quant_weight(op, i, value);
	/* In a model that computes with floats: the runtime of ONNX widens them once. */
	if (value && value->dtype == TENSOCK_FLOAT16 && !op->file->is_half)
		value = emit_cast(op->graph, value, TENSOCK_FLOAT32);
	return value;
}
