/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pools that are given the size of their result.  Along an axis the part i of n is made of the elements
 * from floor(i * size / n) to ceil((i + 1) * size / n).
 */
#include "translate/mindir/mindir_op.h"

#include <string.h>

#define PARTS_MAX 64 /* along an axis whose parts differ: each is a node */

struct adaptive {
	const char *pool, *reduce;     /* ONNX's names */
	unsigned n;                    /* spatial dimensions: the last ones */
	int64_t out[EMIT_SPATIAL_MAX]; /* -1: as large as it was */
};

static struct onnx_value *part(struct mindir_op *op, struct onnx_value *x, const char *reduce,
			       int64_t axis, int64_t i, int64_t n)
{
	int64_t size = x->dims[axis], from = i * size / n, to = ((i + 1) * size + n - 1) / n;

	return emit_reduce(op->graph, reduce, mindir_slice(op, x, axis, from, to, 1), &axis, 1,
			   true);
}

static struct onnx_value *in_parts(struct mindir_op *op, struct onnx_value *x, const char *reduce,
				   int64_t axis, int64_t n)
{
	struct onnx_value *parts[PARTS_MAX];

	if (x->dims[axis] < 1 || x->dims[axis] > INT32_MAX || n > PARTS_MAX)
		return mindir_refuse(op, "from %lld to %lld elements: up to %d are translated",
				     (long long)x->dims[axis], (long long)n, PARTS_MAX);
	for (int64_t i = 0; i < n; i++)
		parts[i] = part(op, x, reduce, axis, i, n);
	return emit_concat(op->graph, parts, (size_t)n, axis);
}

/* One pool, where the parts of all axes are as large as each other. */
static bool even_window(const struct onnx_value *x, const struct adaptive *a, struct window *w)
{
	*w = (struct window){ .n = a->n, .group = 1 };
	for (unsigned i = 0; i < a->n; i++) {
		int64_t size = x->dims[x->rank - (int)a->n + (int)i];

		if (a->out[i] > 0 && (size < 1 || size % a->out[i]))
			return false;
		w->kernel[i] = w->strides[i] = a->out[i] > 0 ? size / a->out[i] : 1;
		w->dilations[i] = 1;
	}
	return x->rank == (int)a->n + 2;
}

/* Down to one element along all axes. */
static struct onnx_value *whole(struct mindir_op *op, struct onnx_value *x,
				const struct adaptive *a)
{
	int64_t axes[EMIT_SPATIAL_MAX];

	for (unsigned i = 0; i < a->n; i++) {
		axes[i] = x->rank - (int64_t)a->n + i;
		if (a->out[i] != 1)
			return NULL;
	}
	return emit_reduce(op->graph, a->reduce, x, axes, a->n, true);
}

static struct onnx_value *adaptive(struct mindir_op *op, struct onnx_value *x,
				   const struct adaptive *a)
{
	struct onnx_value *ret = whole(op, x, a);
	struct window w;

	if (ret)
		return ret;
	if (even_window(x, a, &w))
		return emit_pool(op->graph, a->pool, x, &w);
	for (unsigned i = 0; i < a->n && !op->error; i++) {
		int64_t axis = x->rank - (int64_t)a->n + i;

		if (a->out[i] > 0 && x->dims[axis] != a->out[i])
			x = in_parts(op, x, a->reduce, axis, a->out[i]);
	}
	return x;
}

static struct adaptive settings(struct mindir_op *op, const struct onnx_value *x, unsigned n)
{
	bool is_max = !strcmp(op->row->onnx, "MaxPool");
	struct adaptive a = { .pool = op->row->onnx,
			      .reduce = is_max ? "ReduceMax" : "ReduceMean",
			      .n = n };
	const struct mindir_value *size = mindir_setting(op, 1, "output_size");
	size_t given = 0;

	if (size && size->kind == MINDIR_TUPLE) {
		for (; given < size->n_items && given < n; given++) {
			const struct mindir_value *item = &size->items[given];

			a.out[given] =
				item->kind == MINDIR_INT ? item->i : -1; /* None: as it was */
		}
	} else {
		given = mindir_ints(op, 1, "output_size", a.out, n);
	}
	for (size_t i = given; given == 1 && i < n; i++)
		a.out[i] = a.out[0];
	if (!given || x->rank < (int)n)
		mindir_refuse(op, "its size is not known");
	for (unsigned i = 0; i < n; i++) {
		if (a.out[i] == 0 || a.out[i] > INT32_MAX)
			mindir_broken(op, "its size is %lld", (long long)a.out[i]);
	}
	return a;
}

static struct onnx_value *adaptive_pool(struct mindir_op *op, unsigned n)
{
	struct onnx_value *x = mindir_in(op, 0), *ret[2] = { NULL, NULL };
	struct adaptive a = settings(op, x, n);

	if (op->error)
		return NULL;
	ret[0] = adaptive(op, x, &a);
	if (op->node->shape && op->node->shape->kind == MINDIR_TUPLE)
		return mindir_result_tuple(op, ret, 2); /* with the places, which nobody may use */
	return ret[0];
}

static struct onnx_value *adaptive_pool1d(struct mindir_op *op)
{
	return adaptive_pool(op, 1);
}

static struct onnx_value *adaptive_pool2d(struct mindir_op *op)
{
	return adaptive_pool(op, 2);
}

static struct onnx_value *adaptive_pool3d(struct mindir_op *op)
{
	return adaptive_pool(op, 3);
}

static const struct mindir_operator rows[] = {
	{ "AdaptiveAvgPool1D", adaptive_pool1d, 1, "AveragePool" },
	{ "AdaptiveAvgPool2D", adaptive_pool2d, 1, "AveragePool" },
	{ "AdaptiveAvgPool2DExt", adaptive_pool2d, 1, "AveragePool" },
	{ "AdaptiveAvgPool3D", adaptive_pool3d, 1, "AveragePool" },
	{ "AdaptiveAvgPool3DExt", adaptive_pool3d, 1, "AveragePool" },
	{ "AdaptiveMaxPool1D", adaptive_pool1d, 1, "MaxPool" },
	{ "AdaptiveMaxPool2D", adaptive_pool2d, 1, "MaxPool" },
	{ "AdaptiveMaxPool3D", adaptive_pool3d, 1, "MaxPool" },
};

const struct mindir_table mindir_adaptive_table = { rows, ARRAY_SIZE(rows) };
