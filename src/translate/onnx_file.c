/* SPDX-License-Identifier: Apache-2.0 */
#include "translate/onnx_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "base/protowire.h"
#include "base/status.h"
#include "tensor/model_info.h"
#include "translate/constant.h"

#define IR_VERSION 9    /* the one of opset 20 */
#define PORTS_MAX 1024u /* inputs of a model, and outputs: what it may be described with */

/*
 * Where the file goes.  A first pass has no place (p is NULL) and counts; every message is counted again
 * when it is written, for its length stands before it.
 */
struct sink {
	unsigned char *p;
	uint64_t n; /* of bytes so far; UINT64_MAX: more */
	const struct onnx_graph *graph;
	unsigned n_marks; /* how many times NAME_MARK begins a name that is ours */
};

/* Names of ours: the mark as often as no name of the author's begins with it, and a number. */
#define NAME_MARK '%'
#define NAME_MAX_BYTES 64u

/* A small model may ask for constants whose sizes, added up, wrap. */
static void grow(struct sink *sink, uint64_t n)
{
	if (!tsk_add(sink->n, n, &sink->n))
		sink->n = UINT64_MAX;
}

static void put(struct sink *sink, const void *bytes, size_t n)
{
	if (sink->p && n)
		memcpy(sink->p + sink->n, bytes, n);
	grow(sink, n);
}

static void put_varint(struct sink *sink, uint64_t v)
{
	unsigned char bytes[PROTO_VARINT_BYTES_MAX];

	put(sink, bytes, proto_put_varint(bytes, v));
}

static void put_number(struct sink *sink, unsigned field, uint64_t v)
{
	put_varint(sink, proto_tag(field, PROTO_VARINT));
	put_varint(sink, v);
}

static void put_bytes(struct sink *sink, unsigned field, const void *bytes, size_t n)
{
	put_varint(sink, proto_tag(field, PROTO_BYTES));
	put_varint(sink, n);
	put(sink, bytes, n);
}

static void put_text(struct sink *sink, unsigned field, const char *text)
{
	put_bytes(sink, field, text, strlen(text));
}

static void put_float(struct sink *sink, unsigned field, float v)
{
	uint32_t bits;
	unsigned char bytes[4];

	memcpy(&bits, &v, sizeof(bits));
	for (unsigned i = 0; i < 4; i++)
		bytes[i] = (unsigned char)(bits >> (8 * i));
	put_varint(sink, proto_tag(field, PROTO_FIXED32));
	put(sink, bytes, sizeof(bytes));
}

/* A message in the message: body writes what is in it, and does the same each time. */
static void put_message(struct sink *sink, unsigned field,
			void (*body)(struct sink *sink, const void *what), const void *what)
{
	struct sink count = { .graph = sink->graph, .n_marks = sink->n_marks };

	body(&count, what);
	put_varint(sink, proto_tag(field, PROTO_BYTES));
	put_varint(sink, count.n);
	if (sink->p)
		body(sink, what);
	else
		grow(sink, count.n);
}

static void put_name(struct sink *sink, unsigned field, const struct onnx_value *value)
{
	char name[NAME_MAX_BYTES];
	int n;

	if (!value) {
		put_bytes(sink, field, NULL, 0);
	} else if (value->name.len) {
		put_bytes(sink, field, value->name.bytes, value->name.len);
	} else {
		memset(name, NAME_MARK, sink->n_marks);
		n = snprintf(name + sink->n_marks, sizeof(name) - sink->n_marks, "%u",
			     value->number);
		put_bytes(sink, field, name, sink->n_marks + (size_t)n);
	}
}

/* TensorProto */
static void initializer_body(struct sink *sink, const void *what)
{
	const struct onnx_value *value = what;
	const struct onnx_constant *constant = value->constant;

	put_name(sink, 8, value);
	for (uint32_t i = 0; i < constant->rank; i++)
		put_number(sink, 1, (uint64_t)constant->dims[i]);
	put_number(sink, 2, onnx_data_type(constant->dtype));
	put_varint(sink, proto_tag(9, PROTO_BYTES));
	put_varint(sink, constant->n_bytes);
	if (sink->p)
		constant->write(constant, sink->p + sink->n);
	grow(sink, constant->n_bytes);
}

/* AttributeProto */
static void attribute_body(struct sink *sink, const void *what)
{
	const struct onnx_attribute *a = what;

	put_text(sink, 1, a->name);
	put_number(sink, 20, a->kind);
	switch (a->kind) {
	case ONNX_FLOAT:
		put_float(sink, 2, a->f);
		break;
	case ONNX_INT:
		put_number(sink, 3, (uint64_t)a->i);
		break;
	case ONNX_STRING:
		put_text(sink, 4, a->s);
		break;
	case ONNX_INTS:
		for (size_t i = 0; i < a->n; i++)
			put_number(sink, 8, (uint64_t)a->ints[i]);
		break;
	}
}

/* The author's name, and a number: engines refuse two nodes of one name. */
static void put_node_name(struct sink *sink, const struct onnx_node *node)
{
	char number[16];
	int n = snprintf(number, sizeof(number), "#%u", node->number);

	put_varint(sink, proto_tag(3, PROTO_BYTES));
	put_varint(sink, node->label.len + (size_t)n);
	put(sink, node->label.bytes, node->label.len);
	put(sink, number, (size_t)n);
}

/* NodeProto */
static void node_body(struct sink *sink, const void *what)
{
	const struct onnx_node *node = what;

	for (const struct onnx_port *p = node->inputs; p; p = p->next)
		put_name(sink, 1, p->value);
	for (const struct onnx_port *p = node->outputs; p; p = p->next)
		put_name(sink, 2, p->value);
	put_node_name(sink, node);
	put_text(sink, 4, node->op);
	for (const struct onnx_attribute *a = node->attributes; a; a = a->next)
		put_message(sink, 5, attribute_body, a);
}

/* TensorShapeProto.Dimension: an empty one is not fixed. */
static void dimension_body(struct sink *sink, const void *what)
{
	const int64_t *dim = what;

	if (*dim >= 0)
		put_number(sink, 1, (uint64_t)*dim);
}

/* TensorShapeProto */
static void shape_body(struct sink *sink, const void *what)
{
	const struct onnx_value *value = what;

	for (int i = 0; i < value->rank; i++)
		put_message(sink, 1, dimension_body, &value->dims[i]);
}

/* TypeProto.Tensor */
static void tensor_type_body(struct sink *sink, const void *what)
{
	const struct onnx_value *value = what;

	put_number(sink, 1, onnx_data_type(value->dtype));
	if (value->rank >= 0)
		put_message(sink, 2, shape_body, value);
}

/* TypeProto */
static void type_body(struct sink *sink, const void *what)
{
	put_message(sink, 1, tensor_type_body, what);
}

/* ValueInfoProto; what an engine can find out by itself may be missing. */
static void value_info_body(struct sink *sink, const void *what)
{
	const struct onnx_value *value = what;

	put_name(sink, 1, value);
	if (onnx_data_type(value->dtype))
		put_message(sink, 2, type_body, value);
}

/* GraphProto */
static void graph_body(struct sink *sink, const void *what)
{
	const struct onnx_graph *graph = what;

	for (const struct onnx_node *node = graph->nodes; node; node = node->next)
		put_message(sink, 1, node_body, node);
	put_text(sink, 2, "graph");
	for (const struct onnx_value *v = graph->values; v; v = v->next) {
		if (v->constant && v->is_used)
			put_message(sink, 5, initializer_body, v);
	}
	for (const struct onnx_port *p = graph->inputs; p; p = p->next)
		put_message(sink, 11, value_info_body, p->value);
	for (const struct onnx_port *p = graph->outputs; p; p = p->next)
		put_message(sink, 12, value_info_body, p->value);
}

/* OperatorSetIdProto */
static void opset_body(struct sink *sink, const void *what)
{
	(void)what;
	put_text(sink, 1, "");
	put_number(sink, 2, ONNX_OPSET);
}

/* ModelProto */
static void model_body(struct sink *sink)
{
	put_number(sink, 1, IR_VERSION);
	put_text(sink, 2, "tensock");
	put_message(sink, 8, opset_body, NULL);
	put_message(sink, 7, graph_body, sink->graph);
}

static bool same_name(const struct onnx_value *a, const struct onnx_value *b)
{
	return a->name.len == b->name.len && a->name.len &&
	       memcmp(a->name.bytes, b->name.bytes, a->name.len) == 0;
}

static int check_names(const struct onnx_graph *graph, const struct onnx_port *first,
		       struct tensock_error *reterr)
{
	/* Before any is compared: those of a .ms file may share their bytes. */
	for (const struct onnx_port *p = first; p; p = p->next) {
		if (p->value->name.len > TSK_TENSOR_NAME_MAX)
			return tsk_fail(reterr, TENSOCK_TOO_LARGE,
					"the name of an input or output, '%.64s', has %zu bytes, "
					"above %u",
					p->value->name.bytes, p->value->name.len,
					TSK_TENSOR_NAME_MAX);
	}
	for (const struct onnx_port *p = first; p; p = p->next) {
		const struct onnx_port *q = first == graph->inputs ? graph->outputs : NULL;

		for (const struct onnx_port *r = p->next; r; r = r->next) {
			if (same_name(p->value, r->value))
				return tsk_fail(reterr, TENSOCK_INVALID_MODEL,
						"two tensors of the model are called %.*s",
						(int)p->value->name.len, p->value->name.bytes);
		}
		for (; q; q = q->next) {
			if (same_name(p->value, q->value))
				return tsk_fail(reterr, TENSOCK_INVALID_MODEL,
						"an input and an output are both called %.*s",
						(int)p->value->name.len, p->value->name.bytes);
		}
	}
	return 0;
}

static int check(const struct onnx_graph *graph, struct tensock_error *reterr)
{
	int r;

	if (graph->failed == -EINVAL)
		return tsk_fail(reterr, TENSOCK_INVALID_MODEL,
				"the bytes of a weight are not those of its shape");
	if (graph->failed == -E2BIG)
		return tsk_fail(reterr, TENSOCK_TOO_LARGE,
				"the model has more than %u nodes, or a node with more than %u "
				"inputs",
				ONNX_NODES_MAX, ONNX_NODE_INPUTS_MAX);
	if (graph->failed)
		return tsk_fail(reterr, TENSOCK_OUT_OF_MEMORY,
				"the translation takes more memory than the model may");
	if (graph->n_inputs > PORTS_MAX || graph->n_outputs > PORTS_MAX)
		return tsk_fail(reterr, TENSOCK_TOO_LARGE,
				"the model has more than %u inputs or outputs", PORTS_MAX);
	r = check_names(graph, graph->inputs, reterr);
	return r < 0 ? r : check_names(graph, graph->outputs, reterr);
}

static unsigned leading_marks(struct onnx_text text)
{
	unsigned n = 0;

	while (n < text.len && text.bytes[n] == NAME_MARK)
		n++;
	return n;
}

/* More than any name of the author's begins with, so that ours are none of them. */
static unsigned choose_marks(const struct onnx_graph *graph)
{
	unsigned most = 0;

	for (const struct onnx_value *v = graph->values; v; v = v->next) {
		unsigned n = leading_marks(v->name);

		most = n > most ? n : most;
	}
	return most + 1;
}

int onnx_file_write(struct onnx_graph *graph, size_t bytes_max, unsigned char **ret_bytes,
		    size_t *ret_n_bytes, struct tensock_error *reterr)
{
	struct sink sink = { .graph = graph };
	uint64_t n;
	int r = check(graph, reterr);

	if (r < 0)
		return r;
	sink.n_marks = choose_marks(graph);
	if (sink.n_marks > NAME_MAX_BYTES / 2)
		return tsk_fail(reterr, TENSOCK_INVALID_MODEL, "a tensor's name begins with %u %c",
				sink.n_marks - 1, NAME_MARK);
	model_body(&sink);
	n = sink.n;
	if (n > bytes_max)
		return tsk_fail(reterr, TENSOCK_TOO_LARGE,
				"translated to ONNX the model has %llu bytes: above %zu",
				(unsigned long long)n, bytes_max);
	sink.p = malloc(n ? n : 1);
	if (!sink.p)
		return tsk_fail(reterr, TENSOCK_OUT_OF_MEMORY, "not enough memory");
	sink.n = 0;
	model_body(&sink);
	*ret_bytes = sink.p;
	*ret_n_bytes = n;
	return 0;
}
