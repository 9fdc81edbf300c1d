/* SPDX-License-Identifier: Apache-2.0 */
/* The constants of a .ms file: float as they are, quantised ones dequantised. */
#ifndef TRANSLATE_MS_MS_WEIGHT_H
#define TRANSLATE_MS_MS_WEIGHT_H

#include "translate/ms/ms_op.h"

/*
 * The constant that input i of an operator is, which no node makes.  What is neither a constant nor one
 * that can be read fails the operator.
 */
struct onnx_value *ms_weight(struct ms_op *op, unsigned i);

#endif
