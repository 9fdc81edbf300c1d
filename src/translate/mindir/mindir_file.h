/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A .mindir file as it is read: a ModelProto (mind_ir.proto of MindSpore 2.10, or the older text
 * dialect of 1.x) without what inference does not need.  Texts and weights are referred to; the rest
 * lives in the arena that it was read into.
 */
#ifndef TRANSLATE_MINDIR_MINDIR_FILE_H
#define TRANSLATE_MINDIR_MINDIR_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <tensock/types.h>

#include "base/arena.h"
#include "base/cleanup.h"
#include "translate/graph.h"

#define MINDIR_NODES_MAX 65536u
#define MINDIR_NODE_INPUTS_MAX 4096u
#define MINDIR_ATTRIBUTES_MAX \
	64u /* of a node or primitive (seen: 18): they are looked through often */
#define MINDIR_VALUES_MAX (1u << 18) /* attributes, and what tuples hold, of a whole file */
#define MINDIR_NESTING_MAX 8u        /* of tuples, in the file or made of each other */
#define MINDIR_WEIGHT_MAX 65536u /* of a tuple that nodes make: all that is in it, however deep */

/* For "%.*s": as much of a text as a sentence has room for. */
#define MINDIR_TEXT(text) (int)((text).len < 80 ? (text).len : 80), (text).len ? (text).bytes : ""

struct mindir_tensor {
	struct onnx_text name;
	uint32_t dtype; /* TENSOCK_DTYPE_INVALID: one that we have no name for */
	uint32_t rank;
	const int64_t *dims;        /* -1: not known; -2: nor is the rank */
	const unsigned char *bytes; /* of a constant or parameter: exactly those of its shape */
	size_t n_bytes;
};

enum mindir_kind {
	MINDIR_OTHER = 0, /* nothing that a tensor net computes with */
	MINDIR_NONE,
	MINDIR_MONAD, /* an order of effects, not a value */
	MINDIR_INT,
	MINDIR_BOOL, /* .i is 0 or 1 */
	MINDIR_FLOAT,
	MINDIR_TEXT,
	MINDIR_TENSOR, /* of the file */
	MINDIR_TUPLE,
	MINDIR_VALUE, /* of the ONNX graph: what nodes compute; never in a file */
};

/* What a constant or an attribute is, and what a name of the graph stands for. */
struct mindir_value {
	enum mindir_kind kind;
	uint32_t n_items;
	uint32_t weight, depth; /* of a tuple: see mindir_tuple() */
	union {
		int64_t i;
		double f;
		struct onnx_text text;
		const struct mindir_tensor *tensor;
		const struct mindir_value *items;
		struct onnx_value *value;
	};
};

struct mindir_attribute {
	struct onnx_text name;
	struct mindir_value value;
};

struct mindir_attributes {
	struct mindir_attribute *items;
	size_t n;
};

struct mindir_primitive {
	struct onnx_text name, op;
	struct mindir_attributes attributes;
};

struct mindir_node {
	struct onnx_text op;     /* "Conv2D", "Constant" */
	struct onnx_text label;  /* the Cell that it comes from, or its name */
	struct onnx_text output; /* the name of what it gives */
	const struct onnx_text *inputs;
	size_t n_inputs;
	const struct mindir_attributes *settings; /* the operator's */
	const struct mindir_value *constant;      /* what a Constant holds; else NULL */
	const struct mindir_value *shape;    /* type and shape of the output, as tensors; or NULL */
	struct mindir_attributes attributes; /* its own */
};

struct mindir_port {
	struct onnx_text name;
	struct mindir_tensor tensor; /* without bytes; dtype INVALID where the file says none */
};

struct mindir_file {
	struct onnx_text graph_name;
	struct mindir_node *nodes;
	size_t n_nodes;
	struct mindir_tensor *parameters;
	size_t n_parameters;
	struct mindir_port *inputs, *outputs;
	size_t n_inputs, n_outputs;
};

/*
 * INVALID_MODEL for bytes that are no such file, or a broken one; TOO_LARGE; UNSUPPORTED for weights
 * in other files, compressed weights, and for functions: control flow.
 */
int mindir_file_read(const void *bytes, size_t n_bytes, struct tsk_arena *arena,
		     struct mindir_file *ret, struct tensock_error *reterr) _nodiscard_;

/* A tuple of these, which are referred to. */
struct mindir_value mindir_tuple(const struct mindir_value *items, uint32_t n);

bool mindir_text_is(struct onnx_text text, const char *word);

/* The attribute of that name, or NULL. */
const struct mindir_value *mindir_attribute(const struct mindir_attributes *attributes,
					    const char *name);

/* A name as people know it: without the graph's, which stands before it. */
struct onnx_text mindir_short_name(const struct mindir_file *file, struct onnx_text name);

#endif
