/* SPDX-License-Identifier: Apache-2.0 */
/* MindSpore Lite's GRU is ONNX's, gates in the same order; but the bias has one dimension or two. */
#include "translate/ms/ms_layer.h"

enum {
	X,
	WEIGHT_OF_INPUT, /* [directions, 3 hidden, input] */
	WEIGHT_OF_STATE, /* [directions, 3 hidden, hidden] */
	BIAS,            /* directions × 6 hidden */
	STATE,
	LENGTHS, /* may be missing */
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
	    state->dims[1] != 3 * state->dims[2] || input->dims[1] != state->dims[1])
		return ms_invalid(op, "its weights do not go together");
	*ret_hidden = state->dims[2];
	return 0;
}

int ms_layer_gru(struct ms_op *op, bool is_bidirectional)
{
	int64_t n_directions = is_bidirectional ? 2 : 1, hidden = 0;
	int r = check_weights(op, n_directions, &hidden);
	const int64_t bias_dims[] = { n_directions, 6 * hidden };
	struct onnx_value *x = ms_in(op, X), *lengths = NULL, *bias;
	struct onnx_node *node;

	if (r < 0)
		return r;
	const int64_t steps[] = { x->dims[0], n_directions, x->dims[1], hidden };
	const int64_t last[] = { n_directions, x->dims[1], hidden };

	bias = emit_reshape(op->graph, ms_in(op, BIAS), bias_dims, 2);
	if (op->n_inputs > LENGTHS)
		lengths = emit_cast(op->graph, ms_in(op, LENGTHS), TENSOCK_INT32);
	node = ONNX_NODE(op->graph, "GRU", x, ms_in(op, WEIGHT_OF_INPUT),
			 ms_in(op, WEIGHT_OF_STATE), bias, lengths, ms_in(op, STATE));
	onnx_attr_int(op->graph, node, "hidden_size", hidden);
	if (is_bidirectional)
		onnx_attr_text(op->graph, node, "direction", "bidirectional");
	for (unsigned i = 0; i < 2; i++) {
		struct onnx_value *value = onnx_out(op->graph, node, x->dtype);

		onnx_value_set_shape(value, i == 0 ? steps : last, i == 0 ? 4 : 3);
		ms_out(op, i, value);
	}
	return 0;
}
