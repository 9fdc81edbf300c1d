/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One node of a MindIR graph while it is translated: its inputs, its settings, its result.
 *
 * A setting may stand in an attribute or, with the operators that MindSpore calls functions, in a
 * constant input at the end: the accessors look at input `i` first, then at the attribute of that
 * name (i ONLY_NAMED: at that alone).
 *
 * Failure is sticky: mindir_refuse() keeps the first sentence, and accessors that fail call it and
 * give something harmless.  An operator's function asks op->error only before it would loop over
 * numbers that it was given.
 */
#ifndef TRANSLATE_MINDIR_MINDIR_OP_H
#define TRANSLATE_MINDIR_MINDIR_OP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "translate/constant.h"
#include "translate/emit.h"
#include "translate/graph.h"
#include "translate/mindir/mindir_file.h"

#define ONLY_NAMED SIZE_MAX

struct mindir_op;

/* A row of the tables: what an operator becomes. */
struct mindir_operator {
	const char *name;
	struct onnx_value *(*emit)(struct mindir_op *op); /* NULL: the result is op->result */
	unsigned n_inputs_min;                            /* tensors and settings; without monads */
	const char *onnx; /* for functions that serve several rows */
};

struct mindir_table {
	const struct mindir_operator *rows;
	size_t n;
};

struct mindir_op {
	struct onnx_graph *graph;
	const struct mindir_node *node;
	const struct mindir_operator *row;
	const struct mindir_value *inputs[MINDIR_NODE_INPUTS_MAX]; /* without monads */
	size_t n_inputs;
	const struct mindir_node
		*only_for_this;     /* what made input 0, where nobody else names that */
	uint64_t wanted;            /* of the items of its result, those that somebody asks for */
	struct mindir_value result; /* that is no single tensor */
	bool begins_with_monad;     /* which is not among the inputs */
	bool overwrites;            /* its first input, in place: who names that gets the result */
	int error;
	struct tensock_error *reterr;
};

/* UNSUPPORTED, or INVALID_MODEL; the sentence is put behind operator and node.  NULL. */
struct onnx_value *mindir_refuse(struct mindir_op *op, const char *fmt, ...) _printf_(2, 3);
struct onnx_value *mindir_broken(struct mindir_op *op, const char *fmt, ...) _printf_(2, 3);

/* Input i as a tensor; a number becomes a constant: INT64, FLOAT32, BOOL. */
struct onnx_value *mindir_in(struct mindir_op *op, size_t i);
/* With numbers of the type of another tensor; tensors keep theirs. */
struct onnx_value *mindir_in_as(struct mindir_op *op, size_t i, uint32_t dtype);
/* Whatever it is, as that type. */
struct onnx_value *mindir_in_cast(struct mindir_op *op, size_t i, uint32_t dtype);
/* As mindir_in(), of known rank, from min to max. */
struct onnx_value *mindir_in_ranked(struct mindir_op *op, size_t i, int min, int max);
/* Any value as a tensor; NULL for one that is none. */
struct onnx_value *mindir_tensor_of(struct mindir_op *op, const struct mindir_value *value,
				    uint32_t dtype);

/* The input or attribute, or NULL: also for one that is None. */
const struct mindir_value *mindir_setting(struct mindir_op *op, size_t i, const char *name);

int64_t mindir_int(struct mindir_op *op, size_t i, const char *name, int64_t fallback);
bool mindir_bool(struct mindir_op *op, size_t i, const char *name, bool fallback);
double mindir_float(struct mindir_op *op, size_t i, const char *name, double fallback);
/* Whether its data format, input i or an attribute, is NHWC: as a word, or MindSpore's number. */
bool mindir_is_nhwc(struct mindir_op *op, size_t i);
/* A text attribute, compared without regard to case; false where there is none. */
bool mindir_text(struct mindir_op *op, size_t i, const char *name, const char *word);
/* A number, a tuple of such, or a constant tensor: how many, at most max; 0 for None or nothing. */
size_t mindir_ints(struct mindir_op *op, size_t i, const char *name, int64_t *ret, size_t max);
/* Whether all numbers of a setting are known. */
bool mindir_is_known(struct mindir_op *op, size_t i, const char *name);
/* A vector of INT64: of known numbers, computed ones, or both. */
struct onnx_value *mindir_int_vector(struct mindir_op *op, size_t i, const char *name);

/* An axis of a tensor of that rank, from 0; refuses one that it does not have. */
int64_t mindir_axis(struct mindir_op *op, size_t i, const char *name, int rank, int64_t fallback);
/* Axes likewise; 0: none were named. */
size_t mindir_axes(struct mindir_op *op, size_t i, const char *name, int rank,
		   int64_t ret[static TENSOCK_RANK_MAX]);

/* The type and shape that the file says the result has: dtype INVALID, rank -1 where it does not. */
struct mindir_claim {
	uint32_t dtype;
	int rank;
	int64_t dims[TENSOCK_RANK_MAX];
};
struct mindir_claim mindir_claim(const struct mindir_op *op, size_t item);

/* A value with the type that was claimed for it, and what else was, where it is not known better. */
struct onnx_value *mindir_conform(struct mindir_op *op, struct onnx_value *x,
				  const struct mindir_claim *claim);

/* The result is a tuple of these; a NULL is something that nobody may use. */
struct onnx_value *mindir_result_tuple(struct mindir_op *op, struct onnx_value *const *values,
				       size_t n);
bool mindir_is_wanted(const struct mindir_op *op, unsigned item);

bool mindir_is_float(uint32_t dtype);
/* Input i as floats: whole numbers become what the result is, or FLOAT32. */
struct onnx_value *mindir_in_float(struct mindir_op *op, size_t i);

/* x compared with a number: BOOL. */
struct onnx_value *mindir_compare(struct mindir_op *op, const char *onnx, struct onnx_value *x,
				  double v);

/* Towards 0; whole numbers are so already. */
struct onnx_value *mindir_truncated(struct mindir_op *op, struct onnx_value *x);

/* A vector of n times v. */
struct onnx_value *mindir_filled(struct mindir_op *op, uint32_t dtype, double v, int64_t n);

/* A reshape back to the shape of another tensor of that many elements. */
struct onnx_value *mindir_reshape_like(struct mindir_op *op, struct onnx_value *x,
				       struct onnx_value *other);
/* A vector as [1, n, 1, ...], to go with a tensor of that rank whose second dimension has n. */
struct onnx_value *mindir_per_channel(struct mindir_op *op, struct onnx_value *vector, int rank);

/* The result takes the place of input 0, for all that name it later; refuses to change a weight. */
struct onnx_value *mindir_overwrite(struct mindir_op *op, struct onnx_value *result);

/* x[start:end:step] along one axis. */
struct onnx_value *mindir_slice(struct mindir_op *op, struct onnx_value *x, int64_t axis,
				int64_t start, int64_t end, int64_t step);

/* Input i as indices: INT64. */
struct onnx_value *mindir_indices(struct mindir_op *op, size_t i);

extern const struct mindir_table mindir_graph_table, mindir_binary_table, mindir_unary_table,
	mindir_activation_table, mindir_window_table, mindir_norm_table, mindir_matmul_table,
	mindir_reduce_table, mindir_order_table, mindir_shape_table, mindir_slice_table,
	mindir_index_table, mindir_pad_table, mindir_resize_table, mindir_fill_table,
	mindir_adaptive_table, mindir_unfold_table, mindir_recurrent_table;

/* All of them. */
const struct mindir_table *const *mindir_tables(size_t *ret_n);

#endif
