/* SPDX-License-Identifier: Apache-2.0 */
/* Nodes that move elements and dimensions about, and compute nothing. */
#include <errno.h>
#include <string.h>

#include "base/checked.h"
#include "translate/emit.h"

static bool is_identity(const int64_t *perm, int rank)
{
	for (int i = 0; i < rank; i++) {
		if (perm[i] != i)
			return false;
	}
	return true;
}

static bool is_permutation(const int64_t *perm, int rank)
{
	bool seen[TENSOCK_RANK_MAX] = { false };

	if (rank < 0 || rank > (int)TENSOCK_RANK_MAX)
		return false;
	for (int i = 0; i < rank; i++) {
		if (perm[i] < 0 || perm[i] >= rank || seen[perm[i]])
			return false;
		seen[perm[i]] = true;
	}
	return true;
}

/* The order of the Transpose that made x, or NULL. */
static const int64_t *transpose_of(const struct onnx_value *x, int rank)
{
	const struct onnx_node *maker = x->maker;

	if (!maker || strcmp(maker->op, "Transpose") != 0 || !maker->attributes ||
	    maker->attributes->n != (size_t)rank)
		return NULL;
	return maker->attributes->ints;
}

struct onnx_value *emit_transpose(struct onnx_graph *graph, struct onnx_value *x,
				  const int64_t *perm, int rank)
{
	int64_t both[TENSOCK_RANK_MAX], dims[TENSOCK_RANK_MAX];
	const int64_t *before;
	struct onnx_node *node;
	struct onnx_value *ret;

	if (!is_permutation(perm, rank) || (x->rank >= 0 && x->rank != rank)) {
		onnx_fail(graph, -EINVAL);
		return x;
	}
	if (is_identity(perm, rank))
		return x;
	before = transpose_of(x, rank);
	if (before) {
		for (int i = 0; i < rank; i++)
			both[i] = before[perm[i]];
		return emit_transpose(graph, x->maker->inputs->value, both, rank);
	}
	if (x->constant)
		return onnx_constant_transposed(graph, x, perm);
	node = ONNX_NODE(graph, "Transpose", x);
	ret = onnx_out(graph, node, x->dtype);
	onnx_attr_ints(graph, node, "perm", perm, (size_t)rank);
	for (int i = 0; i < rank; i++)
		dims[i] = x->rank >= 0 ? x->dims[perm[i]] : -1;
	onnx_value_set_shape(ret, dims, rank);
	return ret;
}

/* The product of the dimensions, without the one at `but`; -1 where it is not known. */
static int64_t product(const int64_t *dims, int rank, int but)
{
	int64_t n = 1;

	for (int i = 0; i < rank; i++) {
		if (i != but && (dims[i] < 0 || !tsk_mul(n, dims[i], &n)))
			return -1;
	}
	return n;
}

/* The shape that Reshape gives: 0 copies, -1 is what is left. */
static void reshaped_dims(const struct onnx_value *x, const int64_t *dims, int rank, int64_t *ret)
{
	int64_t all = x->rank >= 0 ? product(x->dims, x->rank, -1) : -1, rest;
	int open = -1;

	for (int i = 0; i < rank; i++) {
		ret[i] = dims[i] ? dims[i] : i < x->rank ? x->dims[i] : -1;
		if (dims[i] == -1)
			open = i;
	}
	if (open < 0)
		return;
	rest = product(ret, rank, open);
	ret[open] = all >= 0 && rest > 0 ? all / rest : -1;
}

static bool same_dims(const struct onnx_value *x, const int64_t *dims, int rank)
{
	return x->rank == rank && onnx_value_is_fixed(x) &&
	       memcmp(x->dims, dims, (size_t)rank * sizeof(*dims)) == 0;
}

struct onnx_value *emit_reshape(struct onnx_graph *graph, struct onnx_value *x, const int64_t *dims,
				int rank)
{
	int64_t known[TENSOCK_RANK_MAX];
	struct onnx_value *ret;

	if (rank < 0 || rank > (int)TENSOCK_RANK_MAX) {
		onnx_fail(graph, -EINVAL);
		return x;
	}
	reshaped_dims(x, dims, rank, known);
	if (same_dims(x, known, rank))
		return x;
	if (x->constant && product(known, rank, -1) == product(x->dims, x->rank, -1) &&
	    product(known, rank, -1) >= 0)
		return onnx_constant_reshaped(graph, x, known, (uint32_t)rank);
	ret = ONNX_CALL(graph, "Reshape", x, onnx_int64s(graph, dims, (size_t)rank));
	onnx_value_set_shape(ret, known, rank);
	return ret;
}

struct onnx_value *emit_as_scalar(struct onnx_graph *graph, struct onnx_value *x)
{
	return x->rank == 0 ? x : emit_reshape(graph, x, NULL, 0);
}

struct onnx_value *emit_shape_of(struct onnx_graph *graph, struct onnx_value *x)
{
	int64_t rank = x->rank;
	struct onnx_value *ret;

	if (onnx_value_is_fixed(x))
		return onnx_int64s(graph, x->dims, (size_t)rank);
	ret = ONNX_CALL(graph, "Shape", x);
	ret->dtype = TENSOCK_INT64;
	if (rank >= 0)
		onnx_value_set_shape(ret, &rank, 1);
	return ret;
}

struct onnx_value *emit_reshape_to(struct onnx_graph *graph, struct onnx_value *x,
				   struct onnx_value *shape)
{
	int64_t dims[TENSOCK_RANK_MAX];
	int n = onnx_constant_read_ints(shape, dims, TENSOCK_RANK_MAX);
	struct onnx_value *ret;

	if (n >= 0)
		return emit_reshape(graph, x, dims, n);
	ret = ONNX_CALL(graph, "Reshape", x, emit_cast(graph, shape, TENSOCK_INT64));
	if (shape->rank == 1 && shape->dims[0] >= 0 && shape->dims[0] <= (int)TENSOCK_RANK_MAX)
		onnx_value_set_shape(ret, NULL, (int)shape->dims[0]);
	return ret;
}

/* The axes as places in a rank: false for one that is none, or twice. */
static bool mark_axes(const int64_t *axes, size_t n, int rank, bool *ret)
{
	for (size_t i = 0; i < n; i++) {
		int64_t at = axes[i] < 0 ? axes[i] + rank : axes[i];

		if (at < 0 || at >= rank || ret[at])
			return false;
		ret[at] = true;
	}
	return true;
}

struct onnx_value *emit_squeeze(struct onnx_graph *graph, struct onnx_value *x, const int64_t *axes,
				size_t n)
{
	bool gone[TENSOCK_RANK_MAX] = { false };
	int64_t dims[TENSOCK_RANK_MAX];
	struct onnx_value *ret;
	int rank = 0;

	if (x->rank >= 0 && !mark_axes(axes, n, x->rank, gone))
		onnx_fail(graph, -EINVAL);
	for (int i = 0; i < x->rank; i++) {
		if (n ? !gone[i] : x->dims[i] != 1)
			dims[rank++] = x->dims[i];
	}
	if (x->constant)
		return onnx_constant_reshaped(graph, x, dims, (uint32_t)rank);
	ret = n ? ONNX_CALL(graph, "Squeeze", x, onnx_int64s(graph, axes, n))
		: ONNX_CALL(graph, "Squeeze", x);
	if (x->rank >= 0 && (n || onnx_value_is_fixed(x)))
		onnx_value_set_shape(ret, dims, rank);
	return ret;
}

struct onnx_value *emit_unsqueeze(struct onnx_graph *graph, struct onnx_value *x,
				  const int64_t *axes, size_t n)
{
	bool fits = n <= TENSOCK_RANK_MAX && x->rank <= (int)(TENSOCK_RANK_MAX - n);
	bool added[TENSOCK_RANK_MAX] = { false };
	int rank = fits ? x->rank + (int)n : -1, from = 0;
	int64_t dims[TENSOCK_RANK_MAX];
	struct onnx_value *ret;

	if (!fits || (x->rank >= 0 && !mark_axes(axes, n, rank, added))) {
		onnx_fail(graph, -EINVAL);
		return x;
	}
	for (int i = 0; x->rank >= 0 && i < rank; i++)
		dims[i] = added[i] ? 1 : x->dims[from++];
	if (x->constant)
		return onnx_constant_reshaped(graph, x, dims, (uint32_t)rank);
	ret = ONNX_CALL(graph, "Unsqueeze", x, onnx_int64s(graph, axes, n));
	if (x->rank >= 0)
		onnx_value_set_shape(ret, dims, rank);
	return ret;
}
