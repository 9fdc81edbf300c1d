/* SPDX-License-Identifier: Apache-2.0 */
#include "translate/ms/ms_op.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/status.h"

_printf_(3, 0) static int fail(struct ms_op *op, enum tensock_status status, const char *fmt,
			       va_list args)
{
	char text[sizeof(op->reterr->message)];
	int r;

	vsnprintf(text, sizeof(text), fmt, args);
	r = tsk_fail(op->error ? NULL : op->reterr, status, "%s '%.*s': %s", op->name,
		     MS_TEXT(op->node->name), text);
	if (!op->error)
		op->error = r;
	return r;
}

int ms_unsupported(struct ms_op *op, const char *fmt, ...)
{
	va_list args;
	int r;

	va_start(args, fmt);
	r = fail(op, TENSOCK_UNSUPPORTED, fmt, args);
	va_end(args);
	return r;
}

int ms_invalid(struct ms_op *op, const char *fmt, ...)
{
	va_list args;
	int r;

	va_start(args, fmt);
	r = fail(op, TENSOCK_INVALID_MODEL, fmt, args);
	va_end(args);
	return r;
}

struct ms_tensor *ms_in_tensor(struct ms_op *op, unsigned i)
{
	return ms_file_tensor(op->file, &op->node->inputs, i);
}

struct ms_tensor *ms_out_tensor(struct ms_op *op, unsigned i)
{
	return ms_file_tensor(op->file, &op->node->outputs, i);
}

int ms_in_ints(struct ms_op *op, unsigned i, int64_t *ret, size_t max)
{
	const struct onnx_value *value = ms_in(op, i);
	int n = op->error ? op->error : onnx_constant_read_ints(value, ret, max);

	if (n < 0 && !op->error)
		return ms_unsupported(op,
				      "input %u is not a constant of at most %zu integers: fix it "
				      "when the model is converted",
				      i, max);
	return n;
}

int ms_in_floats(struct ms_op *op, unsigned i, double *ret, size_t max)
{
	const struct onnx_value *value = ms_in(op, i);
	int n = op->error ? op->error : onnx_constant_read_floats(value, ret, max);

	if (n < 0 && !op->error)
		return ms_unsupported(op,
				      "input %u is not a constant of at most %zu numbers: fix it "
				      "when the model is converted",
				      i, max);
	return n;
}

int ms_field_ints(struct ms_op *op, unsigned field, uint32_t width, int64_t *ret, size_t max)
{
	struct fb_vector vector = fb_vector(&op->fields, field, width);

	if (vector.n > max)
		return ms_invalid(op, "field %u has %u elements, above %zu", field, vector.n, max);
	for (uint32_t i = 0; i < vector.n; i++)
		ret[i] = fb_int_at(&vector, i);
	return (int)vector.n;
}

int ms_field_rows(struct ms_op *op, unsigned field, int64_t *ret, size_t max)
{
	struct fb_table outer = fb_child(&op->fields, field);
	struct fb_vector rows = fb_vector(&outer, 0, FB_OFFSET);
	size_t n = 0;

	for (uint32_t i = 0; i < rows.n; i++) {
		struct fb_table row = fb_table_at(&rows, i);
		struct fb_vector numbers = fb_vector(&row, 0, 8);

		if (numbers.n > max - n || rows.n > max)
			return ms_invalid(op, "field %u has more than %zu elements", field, max);
		for (uint32_t k = 0; k < numbers.n; k++)
			ret[n++] = fb_int_at(&numbers, k);
	}
	return (int)n;
}

int ms_in_rank(struct ms_op *op, unsigned i)
{
	const struct onnx_value *nchw;
	int rank;

	if (i >= op->n_inputs)
		return ms_invalid(op, "input %u is missing", i);
	/* The NCHW view tells it as well, and asking for the plain one could make a Transpose. */
	nchw = ms_in_tensor(op, i)->nchw;
	rank = nchw ? 4 : ms_in(op, i)->rank;
	if (op->error)
		return op->error;
	if (rank < 0)
		return ms_unsupported(
			op,
			"the number of dimensions of input %u is not known before the "
			"model runs: convert it with fixed shapes",
			i);
	return rank;
}

int ms_in_axis(struct ms_op *op, unsigned i, int64_t axis, int64_t *ret)
{
	int rank = ms_in_rank(op, i);

	if (rank < 0)
		return rank;
	if (axis < -rank || axis >= rank)
		return ms_invalid(op, "axis %lld of input %u, which has %d dimensions",
				  (long long)axis, i, rank);
	*ret = axis < 0 ? axis + rank : axis;
	return 0;
}

int ms_in_axes(struct ms_op *op, const int64_t *axes, size_t n, int64_t *ret)
{
	bool seen[TENSOCK_RANK_MAX] = { false };

	if (n > TENSOCK_RANK_MAX)
		return ms_invalid(op, "it has %zu axes", n);
	for (size_t i = 0; i < n; i++) {
		if (ms_in_axis(op, 0, axes[i], &ret[i]) < 0)
			return op->error;
		if (seen[ret[i]])
			return ms_invalid(op, "it has an axis twice");
		seen[ret[i]] = true;
	}
	return 0;
}

int ms_in_new_axis(struct ms_op *op, unsigned i, int64_t axis, int64_t *ret)
{
	int rank = ms_in_rank(op, i);

	if (rank < 0)
		return rank;
	if (axis < -rank - 1 || axis > rank || rank + 1 > (int)TENSOCK_RANK_MAX)
		return ms_invalid(op, "axis %lld of %d dimensions and one more", (long long)axis,
				  rank);
	*ret = axis < 0 ? axis + rank + 1 : axis;
	return 0;
}

int ms_refuse_training(struct ms_op *op)
{
	return ms_unsupported(op, "is an operator of training: export the model for inference");
}

int ms_refuse_control_flow(struct ms_op *op)
{
	return ms_unsupported(op, "is control flow: convert a model without it");
}

int ms_refuse_custom(struct ms_op *op)
{
	return ms_unsupported(op, "holds code of a vendor: convert the model for a plain CPU");
}
