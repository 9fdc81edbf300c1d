/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Quantised tensors: everything is computed in float.
 *
 * A weight is (q - zero point) · scale, as nodes that the runtime of ONNX works out when it loads the
 * model.  A tensor between nodes of a model that is quantised throughout is kept as the numbers that its
 * integers stand for: behind what makes it, it is quantised and back, so that it differs from MindSpore
 * Lite's own result by one step at most where that rounds otherwise.  Inputs and outputs of the model
 * stay integers where they are.
 */
#ifndef TRANSLATE_MS_MS_QUANT_H
#define TRANSLATE_MS_MS_QUANT_H

#include "translate/ms/ms_op.h"

struct ms_quant_param {
	double scale;
	int32_t zero_point;
	int32_t n_bits;
	bool is_set;                        /* `inited`: else the others mean nothing */
	float variance_factor, mean_offset; /* varCorr, meanCorr */
};

struct ms_quant_param ms_quant_param(const struct ms_tensor *tensor, uint32_t i);

/* A constant whose elements are packed into another number of bits than 8 or 16. */
bool ms_quant_is_packed(const struct ms_tensor *tensor);
/* A constant, of integers, that stands for numbers. */
bool ms_quant_is_weight(const struct ms_tensor *tensor);
/* A tensor that is none and does so. */
bool ms_quant_is_activation(const struct ms_tensor *tensor);

/* All that are not constants have parameters that can be: 0, or the -errno of *reterr. */
int ms_quant_check(const struct ms_file *file, struct tensock_error *reterr) _nodiscard_;

/* The numbers of a weight, which is input i, from its integers; NULL: the operator has failed. */
struct onnx_value *ms_quant_weight(struct ms_op *op, unsigned i, struct onnx_value *integers);

/*
 * An input of the model as numbers; and what leaves it, as integers.  Where the tensor is no such one,
 * the value itself.
 */
struct onnx_value *ms_quant_from(struct onnx_graph *graph, const struct ms_tensor *tensor,
				 struct onnx_value *value);
struct onnx_value *ms_quant_to(struct onnx_graph *graph, const struct ms_tensor *tensor,
			       struct onnx_value *value);

/* Before and behind each operator: what it cannot take is refused, what it gave is rounded. */
int ms_quant_check_inputs(struct ms_op *op) _nodiscard_;
int ms_quant_round_outputs(struct ms_op *op) _nodiscard_;

/* QuantDTypeCast, of both generations: numbers stay what they are. */
int ms_quant_cast(struct ms_op *op);

#endif
