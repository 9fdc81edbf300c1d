/* SPDX-License-Identifier: Apache-2.0 */
#include "translate/ms/old_op.h"

int old_fused_activation(struct ms_op *op, unsigned field, unsigned *ret)
{
	int kind = fb_i8(&op->fields, field, ACTIVATION_NONE);

	if (kind != ACTIVATION_NONE && kind != ACTIVATION_RELU && kind != ACTIVATION_RELU6)
		return ms_unsupported(op,
				      "the activation in it, number %d, is none that MindSpore "
				      "Lite runs there: convert the model without fusing",
				      kind);
	*ret = (unsigned)kind;
	return 0;
}

int old_ints(struct ms_op *op, unsigned field, unsigned i, int64_t *ret, size_t max)
{
	int n = ms_field_ints(op, field, 4, ret, max);

	return n == 0 && i < op->n_inputs ? ms_in_ints(op, i, ret, max) : n;
}

int old_shape(struct ms_op *op, unsigned i, int64_t ret[TENSOCK_RANK_MAX])
{
	int rank = ms_in_rank(op, i);
	const struct onnx_value *nchw, *x;

	if (rank < 0)
		return rank;
	nchw = ms_in_tensor(op, i)->nchw;
	x = nchw ? nchw : ms_in(op, i);
	for (int axis = 0; axis < rank; axis++)
		ret[axis] = x->dims[ms_axis(nchw ? MS_NCHW : MS_PLAIN, axis)];
	return rank;
}

void old_cast_output(struct ms_op *op)
{
	struct ms_tensor *tensor;
	uint32_t dtype;

	if (op->error)
		return;
	dtype = ms_in_as(op, 0, ms_layout(op, 1))->dtype;
	tensor = ms_out_tensor(op, 0);
	if (tensor->plain)
		tensor->plain = emit_cast(op->graph, tensor->plain, dtype);
	if (tensor->nchw)
		tensor->nchw = emit_cast(op->graph, tensor->nchw, dtype);
}
