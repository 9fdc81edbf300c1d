/* SPDX-License-Identifier: Apache-2.0 */
/*
 * MindSpore Lite's recurrent operators are ONNX's, gates in the same order; but the bias has one dimension
 * or two.
 */
#include "translate/ms/ms_layer.h"

enum {
	X,
	WEIGHT_OF_INPUT, /* [directions, gates × hidden, input] */
	WEIGHT_OF_STATE, /* [directions, gates × hidden, hidden] */
	BIAS,            /* directions × 2 × gates × hidden */
	STATE,
	LSTM_CELL,
	LSTM_INPUTS,
	GRU_LENGTHS = LSTM_CELL, /* may be missing */
};

/* Of one operator. */
struct recurrent {
	int64_t n_gates, n_directions;
	int64_t hidden;
};

static int read_hidden(struct ms_op *op, struct recurrent *net)
{
	const struct onnx_value *input = ms_in(op, WEIGHT_OF_INPUT),
				*state = ms_in(op, WEIGHT_OF_STATE);

	if (op->error)
		return op->error;
	if (ms_in(op, X)->rank != 3 || input->rank != 3 || state->rank != 3 ||
	    input->dims[0] != net->n_directions || state->dims[0] != net->n_directions)
		return ms_invalid(op,
				  "its input or a weight has not 3 dimensions, or the weights are "
				  "not for %lld directions",
				  (long long)net->n_directions);
	if (state->dims[2] < 1 || state->dims[2] > INT32_MAX ||
	    state->dims[1] != net->n_gates * state->dims[2] || input->dims[1] != state->dims[1])
		return ms_invalid(op, "its weights do not go together");
	net->hidden = state->dims[2];
	return 0;
}

static struct onnx_value *bias_of(struct ms_op *op, const struct recurrent *net)
{
	const int64_t dims[] = { net->n_directions, 2 * net->n_gates * net->hidden };

	return emit_reshape(op->graph, ms_in(op, BIAS), dims, 2);
}

/* Attributes and outputs: all steps, and what the last one leaves. */
static int finish(struct ms_op *op, const struct recurrent *net, struct onnx_node *node,
		  unsigned n_outputs)
{
	const struct onnx_value *x = ms_in(op, X);
	const int64_t steps[] = { x->dims[0], net->n_directions, x->dims[1], net->hidden };
	const int64_t last[] = { net->n_directions, x->dims[1], net->hidden };

	onnx_attr_int(op->graph, node, "hidden_size", net->hidden);
	if (net->n_directions == 2)
		onnx_attr_text(op->graph, node, "direction", "bidirectional");
	for (unsigned i = 0; i < n_outputs; i++) {
		struct onnx_value *value = onnx_out(op->graph, node, x->dtype);

		onnx_value_set_shape(value, i == 0 ? steps : last, i == 0 ? 4 : 3);
		ms_out(op, i, value);
	}
	return 0;
}

int ms_layer_lstm(struct ms_op *op, bool is_bidirectional)
{
	struct recurrent net = { .n_gates = 4, .n_directions = is_bidirectional ? 2 : 1 };
	struct onnx_node *node;
	int r;

	if (op->n_inputs != LSTM_INPUTS)
		return ms_unsupported(op, "has %u inputs instead of %u", op->n_inputs, LSTM_INPUTS);
	r = read_hidden(op, &net);
	if (r < 0)
		return r;
	node = ONNX_NODE(op->graph, "LSTM", ms_in(op, X), ms_in(op, WEIGHT_OF_INPUT),
			 ms_in(op, WEIGHT_OF_STATE), bias_of(op, &net), NULL, ms_in(op, STATE),
			 ms_in(op, LSTM_CELL));
	return finish(op, &net, node, 3);
}

int ms_layer_gru(struct ms_op *op, bool is_bidirectional)
{
	struct recurrent net = { .n_gates = 3, .n_directions = is_bidirectional ? 2 : 1 };
	struct onnx_value *lengths = NULL;
	struct onnx_node *node;
	int r = read_hidden(op, &net);

	if (r < 0)
		return r;
	if (op->n_inputs > GRU_LENGTHS)
		lengths = emit_cast(op->graph, ms_in(op, GRU_LENGTHS), TENSOCK_INT32);
	node = ONNX_NODE(op->graph, "GRU", ms_in(op, X), ms_in(op, WEIGHT_OF_INPUT),
			 ms_in(op, WEIGHT_OF_STATE), bias_of(op, &net), lengths, ms_in(op, STATE));
	return finish(op, &net, node, 2);
}
