/* SPDX-License-Identifier: Apache-2.0 */
/* Operators that change shapes, join and part, and compute nothing. */
#include "translate/mindir/mindir_op.h"

#include "base/checked.h"

static struct onnx_value *reshape(struct mindir_op *op)
{
	int64_t dims[TENSOCK_RANK_MAX];
	struct onnx_value *x = mindir_in(op, 0);

	if (!mindir_is_known(op, 1, "shape"))
		return emit_reshape_to(op->graph, x, mindir_int_vector(op, 1, "shape"));
	return emit_reshape(op->graph, x, dims,
			    (int)mindir_ints(op, 1, "shape", dims, TENSOCK_RANK_MAX));
}

/* The dimensions from first to last become one; those in front stay. */
static struct onnx_value *flatten_between(struct mindir_op *op, struct onnx_value *x, int64_t first,
					  int64_t last)
{
	int64_t dims[TENSOCK_RANK_MAX], product = 1;
	int rank = 0, n_open = 0;

	if (first > last)
		return mindir_broken(op, "start_dim is behind end_dim");
	for (int64_t i = 0; i < first; i++)
		dims[rank++] = 0; /* copied */
	for (int64_t i = first; i <= last; i++) {
		if (x->dims[i] < 0 || !tsk_mul(product, x->dims[i], &product))
			n_open = 1;
	}
	dims[rank++] = n_open ? -1 : product;
	for (int64_t i = last + 1; i < x->rank; i++) {
		n_open += x->dims[i] < 0;
		dims[rank++] = x->dims[i];
	}
	if (n_open > 1)
		return mindir_refuse(op, "too many of its dimensions are not known");
	return emit_reshape(op->graph, x, dims, rank);
}

static struct onnx_value *flatten(struct mindir_op *op)
{
	struct onnx_value *x = mindir_in_ranked(op, 0, 1, TENSOCK_RANK_MAX);

	if (op->error)
		return NULL;
	if (x->rank == 1)
		return emit_unsqueeze(op->graph, x, (const int64_t[]){ 1 }, 1);
	return flatten_between(op, x, 1, x->rank - 1);
}

static struct onnx_value *flatten_ext(struct mindir_op *op)
{
	struct onnx_value *x = mindir_in_ranked(op, 0, 0, TENSOCK_RANK_MAX);
	int64_t first, last;

	if (op->error)
		return NULL;
	if (x->rank == 0)
		return emit_unsqueeze(op->graph, x, (const int64_t[]){ 0 }, 1);
	first = mindir_axis(op, 1, "start_dim", x->rank, 0);
	last = mindir_axis(op, 2, "end_dim", x->rank, -1);
	return op->error ? NULL : flatten_between(op, x, first, last);
}

static struct onnx_value *transpose(struct mindir_op *op)
{
	struct onnx_value *x = mindir_in(op, 0);
	int64_t perm[TENSOCK_RANK_MAX];
	size_t n = mindir_axes(op, 1, "perm", x->rank, perm);

	return op->error ? NULL : emit_transpose(op->graph, x, perm, (int)n);
}

static struct onnx_value *swap(struct mindir_op *op, struct onnx_value *x, int64_t a, int64_t b)
{
	int64_t perm[TENSOCK_RANK_MAX];

	if (op->error)
		return NULL;
	for (int i = 0; i < x->rank; i++)
		perm[i] = i == a ? b : i == b ? a : i;
	return emit_transpose(op->graph, x, perm, x->rank);
}

static struct onnx_value *transpose_ext(struct mindir_op *op)
{
	struct onnx_value *x = mindir_in(op, 0);

	return swap(op, x, mindir_axis(op, 1, "dim0", x->rank, 0),
		    mindir_axis(op, 2, "dim1", x->rank, 1));
}

static struct onnx_value *expand_dims(struct mindir_op *op)
{
	struct onnx_value *x = mindir_in_ranked(op, 0, 0, TENSOCK_RANK_MAX - 1);
	int64_t axis = mindir_axis(op, 1, "axis", x->rank + 1, 0);

	return op->error ? NULL : emit_unsqueeze(op->graph, x, &axis, 1);
}

static struct onnx_value *squeeze(struct mindir_op *op)
{
	struct onnx_value *x = mindir_in(op, 0);
	int64_t axes[TENSOCK_RANK_MAX];
	size_t n = mindir_axes(op, 1, "axis", x->rank, axes);

	return op->error ? NULL : emit_squeeze(op->graph, x, axes, n);
}

/* An axis that is named, but is not 1 for sure, stays. */
static struct onnx_value *squeeze_ext(struct mindir_op *op)
{
	struct onnx_value *x = mindir_in(op, 0);
	int64_t axes[TENSOCK_RANK_MAX];
	size_t n = mindir_axes(op, 1, "dim", x->rank, axes), kept = 0;

	if (op->error)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		if (x->dims[axes[i]] == 1)
			axes[kept++] = axes[i];
	}
	return n && !kept ? x : emit_squeeze(op->graph, x, axes, kept);
}

/* The items of a tuple as tensors of one type; all inputs, where the first is no tuple. */
static size_t joined(struct mindir_op *op, struct onnx_value **ret, size_t max, size_t n_settings)
{
	const struct mindir_value *tuple = op->inputs[0];
	bool is_tuple = tuple->kind == MINDIR_TUPLE;
	size_t n = is_tuple ? tuple->n_items : op->n_inputs - n_settings;

	if (!n || n > max || (!is_tuple && op->n_inputs < n_settings)) {
		mindir_broken(op, "it joins %zu tensors", n);
		return 0;
	}
	for (size_t i = 0; i < n; i++) {
		ret[i] = mindir_tensor_of(op, is_tuple ? &tuple->items[i] : op->inputs[i], 0);
		if (!ret[i]) {
			mindir_broken(op, "what it joins is no tensor");
			return 0;
		}
		ret[i] = emit_cast(op->graph, ret[i], ret[0]->dtype);
	}
	return n;
}

#define JOINED_MAX 1000

static struct onnx_value *concat(struct mindir_op *op)
{
	struct onnx_value *parts[JOINED_MAX];
	size_t n = joined(op, parts, JOINED_MAX, 0);
	int64_t axis;

	if (!n)
		return NULL;
	axis = mindir_axis(op, op->inputs[0]->kind == MINDIR_TUPLE ? 1 : ONLY_NAMED, "axis",
			   parts[0]->rank, 0);
	return op->error ? NULL : emit_concat(op->graph, parts, n, axis);
}

static struct onnx_value *stack(struct mindir_op *op)
{
	struct onnx_value *parts[JOINED_MAX];
	size_t n = joined(op, parts, JOINED_MAX, 0);
	int64_t axis;

	if (!n)
		return NULL;
	if (parts[0]->rank < 0 || parts[0]->rank >= (int)TENSOCK_RANK_MAX)
		return mindir_refuse(op, "the rank of its input is not known, or too large");
	axis = mindir_axis(op, op->inputs[0]->kind == MINDIR_TUPLE ? 1 : ONLY_NAMED, "axis",
			   parts[0]->rank + 1, 0);
	for (size_t i = 0; !op->error && i < n; i++)
		parts[i] = emit_unsqueeze(op->graph, parts[i], &axis, 1);
	return op->error ? NULL : emit_concat(op->graph, parts, n, axis);
}

/* Parts of these sizes. */
static size_t split(struct mindir_op *op, struct onnx_value *x, int64_t axis, const int64_t *sizes,
		    size_t n, struct onnx_value **ret)
{
	struct onnx_node *node = ONNX_NODE(op->graph, "Split", x, onnx_int64s(op->graph, sizes, n));

	onnx_attr_int(op->graph, node, "axis", axis);
	for (size_t i = 0; i < n; i++) {
		ret[i] = onnx_out(op->graph, node, x->dtype);
		onnx_value_like(ret[i], x);
		if (axis < ret[i]->rank)
			ret[i]->dims[axis] = sizes[i];
	}
	return n;
}

/* Into n equal parts. */
static size_t split_evenly(struct mindir_op *op, struct onnx_value *x, int64_t axis, int64_t n,
			   struct onnx_value **ret)
{
	int64_t sizes[JOINED_MAX];

	if (n < 1 || n > JOINED_MAX || x->dims[axis] < 0 || x->dims[axis] % n) {
		mindir_refuse(op, "%lld elements into %lld equal parts", (long long)x->dims[axis],
			      (long long)n);
		return 0;
	}
	for (int64_t i = 0; i < n; i++)
		sizes[i] = x->dims[axis] / n;
	return split(op, x, axis, sizes, (size_t)n, ret);
}

/* Into parts of one size; the last may be smaller. */
static size_t split_by(struct mindir_op *op, struct onnx_value *x, int64_t axis, int64_t size,
		       struct onnx_value **ret)
{
	int64_t sizes[JOINED_MAX], left = x->dims[axis];
	size_t n = 0;

	if (size < 1 || left < 1 || (left - 1) / size + 1 > JOINED_MAX) {
		mindir_refuse(op, "%lld elements into parts of %lld", (long long)left,
			      (long long)size);
		return 0;
	}
	for (; left > 0; left -= size)
		sizes[n++] = left < size ? left : size;
	return split(op, x, axis, sizes, n, ret);
}

static struct onnx_value *split_num(struct mindir_op *op)
{
	struct onnx_value *x = mindir_in(op, 0), *parts[JOINED_MAX];
	int64_t axis = mindir_axis(op, 1, "axis", x->rank, 0),
		n = mindir_int(op, 2, "output_num", 1);

	if (op->error)
		return NULL;
	return mindir_result_tuple(op, parts, split_evenly(op, x, axis, n, parts));
}

static struct onnx_value *split_tensor(struct mindir_op *op)
{
	struct onnx_value *x = mindir_in(op, 0), *parts[JOINED_MAX];
	int64_t size = mindir_int(op, 1, "split_size", 1),
		axis = mindir_axis(op, 2, "axis", x->rank, 0);

	if (op->error)
		return NULL;
	return mindir_result_tuple(op, parts, split_by(op, x, axis, size, parts));
}

static struct onnx_value *chunk(struct mindir_op *op)
{
	struct onnx_value *x = mindir_in(op, 0), *parts[JOINED_MAX];
	int64_t n = mindir_int(op, 1, "chunks", 1), axis = mindir_axis(op, 2, "dim", x->rank, 0),
		dim;

	if (op->error)
		return NULL;
	dim = x->dims[axis];
	if (n < 1 || dim < 1)
		return mindir_refuse(op, "%lld elements into %lld parts", (long long)dim,
				     (long long)n);
	return mindir_result_tuple(op, parts, split_by(op, x, axis, (dim - 1) / n + 1, parts));
}

/* The sizes may hold one -1, for what is left. */
static struct onnx_value *split_sizes(struct mindir_op *op, const char *name, size_t axis_at,
				      const char *axis_name)
{
	struct onnx_value *x = mindir_in(op, 0), *parts[JOINED_MAX];
	int64_t sizes[JOINED_MAX], sum = 0;
	size_t n = mindir_ints(op, axis_at == ONLY_NAMED ? ONLY_NAMED : 1, name, sizes, JOINED_MAX);
	int64_t axis = mindir_axis(op, axis_at, axis_name, x->rank, 0);

	for (size_t i = 0; i < n; i++) {
		if (sizes[i] < -1 || !tsk_add(sum, sizes[i] < 0 ? 0 : sizes[i], &sum))
			return mindir_broken(op, "a part of %lld", (long long)sizes[i]);
	}
	if (op->error || !n)
		return op->error ? NULL : mindir_broken(op, "it has no parts");
	for (size_t i = 0; i < n; i++) {
		if (sizes[i] >= 0)
			continue;
		if (x->dims[axis] < sum)
			return mindir_refuse(op, "of %lld elements %lld are known parts",
					     (long long)x->dims[axis], (long long)sum);
		sizes[i] = x->dims[axis] - sum;
	}
	return mindir_result_tuple(op, parts, split(op, x, axis, sizes, n, parts));
}

static struct onnx_value *split_with_size(struct mindir_op *op)
{
	return split_sizes(op, "split_size", 2, "axis");
}

static struct onnx_value *split_v(struct mindir_op *op)
{
	return split_sizes(op, "size_splits", ONLY_NAMED, "split_dim");
}

static struct onnx_value *unstack(struct mindir_op *op)
{
	struct onnx_value *x = mindir_in(op, 0), *parts[JOINED_MAX];
	int64_t axis = mindir_axis(op, 1, "axis", x->rank, 0);
	size_t n;

	if (op->error)
		return NULL;
	n = split_evenly(op, x, axis, x->dims[axis], parts);
	for (size_t i = 0; i < n; i++)
		parts[i] = emit_squeeze(op->graph, parts[i], &axis, 1);
	return mindir_result_tuple(op, parts, n);
}

static struct onnx_value *expanded(struct mindir_op *op, struct onnx_value *x,
				   struct onnx_value *shape)
{
	return ONNX_CALL(op->graph, "Expand", x, shape);
}

/* -1 keeps a dimension: ONNX's Expand says that as 1. */
static struct onnx_value *broadcast_to(struct mindir_op *op)
{
	struct onnx_value *x = mindir_in(op, 0);
	int64_t dims[TENSOCK_RANK_MAX];
	size_t n;

	if (!mindir_is_known(op, 1, "shape"))
		return expanded(op, x, mindir_int_vector(op, 1, "shape"));
	n = mindir_ints(op, 1, "shape", dims, TENSOCK_RANK_MAX);
	for (size_t i = 0; i < n; i++)
		dims[i] = dims[i] < 0 ? 1 : dims[i];
	return expanded(op, x, onnx_int64s(op->graph, dims, n));
}

static struct onnx_value *expand_as(struct mindir_op *op)
{
	return expanded(op, mindir_in(op, 0), emit_shape_of(op->graph, mindir_in(op, 1)));
}

/* As often as is computed; for all dimensions, or more in front. */
static struct onnx_value *tile_computed(struct mindir_op *op, struct onnx_value *x)
{
	struct onnx_value *times = mindir_int_vector(op, 1, "multiples");
	int64_t front[TENSOCK_RANK_MAX];
	int64_t n = times->rank == 1 ? times->dims[0] : -1;

	if (n < x->rank || n > (int64_t)TENSOCK_RANK_MAX)
		return mindir_refuse(op, "how many dimensions it repeats is not known");
	for (int64_t i = 0; i < n; i++)
		front[i] = i;
	if (n > x->rank)
		x = emit_unsqueeze(op->graph, x, front, (size_t)(n - x->rank));
	return ONNX_CALL(op->graph, "Tile", x, times);
}

static struct onnx_value *tile(struct mindir_op *op)
{
	struct onnx_value *x = mindir_in_ranked(op, 0, 0, TENSOCK_RANK_MAX);
	int64_t dims[2 * TENSOCK_RANK_MAX];
	int64_t times[TENSOCK_RANK_MAX], front[TENSOCK_RANK_MAX];
	size_t n, rank;

	if (!op->error && !mindir_is_known(op, 1, "multiples"))
		return tile_computed(op, x);
	n = mindir_ints(op, 1, "multiples", times, TENSOCK_RANK_MAX);
	if (op->error)
		return NULL;
	rank = (size_t)x->rank;
	for (size_t i = 0; i < n; i++)
		front[i] = (int64_t)i;
	if (n > rank) {
		x = emit_unsqueeze(op->graph, x, front, n - rank);
		rank = n;
	}
	for (size_t i = 0; i < rank; i++)
		dims[i] = i < rank - n ? 1 : times[i - (rank - n)];
	return ONNX_CALL(op->graph, "Tile", x, onnx_int64s(op->graph, dims, rank));
}

/* Exports of 2.0 name the type by a tensor that has nothing else. */
static bool is_type(const struct mindir_value *value)
{
	return value && value->kind == MINDIR_TENSOR && !value->tensor->bytes &&
	       value->tensor->dtype != TENSOCK_DTYPE_INVALID;
}

static struct onnx_value *cast(struct mindir_op *op)
{
	/* By MindSpore's TypeId; from 30. */
	static const uint32_t dtypes[] = { TENSOCK_BOOL,    TENSOCK_INT32,   TENSOCK_INT8,
					   TENSOCK_INT16,   TENSOCK_INT32,   TENSOCK_INT64,
					   TENSOCK_UINT32,  TENSOCK_UINT8,   TENSOCK_UINT16,
					   TENSOCK_UINT32,  TENSOCK_UINT64,  TENSOCK_FLOAT32,
					   TENSOCK_FLOAT16, TENSOCK_FLOAT32, TENSOCK_FLOAT64,
					   TENSOCK_BFLOAT16 };
	const struct mindir_value *type = mindir_setting(op, 1, NULL);
	struct onnx_value *x = mindir_in(op, 0);
	uint32_t claimed = mindir_claim(op, 0).dtype;
	int64_t id = 0;

	if (is_type(type))
		return emit_cast(op->graph, x, type->tensor->dtype);
	if (mindir_is_known(op, 1, NULL))
		id = mindir_int(op, 1, NULL, 0);
	if (id >= 30 && id - 30 < (int64_t)ARRAY_SIZE(dtypes))
		return emit_cast(op->graph, x, dtypes[id - 30]);
	if (!claimed)
		return mindir_refuse(op, "the type %lld is not translated", (long long)id);
	return emit_cast(op->graph, x, claimed);
}

/* Channels in groups change places: [groups, n] to [n, groups]. */
static struct onnx_value *channel_shuffle(struct mindir_op *op)
{
	static const int64_t perm[] = { 0, 2, 1, 3 };
	struct onnx_value *x = mindir_in_ranked(op, 0, 3, TENSOCK_RANK_MAX), *ret;
	int64_t groups = mindir_int(op, 1, "group", 1);

	if (groups < 1 || x->rank < 2 || x->dims[1] < 1 || x->dims[1] % groups)
		return mindir_refuse(op, "%lld groups of channels", (long long)groups);
	ret = emit_reshape(op->graph, x, (const int64_t[]){ 0, groups, x->dims[1] / groups, -1 },
			   4);
	return mindir_reshape_like(op, emit_transpose(op->graph, ret, perm, 4), x);
}

/* To the type of the result, which the file says. */
static struct onnx_value *cast_as_claimed(struct mindir_op *op)
{
	uint32_t claimed = mindir_claim(op, 0).dtype;

	if (!claimed)
		return mindir_refuse(op, "the type of its result is not known");
	return emit_cast(op->graph, mindir_in(op, 0), claimed);
}

static struct onnx_value *view_as(struct mindir_op *op)
{
	return mindir_reshape_like(op, mindir_in(op, 0), mindir_in(op, 1));
}

/* The dimensions as numbers, where they are known; else computed ones. */
static struct onnx_value *shape(struct mindir_op *op)
{
	struct onnx_value *x = mindir_in_ranked(op, 0, 0, TENSOCK_RANK_MAX), *all = NULL;
	struct mindir_value *items;

	if (op->error)
		return NULL;
	items = onnx_take(op->graph, (size_t)x->rank, sizeof(*items));
	if (!items)
		return NULL;
	for (int i = 0; i < x->rank; i++) {
		if (x->dims[i] >= 0) {
			items[i] = (struct mindir_value){ .kind = MINDIR_INT, .i = x->dims[i] };
			continue;
		}
		all = all ? all : emit_shape_of(op->graph, x);
		items[i].kind = MINDIR_VALUE;
		items[i].value = ONNX_CALL(op->graph, "Gather", all, onnx_int64(op->graph, i));
		onnx_value_set_shape(items[i].value, NULL, 0);
	}
	op->result = mindir_tuple(items, (uint32_t)x->rank);
	return NULL;
}

static struct onnx_value *tensor_shape(struct mindir_op *op)
{
	return emit_shape_of(op->graph, mindir_in(op, 0));
}

static struct onnx_value *rank_of(struct mindir_op *op)
{
	struct onnx_value *x = mindir_in_ranked(op, 0, 0, TENSOCK_RANK_MAX);

	op->result = (struct mindir_value){ .kind = MINDIR_INT, .i = x->rank };
	return NULL;
}

static struct onnx_value *size_of(struct mindir_op *op)
{
	struct onnx_value *ret = ONNX_CALL(op->graph, "Size", mindir_in(op, 0));

	ret->dtype = TENSOCK_INT64;
	onnx_value_set_shape(ret, NULL, 0);
	return ret;
}

/* Numbers become a tensor, and back: both are tensors here. */
static struct onnx_value *to_tensor(struct mindir_op *op)
{
	uint32_t claimed = mindir_claim(op, 0).dtype;
	struct onnx_value *x;

	if (op->inputs[0]->kind == MINDIR_TUPLE)
		x = mindir_int_vector(op, 0, NULL);
	else
		x = mindir_in_as(op, 0, claimed);
	return claimed ? emit_cast(op->graph, x, claimed) : x;
}

static struct onnx_value *to_number(struct mindir_op *op)
{
	struct onnx_value *x = mindir_in(op, 0);
	int64_t v;

	if (onnx_constant_read_ints(x, &v, 1) == 1) {
		op->result = (struct mindir_value){ .kind = MINDIR_INT, .i = v };
		return NULL;
	}
	return emit_as_scalar(op->graph, x);
}

static const struct mindir_operator rows[] = {
	{ "Reshape", reshape, 2 },
	{ "View", reshape, 2 },
	{ "Flatten", flatten, 1 },
	{ "FlattenExt", flatten_ext, 1 },
	{ "Transpose", transpose, 2 },
	{ "TransposeView", transpose, 2 },
	{ "TransposeExt", transpose_ext, 3 },
	{ "TransposeExtView", transpose_ext, 3 },
	{ "ExpandDims", expand_dims, 2 },
	{ "ExpandDimsView", expand_dims, 2 },
	{ "Unsqueeze", expand_dims, 2 },
	{ "Squeeze", squeeze, 1 },
	{ "SqueezeExt", squeeze_ext, 1 },
	{ "Concat", concat, 1 },
	{ "Stack", stack, 1 },
	{ "StackExt", stack, 1 },
	{ "Split", split_num, 1 },
	{ "SplitTensor", split_tensor, 2 },
	{ "SplitTensorView", split_tensor, 2 },
	{ "SplitWithSize", split_with_size, 2 },
	{ "SplitWithSizeView", split_with_size, 2 },
	{ "SplitV", split_v, 1 },
	{ "Chunk", chunk, 2 },
	{ "ChunkView", chunk, 2 },
	{ "Unstack", unstack, 1 },
	{ "UnstackExt", unstack, 1 },
	{ "UnstackExtView", unstack, 1 },
	{ "BroadcastTo", broadcast_to, 1 },
	{ "BroadcastToView", broadcast_to, 1 },
	{ "DynamicBroadcastTo", broadcast_to, 2 },
	{ "ExpandAs", expand_as, 2 },
	{ "Tile", tile, 2 },
	{ "Repeat", tile, 2 },
	{ "ChannelShuffle", channel_shuffle, 1 },
	{ "Cast", cast, 1 },
	{ "TypeAs", cast_as_claimed, 1 },
	{ "ToDtype", cast_as_claimed, 1 },
	{ "ToOther", cast_as_claimed, 1 },
	{ "ViewAs", view_as, 2 },
	{ "Shape", shape, 1 },
	{ "TensorShape", tensor_shape, 1 },
	{ "DynamicShape", tensor_shape, 1 },
	{ "Rank", rank_of, 1 },
	{ "Size", size_of, 1 },
	{ "ScalarToTensor", to_tensor, 1 },
	{ "TupleToTensor", to_tensor, 1 },
	{ "ListToTensor", to_tensor, 1 },
	{ "TensorToScalar", to_number, 1 },
};

const struct mindir_table mindir_shape_table = { rows, ARRAY_SIZE(rows) };
