/* SPDX-License-Identifier: Apache-2.0 */
/* MSL2's recurrent operators: their fields. */
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
