/* SPDX-License-Identifier: Apache-2.0 */
#include "translate/mindir/mindir_op.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/status.h"
#include "tensor/shape.h"

static void refuse(struct mindir_op *op, enum tensock_status status, const char *fmt, va_list args)
{
	char text[160];

	if (op->error)
		return;
	vsnprintf(text, sizeof(text), fmt, args);
	op->error = tsk_fail(op->reterr, status, "%.*s (node '%.*s'): %s",
			     MINDIR_TEXT(op->node->op), MINDIR_TEXT(op->node->label), text);
}

struct onnx_value *mindir_refuse(struct mindir_op *op, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	refuse(op, TENSOCK_UNSUPPORTED, fmt, args);
	va_end(args);
	return &op->graph->no_value;
}

struct onnx_value *mindir_broken(struct mindir_op *op, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	refuse(op, TENSOCK_INVALID_MODEL, fmt, args);
	va_end(args);
	return &op->graph->no_value;
}

/* A type is written as a tensor without data. */
static bool has_data(const struct mindir_tensor *tensor)
{
	uint64_t n_bytes;

	return tensor->dtype &&
	       tsk_shape_bytes(tensor->dtype, tensor->dims, tensor->rank, &n_bytes) == 0 &&
	       n_bytes == tensor->n_bytes;
}

struct onnx_value *mindir_tensor_of(struct mindir_op *op, const struct mindir_value *value,
				    uint32_t dtype)
{
	switch (value->kind) {
	case MINDIR_VALUE:
		return value->value;
	case MINDIR_TENSOR:
		if (!has_data(value->tensor))
			return NULL;
		return onnx_constant(op->graph, value->tensor->dtype, value->tensor->dims,
				     value->tensor->rank, value->tensor->bytes,
				     value->tensor->n_bytes);
	case MINDIR_INT:
		/* Not every one is a double. */
		if (!dtype || dtype == TENSOCK_INT64)
			return onnx_int64(op->graph, value->i);
		return onnx_scalar(op->graph, dtype, (double)value->i);
	case MINDIR_BOOL:
		return onnx_scalar(op->graph, dtype ? dtype : TENSOCK_BOOL, (double)value->i);
	case MINDIR_FLOAT:
		return onnx_scalar(op->graph, dtype ? dtype : TENSOCK_FLOAT32, value->f);
	default:
		return NULL;
	}
}

struct onnx_value *mindir_in_as(struct mindir_op *op, size_t i, uint32_t dtype)
{
	struct onnx_value *value =
		i < op->n_inputs ? mindir_tensor_of(op, op->inputs[i], dtype) : NULL;

	return value ? value : mindir_broken(op, "input %zu is no tensor", i);
}

struct onnx_value *mindir_in_cast(struct mindir_op *op, size_t i, uint32_t dtype)
{
	return emit_cast(op->graph, mindir_in_as(op, i, dtype), dtype);
}

struct onnx_value *mindir_in(struct mindir_op *op, size_t i)
{
	return mindir_in_as(op, i, TENSOCK_DTYPE_INVALID);
}

struct onnx_value *mindir_in_ranked(struct mindir_op *op, size_t i, int min, int max)
{
	struct onnx_value *x = mindir_in(op, i);

	if (x->rank < 0)
		mindir_refuse(
			op, "the rank of input %zu is not known: export the net with a fixed rank",
			i);
	else if (x->rank < min || x->rank > max)
		mindir_refuse(op, "input %zu has %d dimensions", i, x->rank);
	return x;
}

const struct mindir_value *mindir_setting(struct mindir_op *op, size_t i, const char *name)
{
	const struct mindir_value *value = NULL;

	if (i < op->n_inputs)
		value = op->inputs[i];
	else if (name)
		value = mindir_attribute(op->node->settings, name);
	return value && value->kind != MINDIR_NONE ? value : NULL;
}

/* The elements of a constant, which may be in the file or made of such. */
static int read_ints(struct mindir_op *op, const struct mindir_value *value, int64_t *ret,
		     size_t max)
{
	struct onnx_value *tensor;

	if (value->kind == MINDIR_INT || value->kind == MINDIR_BOOL) {
		ret[0] = value->i;
		return 1;
	}
	if (value->kind != MINDIR_TENSOR && value->kind != MINDIR_VALUE)
		return -EINVAL;
	tensor = mindir_tensor_of(op, value, 0);
	return tensor ? onnx_constant_read_ints(tensor, ret, max) : -EINVAL;
}

static const char *called(const char *name)
{
	return name ? name : "a setting";
}

int64_t mindir_int(struct mindir_op *op, size_t i, const char *name, int64_t fallback)
{
	const struct mindir_value *value = mindir_setting(op, i, name);
	int64_t v;

	if (!value)
		return fallback;
	if (value->kind == MINDIR_TUPLE && value->n_items == 1)
		value = value->items;
	if (read_ints(op, value, &v, 1) != 1) {
		mindir_refuse(op, "%s is not one known number", called(name));
		return fallback;
	}
	return v;
}

bool mindir_bool(struct mindir_op *op, size_t i, const char *name, bool fallback)
{
	return mindir_int(op, i, name, fallback) != 0;
}

double mindir_float(struct mindir_op *op, size_t i, const char *name, double fallback)
{
	const struct mindir_value *value = mindir_setting(op, i, name);
	struct onnx_value *tensor;
	double v = fallback;

	if (!value)
		return fallback;
	if (value->kind == MINDIR_FLOAT)
		return value->f;
	if (value->kind == MINDIR_INT || value->kind == MINDIR_BOOL)
		return (double)value->i;
	tensor = mindir_tensor_of(op, value, 0);
	if (!tensor || onnx_constant_read_floats(tensor, &v, 1) != 1) {
		int64_t whole = mindir_int(op, i, name, 0);

		return (double)whole;
	}
	return v;
}

bool mindir_text(struct mindir_op *op, size_t i, const char *name, const char *word)
{
	const struct mindir_value *value = mindir_setting(op, i, name);
	size_t n = strlen(word);

	return value && value->kind == MINDIR_TEXT && value->text.len == n &&
	       !strncasecmp(value->text.bytes, word, n);
}

bool mindir_is_nhwc(struct mindir_op *op, size_t i)
{
	const struct mindir_value *format = mindir_setting(op, i, "format");

	if (!format)
		format = mindir_setting(op, ONLY_NAMED, "data_format");
	if (!format)
		return false;
	return format->kind == MINDIR_INT
		       ? format->i == 1
		       : format->kind == MINDIR_TEXT && mindir_text_is(format->text, "NHWC");
}

/* Appends what value holds, tuples of tuples flattened (they are not deep: the reader saw to it). */
static bool append_ints(struct mindir_op *op, const struct mindir_value *value, int64_t *ret,
			size_t max, size_t *n)
{
	int r;

	if (value->weight > 2 * max + 16)
		return false; /* too much to look through, though there may be no number in it */
	if (value->kind != MINDIR_TUPLE) {
		r = *n < max ? read_ints(op, value, ret + *n, max - *n) : -E2BIG;
		if (r >= 0)
			*n += (size_t)r;
		return r >= 0;
	}
	for (uint32_t k = 0; k < value->n_items; k++) {
		if (!append_ints(op, &value->items[k], ret, max, n))
			return false;
	}
	return true;
}

size_t mindir_ints(struct mindir_op *op, size_t i, const char *name, int64_t *ret, size_t max)
{
	const struct mindir_value *value = mindir_setting(op, i, name);
	size_t n = 0;

	if (!value)
		return 0;
	if (!append_ints(op, value, ret, max, &n)) {
		mindir_refuse(op, "%s is not of at most %zu known whole numbers", called(name),
			      max);
		return 0;
	}
	return n;
}

bool mindir_is_known(struct mindir_op *op, size_t i, const char *name)
{
	const struct mindir_value *value = mindir_setting(op, i, name);
	int64_t ints[TENSOCK_RANK_MAX * 2];
	size_t n = 0;

	return value && append_ints(op, value, ints, ARRAY_SIZE(ints), &n);
}

/* One element of a vector, as a vector of one. */
static struct onnx_value *element_vector(struct mindir_op *op, const struct mindir_value *item)
{
	static const int64_t zero = 0, one = 1;
	struct onnx_value *v = mindir_tensor_of(op, item, TENSOCK_INT64);

	if (!v)
		return mindir_refuse(op, "a number in a tuple is of a kind that is not translated");
	v = emit_cast(op->graph, v, TENSOCK_INT64);
	if (v->rank == 0)
		return emit_unsqueeze(op->graph, v, &zero, 1);
	return emit_reshape(op->graph, v, &one, 1);
}

struct onnx_value *mindir_int_vector(struct mindir_op *op, size_t i, const char *name)
{
	const struct mindir_value *value = mindir_setting(op, i, name);
	struct onnx_value *parts[TENSOCK_RANK_MAX * 2];
	int64_t ints[TENSOCK_RANK_MAX * 2];
	size_t n = 0;

	if (value && append_ints(op, value, ints, ARRAY_SIZE(ints), &n))
		return onnx_int64s(op->graph, ints, n);
	if (value && (value->kind == MINDIR_VALUE || value->kind == MINDIR_TENSOR)) {
		struct onnx_value *v = mindir_in(op, i);

		return v->rank == 0 ? element_vector(op, value)
				    : emit_cast(op->graph, v, TENSOCK_INT64);
	}
	if (!value || value->kind != MINDIR_TUPLE || !value->n_items ||
	    value->n_items > ARRAY_SIZE(parts))
		return mindir_refuse(op, "%s is no tuple of numbers", called(name));
	for (uint32_t k = 0; k < value->n_items; k++)
		parts[k] = element_vector(op, &value->items[k]);
	return emit_concat(op->graph, parts, value->n_items, 0);
}

static int64_t checked_axis(struct mindir_op *op, const char *name, int64_t axis, int rank)
{
	if (rank < 0) {
		mindir_refuse(
			op, "the rank of its input is not known: export the net with a fixed rank");
		return 0;
	}
	if (axis < -rank || axis >= rank) {
		mindir_broken(op, "%s is %lld, of a tensor of %d dimensions", called(name),
			      (long long)axis, rank);
		return 0;
	}
	return axis < 0 ? axis + rank : axis;
}

int64_t mindir_axis(struct mindir_op *op, size_t i, const char *name, int rank, int64_t fallback)
{
	return checked_axis(op, name, mindir_int(op, i, name, fallback), rank);
}

size_t mindir_axes(struct mindir_op *op, size_t i, const char *name, int rank,
		   int64_t ret[static TENSOCK_RANK_MAX])
{
	size_t n = mindir_ints(op, i, name, ret, TENSOCK_RANK_MAX);

	for (size_t k = 0; k < n; k++)
		ret[k] = checked_axis(op, name, ret[k], rank);
	return n;
}

struct mindir_claim mindir_claim(const struct mindir_op *op, size_t item)
{
	const struct mindir_value *shape = op->node->shape;
	struct mindir_claim claim = { .rank = -1 };

	if (shape && shape->kind == MINDIR_TUPLE)
		shape = item < shape->n_items ? &shape->items[item] : NULL;
	if (!shape || shape->kind != MINDIR_TENSOR)
		return claim;
	claim.dtype = shape->tensor->dtype;
	for (uint32_t i = 0; i < shape->tensor->rank; i++) {
		if (shape->tensor->dims[i] < -1)
			return claim; /* not even the rank is known */
		claim.dims[i] = shape->tensor->dims[i];
	}
	claim.rank = (int)shape->tensor->rank;
	return claim;
}

struct onnx_value *mindir_conform(struct mindir_op *op, struct onnx_value *x,
				  const struct mindir_claim *claim)
{
	if (claim->dtype && !x->dtype)
		x->dtype = claim->dtype;
	if (claim->dtype)
		x = emit_cast(op->graph, x, claim->dtype);
	if (x->constant || x->is_input || claim->rank < 0)
		return x;
	if (x->rank < 0)
		onnx_value_set_shape(x, claim->dims, claim->rank);
	for (int i = 0; x->rank == claim->rank && i < x->rank; i++) {
		if (x->dims[i] < 0)
			x->dims[i] = claim->dims[i];
	}
	return x;
}

struct onnx_value *mindir_result_tuple(struct mindir_op *op, struct onnx_value *const *values,
				       size_t n)
{
	struct mindir_value *items = onnx_take(op->graph, n, sizeof(*items));

	for (size_t i = 0; items && i < n; i++) {
		struct mindir_claim claim = mindir_claim(op, i);

		if (values[i])
			items[i] = (struct mindir_value){
				.kind = MINDIR_VALUE, .value = mindir_conform(op, values[i], &claim)
			};
	}
	if (items)
		op->result = mindir_tuple(items, (uint32_t)n);
	return NULL;
}

struct onnx_value *mindir_overwrite(struct mindir_op *op, struct onnx_value *result)
{
	if (op->inputs[0]->kind != MINDIR_VALUE || op->inputs[0]->value->constant)
		return mindir_refuse(op,
				     "it changes a weight of the net: nets with a state are not "
				     "translated");
	op->overwrites = true;
	return emit_cast(op->graph, result, op->inputs[0]->value->dtype);
}

bool mindir_is_wanted(const struct mindir_op *op, unsigned item)
{
	return item < 64 ? op->wanted >> item & 1 : op->wanted == UINT64_MAX;
}
