/* SPDX-License-Identifier: Apache-2.0 */
/* What changes shapes. */
#include "translate/ms/old_op.h"

enum {
	RESHAPE_SHAPE = 1, /* long */
};

enum {
	TRANSPOSE_PERM = 0,
};

enum {
	PERMUTE_ORDER = 0, /* long */
};

enum {
	SQUEEZE_AXIS = 0,
};

enum {
	EXPAND_DIMS_DIM = 0,
};

enum {
	BROADCAST_TO_SHAPE = 0,
};

enum {
	TILE_MULTIPLES = 0,
	TILE_DIMS = 1,
};

enum {
	PAD_PADDINGS = 0,
	PAD_MODE = 1,
	PAD_VALUE = 2,
};

enum {
	BLOCK_SIZE = 0,
};

enum {
	BLOCK_SHAPE = 0,
	BLOCK_EDGES = 1,
};

int old_reshape(struct ms_op *op)
{
	int64_t dims[TENSOCK_RANK_MAX];
	int n;

	if (op->n_inputs > 1)
		return ms_layer_reshape_to(op, 1);
	n = ms_field_ints(op, RESHAPE_SHAPE, 8, dims, TENSOCK_RANK_MAX);
	return n < 0 ? n : ms_layer_reshape(op, dims, (size_t)n);
}

int old_flatten(struct ms_op *op)
{
	return ms_layer_flatten(op, 1);
}

static int transpose(struct ms_op *op, const int64_t *perm, int n)
{
	if (n == 0)
		return ms_invalid(op, "has no order of axes");
	return n < 0 ? n : ms_layer_transpose(op, perm, (size_t)n);
}

int old_transpose(struct ms_op *op)
{
	int64_t perm[TENSOCK_RANK_MAX];

	return transpose(op, perm, old_ints(op, TRANSPOSE_PERM, 1, perm, TENSOCK_RANK_MAX));
}

int old_permute(struct ms_op *op)
{
	int64_t perm[TENSOCK_RANK_MAX];

	return transpose(op, perm, ms_field_ints(op, PERMUTE_ORDER, 8, perm, TENSOCK_RANK_MAX));
}

int old_squeeze(struct ms_op *op)
{
	int64_t axes[TENSOCK_RANK_MAX];
	int n = ms_field_ints(op, SQUEEZE_AXIS, 4, axes, TENSOCK_RANK_MAX);

	return n < 0 ? n : ms_layer_squeeze(op, axes, (size_t)n);
}

int old_unsqueeze(struct ms_op *op)
{
	int64_t axes[TENSOCK_RANK_MAX];
	int n = ms_field_ints(op, SQUEEZE_AXIS, 4, axes, TENSOCK_RANK_MAX);

	/* So it ran: without axes it squeezes. */
	if (n == 0)
		return ms_layer_squeeze(op, NULL, 0);
	return n < 0 ? n : ms_layer_unsqueeze(op, axes, (size_t)n);
}

int old_expand_dims(struct ms_op *op)
{
	int64_t axis = fb_i32(&op->fields, EXPAND_DIMS_DIM, 0);

	return ms_layer_unsqueeze(op, &axis, 1);
}

int old_broadcast_to(struct ms_op *op)
{
	int64_t dims[TENSOCK_RANK_MAX];
	int n = old_ints(op, BROADCAST_TO_SHAPE, 1, dims, TENSOCK_RANK_MAX);

	return n < 0 ? n : ms_layer_broadcast_to(op, dims, (size_t)n);
}

/* A vector of one, of the input's type. */
int old_rank(struct ms_op *op)
{
	static const int64_t one[] = { 1 };
	int r = ms_layer_rank(op);
	struct ms_tensor *tensor = ms_out_tensor(op, 0);

	if (r < 0)
		return r;
	tensor->plain = emit_reshape(op->graph, tensor->plain, one, 1);
	old_cast_output(op);
	return 0;
}

int old_pass(struct ms_op *op)
{
	if (op->n_inputs != 1 || op->n_outputs != 1)
		return ms_unsupported(op,
				      "passes on %u tensors as %u: convert the model without it",
				      op->n_inputs, op->n_outputs);
	return ms_layer_identity(op);
}

/* The multiples are of the axes that `dims` names, or else of the last ones. */
static int spread_multiples(struct ms_op *op, const int64_t *multiples, int n, int64_t *ret,
			    int rank)
{
	int64_t dims[TENSOCK_RANK_MAX];
	int n_dims = ms_field_ints(op, TILE_DIMS, 4, dims, TENSOCK_RANK_MAX);

	if (n_dims < 0)
		return n_dims;
	if (n > rank || (n_dims > 0 && n_dims != n))
		return ms_invalid(op,
				  "%d multiples, %d of their axes, and an input of %d dimensions",
				  n, n_dims, rank);
	for (int i = 0; i < rank; i++)
		ret[i] = 1;
	for (int i = 0; i < n; i++) {
		int64_t axis = n_dims > 0 ? dims[i] : rank - n + i;
		int r = ms_in_axis(op, 0, axis, &axis);

		if (r < 0)
			return r;
		ret[axis] = multiples[i];
	}
	return 0;
}

int old_tile(struct ms_op *op)
{
	int64_t multiples[TENSOCK_RANK_MAX], of_axes[TENSOCK_RANK_MAX];
	int rank = ms_in_rank(op, 0), n, r;

	if (rank < 0)
		return rank;
	n = op->n_inputs > 1 ? ms_in_ints(op, 1, multiples, TENSOCK_RANK_MAX)
			     : ms_field_ints(op, TILE_MULTIPLES, 4, multiples, TENSOCK_RANK_MAX);
	if (n < 0)
		return n;
	r = spread_multiples(op, multiples, n, of_axes, rank);
	return r < 0 ? r : ms_layer_tile(op, of_axes, (size_t)rank);
}

int old_pad(struct ms_op *op)
{
	int64_t paddings[2 * TENSOCK_RANK_MAX];
	int rank = ms_in_rank(op, 0);
	int n = rank < 0 ? rank : old_ints(op, PAD_PADDINGS, 1, paddings, ARRAY_SIZE(paddings));

	if (n < 0)
		return n;
	if (n < 2 * rank)
		return ms_invalid(op, "%d paddings for %d dimensions", n, rank);
	return ms_layer_pad(op, paddings, 2 * (size_t)rank, fb_u8(&op->fields, PAD_MODE, 0),
			    (double)fb_f32(&op->fields, PAD_VALUE, 0));
}

int old_space_to_depth(struct ms_op *op)
{
	return ms_layer_space_to_depth(op, fb_i32(&op->fields, BLOCK_SIZE, 0));
}

int old_depth_to_space(struct ms_op *op)
{
	return ms_layer_depth_to_space(op, fb_i32(&op->fields, BLOCK_SIZE, 0), false);
}

/* A block of height alone has a width of 1. */
static int read_blocks(struct ms_op *op, int64_t block[2], int64_t edges[4])
{
	int n = ms_field_ints(op, BLOCK_SHAPE, 4, block, 2);
	int n_edges = n < 0 ? n : ms_field_ints(op, BLOCK_EDGES, 4, edges, 4);

	if (n_edges < 0)
		return n_edges;
	if (n < 1 || n_edges != 2 * n)
		return ms_invalid(op, "a block of %d axes, and %d edges", n, n_edges);
	if (n == 1) {
		block[1] = 1;
		edges[2] = edges[3] = 0;
	}
	return 0;
}

int old_space_to_batch(struct ms_op *op)
{
	int64_t block[2], pads[4];
	int r = read_blocks(op, block, pads);

	return r < 0 ? r : ms_layer_space_to_batch(op, block, pads);
}

int old_batch_to_space(struct ms_op *op)
{
	int64_t block[2], crops[4];
	int r = read_blocks(op, block, crops);

	return r < 0 ? r : ms_layer_batch_to_space(op, block, crops);
}
