/* SPDX-License-Identifier: Apache-2.0 */
/* Space to batch and back: in NCHW, where the convolutions between them are. */
#include "translate/ms/ms_layer.h"

/* Block and picture, all of which must be known: sizes that no product of these overflows. */
static int check_blocks(struct ms_op *op, const struct onnx_value *x, const int64_t *block,
			const int64_t *pads)
{
	for (int i = 0; i < 2; i++) {
		if (block[i] < 1 || block[i] > INT16_MAX)
			return ms_invalid(op, "blocks of %lld x %lld", (long long)block[0],
					  (long long)block[1]);
	}
	for (int i = 0; i < 4; i++) {
		if (pads[i] < 0 || pads[i] > INT32_MAX)
			return ms_invalid(op, "it adds or cuts %lld", (long long)pads[i]);
	}
	for (int i = 1; i < 4; i++) {
		if (x->dims[i] < 0 || x->dims[i] > INT32_MAX)
			return ms_unsupported(op, "the size of its input is not known: convert the "
						  "model with fixed shapes");
	}
	return 0;
}

static struct onnx_value *padded(struct ms_op *op, struct onnx_value *x, const int64_t *pads)
{
	const int64_t all[] = { 0, 0, pads[0], pads[2], 0, 0, pads[1], pads[3] };
	const int64_t dims[] = { x->dims[0], x->dims[1], x->dims[2] + pads[0] + pads[1],
				 x->dims[3] + pads[2] + pads[3] };
	struct onnx_value *ret;

	if (!(pads[0] || pads[1] || pads[2] || pads[3]))
		return x;
	ret = ONNX_CALL(op->graph, "Pad", x, onnx_int64s(op->graph, all, 8));
	onnx_value_set_shape(ret, dims, 4);
	return ret;
}

int ms_layer_space_to_batch(struct ms_op *op, const int64_t *block, const int64_t *pads)
{
	static const int64_t blocks_first[] = { 3, 5, 0, 1, 2, 4 };
	struct onnx_value *x = ms_in_nchw(op, 0);
	int r = op->error ? op->error : check_blocks(op, x, block, pads);
	int64_t h, w;

	if (r < 0)
		return r;
	x = padded(op, x, pads);
	h = x->dims[2] / block[0];
	w = x->dims[3] / block[1];
	if (h * block[0] != x->dims[2] || w * block[1] != x->dims[3])
		return ms_invalid(op, "%lld x %lld in blocks of %lld x %lld", (long long)x->dims[2],
				  (long long)x->dims[3], (long long)block[0], (long long)block[1]);
	x = emit_reshape(op->graph, x,
			 (const int64_t[]){ -1, x->dims[1], h, block[0], w, block[1] }, 6);
	x = emit_transpose(op->graph, x, blocks_first, 6);
	x = emit_reshape(op->graph, x, (const int64_t[]){ -1, x->dims[3], h, w }, 4);
	ms_out_nchw(op, 0, x);
	return 0;
}

static struct onnx_value *cut(struct ms_op *op, struct onnx_value *x, const int64_t *crops)
{
	static const int64_t axes[] = { 2, 3 };
	struct onnx_graph *graph = op->graph;
	const int64_t begin[] = { crops[0], crops[2] };
	const int64_t end[] = { x->dims[2] - crops[1], x->dims[3] - crops[3] };
	const int64_t dims[] = { x->dims[0], x->dims[1], end[0] - begin[0], end[1] - begin[1] };
	struct onnx_value *ret = ONNX_CALL(graph, "Slice", x, onnx_int64s(graph, begin, 2),
					   onnx_int64s(graph, end, 2), onnx_int64s(graph, axes, 2));

	onnx_value_set_shape(ret, dims, 4);
	return ret;
}

int ms_layer_batch_to_space(struct ms_op *op, const int64_t *block, const int64_t *crops)
{
	static const int64_t blocks_inside[] = { 2, 3, 4, 0, 5, 1 };
	struct onnx_value *x = ms_in_nchw(op, 0);
	int r = op->error ? op->error : check_blocks(op, x, block, crops);
	int64_t c, h, w;

	if (r < 0)
		return r;
	c = x->dims[1];
	h = x->dims[2];
	w = x->dims[3];
	if (crops[0] + crops[1] > h * block[0] || crops[2] + crops[3] > w * block[1])
		return ms_invalid(op, "it cuts more than there is");
	x = emit_reshape(op->graph, x, (const int64_t[]){ block[0], block[1], -1, c, h, w }, 6);
	x = emit_transpose(op->graph, x, blocks_inside, 6);
	x = emit_reshape(op->graph, x, (const int64_t[]){ -1, c, h * block[0], w * block[1] }, 4);
	if (crops[0] || crops[1] || crops[2] || crops[3])
		x = cut(op, x, crops);
	ms_out_nchw(op, 0, x);
	return 0;
}
