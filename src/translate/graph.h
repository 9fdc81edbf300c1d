/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An ONNX graph under construction: what the translators of the other formats build, and
 * translate/onnx_file.h writes.
 *
 * Failure is sticky: a call that fails (memory, a bound) marks the graph, and it and later calls give
 * a value or node that may be used as any other and ends nowhere.  Ask once, with `failed`.
 *
 * Everything lives in the graph's arena, as long as the graph.  Texts, and the bytes of constants, are
 * referred to and must outlive it, but for those that are said to be copied.
 */
#ifndef TRANSLATE_GRAPH_H
#define TRANSLATE_GRAPH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <tensock/types.h>

#include "base/arena.h"
#include "base/cleanup.h"

#define ONNX_OPSET 20u
#define ONNX_NODES_MAX 65536u
#define ONNX_NODE_INPUTS_MAX 1024u /* and outputs */

/* Bytes of the model: not terminated. */
struct onnx_text {
	const char *bytes;
	size_t len;
};

#define ONNX_TEXT(literal) ((struct onnx_text){ (literal), sizeof(literal) - 1 })

struct onnx_node;
struct onnx_constant;

/* A tensor of the graph. */
struct onnx_value {
	struct onnx_value *next; /* of all */
	struct onnx_text name; /* that its author gave it; empty: it gets one when it is written */
	uint32_t number;       /* its place among all: the others' names */
	uint32_t dtype;        /* enum tensock_dtype; TENSOCK_DTYPE_INVALID: not known */
	int rank;              /* -1: not known */
	int64_t dims[TENSOCK_RANK_MAX]; /* -1: not known */
	struct onnx_node *maker;        /* NULL: an input of the graph, or a constant */
	struct onnx_constant *constant; /* translate/constant.h */
	bool is_input, is_output;
	bool is_used; /* a node reads it: constants that nobody uses are not written */
};

enum onnx_attribute_kind {
	ONNX_FLOAT = 1, /* the numbers are AttributeProto.AttributeType's */
	ONNX_INT = 2,
	ONNX_STRING = 3,
	ONNX_INTS = 7,
};

struct onnx_attribute {
	struct onnx_attribute *next;
	const char *name; /* a literal */
	enum onnx_attribute_kind kind;
	float f;
	int64_t i;
	const char *s; /* a literal */
	const int64_t *ints; /* n, copied */
	size_t n;
};

struct onnx_port {
	struct onnx_port *next;
	struct onnx_value *value; /* NULL: an optional input that is left out */
};

struct onnx_node {
	struct onnx_node *next;
	const char *op;         /* a literal: ONNX's name */
	struct onnx_text label; /* the author's name for what it comes from */
	uint32_t number;        /* its place among all: nodes of one label are told by it */
	struct onnx_port *inputs, *last_input;
	struct onnx_port *outputs, *last_output;
	unsigned n_inputs, n_outputs;
	struct onnx_attribute *attributes;
};

struct onnx_graph {
	struct tsk_arena arena;
	struct onnx_node *nodes, *last_node; /* in an order that runs */
	uint32_t n_nodes;
	struct onnx_value *values, *last_value;
	uint32_t n_values;
	struct onnx_port *inputs, *last_input; /* in the author's order */
	struct onnx_port *outputs, *last_output;
	uint32_t n_inputs, n_outputs;
	struct onnx_text label; /* what onnx_node() labels its nodes with: set it before each */
	int failed;             /* 0, -ENOMEM, -E2BIG (a bound), -EINVAL (bytes and shape differ) */
	struct onnx_value no_value; /* what failed calls give */
	struct onnx_node no_node;
};

/* memory_max: of the arena. */
void onnx_graph_init(struct onnx_graph *graph, size_t memory_max);
void onnx_graph_done(struct onnx_graph *graph);

/* dims may be NULL where rank is -1 (or 0). */
struct onnx_value *onnx_input(struct onnx_graph *graph, struct onnx_text name, uint32_t dtype,
			      const int64_t *dims, int rank);

/*
 * Makes a value an output of the graph, under that name: the next one.  Where the value already is an
 * input, an output or a constant, it is what an Identity gives of it.
 */
void onnx_output(struct onnx_graph *graph, struct onnx_value *value, struct onnx_text name);

/* A node without inputs and outputs yet. */
struct onnx_node *onnx_node(struct onnx_graph *graph, const char *op);
void onnx_in(struct onnx_graph *graph, struct onnx_node *node, struct onnx_value *value);
struct onnx_value *onnx_out(struct onnx_graph *graph, struct onnx_node *node, uint32_t dtype);

/*
 * ONNX_NODE(graph, "Add", a, b): with inputs.  ONNX_CALL: with one output as well, which is the
 * result; its type is the first input's, its rank not known.
 */
#define ONNX_NODE(graph, op, ...)                                            \
	onnx_node_of(graph, op, (struct onnx_value *const[]){ __VA_ARGS__ }, \
		     sizeof((struct onnx_value *const[]){ __VA_ARGS__ }) / sizeof(void *))
#define ONNX_CALL(graph, op, ...)                                            \
	onnx_call_of(graph, op, (struct onnx_value *const[]){ __VA_ARGS__ }, \
		     sizeof((struct onnx_value *const[]){ __VA_ARGS__ }) / sizeof(void *))

struct onnx_node *onnx_node_of(struct onnx_graph *graph, const char *op,
			       struct onnx_value *const *inputs, size_t n);
struct onnx_value *onnx_call_of(struct onnx_graph *graph, const char *op,
				struct onnx_value *const *inputs, size_t n);

/* Attributes; names and strings are literals, arrays are copied. */
void onnx_attr_int(struct onnx_graph *graph, struct onnx_node *node, const char *name, int64_t v);
void onnx_attr_float(struct onnx_graph *graph, struct onnx_node *node, const char *name, float v);
void onnx_attr_text(struct onnx_graph *graph, struct onnx_node *node, const char *name,
		    const char *v);
void onnx_attr_ints(struct onnx_graph *graph, struct onnx_node *node, const char *name,
		    const int64_t *v, size_t n);

/* The books about a value: dims may be NULL. */
void onnx_value_set_shape(struct onnx_value *value, const int64_t *dims, int rank);
void onnx_value_like(struct onnx_value *value,
		     const struct onnx_value *other); /* shape, not type */
/* All of its dimensions are known. */
bool onnx_value_is_fixed(const struct onnx_value *value);

/* Takes away the nodes whose results nobody reads: the runtime would compute them.  After the outputs. */
void onnx_prune(struct onnx_graph *graph);

/* Marks the graph as failed, if it has not been. */
void onnx_fail(struct onnx_graph *graph, int error);

/* Memory of the graph's: n × bytes, zeroed, or a copy of as much.  NULL, and the graph has failed. */
void *onnx_take(struct onnx_graph *graph, size_t n, size_t bytes);
void *onnx_copy(struct onnx_graph *graph, const void *from, size_t n, size_t bytes);

/* TensorProto.DataType of an enum tensock_dtype; 0 where there is none. */
uint8_t onnx_data_type(uint32_t dtype);

/* A value that nothing gives yet: for translate/constant.h. */
struct onnx_value *onnx_value_new(struct onnx_graph *graph, uint32_t dtype);

#endif
