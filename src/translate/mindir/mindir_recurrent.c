/* SPDX-License-Identifier: Apache-2.0 */
/*
 * LSTM(x, h, c, weights) of one layer and direction, as MindSpore writes each: x is [T, N, I]; the weights
 * are those of the input, [4H, I], then of the state, [4H, H], then (has_bias) the sum of both biases,
 * [4H], in one row.  Gates: input, forget, cell, output there, input, output, forget, cell in ONNX.
 */
#include "translate/mindir/mindir_op.h"

struct lstm {
	int64_t in, hidden;
	struct onnx_value *weights; /* in a row */
	int64_t used;               /* of them */
};

/* The next rows × columns numbers, with the gates in ONNX's order: [1, 4 × hidden, columns]. */
static struct onnx_value *take_gates(struct mindir_op *op, struct lstm *lstm, int64_t columns)
{
	static const int64_t order[] = { 0, 3, 1, 2 };
	int64_t n = 4 * lstm->hidden * columns;
	const int64_t by_gate[] = { 4, lstm->hidden * columns };
	const int64_t shape[] = { 1, 4 * lstm->hidden, columns };
	struct onnx_value *part = mindir_slice(op, lstm->weights, 0, lstm->used, lstm->used + n, 1);

	lstm->used += n;
	part = emit_reshape(op->graph, part, by_gate, 2);
	part = ONNX_CALL(op->graph, "Gather", part, onnx_int64s(op->graph, order, 4));
	onnx_value_set_shape(part, by_gate, 2);
	return emit_reshape(op->graph, part, shape, 3);
}

/* ONNX has two biases: the second is 0. */
static struct onnx_value *take_bias(struct mindir_op *op, struct lstm *lstm, bool has_bias)
{
	const int64_t shape[] = { 1, 4 * lstm->hidden };
	struct onnx_value *parts[2];

	if (!has_bias)
		return NULL;
	parts[0] = emit_reshape(op->graph, take_gates(op, lstm, 1), shape, 2);
	parts[1] = mindir_filled(op, lstm->weights->dtype, 0, 4 * lstm->hidden);
	parts[1] = emit_reshape(op->graph, parts[1], shape, 2);
	return emit_concat(op->graph, parts, 2, 1);
}

static struct onnx_value *lstm(struct mindir_op *op)
{
	static const int64_t row = -1, direction = 1;
	struct onnx_value *x = mindir_in_ranked(op, 0, 3, 3), *w, *r, *b, *ret[5] = { NULL };
	struct lstm lstm = { mindir_int(op, ONLY_NAMED, "input_size", 0),
			     mindir_int(op, ONLY_NAMED, "hidden_size", 0) };
	struct onnx_node *node;

	if (mindir_bool(op, ONLY_NAMED, "bidirectional", false) ||
	    mindir_int(op, ONLY_NAMED, "num_layers", 1) != 1 ||
	    mindir_int(op, ONLY_NAMED, "proj_size", 0) != 0)
		return mindir_refuse(
			op, "one layer in one direction is translated: export with nn.LSTM, "
			    "which makes one of each");
	if (lstm.in < 1 || lstm.in > INT32_MAX / 4 || lstm.hidden < 1 ||
	    lstm.hidden > INT32_MAX / 4)
		return mindir_broken(op, "its sizes are %lld and %lld", (long long)lstm.in,
				     (long long)lstm.hidden);
	lstm.weights = emit_reshape(op->graph, mindir_in(op, 3), &row, 1);
	w = take_gates(op, &lstm, lstm.in);
	r = take_gates(op, &lstm, lstm.hidden);
	b = take_bias(op, &lstm, mindir_bool(op, ONLY_NAMED, "has_bias", true));
	node = ONNX_NODE(op->graph, "LSTM", x, w, r, b, NULL, mindir_in(op, 1), mindir_in(op, 2));
	onnx_attr_int(op->graph, node, "hidden_size", lstm.hidden);
	for (int i = 0; i < 3; i++)
		ret[i] = onnx_out(op->graph, node, x->dtype);
	onnx_value_set_shape(ret[0], NULL, 4);
	ret[0] = emit_squeeze(op->graph, ret[0], &direction, 1);
	return mindir_result_tuple(op, ret, 5);
}

static const struct mindir_operator rows[] = {
	{ "LSTM", lstm, 4 },
};

const struct mindir_table mindir_recurrent_table = { rows, ARRAY_SIZE(rows) };
