/* SPDX-License-Identifier: Apache-2.0 */
/* Images made larger and smaller, and sampled elsewhere. */
#include "translate/mindir/mindir_resize.h"

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

/* ResizeBicubic(x, size, align_corners, half_pixel_centers) */
static struct onnx_value *resize_cubic(struct mindir_op *op)
{
	struct onnx_value *x = mindir_in_ranked(op, 0, 4, 4), *ret = NULL;
	int64_t size[2];

	if (!op->error && mindir_bool(op, 3, "half_pixel_centers", false) &&
	    !mindir_bool(op, 2, "align_corners", false) && mindir_is_known(op, 1, "size") &&
	    mindir_ints(op, 1, "size", size, 2) == 2)
		ret = mindir_resize_cubic(op, x, size);
	return ret || op->error ? ret : resize_to(op);
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

/*
 * ROIAlign(x, rois): each is [image, x1, y1, x2, y2], which ONNX wants apart; roi_end_mode is added to the
 * ends.
 */
static struct onnx_value *roi_align(struct mindir_op *op)
{
	struct onnx_value *x = mindir_in_ranked(op, 0, 4, 4), *rois = mindir_in_ranked(op, 1, 2, 2),
			  *boxes;
	float end = (float)mindir_int(op, ONLY_NAMED, "roi_end_mode", 1);
	const float grown[] = { 0, 0, end, end };
	static const int64_t last = 1;
	struct onnx_value *images;
	struct onnx_node *node;

	images = emit_squeeze(op->graph, mindir_slice(op, rois, 1, 0, 1, 1), &last, 1);
	boxes = mindir_slice(op, rois, 1, 1, 5, 1);
	boxes = emit_binary(op->graph, "Add", boxes,
			    emit_cast(op->graph, onnx_floats(op->graph, grown, 4), rois->dtype),
			    rois->dtype);
	node = ONNX_NODE(op->graph, "RoiAlign", x, boxes,
			 emit_cast(op->graph, images, TENSOCK_INT64));
	onnx_attr_text(op->graph, node, "coordinate_transformation_mode", "output_half_pixel");
	onnx_attr_int(op->graph, node, "output_height",
		      mindir_int(op, ONLY_NAMED, "pooled_height", 1));
	onnx_attr_int(op->graph, node, "output_width",
		      mindir_int(op, ONLY_NAMED, "pooled_width", 1));
	onnx_attr_int(op->graph, node, "sampling_ratio",
		      mindir_int(op, ONLY_NAMED, "sample_num", 2));
	onnx_attr_float(op->graph, node, "spatial_scale",
			(float)mindir_float(op, ONLY_NAMED, "spatial_scale", 1));
	return onnx_out(op->graph, node, x->dtype);
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

/* PixelShuffle(x, factor): channels first by their own number, then by the place in the block */
static struct onnx_value *pixel_shuffle(struct mindir_op *op)
{
	struct onnx_value *x = mindir_in_ranked(op, 0, 4, 4);
	struct onnx_node *node = ONNX_NODE(op->graph, "DepthToSpace", x);

	onnx_attr_int(op->graph, node, "blocksize", mindir_int(op, 1, "upscale_factor", 1));
	onnx_attr_text(op->graph, node, "mode", "CRD");
	return onnx_out(op->graph, node, x->dtype);
}

/* ReverseSequence(x, lengths) */
static struct onnx_value *reverse_sequence(struct mindir_op *op)
{
	struct onnx_value *x = mindir_in(op, 0), *ret;
	struct onnx_node *node = ONNX_NODE(op->graph, "ReverseSequence", x, mindir_indices(op, 1));
	int64_t time = mindir_axis(op, 2, "seq_dim", x->rank, 0);
	int64_t batch = mindir_axis(op, 3, "batch_dim", x->rank, 0);

	if (time + batch != 1)
		return mindir_refuse(op, "it is translated of the first two dimensions only");
	ret = onnx_out(op->graph, node, x->dtype);
	onnx_attr_int(op->graph, node, "time_axis", time);
	onnx_attr_int(op->graph, node, "batch_axis", batch);
	onnx_value_like(ret, x);
	return ret;
}

static const struct mindir_operator rows[] = {
	{ "ResizeNearestNeighbor", resize_to, 1, "nearest" },
	{ "ResizeNearestNeighborV2", resize_to, 2, "nearest" },
	{ "ResizeBilinear", resize_to, 1, "linear" },
	{ "ResizeBilinearV2", resize_to, 2, "linear" },
	{ "ResizeBicubic", resize_cubic, 2, "cubic" },
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
	{ "ROIAlign", roi_align, 2 },
	{ "PixelShuffle", pixel_shuffle, 1 },
	{ "ReverseSequence", reverse_sequence, 2 },
	{ "DepthToSpace", blocks, 1, "DepthToSpace" },
	{ "SpaceToDepth", blocks, 1, "SpaceToDepth" },
};

const struct mindir_table mindir_resize_table = { rows, ARRAY_SIZE(rows) };
