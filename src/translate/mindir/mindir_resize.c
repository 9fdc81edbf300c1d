/* SPDX-License-Identifier: Apache-2.0 */
/* Images made larger and smaller, and sampled elsewhere. */
#include "translate/mindir/mindir_op.h"

#include <string.h>

struct resize {
	const char *mode;        /* "nearest", "linear", "cubic" */
	const char *coordinates; /* ONNX's coordinate_transformation_mode */
	const char *nearest;     /* nearest_mode */
	double cubic;            /* cubic_coeff_a */
	bool exclude_outside;
};

/* The dimensions behind batch and channels, to these sizes, or by these factors. */
static struct onnx_value *resize(struct mindir_op *op, struct onnx_value *x,
				 const struct resize *how, struct onnx_value *scales,
				 struct onnx_value *sizes)
{
	struct onnx_node *node = ONNX_NODE(op->graph, "Resize", x, NULL, scales, sizes);
	struct onnx_value *ret = onnx_out(op->graph, node, x->dtype);
	int64_t axes[TENSOCK_RANK_MAX];

	for (int i = 2; i < x->rank; i++)
		axes[i - 2] = i;
	onnx_attr_ints(op->graph, node, "axes", axes, (size_t)x->rank - 2);
	onnx_attr_text(op->graph, node, "mode", how->mode);
	onnx_attr_text(op->graph, node, "coordinate_transformation_mode", how->coordinates);
	if (!strcmp(how->mode, "nearest"))
		onnx_attr_text(op->graph, node, "nearest_mode", how->nearest);
	if (!strcmp(how->mode, "cubic")) {
		onnx_attr_float(op->graph, node, "cubic_coeff_a", (float)how->cubic);
		onnx_attr_int(op->graph, node, "exclude_outside", how->exclude_outside);
	}
	onnx_value_like(ret, x);
	for (int i = 2; i < x->rank; i++)
		ret->dims[i] = -1;
	return ret;
}

static const char *coordinates(bool align_corners, bool half_pixel)
{
	return align_corners ? "align_corners" : half_pixel ? "half_pixel" : "asymmetric";
}

/* (x, size, align_corners, half_pixel_centers) */
static struct onnx_value *resize_to(struct mindir_op *op)
{
	struct onnx_value *x = mindir_in_ranked(op, 0, 3, 5);
	bool align_corners = mindir_bool(op, 2, "align_corners", false);
	bool half_pixel = mindir_bool(op, 3, "half_pixel_centers", false);
	struct resize how = { .mode = op->row->onnx,
			      .coordinates = coordinates(align_corners, half_pixel),
			      .nearest =
				      align_corners || half_pixel ? "round_prefer_ceil" : "floor",
			      .cubic = half_pixel ? -0.5 : -0.75,
			      .exclude_outside = half_pixel };

	return op->error ? NULL : resize(op, x, &how, NULL, mindir_int_vector(op, 1, "size"));
}

/* The factors of a setting, as floats. */
static struct onnx_value *factors(struct mindir_op *op, size_t i, int n)
{
	const struct mindir_value *value = mindir_setting(op, i, "scales");
	float v[TENSOCK_RANK_MAX];

	if (!value || value->kind != MINDIR_TUPLE || value->n_items != (uint32_t)n)
		return mindir_refuse(op, "neither its size nor its factors are known");
	for (int k = 0; k < n; k++) {
		const struct mindir_value *item = &value->items[k];

		if (item->kind != MINDIR_FLOAT && item->kind != MINDIR_INT)
			return mindir_refuse(op, "its factors are not known");
		v[k] = item->kind == MINDIR_INT ? (float)item->i : (float)item->f;
	}
	return onnx_floats(op->graph, v, (size_t)n);
}

/* (x, output_size, scales, align_corners): one of the first two is None */
static struct onnx_value *upsample(struct mindir_op *op)
{
	struct onnx_value *x = mindir_in_ranked(op, 0, 3, 5), *scales = NULL, *sizes = NULL;
	bool nearest = !strcmp(op->row->onnx, "nearest");
	struct resize how = { .mode = op->row->onnx, .nearest = "floor", .cubic = -0.75 };

	how.coordinates = nearest ? "asymmetric"
				  : coordinates(mindir_bool(op, 3, "align_corners", false), true);
	if (op->error)
		return NULL;
	if (mindir_setting(op, 1, "output_size"))
		sizes = mindir_int_vector(op, 1, "output_size");
	else
		scales = factors(op, 2, x->rank - 2);
	return resize(op, x, &how, scales, sizes);
}

/* A setting that is one of these words, or its place among them; n: neither. */
static size_t choice(struct mindir_op *op, size_t i, const char *name, const char *const *words,
		     size_t n)
{
	const struct mindir_value *value = mindir_setting(op, i, name);

	if (!value)
		return 0;
	if (value->kind == MINDIR_INT)
		return value->i >= 0 && value->i < (int64_t)n ? (size_t)value->i : n;
	for (size_t k = 0; k < n; k++) {
		if (mindir_text(op, i, name, words[k]))
			return k;
	}
	return n;
}

/* ResizeLinear1D(x, size, mode of coordinates) */
static struct onnx_value *resize_linear1d(struct mindir_op *op)
{
	static const char *const modes[] = { "asymmetric", "align_corners", "half_pixel" };
	struct onnx_value *x = mindir_in_ranked(op, 0, 3, 3);
	size_t mode = choice(op, 2, "coordinate_transformation_mode", modes, ARRAY_SIZE(modes));
	struct resize how = { .mode = "linear" };

	if (mode == ARRAY_SIZE(modes))
		return mindir_refuse(op, "its coordinate_transformation_mode is not translated");
	how.coordinates = modes[mode];
	return op->error ? NULL : resize(op, x, &how, NULL, mindir_int_vector(op, 1, "size"));
}

/* GridSampler2D(x, grid, interpolation, padding, align_corners) */
static struct onnx_value *grid_sample(struct mindir_op *op)
{
	static const char *const names[] = { "bilinear", "nearest" };
	static const char *const modes[] = { "linear", "nearest" };
	static const char *const paddings[] = { "zeros", "border", "reflection" };
	struct onnx_value *x = mindir_in(op, 0);
	size_t mode = choice(op, 2, "interpolation_mode", names, ARRAY_SIZE(names));
	size_t padding = choice(op, 3, "padding_mode", paddings, ARRAY_SIZE(paddings));
	struct onnx_node *node = ONNX_NODE(op->graph, "GridSample", x, mindir_in(op, 1));

	if (mode == ARRAY_SIZE(modes) || padding == ARRAY_SIZE(paddings))
		return mindir_refuse(op, "its interpolation or padding is not translated");
	onnx_attr_text(op->graph, node, "mode", modes[mode]);
	onnx_attr_text(op->graph, node, "padding_mode", paddings[padding]);
	onnx_attr_int(op->graph, node, "align_corners", mindir_bool(op, 4, "align_corners", false));
	return onnx_out(op->graph, node, x->dtype);
}

/* AffineGrid(theta, size) */
static struct onnx_value *affine_grid(struct mindir_op *op)
{
	struct onnx_value *theta = mindir_in(op, 0);
	struct onnx_node *node =
		ONNX_NODE(op->graph, "AffineGrid", theta, mindir_int_vector(op, 1, "output_size"));

	onnx_attr_int(op->graph, node, "align_corners",
		      mindir_bool(op, ONLY_NAMED, "align_corners", false));
	return onnx_out(op->graph, node, theta->dtype);
}

static struct onnx_value *blocks(struct mindir_op *op)
{
	struct onnx_value *x = mindir_in_ranked(op, 0, 4, 4);
	struct onnx_node *node = ONNX_NODE(op->graph, op->row->onnx, x);

	if (mindir_is_nhwc(op, ONLY_NAMED))
		return mindir_refuse(op, "format NHWC is not translated: export the net in NCHW");
	onnx_attr_int(op->graph, node, "blocksize", mindir_int(op, ONLY_NAMED, "block_size", 2));
	return onnx_out(op->graph, node, x->dtype);
}

static const struct mindir_operator rows[] = {
	{ "ResizeNearestNeighbor", resize_to, 1, "nearest" },
	{ "ResizeNearestNeighborV2", resize_to, 2, "nearest" },
	{ "ResizeBilinear", resize_to, 1, "linear" },
	{ "ResizeBilinearV2", resize_to, 2, "linear" },
	{ "ResizeBicubic", resize_to, 2, "cubic" },
	{ "ResizeLinear1D", resize_linear1d, 2 },
	{ "UpsampleNearest1D", upsample, 1, "nearest" },
	{ "UpsampleNearest2D", upsample, 1, "nearest" },
	{ "UpsampleNearest3D", upsample, 1, "nearest" },
	{ "UpsampleLinear1D", upsample, 1, "linear" },
	{ "UpsampleBilinear2D", upsample, 1, "linear" },
	{ "UpsampleTrilinear3D", upsample, 1, "linear" },
	{ "UpsampleBicubic2D", upsample, 1, "cubic" },
	{ "GridSampler2D", grid_sample, 2 },
	{ "GridSampler3D", grid_sample, 2 },
	{ "AffineGrid", affine_grid, 2 },
	{ "DepthToSpace", blocks, 1, "DepthToSpace" },
	{ "SpaceToDepth", blocks, 1, "SpaceToDepth" },
};

const struct mindir_table mindir_resize_table = { rows, ARRAY_SIZE(rows) };
