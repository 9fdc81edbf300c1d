/* SPDX-License-Identifier: Apache-2.0 */
/* Tensors of one value, and of equal steps. */
#include "translate/ms/ms_layer.h"

int ms_layer_fill(struct ms_op *op, const int64_t *dims, size_t n)
{
	struct onnx_value *x = ms_in(op, 0), *ret;

	if (n > TENSOCK_RANK_MAX)
		return ms_unsupported(op, "gives more than %u dimensions", TENSOCK_RANK_MAX);
	for (size_t i = 0; i < n; i++) {
		if (dims[i] < 0)
			return ms_invalid(op, "its shape has a dimension of %lld",
					  (long long)dims[i]);
	}
	if (x->rank != 0)
		x = emit_reshape(op->graph, x, NULL, 0);
	ret = ONNX_CALL(op->graph, "Expand", x, onnx_int64s(op->graph, dims, n));
	onnx_value_set_shape(ret, dims, (int)n);
	ms_out(op, 0, ret);
	return 0;
}

/* A constant is told by its shape alone; one that is computed needs the nodes. */
static struct onnx_value *filled(struct ms_op *op, struct onnx_value *shape, uint32_t dtype,
				 double value)
{
	static const int64_t one[] = { 1 };
	struct onnx_node *node;
	struct onnx_value *ret;

	node = ONNX_NODE(op->graph, "ConstantOfShape", emit_cast(op->graph, shape, TENSOCK_INT64));
	ret = onnx_out(op->graph, node, dtype);
	onnx_attr_tensor(op->graph, node, "value",
			 onnx_constant_reshaped(op->graph, onnx_scalar(op->graph, dtype, value),
						one, 1));
	return ret;
}

int ms_layer_like(struct ms_op *op, double value)
{
	enum ms_layout layout = ms_layout(op, 1);
	struct onnx_value *x = ms_in_as(op, 0, layout), *shape, *ret;

	if (op->error)
		return op->error;
	if (onnx_value_is_fixed(x)) {
		shape = onnx_int64s(op->graph, x->dims, (size_t)x->rank);
	} else {
		shape = ONNX_CALL(op->graph, "Shape", x);
		shape->dtype = TENSOCK_INT64;
	}
	ret = filled(op, shape, x->dtype, value);
	onnx_value_like(ret, x);
	ms_out_as(op, 0, ret, layout);
	return 0;
}

int ms_layer_constant_of_shape(struct ms_op *op, uint32_t dtype, double value)
{
	struct onnx_value *shape = ms_in(op, 0), *ret;
	int64_t dims[TENSOCK_RANK_MAX];
	int n;

	if (op->error)
		return op->error;
	if (!onnx_data_type(dtype))
		return ms_unsupported(op, "fills with a type that is none of numbers");
	n = onnx_constant_read_ints(shape, dims, TENSOCK_RANK_MAX);
	for (int i = 0; i < n; i++) {
		if (dims[i] < 0)
			return ms_invalid(op, "its shape has a dimension of %lld",
					  (long long)dims[i]);
	}
	ret = filled(op, shape, dtype, value);
	if (n >= 0)
		onnx_value_set_shape(ret, dims, n);
	else if (shape->rank == 1 && shape->dims[0] >= 0 && shape->dims[0] <= (int)TENSOCK_RANK_MAX)
		onnx_value_set_shape(ret, NULL, (int)shape->dims[0]);
	ms_out(op, 0, ret);
	return 0;
}

/* ONNX has start, limit and delta as scalars of one type. */
static struct onnx_value *scalar_of(struct ms_op *op, unsigned i, uint32_t dtype)
{
	struct onnx_value *x = emit_cast(op->graph, ms_in(op, i), dtype);

	return x->rank == 0 ? x : emit_reshape(op->graph, x, NULL, 0);
}

int ms_layer_range(struct ms_op *op, int64_t start, int64_t limit, int64_t delta)
{
	const bool is_computed = op->n_inputs >= 3;
	uint32_t dtype = is_computed ? ms_in(op, 0)->dtype : TENSOCK_INT32;
	const int64_t v[] = { start, limit, delta };
	struct onnx_value *of[3], *ret;

	if (op->error)
		return op->error;
	if (!is_computed && delta == 0)
		return ms_invalid(op, "its step is 0");
	for (unsigned i = 0; i < 3; i++)
		of[i] = is_computed ? scalar_of(op, i, dtype)
				    : onnx_scalar(op->graph, dtype, (double)v[i]);
	ret = ONNX_CALL(op->graph, "Range", of[0], of[1], of[2]);
	onnx_value_set_shape(ret, NULL, 1);
	ms_out(op, 0, ret);
	return 0;
}
