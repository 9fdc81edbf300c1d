/* SPDX-License-Identifier: Apache-2.0 */
#include "translate/ms/ms.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/status.h"
#include "translate/ms/ms_op.h"
#include "translate/ms/ms_quant.h"

static int give_input(struct ms_tensor *tensor, struct onnx_graph *graph,
		      struct tensock_error *reterr)
{
	int64_t dims[TENSOCK_RANK_MAX];

	if (tensor->dtype == TENSOCK_DTYPE_INVALID)
		return tsk_fail(reterr, TENSOCK_UNSUPPORTED,
				"input '%.*s' has elements of type %d, which is none of numbers",
				MS_TEXT(tensor->name), tensor->data_type);
	if (tensor->dims.n > TENSOCK_RANK_MAX)
		return tsk_fail(reterr, TENSOCK_UNSUPPORTED,
				"input '%.*s' has %u dimensions, above %u", MS_TEXT(tensor->name),
				tensor->dims.n, TENSOCK_RANK_MAX);
	for (uint32_t i = 0; i < tensor->dims.n; i++)
		dims[i] = fb_int_at(&tensor->dims, i);
	tensor->plain = onnx_input(graph, tensor->name, tensor->dtype, dims, (int)tensor->dims.n);
	tensor->plain = ms_quant_from(graph, tensor, tensor->plain);
	return 0;
}

/* A name of the graph's own: `before`, however long, and what is printed. */
_printf_(3, 4) static struct onnx_text
	made_name(struct onnx_graph *graph, struct onnx_text before, const char *fmt, ...)
{
	char behind[32];
	char *name;
	va_list args;
	size_t n;

	va_start(args, fmt);
	n = (size_t)vsnprintf(behind, sizeof(behind), fmt, args);
	va_end(args);
	name = onnx_take(graph, before.len + n, 1);
	if (!name)
		return (struct onnx_text){ 0 };
	if (before.len)
		memcpy(name, before.bytes, before.len);
	memcpy(name + before.len, behind, n);
	return (struct onnx_text){ name, before.len + n };
}

/* An input without a name is called by who reads it first: the node's name and its place there. */
static void name_by_readers(struct ms_file *file, struct onnx_graph *graph)
{
	for (uint32_t n = 0; n < file->n_nodes; n++) {
		const struct ms_node *node = &file->nodes[n];

		for (uint32_t i = 0; i < node->inputs.n && node->name.len; i++) {
			struct ms_tensor *tensor = ms_file_tensor(file, &node->inputs, i);

			if (tensor->is_input && !tensor->name.len)
				tensor->name = made_name(graph, node->name, "%u", i);
		}
	}
}

static int give_inputs(struct ms_file *file, struct onnx_graph *graph, struct tensock_error *reterr)
{
	name_by_readers(file, graph);
	for (uint32_t i = 0; i < file->inputs.n; i++) {
		struct ms_tensor *tensor = ms_file_tensor(file, &file->inputs, i);
		int r;

		if (!tensor->name.len)
			tensor->name = made_name(graph, tensor->name, "%u", tensor->number);
		r = give_input(tensor, graph, reterr);
		if (r < 0)
			return r;
	}
	return 0;
}

static int broken(struct ms_op *op)
{
	return ms_invalid(op, "its fields lead outside of the file, which is broken: get it anew");
}

static int translate_node(struct ms_op *op, const struct ms_op_table *table)
{
	const struct ms_op_row *row =
		op->node->type < table->n ? &table->rows[op->node->type] : NULL;
	int r;

	if (!row || !row->name) {
		op->name = "An operator";
		return ms_unsupported(op, "its number, %u, is none that MindSpore Lite 2.7 knows",
				      op->node->type);
	}
	op->name = row->name;
	op->onnx = row->onnx;
	if (!row->translate)
		return ms_unsupported(op, "is not covered: use MindSpore Lite as the engine, or "
					  "convert the model without it");
	if (op->n_inputs < row->n_inputs || op->n_outputs == 0)
		return ms_invalid(op, "has %u inputs and %u outputs, needs %u and 1", op->n_inputs,
				  op->n_outputs, row->n_inputs);
	r = ms_quant_check_inputs(op);
	if (r == 0)
		r = row->translate(op);
	if (r == 0 && op->file->flatbuffer.bad)
		r = broken(op);
	if (r == 0 && !op->error)
		r = ms_quant_round_outputs(op);
	return r < 0 ? r : op->error;
}

static int translate_nodes(struct ms_file *file, struct onnx_graph *graph,
			   struct tensock_error *reterr)
{
	const struct ms_op_table *table =
		file->generation == MS_L2 ? &ms_op_table : &ms_op_table_old;

	for (uint32_t i = 0; i < file->n_nodes; i++) {
		const struct ms_node *node = &file->nodes[i];
		struct ms_op op = {
			.graph = graph,
			.file = file,
			.node = node,
			.fields = node->fields,
			.n_inputs = node->inputs.n,
			.n_outputs = node->outputs.n,
			.reterr = reterr,
		};
		int r;

		graph->label = node->name;
		r = translate_node(&op, table);
		if (r < 0 || graph->failed)
			return r;
	}
	return 0;
}

/* What is an input as well is called so as that: no two ends have one name. */
static struct onnx_text output_name(struct onnx_graph *graph, const struct ms_tensor *tensor)
{
	if (tensor->is_input)
		return made_name(graph, tensor->name, ":output");
	return tensor->name.len ? tensor->name
				: made_name(graph, tensor->name, "%u", tensor->number);
}

/* The outputs are seen as inputs of a node of which nothing else is known. */
static int give_outputs(struct ms_file *file, struct onnx_graph *graph,
			struct tensock_error *reterr)
{
	const struct ms_node end = { .name = ONNX_TEXT("of the graph"), .inputs = file->outputs };
	struct ms_op op = {
		.graph = graph,
		.file = file,
		.node = &end,
		.name = "The outputs",
		.n_inputs = end.inputs.n,
		.reterr = reterr,
	};

	graph->label = (struct onnx_text){ 0 };
	for (uint32_t i = 0; i < file->outputs.n; i++) {
		const struct ms_tensor *tensor = ms_file_tensor(file, &file->outputs, i);
		struct onnx_value *value = ms_in(&op, i);

		if (op.error)
			return op.error;
		onnx_output(graph, ms_quant_to(graph, tensor, value), output_name(graph, tensor));
	}
	return 0;
}

int ms_translate(const void *bytes, size_t n_bytes, struct onnx_graph *graph,
		 struct tensock_error *reterr)
{
	struct ms_file file;
	int r = ms_file_read(&file, bytes, n_bytes, &graph->arena, reterr);

	if (r == 0)
		r = ms_quant_check(&file, reterr);
	if (r == 0)
		r = give_inputs(&file, graph, reterr);
	if (r == 0)
		r = translate_nodes(&file, graph, reterr);
	if (r == 0 && !graph->failed)
		r = give_outputs(&file, graph, reterr);
	return r;
}
