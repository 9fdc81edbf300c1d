/* SPDX-License-Identifier: Apache-2.0 */
/* Operators that compute nothing: they pass on, pack and unpack. */
#include "translate/mindir/mindir_op.h"

/* Load, Depend and their like are their first input; what else they have is an order. */
static struct onnx_value *pass(struct mindir_op *op)
{
	if (op->begins_with_monad)
		op->result.kind = MINDIR_MONAD;
	else if (op->n_inputs)
		op->result = *op->inputs[0];
	else
		mindir_broken(op, "it has no input");
	return NULL;
}

static struct onnx_value *update_state(struct mindir_op *op)
{
	op->result.kind = MINDIR_MONAD;
	return NULL;
}

static struct onnx_value *make_tuple(struct mindir_op *op)
{
	struct mindir_value *items = onnx_take(op->graph, op->n_inputs, sizeof(*items));

	if (!items)
		return NULL;
	for (size_t i = 0; i < op->n_inputs; i++)
		items[i] = *op->inputs[i];
	op->result = mindir_tuple(items, (uint32_t)op->n_inputs);
	if (op->result.depth > MINDIR_NESTING_MAX || op->result.weight > MINDIR_WEIGHT_MAX)
		return mindir_refuse(op, "tuples are nested too deep, or hold too much");
	return NULL;
}

static struct onnx_value *tuple_get_item(struct mindir_op *op)
{
	const struct mindir_value *tuple = op->inputs[0];
	int64_t i = mindir_int(op, 1, NULL, 0);

	if (tuple->kind != MINDIR_TUPLE)
		return mindir_broken(op, "its input is no tuple");
	if (i < 0)
		i += tuple->n_items;
	if (i < 0 || i >= tuple->n_items)
		return mindir_broken(op, "item %lld is asked of a tuple of %u", (long long)i,
				     tuple->n_items);
	op->result = tuple->items[i];
	if (op->result.kind == MINDIR_OTHER)
		return mindir_refuse(op, "item %lld of its input is not translated", (long long)i);
	return NULL;
}

static const struct mindir_operator rows[] = {
	{ "Load", pass, 1 },
	{ "Depend", pass, 0 },
	{ "UpdateState", update_state, 0 },
	{ "Print", update_state, 0 }, /* what it shows is nothing that a net gives */
	{ "MakeTuple", make_tuple, 0 },
	{ "make_list", make_tuple, 0 },
	{ "MakeList", make_tuple, 0 },
	{ "TupleGetItem", tuple_get_item, 2 },
	{ "list_getitem", tuple_get_item, 2 },
	{ "StopGradient", pass, 1 },
	{ "Identity", pass, 1 },
	{ "TensorMove", pass, 1 },
	{ "Contiguous", pass, 1 },
	{ "Copy", pass, 1 },
	{ "Clone", pass, 1 },
	{ "Detach", pass, 1 },
};

const struct mindir_table mindir_graph_table = { rows, ARRAY_SIZE(rows) };
