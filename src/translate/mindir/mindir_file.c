/* SPDX-License-Identifier: Apache-2.0 */
#include "translate/mindir/mindir_file.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/checked.h"
#include "base/status.h"
#include "translate/mindir/mindir_names.h"
#include "translate/mindir/mindir_reading.h"

enum { /* fields of ModelProto */
	MODEL_GRAPH = 7,
	MODEL_FUNCTIONS = 8,
	MODEL_LITTLE_ENDIAN = 10,
	MODEL_PRIMITIVES = 12,
};

enum { /* of GraphProto */
	GRAPH_NODE = 1,
	GRAPH_NAME = 2,
	GRAPH_PARAMETER = 3,
	GRAPH_INPUT = 5,
	GRAPH_OUTPUT = 6,
	GRAPH_MAP_PARAMETER = 10,
};

enum { /* of NodeProto */
	NODE_INPUT = 1,
	NODE_OUTPUT = 2,
	NODE_NAME = 3,
	NODE_OP_TYPE = 4,
	NODE_ATTRIBUTE = 5,
	NODE_DOMAIN = 7,
};

enum { /* of ValueInfoProto */
	PORT_NAME = 1,
	PORT_TENSOR = 2,
};

enum { /* of PrimitiveProto */
	PRIMITIVE_NAME = 1,
	PRIMITIVE_OP_TYPE = 2,
	PRIMITIVE_ATTRIBUTE = 3,
};

#define REFERENCE "REF::" /* what stands before a primitive's name */

struct primitives {
	struct mindir_primitive *items;
	size_t n;
	struct mindir_names names;
};

void mindir_reading_fail(struct mindir_reading *reading, enum tensock_status status,
			 const char *fmt, ...)
{
	char text[sizeof(reading->reterr->message)];
	va_list args;

	if (reading->error)
		return;
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	reading->error = tsk_fail(reading->reterr, status, "%s", text);
}

void *mindir_reading_take(struct mindir_reading *reading, size_t n, size_t n_max, size_t bytes,
			  const char *what)
{
	void *p;

	if (reading->error)
		return NULL;
	if (n > n_max) {
		mindir_reading_fail(reading, TENSOCK_TOO_LARGE,
				    "the model has %zu %s, more than %zu", n, what, n_max);
		return NULL;
	}
	p = tsk_arena_array(reading->arena, n ? n : 1, bytes);
	if (!p)
		mindir_reading_fail(reading, TENSOCK_OUT_OF_MEMORY, "no memory for the model's %s",
				    what);
	return p;
}

struct onnx_text mindir_read_text(struct tsk_reader *wire, const struct proto_field *field)
{
	if (!proto_is(wire, field, PROTO_BYTES))
		return (struct onnx_text){ 0 };
	return (struct onnx_text){ .bytes = (const char *)field->bytes, .len = field->n_bytes };
}

bool mindir_text_is(struct onnx_text text, const char *word)
{
	size_t n = strlen(word);

	return text.len == n && (!n || !memcmp(text.bytes, word, n));
}

struct mindir_value mindir_tuple(const struct mindir_value *items, uint32_t n)
{
	struct mindir_value tuple = {
		.kind = MINDIR_TUPLE, .n_items = n, .items = items, .weight = 1, .depth = 1
	};

	for (uint32_t i = 0; i < n; i++) {
		if (!tsk_add(tuple.weight, items[i].weight + 1, &tuple.weight))
			tuple.weight = UINT32_MAX - 1;
		if (items[i].depth >= tuple.depth)
			tuple.depth = items[i].depth + 1;
	}
	return tuple;
}

const struct mindir_value *mindir_attribute(const struct mindir_attributes *attributes,
					    const char *name)
{
	size_t n = strlen(name);

	/* Names of other lengths are told apart at once: a primitive may be that of all nodes. */
	for (size_t i = 0; i < attributes->n; i++) {
		const struct mindir_attribute *attribute = &attributes->items[i];

		if (attribute->name.len == n && !memcmp(attribute->name.bytes, name, n))
			return &attribute->value;
	}
	return NULL;
}

struct onnx_text mindir_short_name(const struct mindir_file *file, struct onnx_text name)
{
	size_t n = file->graph_name.len;

	if (name.len > n + 1 && n && !memcmp(name.bytes, file->graph_name.bytes, n) &&
	    name.bytes[n] == ':')
		return (struct onnx_text){ .bytes = name.bytes + n + 1, .len = name.len - n - 1 };
	return name;
}

static void end_message(struct mindir_reading *reading, const struct tsk_reader *wire,
			const char *what)
{
	if (wire->bad)
		mindir_reading_fail(reading, TENSOCK_INVALID_MODEL, "%s is broken", what);
}

static void read_primitive(struct mindir_reading *reading, struct tsk_reader wire,
			   struct mindir_primitive *ret)
{
	struct tsk_reader whole = wire;
	struct proto_field field;

	while (proto_next(&wire, &field)) {
		if (field.number == PRIMITIVE_NAME)
			ret->name = mindir_read_text(&wire, &field);
		else if (field.number == PRIMITIVE_OP_TYPE)
			ret->op = mindir_read_text(&wire, &field);
	}
	end_message(reading, &wire, "a primitive");
	mindir_read_attributes(reading, whole, PRIMITIVE_ATTRIBUTE, &ret->attributes);
}

static void read_primitives(struct mindir_reading *reading, struct tsk_reader model,
			    struct primitives *ret)
{
	size_t n = proto_count(model, MODEL_PRIMITIVES);
	struct proto_field field;

	ret->items = mindir_reading_take(reading, n, MINDIR_NODES_MAX, sizeof(*ret->items),
					 "primitives");
	ret->names.items = mindir_reading_take(reading, n, MINDIR_NODES_MAX,
					       sizeof(*ret->names.items), "primitives");
	while (!reading->error && ret->n < n && proto_next(&model, &field)) {
		if (field.number != MODEL_PRIMITIVES)
			continue;
		read_primitive(reading, proto_message(&model, &field), &ret->items[ret->n]);
		ret->names.items[ret->n] =
			(struct mindir_name){ ret->items[ret->n].name, (uint32_t)ret->n };
		ret->names.n = ++ret->n;
	}
	if (!reading->error && mindir_names_sort(&ret->names))
		mindir_reading_fail(reading, TENSOCK_INVALID_MODEL,
				    "two primitives have the same name");
}

/* What a node's op_type says: a primitive of the table, or (1.x) the operator itself. */
static void resolve_operator(struct mindir_reading *reading, const struct primitives *primitives,
			     struct onnx_text op_type, struct mindir_node *node)
{
	struct onnx_text name;
	int64_t place;

	node->op = op_type;
	node->settings = &node->attributes;
	if (op_type.len < strlen(REFERENCE) ||
	    memcmp(op_type.bytes, REFERENCE, strlen(REFERENCE)) != 0)
		return;
	name = (struct onnx_text){ op_type.bytes + strlen(REFERENCE),
				   op_type.len - strlen(REFERENCE) };
	place = mindir_names_find(&primitives->names, name);
	if (place < 0) {
		mindir_reading_fail(reading, TENSOCK_UNSUPPORTED,
				    "node '%.*s' calls a function: control flow is not translated; "
				    "export the net without conditions on tensors, or run it with "
				    "MindSpore Lite",
				    MINDIR_TEXT(node->label));
		return;
	}
	node->op = primitives->items[place].op;
	node->settings = &primitives->items[place].attributes;
}

static void read_node_inputs(struct mindir_reading *reading, struct tsk_reader wire,
			     struct mindir_node *node)
{
	size_t n = proto_count(wire, NODE_INPUT);
	struct onnx_text *inputs = mindir_reading_take(reading, n, MINDIR_NODE_INPUTS_MAX,
						       sizeof(*inputs), "inputs of a node");
	struct proto_field field;

	if (n > MINDIR_VALUES_MAX - reading->n_values)
		mindir_reading_fail(reading, TENSOCK_TOO_LARGE,
				    "the model's nodes have too many inputs");
	else
		reading->n_values += n;
	while (!reading->error && node->n_inputs < n && proto_next(&wire, &field)) {
		if (field.number == NODE_INPUT)
			inputs[node->n_inputs++] = mindir_read_text(&wire, &field);
	}
	end_message(reading, &wire, "a node");
	node->inputs = inputs;
}

static void read_node(struct mindir_reading *reading, struct tsk_reader wire,
		      const struct primitives *primitives, struct mindir_node *node)
{
	struct onnx_text op_type = { 0 }, name = { 0 };
	struct tsk_reader whole = wire;
	struct proto_field field;
	unsigned n_outputs = 0;

	while (proto_next(&wire, &field)) {
		if (field.number == NODE_OUTPUT && n_outputs++ == 0)
			node->output = mindir_read_text(&wire, &field);
		else if (field.number == NODE_NAME)
			name = mindir_read_text(&wire, &field);
		else if (field.number == NODE_OP_TYPE)
			op_type = mindir_read_text(&wire, &field);
		else if (field.number == NODE_DOMAIN)
			node->label = mindir_read_text(&wire, &field);
	}
	end_message(reading, &wire, "a node");
	if (n_outputs != 1)
		mindir_reading_fail(reading, TENSOCK_INVALID_MODEL,
				    "a node has %u outputs, not one", n_outputs);
	if (!node->label.len)
		node->label = name.len ? name : node->output;
	read_node_inputs(reading, whole, node);
	mindir_read_attributes(reading, whole, NODE_ATTRIBUTE, &node->attributes);
	if (reading->error)
		return;
	resolve_operator(reading, primitives, op_type, node);
	node->shape = mindir_attribute(&node->attributes, "shape");
	if (mindir_text_is(op_type, "Constant"))
		node->constant = mindir_attribute(&node->attributes, "value");
}

static void read_port(struct mindir_reading *reading, struct tsk_reader wire,
		      struct mindir_port *ret)
{
	struct proto_field field;
	bool has_tensor = false;

	while (!reading->error && proto_next(&wire, &field)) {
		if (field.number == PORT_NAME) {
			ret->name = mindir_read_text(&wire, &field);
		} else if (field.number == PORT_TENSOR && !has_tensor) {
			mindir_read_tensor(reading, proto_message(&wire, &field), false,
					   &ret->tensor);
			has_tensor = true;
		}
	}
	end_message(reading, &wire, "an input or output");
}

static struct mindir_port *read_ports(struct mindir_reading *reading, struct tsk_reader graph,
				      uint32_t number, size_t *ret_n)
{
	size_t n = proto_count(graph, number);
	struct mindir_port *ports = mindir_reading_take(reading, n, ONNX_NODE_INPUTS_MAX,
							sizeof(*ports), "inputs or outputs");
	struct proto_field field;
	size_t i = 0;

	while (!reading->error && i < n && proto_next(&graph, &field)) {
		if (field.number == number)
			read_port(reading, proto_message(&graph, &field), &ports[i++]);
	}
	*ret_n = i;
	return ports;
}

static void read_parameters(struct mindir_reading *reading, struct tsk_reader graph,
			    struct mindir_file *file)
{
	size_t n = proto_count(graph, GRAPH_PARAMETER);
	struct proto_field field;

	file->parameters = mindir_reading_take(reading, n, MINDIR_NODES_MAX,
					       sizeof(*file->parameters), "parameters");
	while (!reading->error && file->n_parameters < n && proto_next(&graph, &field)) {
		if (field.number == GRAPH_PARAMETER)
			mindir_read_tensor(reading, proto_message(&graph, &field), true,
					   &file->parameters[file->n_parameters++]);
	}
}

static void read_nodes(struct mindir_reading *reading, struct tsk_reader graph,
		       const struct primitives *primitives, struct mindir_file *file)
{
	size_t n = proto_count(graph, GRAPH_NODE);
	struct proto_field field;

	file->nodes =
		mindir_reading_take(reading, n, MINDIR_NODES_MAX, sizeof(*file->nodes), "nodes");
	while (!reading->error && file->n_nodes < n && proto_next(&graph, &field)) {
		if (field.number == GRAPH_NODE)
			read_node(reading, proto_message(&graph, &field), primitives,
				  &file->nodes[file->n_nodes++]);
	}
}

static void read_graph(struct mindir_reading *reading, struct tsk_reader graph,
		       const struct primitives *primitives, struct mindir_file *file)
{
	struct tsk_reader whole = graph;
	struct proto_field field;

	while (proto_next(&graph, &field)) {
		if (field.number == GRAPH_NAME)
			file->graph_name = mindir_read_text(&graph, &field);
		else if (field.number == GRAPH_MAP_PARAMETER)
			mindir_reading_fail(
				reading, TENSOCK_UNSUPPORTED,
				"the model has map parameters, which are not translated");
	}
	end_message(reading, &graph, "the graph");
	file->inputs = read_ports(reading, whole, GRAPH_INPUT, &file->n_inputs);
	file->outputs = read_ports(reading, whole, GRAPH_OUTPUT, &file->n_outputs);
	read_parameters(reading, whole, file);
	read_nodes(reading, whole, primitives, file);
}

/* The graph's message; whatever forbids the whole file fails the reading. */
static struct tsk_reader read_model(struct mindir_reading *reading, struct tsk_reader model)
{
	struct tsk_reader graph = { 0 };
	struct proto_field field;
	unsigned n_functions = 0;

	while (proto_next(&model, &field)) {
		if (field.number == MODEL_GRAPH)
			graph = proto_message(&model, &field);
		else if (field.number == MODEL_FUNCTIONS)
			n_functions++;
		else if (field.number == MODEL_LITTLE_ENDIAN && !proto_int(&model, &field))
			mindir_reading_fail(reading, TENSOCK_UNSUPPORTED,
					    "the weights are big-endian: export the net on another "
					    "machine");
	}
	end_message(reading, &model, "the model");
	if (n_functions)
		mindir_reading_fail(
			reading, TENSOCK_UNSUPPORTED,
			"the model has %u functions: control flow is not translated; export "
			"the net without conditions and loops on tensors, or run it with "
			"MindSpore Lite",
			n_functions);
	if (!graph.p)
		mindir_reading_fail(reading, TENSOCK_INVALID_MODEL, "the model has no graph");
	return graph;
}

int mindir_file_read(const void *bytes, size_t n_bytes, struct tsk_arena *arena,
		     struct mindir_file *ret, struct tensock_error *reterr)
{
	struct mindir_reading reading = { .arena = arena, .reterr = reterr };
	struct tsk_reader model = tsk_reader(bytes, n_bytes);
	struct tsk_reader graph = read_model(&reading, model);
	struct primitives primitives = { 0 };
	struct mindir_file file = { 0 };

	read_primitives(&reading, model, &primitives);
	if (!reading.error)
		read_graph(&reading, graph, &primitives, &file);
	if (reading.error)
		return reading.error;
	*ret = file;
	return 0;
}
