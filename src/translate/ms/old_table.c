/* SPDX-License-Identifier: Apache-2.0 */
/* The operators of 1.0 and MSL1. */
#include "translate/ms/ms_op.h"

static const struct ms_op_row rows[] = { { 0 } };

const struct ms_op_table ms_op_table_old = { rows, ARRAY_SIZE(rows) };
