/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the function of an operator sees: the node, its operator's fields, the graph that is built.
 *
 * A function reads its fields (fb_i64(&op->fields, CONCAT_AXIS, 0)), takes inputs (ms_in()), adds nodes
 * to op->graph, and gives every output that anybody reads (ms_out()).  It returns 0, or what
 * ms_unsupported() or ms_invalid() give; a bad field, a failed graph and a failed input are sticky, and
 * seen after it: it need not ask.  Nothing that an operator cannot do exactly is done nearly.
 */
#ifndef TRANSLATE_MS_MS_OP_H
#define TRANSLATE_MS_MS_OP_H

#include <stddef.h>
#include <stdint.h>

#include "translate/emit.h"
#include "translate/ms/flatbuffer.h"
#include "translate/ms/ms_file.h"
#include "translate/ms/ms_layout.h"

struct ms_op {
	struct onnx_graph *graph;
	struct ms_file *file;
	const struct ms_node *node;
	const char *name;       /* the operator's: "Conv2DFusion" */
	const char *onnx;       /* as the row has it */
	struct fb_table fields; /* the operator's table */
	unsigned n_inputs, n_outputs;
	int error; /* sticky: the first that ms_unsupported() or ms_invalid() returned */
	struct tensock_error *reterr;
};

/* Fail the operator: its name and the node's are put before the text.  Return -errno. */
int ms_unsupported(struct ms_op *op, const char *fmt, ...) _printf_(2, 3);
int ms_invalid(struct ms_op *op, const char *fmt, ...) _printf_(2, 3);

struct ms_tensor *ms_in_tensor(struct ms_op *op, unsigned i);
struct ms_tensor *ms_out_tensor(struct ms_op *op, unsigned i);

/* The elements of an input that must be a small constant: how many, or the operator's failure. */
int ms_in_ints(struct ms_op *op, unsigned i, int64_t *ret, size_t max) _nodiscard_;
int ms_in_floats(struct ms_op *op, unsigned i, double *ret, size_t max) _nodiscard_;
/* Of a field with a vector of integers of that width, likewise; none is 0. */
int ms_field_ints(struct ms_op *op, unsigned field, uint32_t width, int64_t *ret, size_t max)
	_nodiscard_;

/* Of a field with a list of lists (Vec2D), one after the other, likewise. */
int ms_field_rows(struct ms_op *op, unsigned field, int64_t *ret, size_t max) _nodiscard_;

/* The rank of an input's plain view; fails the operator where it is not known. */
int ms_in_rank(struct ms_op *op, unsigned i) _nodiscard_;
/* An axis of input i from the file: negative ones counted from the end, all checked.  -errno or 0 */
int ms_in_axis(struct ms_op *op, unsigned i, int64_t axis, int64_t *ret) _nodiscard_;
/* n axes of input 0 (TENSOCK_RANK_MAX at most), none of them twice, likewise. */
int ms_in_axes(struct ms_op *op, const int64_t *axes, size_t n, int64_t *ret) _nodiscard_;
/* Of the result, which has one dimension more than input i. */
int ms_in_new_axis(struct ms_op *op, unsigned i, int64_t axis, int64_t *ret) _nodiscard_;

/* One row an operator: the row's place is the number in the schema's union. */
struct ms_op_row {
	const char *name;                   /* the schema's; NULL: no operator */
	int (*translate)(struct ms_op *op); /* NULL: not covered */
	unsigned n_inputs;                  /* at least */
	const char *onnx;                   /* for functions that serve several rows */
};

struct ms_op_table {
	const struct ms_op_row *rows;
	size_t n;
};

extern const struct ms_op_table ms_op_table;     /* of MSL2: ms_op_table.c */
extern const struct ms_op_table ms_op_table_old; /* of 1.0 and MSL1: old_table.c */

/* For rows of what is understood and refused. */
int ms_refuse_training(struct ms_op *op);
int ms_refuse_control_flow(struct ms_op *op);
int ms_refuse_custom(struct ms_op *op);

#endif
