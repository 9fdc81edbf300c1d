/* SPDX-License-Identifier: Apache-2.0 */
/*
 * LSTM and GRU: MindSpore Lite has ONNX's layouts and orders of gates.  Outputs: [steps, directions,
 * batch, hidden], and the last states.
 */
#include "translate/ms/ms_layer.h"

#define INPUTS_MAX 8u

static struct onnx_node *recurrent_node(struct ms_op *op, const char *onnx_op,
					struct onnx_value *const *inputs, size_t n, int64_t hidden,
					bool bidirectional)
{
	struct onnx_node *node = onnx_node_of(op->graph, onnx_op, inputs, n);

	onnx_attr_int(op->graph, node, "hidden_size", hidden);
	onnx_attr_text(op->graph, node, "direction", bidirectional ? "bidirectional" : "forward");
	return node;
}

/* The hidden size, by the recurrent weight [directions, gates · hidden, hidden]; < 0: the failure. */
static int64_t hidden_size(struct ms_op *op, int64_t gates, bool bidirectional)
{
	const struct onnx_value *x = ms_in(op, 0), *w = ms_in(op, 1), *r = ms_in(op, 2);

	if (op->error)
		return op->error;
	if (x->rank != 3 || w->rank != 3 || r->rank != 3)
		return ms_unsupported(op,
				      "its input and weights have %d, %d and %d dimensions: only "
				      "3 are covered",
				      x->rank, w->rank, r->rank);
	if (r->dims[2] < 1 || r->dims[2] > INT32_MAX || r->dims[1] != gates * r->dims[2] ||
	    w->dims[1] != r->dims[1] || r->dims[0] != (bidirectional ? 2 : 1))
		return ms_invalid(op, "its weights do not go together");
	return r->dims[2];
}

static void give_outputs(struct ms_op *op, struct onnx_node *node, int64_t hidden,
			 bool bidirectional, unsigned n)
{
	const struct onnx_value *x = ms_in(op, 0);
	const int64_t directions = bidirectional ? 2 : 1;
	const int64_t all[] = { x->dims[0], directions, x->dims[1], hidden };

	for (unsigned i = 0; i < n; i++) {
		struct onnx_value *value = onnx_out(op->graph, node, x->dtype);

		onnx_value_set_shape(value, i == 0 ? all : all + 1, i == 0 ? 4 : 3);
		ms_out(op, i, value);
	}
}

int ms_layer_lstm(struct ms_op *op, bool bidirectional)
{
	int64_t hidden = hidden_size(op, 4, bidirectional);
	struct onnx_value *inputs[INPUTS_MAX];

	if (hidden < 0)
		return (int)hidden;
	for (unsigned i = 0; i < 4; i++)
		inputs[i] = ms_in(op, i);
	inputs[4] = NULL; /* all sequences are as long as the input */
	inputs[5] = ms_in(op, 4);
	inputs[6] = ms_in(op, 5);
	give_outputs(op, recurrent_node(op, "LSTM", inputs, 7, hidden, bidirectional), hidden,
		     bidirectional, 3);
	return 0;
}

int ms_layer_gru(struct ms_op *op, bool bidirectional)
{
	int64_t hidden = hidden_size(op, 3, bidirectional);
	struct onnx_value *inputs[INPUTS_MAX];

	if (hidden < 0)
		return (int)hidden;
	for (unsigned i = 0; i < 4; i++)
		inputs[i] = ms_in(op, i);
	inputs[4] = op->n_inputs > 5 ? emit_cast(op->graph, ms_in(op, 5), TENSOCK_INT32) : NULL;
	inputs[5] = ms_in(op, 4);
	give_outputs(op, recurrent_node(op, "GRU", inputs, 6, hidden, bidirectional), hidden,
		     bidirectional, 2);
	return 0;
}
