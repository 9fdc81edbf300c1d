/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the translators say in ONNX again and again, in ONNX's own layout: NCHW.  Each function adds
 * nodes and gives the last one's output, with its type, and its shape as far as it can be known.
 *
 * Values that are asked for a rank must have one: the caller has checked.  axes may be negative.
 */
#ifndef TRANSLATE_EMIT_H
#define TRANSLATE_EMIT_H

#include <stdbool.h>
#include <stdint.h>

#include "translate/constant.h"
#include "translate/graph.h"

/* Numbers of .ms files (schema: ActivationType); the MindIR translator uses them by name. */
enum activation {
	ACTIVATION_NONE = 0,
	ACTIVATION_RELU = 1,
	ACTIVATION_SIGMOID = 2,
	ACTIVATION_RELU6 = 3,
	ACTIVATION_ELU = 4,
	ACTIVATION_LEAKY_RELU = 5,
	ACTIVATION_ABS = 6,
	ACTIVATION_RELU1 = 7,
	ACTIVATION_SOFTSIGN = 8,
	ACTIVATION_SOFTPLUS = 9,
	ACTIVATION_TANH = 10,
	ACTIVATION_SELU = 11,
	ACTIVATION_HSWISH = 12,
	ACTIVATION_HSIGMOID = 13,
	ACTIVATION_THRESHOLDED_RELU = 14,
	ACTIVATION_LINEAR = 15, /* no runtime that we know has it: none here */
	ACTIVATION_HARD_TANH = 16,
	ACTIVATION_SIGN = 17,
	ACTIVATION_SWISH = 18,
	ACTIVATION_GELU = 19,      /* exact, or by tanh: `approximate` */
	ACTIVATION_FAST_GELU = 20, /* by tanh */
	ACTIVATION_MAX
};

struct activation_settings {
	double alpha, min, max;
	bool approximate;
};

/*
 * NULL for a number that is no activation; x itself for NONE.  settings may be NULL where the kind
 * needs none.
 */
struct onnx_value *emit_activation(struct onnx_graph *graph, struct onnx_value *x, unsigned kind,
				   const struct activation_settings *settings);

/* By one node that keeps the shape: "Sqrt", "Floor". */
struct onnx_value *emit_unary(struct onnx_graph *graph, const char *op, struct onnx_value *x);

/* By one node that broadcasts: "Add", "Pow"; the result is a BOOL where dtype says so, else pass a->dtype. */
struct onnx_value *emit_binary(struct onnx_graph *graph, const char *op, struct onnx_value *a,
			       struct onnx_value *b, uint32_t dtype);

/* x with a scalar of x's own type on its right: emit_scalar(g, "Mul", x, 0.5). */
struct onnx_value *emit_scalar(struct onnx_graph *graph, const char *op, struct onnx_value *x,
			       double v);

struct onnx_value *emit_cast(struct onnx_graph *graph, struct onnx_value *x, uint32_t dtype);

/* Sets the shape that comes of two which are broadcast; ret may be one of them. */
void emit_broadcast_shape(struct onnx_value *ret, const struct onnx_value *a,
			  const struct onnx_value *b);

/*
 * Transposes, or less: nothing for an order that changes nothing, the value from before for one that
 * undoes the last, one node for two in a row, other constants for constants.
 */
struct onnx_value *emit_transpose(struct onnx_graph *graph, struct onnx_value *x,
				  const int64_t *perm, int rank);

/* dims as ONNX's Reshape has them with allowzero = 0: -1 once, 0 copies. */
struct onnx_value *emit_reshape(struct onnx_graph *graph, struct onnx_value *x, const int64_t *dims,
				int rank);
/* The shape of x, a vector of INT64: numbers where they are known, else computed. */
struct onnx_value *emit_shape_of(struct onnx_graph *graph, struct onnx_value *x);
/* The one element of x, without dimensions. */
struct onnx_value *emit_as_scalar(struct onnx_graph *graph, struct onnx_value *x);
/* To a shape that is computed; it is cast to INT64 where it is not. */
struct onnx_value *emit_reshape_to(struct onnx_graph *graph, struct onnx_value *x,
				   struct onnx_value *shape);
struct onnx_value *emit_squeeze(struct onnx_graph *graph, struct onnx_value *x, const int64_t *axes,
				size_t n); /* n 0: all that are 1 */
struct onnx_value *emit_unsqueeze(struct onnx_graph *graph, struct onnx_value *x,
				  const int64_t *axes, size_t n);
struct onnx_value *emit_concat(struct onnx_graph *graph, struct onnx_value *const *x, size_t n,
			       int64_t axis);

/* By one node that runs along an axis (0 or more) and keeps the shape: "Softmax", "LogSoftmax". */
struct onnx_value *emit_along(struct onnx_graph *graph, const char *op, struct onnx_value *x,
			      int64_t axis);

/* "ReduceMean", "ReduceSum" ...; n 0: over all axes. */
struct onnx_value *emit_reduce(struct onnx_graph *graph, const char *op, struct onnx_value *x,
			       const int64_t *axes, size_t n, bool keep_dims);

/* Of any rank; the last two dimensions are multiplied. */
struct onnx_value *emit_matmul(struct onnx_graph *graph, struct onnx_value *a, struct onnx_value *b,
			       bool transpose_a, bool transpose_b);

/* Kept between two numbers; one that is infinite is no bound. */
struct onnx_value *emit_clip(struct onnx_graph *graph, struct onnx_value *x, double min,
			     double max);
/* condition: BOOL; the others are of one type */
struct onnx_value *emit_where(struct onnx_graph *graph, struct onnx_value *condition,
			      struct onnx_value *yes, struct onnx_value *no);

/* The k elements that are the largest or smallest along an axis (0 or more); k: a vector of one. */
struct top_k {
	struct onnx_value *values, *places; /* places: INT64 */
};
struct top_k emit_top_k(struct onnx_graph *graph, struct onnx_value *x, struct onnx_value *k,
			int64_t axis, bool largest, bool sorted);

/* Channels are the second dimension; scale, offset, mean and variance have one number for each. */
struct onnx_value *emit_batch_norm(struct onnx_graph *graph, struct onnx_value *x,
				   struct onnx_value *scale, struct onnx_value *offset,
				   struct onnx_value *mean, struct onnx_value *variance,
				   double epsilon);
struct onnx_value *emit_instance_norm(struct onnx_graph *graph, struct onnx_value *x,
				      struct onnx_value *scale, struct onnx_value *offset,
				      double epsilon);
/* Over the dimensions from axis on, which are those of scale and offset; offset may be NULL. */
struct onnx_value *emit_layer_norm(struct onnx_graph *graph, struct onnx_value *x,
				   struct onnx_value *scale, struct onnx_value *offset,
				   int64_t axis, double epsilon);
/* x / (bias + alpha · the sum of squares of radius channels on either side) ^ beta */
struct onnx_value *emit_lrn(struct onnx_graph *graph, struct onnx_value *x, int64_t radius,
			    double alpha, double beta, double bias);

/* Convolution and pooling over n spatial dimensions: 1 to 3. */
#define EMIT_SPATIAL_MAX 3
struct window {
	unsigned n;
	int64_t kernel[EMIT_SPATIAL_MAX];
	int64_t strides[EMIT_SPATIAL_MAX], dilations[EMIT_SPATIAL_MAX];
	int64_t pads_begin[EMIT_SPATIAL_MAX], pads_end[EMIT_SPATIAL_MAX];
	int64_t output_padding[EMIT_SPATIAL_MAX]; /* of transposed convolutions */
	int64_t group;
	bool ceil_mode, count_include_pad; /* of pools */
	const char *auto_pad;              /* NULL: the pads hold; "SAME_UPPER": pools only */
};

/*
 * Sets the pads so that there are n / stride positions (rounded up): half of what is missing in front,
 * the rest behind.  False where the size of x would have to be known, and is not, or a number is out of
 * bounds.
 */
bool window_pad_same(struct window *window, const struct onnx_value *x);

/* w: [out, in/group, ...]; b may be NULL. */
struct onnx_value *emit_conv(struct onnx_graph *graph, struct onnx_value *x, struct onnx_value *w,
			     struct onnx_value *b, const struct window *window);
/* w: [in, out/group, ...] */
struct onnx_value *emit_conv_transpose(struct onnx_graph *graph, struct onnx_value *x,
				       struct onnx_value *w, struct onnx_value *b,
				       const struct window *window);
/* "MaxPool", "AveragePool" */
struct onnx_value *emit_pool(struct onnx_graph *graph, const char *op, struct onnx_value *x,
			     const struct window *window);

#endif
