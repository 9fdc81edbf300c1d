/* SPDX-License-Identifier: Apache-2.0 */
#include "translate/mindir/mindir_op.h"

/* How much is added (or, below 0, cut off) at both ends of each axis. */
struct margins {
	int rank;
	int64_t begin[TENSOCK_RANK_MAX], end[TENSOCK_RANK_MAX];
};

static struct onnx_value *pad(struct mindir_op *op, struct onnx_value *x, const struct margins *m,
			      const char *mode, struct onnx_value *value)
{
	int64_t pads[2 * TENSOCK_RANK_MAX];
	struct onnx_value *amounts, *ret;
	struct onnx_node *node;

	for (int i = 0; i < m->rank; i++) {
		pads[i] = m->begin[i];
		pads[m->rank + i] = m->end[i];
	}
	amounts = onnx_int64s(op->graph, pads, (size_t)m->rank * 2);
	node = value ? ONNX_NODE(op->graph, "Pad", x, amounts, value)
		     : ONNX_NODE(op->graph, "Pad", x, amounts);
	onnx_attr_text(op->graph, node, "mode", mode);
	ret = onnx_out(op->graph, node, x->dtype);
	onnx_value_set_shape(ret, NULL, m->rank);
	return ret;
}

/* [[begin, end], ...] of all axes. */
static struct margins all_axes(struct mindir_op *op, const struct onnx_value *x, size_t i,
			       const char *name)
{
	int64_t pairs[2 * TENSOCK_RANK_MAX];
	size_t n = mindir_ints(op, i, name, pairs, 2 * TENSOCK_RANK_MAX);
	struct margins m = { .rank = (int)(n / 2) };

	if (n % 2 || (x->rank >= 0 && m.rank != x->rank))
		mindir_broken(op, "%zu numbers of padding, of an input of %d dimensions", n,
			      x->rank);
	for (int k = 0; k < m.rank; k++) {
		m.begin[k] = pairs[2 * k];
		m.end[k] = pairs[2 * k + 1];
	}
	return m;
}

/* Pairs of the last axes, the last one first: as torch has them. */
static struct margins last_axes(struct mindir_op *op, const struct onnx_value *x, size_t i,
				const char *name)
{
	int64_t pairs[2 * TENSOCK_RANK_MAX];
	size_t n = mindir_ints(op, i, name, pairs, 2 * TENSOCK_RANK_MAX);
	struct margins m = { .rank = x->rank };

	if (x->rank < 0 || n % 2 || n / 2 > (size_t)x->rank) {
		mindir_refuse(op, "%zu numbers of padding, of an input of %d dimensions", n,
			      x->rank);
		m.rank = 0;
		return m;
	}
	for (size_t k = 0; k < n / 2; k++) {
		m.begin[(size_t)m.rank - 1 - k] = pairs[2 * k];
		m.end[(size_t)m.rank - 1 - k] = pairs[2 * k + 1];
	}
	return m;
}

static struct onnx_value *pad_zero(struct mindir_op *op)
{
	struct onnx_value *x = mindir_in(op, 0);
	struct margins m = all_axes(op, x, ONLY_NAMED, "paddings");

	return pad(op, x, &m, "constant", NULL);
}

/* PadV3(x, paddings, value) */
static struct onnx_value *pad_v3(struct mindir_op *op)
{
	static const char *const modes[][2] = {
		{ "constant", "constant" }, { "reflect", "reflect" }, { "edge", "edge" },
		{ "circular", "wrap" },     { "wrap", "wrap" },
	};
	struct onnx_value *x = mindir_in(op, 0), *value = NULL;
	struct margins m = last_axes(op, x, 1, "paddings");

	if (!mindir_bool(op, ONLY_NAMED, "paddings_contiguous", true))
		return mindir_refuse(op, "paddings that are not in pairs are not translated");
	if (mindir_setting(op, 2, NULL))
		value = mindir_in_cast(op, 2, x->dtype);
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		if (mindir_text(op, ONLY_NAMED, "mode", modes[i][0]))
			return pad(op, x, &m, modes[i][1], i ? NULL : value);
	}
	return mindir_refuse(op, "its mode is not translated");
}

/* By the rows' own mode; a third input is the value. */
static struct onnx_value *pad_last(struct mindir_op *op)
{
	struct onnx_value *x = mindir_in(op, 0), *value = NULL;
	struct margins m = last_axes(op, x, 1, "padding");

	if (mindir_setting(op, 2, NULL))
		value = mindir_in_cast(op, 2, x->dtype);
	return pad(op, x, &m, op->row->onnx, value);
}

/* Mirrored with the outermost element twice, which ONNX has no mode for. */
static struct onnx_value *pad_symmetric(struct mindir_op *op, struct onnx_value *x,
					const struct margins *m)
{
	for (int i = 0; i < m->rank; i++) {
		struct onnx_value *parts[3];
		size_t n = 0;

		if (m->begin[i] < 0 || m->end[i] < 0 || m->end[i] > INT32_MAX)
			return mindir_broken(op, "its paddings are not possible");
		if (m->begin[i])
			parts[n++] = mindir_slice(op, x, i, m->begin[i] - 1, INT64_MIN, -1);
		parts[n++] = x;
		if (m->end[i])
			parts[n++] = mindir_slice(op, x, i, -1, -m->end[i] - 1, -1);
		if (n > 1)
			x = emit_concat(op->graph, parts, n, i);
	}
	return x;
}

static struct onnx_value *mirror_pad(struct mindir_op *op)
{
	struct onnx_value *x = mindir_in(op, 0);
	struct margins m = all_axes(op, x, 1, "paddings");

	if (mindir_text(op, ONLY_NAMED, "mode", "SYMMETRIC"))
		return op->error ? NULL : pad_symmetric(op, x, &m);
	return pad(op, x, &m, "reflect", NULL);
}

static const struct mindir_operator rows[] = {
	{ "Pad", pad_zero, 1 },
	{ "PadV3", pad_v3, 2 },
	{ "MirrorPad", mirror_pad, 2 },
	{ "ConstantPadND", pad_last, 2, "constant" },
	{ "ReflectionPad1D", pad_last, 2, "reflect" },
	{ "ReflectionPad2D", pad_last, 2, "reflect" },
	{ "ReflectionPad3D", pad_last, 2, "reflect" },
	{ "ReplicationPad1D", pad_last, 2, "edge" },
	{ "ReplicationPad2D", pad_last, 2, "edge" },
	{ "ReplicationPad3D", pad_last, 2, "edge" },
};

const struct mindir_table mindir_pad_table = { rows, ARRAY_SIZE(rows) };
