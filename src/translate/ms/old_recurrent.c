/* SPDX-License-Identifier: Apache-2.0 */
#include "translate/ms/old_op.h"

enum {
	LSTM_BIDIRECTION = 0,
};

int old_lstm(struct ms_op *op)
{
	return ms_layer_lstm(op, fb_bool(&op->fields, LSTM_BIDIRECTION, false));
}
