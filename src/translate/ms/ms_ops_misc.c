/* SPDX-License-Identifier: Apache-2.0 */
/* MSL2's recurrent nets and blocks: their fields. */
#include "translate/ms/ms_layer.h"
#include "translate/ms/ms_ops.h"

enum {
	LSTM_BIDIRECTIONAL = 0,
	LSTM_LAYERS = 4,
	LSTM_ZONEOUT_CELL = 7,
	LSTM_ZONEOUT_HIDDEN = 8,
	LSTM_PROJECTION = 9,
};

int ms_op_lstm(struct ms_op *op)
{
	if (fb_i64(&op->fields, LSTM_LAYERS, 0) > 1 ||
	    fb_i64(&op->fields, LSTM_PROJECTION, 0) != 0 ||
	    fb_f32(&op->fields, LSTM_ZONEOUT_CELL, 0) != 0 ||
	    fb_f32(&op->fields, LSTM_ZONEOUT_HIDDEN, 0) != 0)
		return ms_unsupported(op, "has several layers, a projection or zoneout: only plain "
					  "ones are covered");
	return ms_layer_lstm(op, fb_bool(&op->fields, LSTM_BIDIRECTIONAL, false));
}

/* Field 0: in both directions. */
int ms_op_gru(struct ms_op *op)
{
	return ms_layer_gru(op, fb_bool(&op->fields, 0, false));
}

/* Of height and width: blocks, and what is added or cut before and after. */
struct blocks {
	int64_t block[2], edges[4];
};

/* Fields 0 and 1, or inputs 1 and 2. */
static int read_blocks(struct ms_op *op, struct blocks *blocks)
{
	int n, n_edges;

	if (op->n_inputs > 2) {
		n = ms_in_ints(op, 1, blocks->block, 2);
		n_edges = ms_in_ints(op, 2, blocks->edges, 4);
	} else {
		n = ms_field_ints(op, 0, 8, blocks->block, 2);
		n_edges = ms_field_rows(op, 1, blocks->edges, 4);
	}
	if (n < 0 || n_edges < 0)
		return op->error;
	if (n < 1 || n_edges != 2 * n)
		return ms_invalid(op, "%d blocks and %d edges", n, n_edges);
	if (n == 1)
		blocks->block[1] = 1;
	return 0;
}

int ms_op_space_to_batch(struct ms_op *op)
{
	struct blocks blocks = { 0 };
	int r = read_blocks(op, &blocks);

	return r < 0 ? r : ms_layer_space_to_batch(op, blocks.block, blocks.edges);
}

int ms_op_batch_to_space(struct ms_op *op)
{
	struct blocks blocks = { 0 };
	int r = read_blocks(op, &blocks);

	return r < 0 ? r : ms_layer_batch_to_space(op, blocks.block, blocks.edges);
}
