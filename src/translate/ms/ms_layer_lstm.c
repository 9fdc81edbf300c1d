/* SPDX-License-Identifier: Apache-2.0 */
/* MindSpore Lite's LSTM is ONNX's, gates in the same order; but the bias has one dimension or two. */
#include "translate/ms/ms_layer.h"

enum {
	X,
	WEIGHT_OF_INPUT, /* [directions, 4 hidden, input] */
	WEIGHT_OF_STATE, /* [directions, 4 hidden, hidden] */
	BIAS,            /* directions × 8 hidden */
	STATE,
	CELL,
	N_INPUTS
};

static int check_weights(struct ms_op *op, int64_t n_directions, int64_t *ret_hidden)
{
	const struct onnx_value *input = ms_in(op, WEIGHT_OF_INPUT),
				*state = ms_in(op, WEIGHT_OF_STATE);

	if (op->error)
		return op->error;
	if (ms_in(op, X)->rank != 3 || input->rank != 3 || state->rank != 3 ||
	    input->dims[0] != n_directions || state->dims[0] != n_directions)
		return ms_invalid(op,
				  "its input or a weight has not 3 dimensions, or the weights are "
				  "not for %lld directions",
				  (long long)n_directions);
	if (state->dims[2] < 1 || state->dims[2] > INT32_MAX ||
	    state->dims[1] != 4 * state->dims[2] || input->dims[1] != state->dims[1])
		return ms_invalid(op, "its weights do not go together");
	*ret_hidden = state->dims[2];
	return 0;
}

static void give(struct ms_op *op, struct onnx_node *node, const struct onnx_value *x,
		 int64_t n_directions, int64_t hidden)
{
	const int64_t steps[] = { x->dims[0], n_directions, x->dims[1], hidden };
	const int64_t last[] = { n_directions, x->dims[1], hidden };

	for (unsigned i = 0; i < 3; i++) {
		struct onnx_value *value = onnx_out(op->graph, node, x->dtype);

		onnx_value_set_shape(value, i == 0 ? steps : last, i == 0 ? 4 : 3);
		ms_out(op, i, value);
	}
}

int ms_layer_lstm(struct ms_op *op, bool is_bidirectional)
{
	int64_t n_directions = is_bidirectional ? 2 : 1, hidden = 0;
	int64_t bias_dims[2];
	struct onnx_value *x, *bias;
	struct onnx_node *node;
	int r;

	if (op->n_inputs != N_INPUTS)
		return ms_unsupported(op, "has %u inputs instead of %u", op->n_inputs, N_INPUTS);
	r = check_weights(op, n_directions, &hidden);
	if (r < 0)
		return r;
	bias_dims[0] = n_directions;
	bias_dims[1] = 8 * hidden;
	x = ms_in(op, X);
	bias = emit_reshape(op->graph, ms_in(op, BIAS), bias_dims, 2);
	node = ONNX_NODE(op->graph, "LSTM", x, ms_in(op, WEIGHT_OF_INPUT),
			 ms_in(op, WEIGHT_OF_STATE), bias, NULL, ms_in(op, STATE), ms_in(op, CELL));
	onnx_attr_int(op->graph, node, "hidden_size", hidden);
	if (is_bidirectional)
		onnx_attr_text(op->graph, node, "direction", "bidirectional");
	give(op, node, x, n_directions, hidden);
	return 0;
}
