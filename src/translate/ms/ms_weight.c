/* SPDX-License-Identifier: Apache-2.0 */
#include "translate/ms/ms_weight.h"

#include "tensor/shape.h"
#include "translate/ms/ms_quant.h"

static const char *const codings[] = {
	[MS_CODING_NONE] = NULL,
	[MS_CODING_INDEXING] = "INDEXING",
	[MS_CODING_SPARSE] = "SPARSE",
	[MS_CODING_FSE] = "FSE",
	[MS_CODING_BITPACKING] = "BITPACKING",
	[MS_CODING_FSE_INT] = "FSE_INT",
	[MS_CODING_FSE_INFER] = "FSE_INFER",
};

static int refuse_codings(struct ms_op *op, const struct ms_tensor *tensor)
{
	const char *coding = "of no known name";

	if (tensor->is_huffman)
		return ms_unsupported(op,
				      "tensor %u '%.*s' is coded by Huffman: convert the model "
				      "without compression of its weights",
				      tensor->number, MS_TEXT(tensor->name));
	if (tensor->coding == MS_CODING_NONE)
		return 0;
	if (tensor->coding > 0 && tensor->coding < (int32_t)ARRAY_SIZE(codings))
		coding = codings[tensor->coding];
	return ms_unsupported(op,
			      "tensor %u '%.*s' is compressed, its coding is %s (%d): "
			      "convert the model without compression of its weights",
			      tensor->number, MS_TEXT(tensor->name), coding, tensor->coding);
}

/* The shape, and that the bytes are its: the reader of the file left that to those who need it. */
static int check_shape(struct ms_op *op, const struct ms_tensor *tensor, int64_t *ret_dims)
{
	uint64_t wanted;

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
	if (tsk_shape_bytes(tensor->dtype, ret_dims, tensor->dims.n, &wanted) < 0 ||
	    wanted != tensor->data.n)
		return ms_invalid(op,
				  "tensor %u '%.*s' has %u bytes, which are not those of its shape",
				  tensor->number, MS_TEXT(tensor->name), tensor->data.n);
	return 0;
}

static struct onnx_value *dense(struct ms_op *op, const struct ms_tensor *tensor)
{
	int64_t dims[TENSOCK_RANK_MAX];

	if (check_shape(op, tensor, dims) < 0)
		return NULL;
	return onnx_constant(op->graph, tensor->dtype, dims, tensor->dims.n, tensor->data.bytes,
			     tensor->data.n);
}

/* Weights of half the size in a model that computes with floats: the runtime of ONNX widens them once. */
static bool is_halved(const struct ms_op *op, const struct ms_tensor *tensor)
{
	return tensor->dtype == TENSOCK_FLOAT16 && !op->file->is_half;
}

static struct onnx_value *widened(struct ms_op *op, struct onnx_value *value)
{
	return value ? emit_cast(op->graph, value, TENSOCK_FLOAT32) : NULL;
}

struct onnx_value *ms_weight(struct ms_op *op, unsigned i)
{
	const struct ms_tensor *tensor = ms_in_tensor(op, i);

	if (!tensor->data.bytes) {
		ms_invalid(op, "tensor %u '%.*s' is read, but nothing makes it", tensor->number,
			   MS_TEXT(tensor->name));
		return NULL;
	}
	if (refuse_codings(op, tensor) < 0)
		return NULL;
	if (ms_quant_is_weight(op, i))
		return ms_quant_weight(op, i, false);
	return is_halved(op, tensor) ? widened(op, dense(op, tensor)) : dense(op, tensor);
}

struct onnx_value *ms_weight_nchw(struct ms_op *op, unsigned i)
{
	static const int64_t to_nchw[] = { 0, 3, 1, 2 };
	const struct ms_tensor *tensor = ms_in_tensor(op, i);
	struct onnx_value *value;

	if (!tensor->data.bytes || tensor->plain || tensor->is_input)
		return NULL;
	if (ms_quant_is_weight(op, i))
		return refuse_codings(op, tensor) < 0 ? NULL : ms_quant_weight(op, i, true);
	if (!is_halved(op, tensor) || tensor->dims.n != 4 || refuse_codings(op, tensor) < 0)
		return NULL;
	value = dense(op, tensor);
	return value ? widened(op, onnx_constant_transposed(op->graph, value, to_nchw)) : NULL;
}
