/* SPDX-License-Identifier: Apache-2.0 */
#include "translate/ms/ms_layout.h"

#include <string.h>

#include "translate/ms/ms_op.h"
#include "translate/ms/ms_weight.h"

const int64_t ms_to_nchw[4] = { 0, 3, 1, 2 };
const int64_t ms_to_nhwc[4] = { 0, 2, 3, 1 };

static struct onnx_value *no_value(struct ms_op *op)
{
	op->graph->no_value = (struct onnx_value){ .rank = -1 };
	return &op->graph->no_value;
}

struct onnx_value *ms_in(struct ms_op *op, unsigned i)
{
	struct ms_tensor *tensor;

	if (i >= op->n_inputs) {
		ms_invalid(op, "input %u is missing", i);
		return no_value(op);
	}
	tensor = ms_in_tensor(op, i);
	if (!tensor->plain && tensor->nchw)
		tensor->plain = emit_transpose(op->graph, tensor->nchw, ms_to_nhwc, 4);
	if (!tensor->plain && !tensor->is_made)
		tensor->plain = ms_weight(op, i);
	if (!tensor->plain) {
		ms_unsupported(op, "input %u is an output of another operator that is not given",
			       i);
		return no_value(op);
	}
	return tensor->plain;
}

struct onnx_value *ms_in_nchw(struct ms_op *op, unsigned i)
{
	struct ms_tensor *tensor;
	struct onnx_value *plain;

	if (i < op->n_inputs && ms_in_tensor(op, i)->nchw)
		return ms_in_tensor(op, i)->nchw;
	plain = ms_in(op, i);
	if (op->error)
		return plain;
	if (plain->rank != 4) {
		ms_invalid(op, "input %u must have 4 dimensions, and has %d", i, plain->rank);
		return no_value(op);
	}
	tensor = ms_in_tensor(op, i);
	tensor->nchw = emit_transpose(op->graph, plain, ms_to_nchw, 4);
	return tensor->nchw;
}

/*
 * Sizes that the file recorded may be stale, their number is the best that is left; it is told to the
 * runtime as well, which fails where it is wrong: axes would be others.  [-1] is the converter's for "not
 * known".
 */
static struct onnx_value *with_recorded_rank(struct ms_op *op, const struct ms_tensor *tensor,
					     struct onnx_value *value)
{
	static const int64_t kept[TENSOCK_RANK_MAX];
	uint32_t n = tensor->dims.n;

	if (n == 0 || n > TENSOCK_RANK_MAX || (n == 1 && fb_int_at(&tensor->dims, 0) == -1))
		return value;
	return emit_reshape(op->graph, value, kept, (int)n);
}

int ms_out(struct ms_op *op, unsigned i, struct onnx_value *value)
{
	struct ms_tensor *tensor;

	if (i >= op->n_outputs)
		return 0;
	tensor = ms_out_tensor(op, i);
	tensor->plain = value->rank < 0 ? with_recorded_rank(op, tensor, value) : value;
	return 0;
}

int ms_out_nchw(struct ms_op *op, unsigned i, struct onnx_value *value)
{
	if (i < op->n_outputs)
		ms_out_tensor(op, i)->nchw = value;
	return 0;
}

enum ms_layout ms_layout(struct ms_op *op, unsigned n)
{
	enum ms_layout layout = MS_PLAIN;

	for (unsigned i = 0; i < n && i < op->n_inputs; i++) {
		const struct ms_tensor *tensor = ms_in_tensor(op, i);

		if (tensor->nchw && !tensor->plain)
			layout = MS_NCHW;
		else if (!tensor->nchw && (ms_in(op, i)->rank < 0 || ms_in(op, i)->rank > 4))
			return MS_PLAIN;
	}
	return layout;
}

struct onnx_value *ms_in_as(struct ms_op *op, unsigned i, enum ms_layout layout)
{
	return layout == MS_NCHW ? ms_in_nchw(op, i) : ms_in(op, i);
}

int ms_out_as(struct ms_op *op, unsigned i, struct onnx_value *value, enum ms_layout layout)
{
	return layout == MS_NCHW ? ms_out_nchw(op, i, value) : ms_out(op, i, value);
}

struct onnx_value *ms_in_broadcast(struct ms_op *op, unsigned i, enum ms_layout layout)
{
	static const int64_t in_front[] = { 0, 1, 2 }, behind[] = { 1, 2 };
	struct onnx_value *value;

	if (layout == MS_PLAIN || i >= op->n_inputs)
		return ms_in(op, i);
	if (ms_in_tensor(op, i)->nchw)
		return ms_in_tensor(op, i)->nchw;
	value = ms_in(op, i);
	if (op->error || value->rank == 0 || (value->rank == 1 && value->dims[0] == 1))
		return value;
	if (value->rank == 1)
		return emit_unsqueeze(op->graph, value, behind, 2);
	if (value->rank == 4)
		return ms_in_nchw(op, i);
	if (value->rank < 0 || value->rank > 4) {
		ms_unsupported(op, "input %u cannot be brought to 4 dimensions", i);
		return no_value(op);
	}
	value = emit_unsqueeze(op->graph, value, in_front, (size_t)(4 - value->rank));
	return emit_transpose(op->graph, value, ms_to_nchw, 4);
}

int64_t ms_axis(enum ms_layout layout, int64_t axis)
{
	return layout == MS_NCHW && axis >= 0 && axis < 4 ? ms_to_nhwc[axis] : axis;
}

void ms_axes_permute(enum ms_layout layout, int64_t *of_axes, unsigned n)
{
	int64_t was[4];

	if (layout == MS_PLAIN || n != 4)
		return;
	memcpy(was, of_axes, sizeof(was));
	for (unsigned i = 0; i < 4; i++)
		of_axes[i] = was[ms_to_nchw[i]];
}

void ms_rename(struct ms_op *op, unsigned i)
{
	const struct ms_tensor *tensor;

	if (i < op->n_inputs && !ms_in_tensor(op, i)->nchw)
		ms_in(op, i);
	if (i >= op->n_inputs || op->n_outputs == 0 || op->error)
		return;
	tensor = ms_in_tensor(op, i);
	ms_out_tensor(op, 0)->plain = tensor->plain;
	ms_out_tensor(op, 0)->nchw = tensor->nchw;
}
