/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Quantised tensors.  Weights become floats when the file is written, by
 * w = (q - zeroPoint) · scale · varCorr + meanCorr, for that is what their operators run on; only where
 * the floats would be too many they stay as they are, behind a DequantizeLinear.
 *
 * Tensors that the operators of a fully quantised model hand on are floats here, each rounded to what
 * its 8 bits can say.
 */
#ifndef TRANSLATE_MS_MS_QUANT_H
#define TRANSLATE_MS_MS_QUANT_H

#include "translate/ms/ms_op.h"

/* Whether input i, a constant, is quantised: integers with parameters that count. */
bool ms_quant_is_weight(struct ms_op *op, unsigned i);
/* The constant; as_nchw: in that order, for one of rank 4.  NULL: the operator has failed. */
struct onnx_value *ms_quant_weight(struct ms_op *op, unsigned i, bool as_nchw);

/* Whether a tensor that is no constant is quantised, by one scale. */
bool ms_quant_is_activation(const struct ms_tensor *tensor);
/* Between what such a tensor holds and the float that stands for it. */
struct onnx_value *ms_quant_quantize(struct onnx_graph *graph, const struct ms_tensor *tensor,
				     struct onnx_value *value);
struct onnx_value *ms_quant_dequantize(struct onnx_graph *graph, const struct ms_tensor *tensor,
				       struct onnx_value *value);
/* Rounds the outputs that an operator has given. */
void ms_quant_round_outputs(struct ms_op *op);

#endif
