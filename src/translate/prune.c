/* SPDX-License-Identifier: Apache-2.0 */
#include "translate/graph.h"

static bool is_read(const struct onnx_node *node)
{
	for (const struct onnx_port *p = node->outputs; p; p = p->next) {
		if (p->value->is_used || p->value->is_output)
			return true;
	}
	return false;
}

static void use_inputs(struct onnx_node *node)
{
	for (const struct onnx_port *p = node->inputs; p; p = p->next) {
		if (p->value)
			p->value->is_used = true;
	}
}

static void append(struct onnx_graph *graph, struct onnx_node *node)
{
	node->next = NULL;
	if (graph->last_node)
		graph->last_node->next = node;
	else
		graph->nodes = node;
	graph->last_node = node;
	graph->n_nodes++;
}

void onnx_prune(struct onnx_graph *graph)
{
	uint32_t n = graph->n_nodes, i = 0;
	struct onnx_node **all = onnx_take(graph, n, sizeof(*all));
	bool *reads = onnx_take(graph, n, sizeof(*reads));

	if (!all || !reads)
		return;
	for (struct onnx_node *node = graph->nodes; node; node = node->next)
		all[i++] = node;
	for (struct onnx_value *value = graph->values; value; value = value->next)
		value->is_used = false;
	/* Each node stands behind what it reads: from the end, all who read a value come before its maker. */
	for (i = n; i-- > 0;) {
		reads[i] = is_read(all[i]);
		if (reads[i])
			use_inputs(all[i]);
	}
	graph->nodes = graph->last_node = NULL;
	graph->n_nodes = 0;
	for (i = 0; i < n; i++) {
		if (reads[i])
			append(graph, all[i]);
	}
}
