/* SPDX-License-Identifier: Apache-2.0 */
#include "translate/graph.h"

#include <errno.h>
#include <string.h>

/* TensorProto.DataType of each of our types. */
static const uint8_t data_types[TENSOCK_DTYPE_MAX] = {
	[TENSOCK_BOOL] = 9,        [TENSOCK_UINT8] = 2,           [TENSOCK_UINT16] = 4,
	[TENSOCK_UINT32] = 12,     [TENSOCK_UINT64] = 13,         [TENSOCK_INT8] = 3,
	[TENSOCK_INT16] = 5,       [TENSOCK_INT32] = 6,           [TENSOCK_INT64] = 7,
	[TENSOCK_FLOAT16] = 10,    [TENSOCK_FLOAT32] = 1,         [TENSOCK_FLOAT64] = 11,
	[TENSOCK_BFLOAT16] = 16,   [TENSOCK_BYTES] = 8,           [TENSOCK_COMPLEX64] = 14,
	[TENSOCK_COMPLEX128] = 15, [TENSOCK_FLOAT8E4M3FN] = 17,   [TENSOCK_FLOAT8E4M3FNUZ] = 18,
	[TENSOCK_FLOAT8E5M2] = 19, [TENSOCK_FLOAT8E5M2FNUZ] = 20, [TENSOCK_UINT4] = 21,
	[TENSOCK_INT4] = 22,       [TENSOCK_FLOAT4E2M1] = 23,
};

uint8_t onnx_data_type(uint32_t dtype)
{
	return dtype < TENSOCK_DTYPE_MAX ? data_types[dtype] : 0;
}

static void reset_sinks(struct onnx_graph *graph)
{
	graph->no_value = (struct onnx_value){ .rank = -1 };
	graph->no_node = (struct onnx_node){ .op = "" };
}

void onnx_graph_init(struct onnx_graph *graph, size_t memory_max)
{
	*graph = (struct onnx_graph){ 0 };
	tsk_arena_init(&graph->arena, memory_max);
	reset_sinks(graph);
}

void onnx_graph_done(struct onnx_graph *graph)
{
	if (!graph)
		return;
	tsk_arena_done(&graph->arena);
	*graph = (struct onnx_graph){ 0 };
}

void onnx_fail(struct onnx_graph *graph, int error)
{
	if (!graph->failed)
		graph->failed = error;
}

void *onnx_take(struct onnx_graph *graph, size_t n, size_t bytes)
{
	void *p = graph->failed ? NULL : tsk_arena_array(&graph->arena, n, bytes);

	if (!p)
		onnx_fail(graph, -ENOMEM);
	return p;
}

static void append_port(struct onnx_graph *graph, struct onnx_port **first, struct onnx_port **last,
			struct onnx_value *value)
{
	struct onnx_port *port = onnx_take(graph, 1, sizeof(*port));

	if (!port)
		return;
	port->value = value;
	if (*last)
		(*last)->next = port;
	else
		*first = port;
	*last = port;
}

struct onnx_value *onnx_value_new(struct onnx_graph *graph, uint32_t dtype)
{
	struct onnx_value *value = onnx_take(graph, 1, sizeof(*value));

	if (!value) {
		reset_sinks(graph);
		return &graph->no_value;
	}
	value->number = graph->n_values++;
	value->dtype = dtype;
	onnx_value_set_shape(value, NULL, -1);
	if (graph->last_value)
		graph->last_value->next = value;
	else
		graph->values = value;
	graph->last_value = value;
	return value;
}

void onnx_value_set_shape(struct onnx_value *value, const int64_t *dims, int rank)
{
	if (rank > (int)TENSOCK_RANK_MAX)
		rank = -1;
	value->rank = rank;
	for (int i = 0; i < (int)TENSOCK_RANK_MAX; i++)
		value->dims[i] = dims && i < rank && dims[i] >= 0 ? dims[i] : -1;
}

void onnx_value_like(struct onnx_value *value, const struct onnx_value *other)
{
	onnx_value_set_shape(value, other->dims, other->rank);
}

bool onnx_value_is_fixed(const struct onnx_value *value)
{
	for (int i = 0; i < value->rank; i++) {
		if (value->dims[i] < 0)
			return false;
	}
	return value->rank >= 0;
}

struct onnx_value *onnx_input(struct onnx_graph *graph, struct onnx_text name, uint32_t dtype,
			      const int64_t *dims, int rank)
{
	struct onnx_value *value = onnx_value_new(graph, dtype);

	value->name = name;
	value->is_input = true;
	onnx_value_set_shape(value, dims, rank);
	append_port(graph, &graph->inputs, &graph->last_input, value);
	graph->n_inputs++;
	return value;
}

void onnx_output(struct onnx_graph *graph, struct onnx_value *value, struct onnx_text name)
{
	if (value->is_input || value->is_output || value->constant) {
		struct onnx_value *same = ONNX_CALL(graph, "Identity", value);

		onnx_value_like(same, value);
		value = same;
	}
	value->name = name;
	value->is_output = true;
	append_port(graph, &graph->outputs, &graph->last_output, value);
	graph->n_outputs++;
}

struct onnx_node *onnx_node(struct onnx_graph *graph, const char *op)
{
	struct onnx_node *node;

	if (graph->n_nodes == ONNX_NODES_MAX)
		onnx_fail(graph, -E2BIG);
	node = onnx_take(graph, 1, sizeof(*node));
	if (!node) {
		reset_sinks(graph);
		return &graph->no_node;
	}
	node->op = op;
	node->label = graph->label;
	if (graph->last_node)
		graph->last_node->next = node;
	else
		graph->nodes = node;
	graph->last_node = node;
	node->number = graph->n_nodes++;
	return node;
}

void onnx_in(struct onnx_graph *graph, struct onnx_node *node, struct onnx_value *value)
{
	if (node->n_inputs == ONNX_NODE_INPUTS_MAX)
		onnx_fail(graph, -E2BIG);
	if (value)
		value->is_used = true;
	append_port(graph, &node->inputs, &node->last_input, value);
	node->n_inputs++;
}

struct onnx_value *onnx_out(struct onnx_graph *graph, struct onnx_node *node, uint32_t dtype)
{
	struct onnx_value *value;

	if (node->n_outputs == ONNX_NODE_INPUTS_MAX)
		onnx_fail(graph, -E2BIG);
	value = onnx_value_new(graph, dtype);
	value->maker = node;
	append_port(graph, &node->outputs, &node->last_output, value);
	node->n_outputs++;
	return value;
}

struct onnx_node *onnx_node_of(struct onnx_graph *graph, const char *op,
			       struct onnx_value *const *inputs, size_t n)
{
	struct onnx_node *node = onnx_node(graph, op);

	for (size_t i = 0; i < n; i++)
		onnx_in(graph, node, inputs[i]);
	return node;
}

struct onnx_value *onnx_call_of(struct onnx_graph *graph, const char *op,
				struct onnx_value *const *inputs, size_t n)
{
	struct onnx_node *node = onnx_node_of(graph, op, inputs, n);
	bool has_type = n > 0 && inputs[0];

	return onnx_out(graph, node, has_type ? inputs[0]->dtype : TENSOCK_DTYPE_INVALID);
}

/* A new attribute at the end of the node's; its values are the caller's to set.  NULL without memory. */
static struct onnx_attribute *add_attribute(struct onnx_graph *graph, struct onnx_node *node,
					    const char *name, enum onnx_attribute_kind kind)
{
	struct onnx_attribute *attribute = onnx_take(graph, 1, sizeof(*attribute));
	struct onnx_attribute **end = &node->attributes;

	if (!attribute)
		return NULL;
	attribute->name = name;
	attribute->kind = kind;
	while (*end)
		end = &(*end)->next;
	*end = attribute;
	return attribute;
}

void onnx_attr_int(struct onnx_graph *graph, struct onnx_node *node, const char *name, int64_t v)
{
	struct onnx_attribute *attribute = add_attribute(graph, node, name, ONNX_INT);

	if (attribute)
		attribute->i = v;
}

void onnx_attr_float(struct onnx_graph *graph, struct onnx_node *node, const char *name, float v)
{
	struct onnx_attribute *attribute = add_attribute(graph, node, name, ONNX_FLOAT);

	if (attribute)
		attribute->f = v;
}

void onnx_attr_text(struct onnx_graph *graph, struct onnx_node *node, const char *name,
		    const char *v)
{
	struct onnx_attribute *attribute = add_attribute(graph, node, name, ONNX_STRING);

	if (attribute)
		attribute->s = v;
}

void *onnx_copy(struct onnx_graph *graph, const void *from, size_t n, size_t bytes)
{
	void *to = onnx_take(graph, n, bytes);

	if (to && n)
		memcpy(to, from, n * bytes);
	return to;
}

void onnx_attr_ints(struct onnx_graph *graph, struct onnx_node *node, const char *name,
		    const int64_t *v, size_t n)
{
	struct onnx_attribute *attribute = add_attribute(graph, node, name, ONNX_INTS);
	const int64_t *ints = onnx_copy(graph, v, n, sizeof(*v));

	if (!attribute || !ints)
		return;
	attribute->ints = ints;
	attribute->n = n;
}
