/* SPDX-License-Identifier: Apache-2.0 */
/*
 * NHWC outside, NCHW inside: each tensor has two views, its plain one, as the file sees it, and for
 * rank 4 the NCHW one, which is the plain one transposed by (0, 3, 1, 2).  Each is made when it is first
 * asked for; so a Transpose is made at most once for a tensor, and between convolutions none.
 *
 * For an operator whose tensors are NCHW by themselves (behind a Nhwc2Nchw node) that is the plain view.
 */
#ifndef TRANSLATE_MS_MS_LAYOUT_H
#define TRANSLATE_MS_MS_LAYOUT_H

#include <stdbool.h>
#include <stdint.h>

#include "translate/graph.h"

struct ms_op;

/* The axes of the one view by their places in the other: orders for Transpose. */
extern const int64_t ms_to_nchw[4], ms_to_nhwc[4];

enum ms_layout {
	MS_PLAIN,
	MS_NCHW,
};

/*
 * The views of input i of an operator.  A call for an input that is not there, or for the NCHW view of
 * what has not rank 4, fails the operator (op->error) and gives a value that ends nowhere.
 */
struct onnx_value *ms_in(struct ms_op *op, unsigned i);
struct onnx_value *ms_in_nchw(struct ms_op *op, unsigned i);

/* The result, in either view: output i.  0, so that an operator's function can end with it. */
int ms_out(struct ms_op *op, unsigned i, struct onnx_value *value);
int ms_out_nchw(struct ms_op *op, unsigned i, struct onnx_value *value);

/*
 * For operators that run in either: the layout in which fewer Transposes are needed: NCHW where one of
 * the first n inputs is of rank 4 and there in NCHW only.
 */
enum ms_layout ms_layout(struct ms_op *op, unsigned n);
struct onnx_value *ms_in_as(struct ms_op *op, unsigned i, enum ms_layout layout);
int ms_out_as(struct ms_op *op, unsigned i, struct onnx_value *value, enum ms_layout layout);

/*
 * Input i to be broadcast against one of rank 4 in that layout: in NCHW what has fewer dimensions is
 * given more, [C] becomes [C, 1, 1], and is transposed; a scalar stays.
 */
struct onnx_value *ms_in_broadcast(struct ms_op *op, unsigned i, enum ms_layout layout);

/* The axis of the layout's view that is axis `axis` (0 or more) of the file's. */
int64_t ms_axis(enum ms_layout layout, int64_t axis);

/* Values of 4 axes in the file's order, put into the layout's. */
void ms_axes_permute(enum ms_layout layout, int64_t *of_axes, unsigned n);

/* Output 0 is input i under another name, in both views. */
void ms_rename(struct ms_op *op, unsigned i);

#endif
