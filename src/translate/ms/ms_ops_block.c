/* SPDX-License-Identifier: Apache-2.0 */
/* MSL2's blocks of pictures that become a batch: their fields. */
#include "translate/ms/ms_layer.h"
#include "translate/ms/ms_ops.h"

/* Of height and width: blocks, and what is added or cut before and after. */
struct blocks {
	int64_t block[2], edges[4];
};

/* Fields 0 and 1, or inputs 1 and 2. */
static int read_blocks(struct ms_op *op, struct blocks *blocks)
{
	int n, n_edges;

	if (op->n_inputs > 2) {
		n = ms_in_ints(op, 1, blocks->block, 2);
		n_edges = ms_in_ints(op, 2, blocks->edges, 4);
	} else {
		n = ms_field_ints(op, 0, 8, blocks->block, 2);
		n_edges = ms_field_rows(op, 1, blocks->edges, 4);
	}
	if (n < 0 || n_edges < 0)
		return op->error;
	if (n < 1 || n_edges != 2 * n)
		return ms_invalid(op, "%d blocks and %d edges", n, n_edges);
	if (n == 1)
		blocks->block[1] = 1;
	return 0;
}

int ms_op_space_to_batch(struct ms_op *op)
{
	struct blocks blocks = { 0 };
	int r = read_blocks(op, &blocks);

	return r < 0 ? r : ms_layer_space_to_batch(op, blocks.block, blocks.edges);
}

int ms_op_batch_to_space(struct ms_op *op)
{
	struct blocks blocks = { 0 };
	int r = read_blocks(op, &blocks);

	return r < 0 ? r : ms_layer_batch_to_space(op, blocks.block, blocks.edges);
}
