/* SPDX-License-Identifier: Apache-2.0 */
/* Pictures taken apart into blocks that become a batch, and back: NCHW, as the convolution between. */
#include "translate/ms/ms_layer.h"

#define BLOCK_MAX ((int64_t)1 << 15)
#define PIXELS_MAX ((int64_t)1 << 30)

enum {
	CHANNELS = 1,
	HEIGHT = 2,
	WIDTH = 3,
};

static int check_input(struct ms_op *op, const struct onnx_value *x, const int64_t block[2],
		       const int64_t edges[4])
{
	if (op->error)
		return op->error;
	for (unsigned i = CHANNELS; i <= WIDTH; i++) {
		if (x->dims[i] < 1 || x->dims[i] > PIXELS_MAX)
			return ms_unsupported(op, "its input's height, width and channels are not "
						  "known: convert the model with fixed shapes");
	}
	for (unsigned i = 0; i < 2; i++) {
		if (block[i] < 1 || block[i] > BLOCK_MAX)
			return ms_invalid(op, "its block is %lld", (long long)block[i]);
	}
	for (unsigned i = 0; i < 4; i++) {
		if (edges[i] < 0 || edges[i] > PIXELS_MAX)
			return ms_invalid(op, "an edge is %lld", (long long)edges[i]);
	}
	return 0;
}

/* Of six dimensions in between; -1 stands for the batch. */
static struct onnx_value *moved(struct ms_op *op, struct onnx_value *x, const int64_t apart[6],
				const int64_t order[6], const int64_t joined[4])
{
	x = emit_reshape(op->graph, x, apart, 6);
	x = emit_transpose(op->graph, x, order, 6);
	return emit_reshape(op->graph, x, joined, 4);
}

static struct onnx_value *padded(struct ms_op *op, struct onnx_value *x, const int64_t pads[4])
{
	const int64_t of_axes[8] = { 0, 0, pads[0], pads[2], 0, 0, pads[1], pads[3] };
	struct onnx_value *ret;

	if (!pads[0] && !pads[1] && !pads[2] && !pads[3])
		return x;
	ret = ONNX_CALL(op->graph, "Pad", x, onnx_int64s(op->graph, of_axes, 8));
	onnx_value_like(ret, x);
	ret->dims[HEIGHT] += pads[0] + pads[1];
	ret->dims[WIDTH] += pads[2] + pads[3];
	return ret;
}

static struct onnx_value *blocks_apart(struct ms_op *op, struct onnx_value *x,
				       const int64_t block[2])
{
	static const int64_t order[] = { 3, 5, 0, 1, 2, 4 };
	int64_t height = x->dims[HEIGHT] / block[0], width = x->dims[WIDTH] / block[1];
	const int64_t apart[] = { -1, x->dims[CHANNELS], height, block[0], width, block[1] };
	const int64_t joined[] = { -1, x->dims[CHANNELS], height, width };

	return moved(op, x, apart, order, joined);
}

int ms_layer_space_to_batch(struct ms_op *op, const int64_t block[2], const int64_t pads[4])
{
	struct onnx_value *x = ms_in_nchw(op, 0);
	int r = check_input(op, x, block, pads);

	if (r < 0)
		return r;
	x = padded(op, x, pads);
	if (x->dims[HEIGHT] % block[0] != 0 || x->dims[WIDTH] % block[1] != 0)
		return ms_invalid(op, "blocks of %lld by %lld do not fill %lld by %lld",
				  (long long)block[0], (long long)block[1],
				  (long long)x->dims[HEIGHT], (long long)x->dims[WIDTH]);
	ms_out_nchw(op, 0, blocks_apart(op, x, block));
	return 0;
}

static struct onnx_value *cropped(struct ms_op *op, struct onnx_value *x, const int64_t crops[4])
{
	const int64_t axes[] = { HEIGHT, WIDTH }, begin[] = { crops[0], crops[2] };
	const int64_t end[] = { x->dims[HEIGHT] - crops[1], x->dims[WIDTH] - crops[3] };
	struct onnx_value *ret;

	if (!crops[0] && !crops[1] && !crops[2] && !crops[3])
		return x;
	ret = ONNX_CALL(op->graph, "Slice", x, onnx_int64s(op->graph, begin, 2),
			onnx_int64s(op->graph, end, 2), onnx_int64s(op->graph, axes, 2));
	onnx_value_like(ret, x);
	ret->dims[HEIGHT] = end[0] - begin[0];
	ret->dims[WIDTH] = end[1] - begin[1];
	return ret;
}

static struct onnx_value *blocks_joined(struct ms_op *op, struct onnx_value *x,
					const int64_t block[2])
{
	static const int64_t order[] = { 2, 3, 4, 0, 5, 1 };
	const int64_t apart[] = { block[0],          block[1],        -1,
				  x->dims[CHANNELS], x->dims[HEIGHT], x->dims[WIDTH] };
	const int64_t joined[] = { -1, x->dims[CHANNELS], x->dims[HEIGHT] * block[0],
				   x->dims[WIDTH] * block[1] };

	return moved(op, x, apart, order, joined);
}

int ms_layer_batch_to_space(struct ms_op *op, const int64_t block[2], const int64_t crops[4])
{
	struct onnx_value *x = ms_in_nchw(op, 0);
	int r = check_input(op, x, block, crops);

	if (r < 0)
		return r;
	if (x->dims[HEIGHT] * block[0] <= crops[0] + crops[1] ||
	    x->dims[WIDTH] * block[1] <= crops[2] + crops[3])
		return ms_invalid(op, "it cuts off all of the picture");
	ms_out_nchw(op, 0, cropped(op, blocks_joined(op, x, block), crops));
	return 0;
}
