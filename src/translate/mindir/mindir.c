/* SPDX-License-Identifier: Apache-2.0 */
#include "translate/mindir/mindir.h"

#include <stdio.h>
#include <string.h>

#include "base/protowire.h"
#include "base/status.h"
#include "tensor/model_info.h"
#include "translate/mindir/mindir_names.h"
#include "translate/mindir/mindir_op.h"

#define OUTPUT_VISITS_MAX (8 * ONNX_NODE_INPUTS_MAX)

/*
 * The names of a graph have places: those of parameters, then inputs, then nodes, in the file's order.
 * A node may only name what stands before it.
 */
struct translation_state {
	struct onnx_graph *graph;
	struct mindir_file file;
	struct mindir_names names;
	struct mindir_value *values; /* by place: what a name stands for */
	uint32_t *roots;   /* by place: whose value it is; another's after an in-place operator */
	uint64_t *wanted;  /* by place: the items of a tuple that somebody asks for */
	uint32_t *uses;    /* by place: how often it is named, but for the order of effects */
	uint32_t n_known;  /* places that have their values */
	uint32_t n_visits; /* names and items that were looked at for the outputs */
	uint32_t next_number; /* of an output whose name is taken: none is tried twice */
	struct mindir_op *op;
	struct tensock_error *reterr;
};

static const struct mindir_table *const tables[] = {
	&mindir_graph_table,      &mindir_window_table, &mindir_norm_table,
	&mindir_matmul_table,     &mindir_binary_table, &mindir_unary_table,
	&mindir_activation_table, &mindir_reduce_table, &mindir_order_table,
	&mindir_shape_table,      &mindir_slice_table,  &mindir_index_table,
	&mindir_pad_table,        &mindir_resize_table, &mindir_fill_table,
	&mindir_adaptive_table,   &mindir_unfold_table, &mindir_recurrent_table,
};

const struct mindir_table *const *mindir_tables(size_t *ret_n)
{
	*ret_n = ARRAY_SIZE(tables);
	return tables;
}

static const struct mindir_operator *find_operator(struct onnx_text name)
{
	for (size_t t = 0; t < ARRAY_SIZE(tables); t++) {
		for (size_t i = 0; i < tables[t]->n; i++) {
			const struct mindir_operator *row = &tables[t]->rows[i];

			if (name.len && name.bytes[0] == row->name[0] &&
			    mindir_text_is(name, row->name))
				return row;
		}
	}
	return NULL;
}

static size_t n_places(const struct mindir_file *file)
{
	return file->n_parameters + file->n_inputs + file->n_nodes;
}

static void add_name(struct translation_state *state, struct onnx_text name)
{
	state->roots[state->names.n] = (uint32_t)state->names.n;
	state->names.items[state->names.n] = (struct mindir_name){ name, (uint32_t)state->names.n };
	state->names.n++;
}

static int name_places(struct translation_state *state)
{
	const struct mindir_file *file = &state->file;
	size_t n = n_places(file);
	const struct mindir_name *twice;

	state->values = onnx_take(state->graph, n + 1, sizeof(*state->values));
	state->roots = onnx_take(state->graph, n + 1, sizeof(*state->roots));
	state->wanted = onnx_take(state->graph, n + 1, sizeof(*state->wanted));
	state->uses = onnx_take(state->graph, n + 1, sizeof(*state->uses));
	state->names.items = onnx_take(state->graph, n + 1, sizeof(*state->names.items));
	if (state->graph->failed)
		return tsk_fail(state->reterr, TENSOCK_OUT_OF_MEMORY,
				"no memory for the model's names");
	for (size_t i = 0; i < file->n_parameters; i++)
		add_name(state, file->parameters[i].name);
	for (size_t i = 0; i < file->n_inputs; i++)
		add_name(state, file->inputs[i].name);
	for (size_t i = 0; i < file->n_nodes; i++)
		add_name(state, file->nodes[i].output);
	twice = mindir_names_sort(&state->names);
	if (twice)
		return tsk_fail(state->reterr, TENSOCK_INVALID_MODEL,
				"two things of the model have the name '%.*s'",
				MINDIR_TEXT(twice->text));
	return 0;
}

/* The place of a name that has its value; -1: none has. */
static int64_t known_place(const struct translation_state *state, struct onnx_text name)
{
	int64_t place = mindir_names_find(&state->names, name);

	return place >= 0 && place < state->n_known ? place : -1;
}

/* The node whose result has a place; NULL for one of no node, or -1. */
static const struct mindir_node *node_at(const struct translation_state *state, int64_t place)
{
	int64_t first = (int64_t)(state->file.n_parameters + state->file.n_inputs);

	return place < first ? NULL : &state->file.nodes[place - first];
}

/* Which item of a tuple a TupleGetItem takes; all, as far as other nodes are concerned. */
static uint64_t items_wanted(const struct translation_state *state, const struct mindir_node *node)
{
	const struct mindir_node *second;
	const struct mindir_value *index;

	if (!mindir_text_is(node->op, "TupleGetItem") || node->n_inputs != 2)
		return UINT64_MAX;
	second = node_at(state, mindir_names_find(&state->names, node->inputs[1]));
	index = second ? second->constant : NULL;
	if (!index || index->kind != MINDIR_INT || index->i < 0 || index->i >= 64)
		return UINT64_MAX;
	return UINT64_C(1) << index->i;
}

static void mark_use(struct translation_state *state, struct onnx_text name, uint64_t wanted)
{
	int64_t place = mindir_names_find(&state->names, name);

	if (place < 0)
		return;
	state->wanted[place] |= wanted;
	state->uses[place]++;
}

static void mark_wanted(struct translation_state *state)
{
	for (size_t i = 0; i < state->file.n_nodes; i++) {
		const struct mindir_node *node = &state->file.nodes[i];
		uint64_t wanted = items_wanted(state, node);

		if (mindir_text_is(node->op, "UpdateState"))
			continue;
		for (size_t k = 0; k < node->n_inputs; k++)
			mark_use(state, node->inputs[k], wanted);
	}
	for (size_t i = 0; i < state->file.n_outputs; i++)
		mark_use(state, state->file.outputs[i].name, UINT64_MAX);
}

static int add_inputs(struct translation_state *state)
{
	for (size_t i = 0; i < state->file.n_inputs; i++) {
		const struct mindir_port *port = &state->file.inputs[i];
		struct onnx_text name = mindir_short_name(&state->file, port->name);
		int rank = (int)port->tensor.rank;
		struct onnx_value *value;

		if (!port->tensor.dtype)
			return tsk_fail(
				state->reterr, TENSOCK_UNSUPPORTED,
				"the input '%.*s' is no tensor of a type that is translated",
				MINDIR_TEXT(name));
		for (uint32_t k = 0; k < port->tensor.rank; k++)
			rank = port->tensor.dims[k] < -1 ? -1 : rank;
		value = onnx_input(state->graph, name, port->tensor.dtype, port->tensor.dims, rank);
		state->values[state->n_known++] =
			(struct mindir_value){ .kind = MINDIR_VALUE, .value = value };
	}
	return 0;
}

static void add_parameters(struct translation_state *state)
{
	for (size_t i = 0; i < state->file.n_parameters; i++) {
		const struct mindir_tensor *tensor = &state->file.parameters[i];
		struct onnx_value *value =
			onnx_constant(state->graph, tensor->dtype, tensor->dims, tensor->rank,
				      tensor->bytes, tensor->n_bytes);

		state->values[state->n_known++] =
			(struct mindir_value){ .kind = MINDIR_VALUE, .value = value };
	}
}

static int collect_inputs(struct translation_state *state, struct mindir_op *op)
{
	op->n_inputs = 0;
	for (size_t i = 0; i < op->node->n_inputs; i++) {
		int64_t place = known_place(state, op->node->inputs[i]);
		const struct mindir_value *value;

		if (place < 0) {
			mindir_broken(op, "its input '%.*s' is not given by anything before it",
				      MINDIR_TEXT(op->node->inputs[i]));
			return op->error;
		}
		value = &state->values[state->roots[place]];
		if (i == 0 && state->uses[place] == 1)
			op->only_for_this = node_at(state, place);
		if (i == 0)
			op->begins_with_monad = value->kind == MINDIR_MONAD;
		if (value->kind != MINDIR_MONAD)
			op->inputs[op->n_inputs++] = value;
	}
	return 0;
}

static void finish_result(struct mindir_op *op, struct onnx_value *value)
{
	struct mindir_claim claim = mindir_claim(op, 0);

	if (op->error || !value)
		return;
	if (op->node->shape && op->node->shape->kind == MINDIR_TUPLE)
		claim = (struct mindir_claim){ .rank = -1 };
	op->result = (struct mindir_value){ .kind = MINDIR_VALUE,
					    .value = mindir_conform(op, value, &claim) };
}

/* What emit.h refuses without a sentence gets one. */
static void finish_failure(struct mindir_op *op)
{
	if (op->graph->failed != -EINVAL)
		return;
	op->graph->failed = 0;
	mindir_broken(op, "its settings do not go with the shapes of its inputs");
}

static int run_operator(struct translation_state *state, struct mindir_op *op)
{
	int r;

	op->row = find_operator(op->node->op);
	if (!op->row)
		return tsk_fail(
			state->reterr, TENSOCK_UNSUPPORTED,
			"operator %.*s (node '%.*s') is not translated: export the net without "
			"it, run it with MindSpore Lite, or ask for it",
			MINDIR_TEXT(op->node->op), MINDIR_TEXT(op->node->label));
	r = collect_inputs(state, op);
	if (r < 0)
		return r;
	if (op->n_inputs < op->row->n_inputs_min)
		mindir_broken(op, "it has %zu inputs, while it needs %u", op->n_inputs,
			      op->row->n_inputs_min);
	else
		finish_result(op, op->row->emit(op));
	finish_failure(op);
	return op->error;
}

/* A tensor becomes a constant of the graph once, however many nodes read it. */
static struct mindir_value constant_value(struct translation_state *state,
					  const struct mindir_value *constant)
{
	const struct mindir_tensor *tensor = constant->tensor;

	if (constant->kind != MINDIR_TENSOR || !tensor->dtype || !tensor->bytes)
		return *constant;
	return (struct mindir_value){ .kind = MINDIR_VALUE,
				      .value = onnx_constant(state->graph, tensor->dtype,
							     tensor->dims, tensor->rank,
							     tensor->bytes, tensor->n_bytes) };
}

static int translate_node(struct translation_state *state, const struct mindir_node *node,
			  struct mindir_op *op)
{
	uint32_t place = state->n_known;
	int r;

	if (node->constant) {
		state->values[place] = constant_value(state, node->constant);
	} else {
		op->node = node;
		op->row = NULL;
		op->wanted = state->wanted[place];
		op->result = (struct mindir_value){ 0 };
		op->begins_with_monad = op->overwrites = false;
		op->only_for_this = NULL;
		state->graph->label = node->label;
		r = run_operator(state, op);
		if (r < 0)
			return r;
		state->values[place] = op->result;
		if (op->overwrites) {
			state->roots[place] = state->roots[known_place(state, node->inputs[0])];
			state->values[state->roots[place]] = op->result;
		}
	}
	state->n_known++;
	return 0;
}

static int translate_nodes(struct translation_state *state)
{
	struct mindir_op *op = state->op = onnx_take(state->graph, 1, sizeof(*op));
	int r;

	if (!op)
		return tsk_fail(state->reterr, TENSOCK_OUT_OF_MEMORY, "no memory for the graph");
	op->graph = state->graph;
	op->reterr = state->reterr;
	for (size_t i = 0; i < state->file.n_nodes; i++) {
		r = translate_node(state, &state->file.nodes[i], op);
		if (r < 0)
			return r;
		if (state->graph->failed)
			return tsk_fail(state->reterr, TENSOCK_TOO_LARGE,
					"the graph is too large: at node '%.*s'",
					MINDIR_TEXT(state->file.nodes[i].label));
	}
	return 0;
}

static bool is_taken(const struct onnx_graph *graph, struct onnx_text name)
{
	const struct onnx_port *lists[] = { graph->inputs, graph->outputs };

	for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
		for (const struct onnx_port *port = lists[i]; port; port = port->next) {
			if (port->value->name.len == name.len && name.len &&
			    !memcmp(port->value->name.bytes, name.bytes, name.len))
				return true;
		}
	}
	return false;
}

/* The name with a number behind it. */
static struct onnx_text numbered(struct onnx_graph *graph, struct onnx_text name, uint32_t number)
{
	char digits[16];
	int n = snprintf(digits, sizeof(digits), "_%u", number);
	char *text = onnx_take(graph, name.len + (size_t)n, 1);

	if (!text)
		return name;
	if (name.len)
		memcpy(text, name.bytes, name.len);
	memcpy(text + name.len, digits, (size_t)n);
	return (struct onnx_text){ .bytes = text, .len = name.len + (size_t)n };
}

static int add_output(struct translation_state *state, struct onnx_text name,
		      const struct mindir_value *value)
{
	struct onnx_value *tensor = mindir_tensor_of(state->op, value, TENSOCK_DTYPE_INVALID);
	struct onnx_text first = name;

	if (!tensor)
		return tsk_fail(state->reterr, TENSOCK_UNSUPPORTED,
				"the output '%.*s' is no tensor: have the net give tensors only",
				MINDIR_TEXT(name));
	if (state->graph->n_outputs == ONNX_NODE_INPUTS_MAX)
		return tsk_fail(state->reterr, TENSOCK_TOO_LARGE,
				"the model has more than %u outputs", ONNX_NODE_INPUTS_MAX);
	if (name.len > TSK_TENSOR_NAME_MAX)
		return tsk_fail(state->reterr, TENSOCK_TOO_LARGE,
				"the name of output '%.*s' has %zu bytes, above %u",
				MINDIR_TEXT(name), name.len, TSK_TENSOR_NAME_MAX);
	if (state->next_number < state->graph->n_outputs)
		state->next_number = state->graph->n_outputs;
	while (!state->graph->failed && is_taken(state->graph, name))
		name = numbered(state->graph, first, state->next_number++);
	onnx_output(state->graph, tensor, name);
	return 0;
}

/* Tuples that share tuples, of nothing that is an output, would be walked for ever. */
static int count_visit(struct translation_state *state, struct onnx_text name)
{
	if (state->n_visits++ <= OUTPUT_VISITS_MAX)
		return 0;
	return tsk_fail(state->reterr, TENSOCK_TOO_LARGE,
			"the model's outputs are tuples that hold too much: at '%.*s'",
			MINDIR_TEXT(name));
}

/* What an operator gives as a tuple: its items are called by their numbers. */
static int add_items(struct translation_state *state, struct onnx_text name,
		     const struct mindir_value *value)
{
	int r = count_visit(state, name);

	if (r == 0 && value->kind != MINDIR_TUPLE)
		return add_output(state, name, value);
	for (uint32_t i = 0; r == 0 && i < value->n_items; i++)
		r = add_items(state, numbered(state->graph, name, i), &value->items[i]);
	return r;
}

/* Where the tuple at a place was made, past the nodes that only pass it on. */
static int64_t tuple_origin(struct translation_state *state, int64_t place)
{
	const struct mindir_node *node = node_at(state, place);

	while (node && node->n_inputs && mindir_text_is(node->op, "Depend")) {
		state->n_visits++;
		place = known_place(state, node->inputs[0]);
		node = node_at(state, place);
	}
	return place;
}

static bool makes_tuple(const struct mindir_node *node)
{
	return mindir_text_is(node->op, "MakeTuple") || mindir_text_is(node->op, "make_list") ||
	       mindir_text_is(node->op, "MakeList");
}

/* Items of a MakeTuple have names of their own. */
static int add_named(struct translation_state *state, struct onnx_text name)
{
	int64_t place = known_place(state, name);
	const struct mindir_value *value;
	const struct mindir_node *node;
	int r;

	if (place < 0)
		return tsk_fail(state->reterr, TENSOCK_INVALID_MODEL,
				"the output '%.*s' is not given by anything", MINDIR_TEXT(name));
	r = count_visit(state, name);
	if (r < 0)
		return r;
	value = &state->values[state->roots[place]];
	if (value->kind == MINDIR_MONAD)
		return 0;
	if (value->kind != MINDIR_TUPLE)
		return add_output(state, mindir_short_name(&state->file, name), value);
	node = node_at(state, tuple_origin(state, place));
	if (!node || !makes_tuple(node))
		return add_items(state, mindir_short_name(&state->file, name), value);
	for (size_t i = 0; r == 0 && i < node->n_inputs; i++)
		r = add_named(state, node->inputs[i]);
	return r;
}

static int add_outputs(struct translation_state *state)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < state->file.n_outputs; i++)
		r = add_named(state, state->file.outputs[i].name);
	if (r == 0 && !state->graph->n_outputs)
		r = tsk_fail(state->reterr, TENSOCK_INVALID_MODEL, "the model has no outputs");
	return r;
}

int mindir_translate(const void *bytes, size_t n_bytes, struct onnx_graph *graph,
		     struct tensock_error *reterr)
{
	struct translation_state state = { .graph = graph, .reterr = reterr };
	int r = mindir_file_read(bytes, n_bytes, &graph->arena, &state.file, reterr);

	if (r == 0)
		r = name_places(&state);
	if (r < 0)
		return r;
	mark_wanted(&state);
	add_parameters(&state);
	r = add_inputs(&state);
	if (r == 0)
		r = translate_nodes(&state);
	if (r == 0)
		r = add_outputs(&state);
	return r;
}

#define IR_VERSION_BYTES_MAX 32

/*
 * ModelProto.ir_version comes first, and is a text here, "1.1"; ONNX's is a number.  What follows is not
 * looked at: of a file that was cut off it is to be said that it is broken, not that it is something else.
 */
bool mindir_probe(const void *bytes, size_t n_bytes)
{
	struct tsk_reader wire = tsk_reader(bytes, n_bytes);
	struct proto_field field;

	if (!proto_next(&wire, &field) || field.number != 1 || field.type != PROTO_BYTES ||
	    field.n_bytes < 3 || field.n_bytes > IR_VERSION_BYTES_MAX)
		return false;
	for (size_t i = 0; i < field.n_bytes; i++) {
		if ((field.bytes[i] < '0' || field.bytes[i] > '9') && field.bytes[i] != '.')
			return false;
	}
	return true;
}
