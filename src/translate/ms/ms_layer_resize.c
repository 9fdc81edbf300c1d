/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Resize runs in NCHW, over height and width.  "Nearest" is what MindSpore Lite makes of it, whatever
 * the file's nearest_mode says: halves are rounded up where corners are aligned, else it is the floor.
 */
#include "translate/ms/ms_layer.h"

/*
 * Where the size comes from: two numbers, or values in the graph.  ONNX gets all four: its attribute for
 * less, `axes`, is broken in some of its runtimes.
 */
struct target {
	int64_t dims[2];          /* -1: not known */
	struct onnx_value *sizes; /* INT64 of two, or NULL */
	struct onnx_value *scales;
};

static void target_of_dims(struct ms_op *op, struct target *target, int64_t height, int64_t width)
{
	target->dims[0] = height;
	target->dims[1] = width;
	target->sizes = onnx_int64s(op->graph, target->dims, 2);
}

/* Batch and channels before two sizes. */
static struct onnx_value *all_sizes(struct ms_op *op, struct onnx_value *x,
				    const struct target *target)
{
	static const int64_t first[] = { 0 }, second[] = { 2 };
	const int64_t known[] = { x->dims[0], x->dims[1], target->dims[0], target->dims[1] };
	struct onnx_graph *graph = op->graph;
	struct onnx_value *shape;

	if (x->dims[0] >= 0 && x->dims[1] >= 0 && target->dims[0] >= 0 && target->dims[1] >= 0)
		return onnx_int64s(graph, known, 4);
	shape = ONNX_CALL(graph, "Slice", emit_shape_of(graph, x), onnx_int64s(graph, first, 1),
			  onnx_int64s(graph, second, 1));
	return emit_concat(graph, (struct onnx_value *const[]){ shape, target->sizes }, 2, 0);
}

static struct onnx_value *all_scales(struct ms_op *op, const struct target *target)
{
	static const float ones[] = { 1, 1 };

	return emit_concat(op->graph,
			   (struct onnx_value *const[]){ onnx_floats(op->graph, ones, 2),
							 target->scales },
			   2, 0);
}

/* Sizes, where they can be computed now: the runtime of ONNX would compute coordinates from scales. */
static int target_of_scales(struct ms_op *op, struct target *target, const struct onnx_value *x,
			    double height, double width)
{
	const float scales[] = { (float)height, (float)width };

	if (!(height > 0 && height < INT16_MAX && width > 0 && width < INT16_MAX))
		return ms_invalid(op, "its scales are out of bounds");
	if (x->dims[2] >= 0 && x->dims[3] >= 0 && x->dims[2] < INT32_MAX && x->dims[3] < INT32_MAX)
		target_of_dims(op, target, (int64_t)((double)x->dims[2] * height),
			       (int64_t)((double)x->dims[3] * width));
	else
		target->scales = onnx_floats(op->graph, scales, 2);
	return 0;
}

/* Of four numbers the two that count, by the order that their tensor says. */
static unsigned first_of_four(struct ms_op *op)
{
	return ms_in_tensor(op, 1)->format == MS_FORMAT_NHWC ? 1 : 2;
}

/* Channels keep their number: where only one order says so, it is that one. */
static unsigned first_of_these(struct ms_op *op, const double *v, double channels)
{
	if ((v[1] == channels) != (v[3] == channels))
		return v[3] == channels ? 1 : 2;
	return first_of_four(op);
}

static int target_of_constant(struct ms_op *op, struct target *target, const struct onnx_value *x)
{
	double v[4];
	int n = ms_in_floats(op, 1, v, 4);
	const double *pair = v;
	bool is_float = ms_is_float(ms_in(op, 1)->dtype);

	if (n < 0)
		return n;
	if (n == 4)
		pair = v + first_of_these(op, v, is_float ? 1 : (double)x->dims[1]);
	if (n == 1 && !is_float && x->dims[2] >= 0 && x->dims[3] >= 0 && v[0] >= 1 &&
	    v[0] < INT16_MAX && x->dims[2] < INT32_MAX && x->dims[3] < INT32_MAX) {
		/* Caffe's zoom: between two elements as many more. */
		target_of_dims(op, target, x->dims[2] + (x->dims[2] - 1) * ((int64_t)v[0] - 1),
			       x->dims[3] + (x->dims[3] - 1) * ((int64_t)v[0] - 1));
		return 0;
	}
	if (n != 2 && n != 4)
		return ms_unsupported(op, "%d numbers for its size", n);
	if (is_float)
		return target_of_scales(op, target, x, pair[0], pair[1]);
	if (!(pair[0] >= 1 && pair[0] <= INT32_MAX && pair[1] >= 1 && pair[1] <= INT32_MAX))
		return ms_invalid(op, "its size is out of bounds");
	target_of_dims(op, target, (int64_t)pair[0], (int64_t)pair[1]);
	return 0;
}

static int target_of_computed(struct ms_op *op, struct target *target)
{
	struct onnx_value *v = ms_in(op, 1);
	unsigned first = v->dims[0] == 4 ? first_of_four(op) : 0;
	const int64_t places[] = { first, first + 1 };

	if (v->rank != 1 || (v->dims[0] != 2 && v->dims[0] != 4))
		return ms_unsupported(op, "its size is computed, and is not two or four numbers");
	if (v->dims[0] == 4)
		v = ONNX_CALL(op->graph, "Gather", v, onnx_int64s(op->graph, places, 2));
	if (ms_is_float(v->dtype))
		target->scales = emit_cast(op->graph, v, TENSOCK_FLOAT32);
	else
		target->sizes = emit_cast(op->graph, v, TENSOCK_INT64);
	return 0;
}

static int read_target(struct ms_op *op, const struct ms_resize *resize, const struct onnx_value *x,
		       struct target *target)
{
	if (op->n_inputs == 1) {
		target_of_dims(op, target, resize->new_height, resize->new_width);
		return 0;
	}
	if (op->n_inputs != 2)
		return ms_unsupported(op, "it has %u inputs", op->n_inputs);
	return ms_in(op, 1)->constant ? target_of_constant(op, target, x)
				      : target_of_computed(op, target);
}

static int set_mode(struct ms_op *op, struct onnx_node *node, const struct ms_resize *resize)
{
	static const char *const modes[] = { "linear", "nearest", "cubic" };
	static const char *const coordinates[] = { "asymmetric", "align_corners", "half_pixel" };

	if (resize->method < 0 || resize->method >= (int)ARRAY_SIZE(modes) ||
	    resize->coordinates < 0 || resize->coordinates >= (int)ARRAY_SIZE(coordinates))
		return ms_unsupported(op, "its method is %d and its coordinates are %d: not known",
				      resize->method, resize->coordinates);
	onnx_attr_text(op->graph, node, "mode", modes[resize->method]);
	onnx_attr_text(op->graph, node, "coordinate_transformation_mode",
		       coordinates[resize->coordinates]);
	if (resize->method == MS_RESIZE_NEAREST)
		onnx_attr_text(op->graph, node, "nearest_mode",
			       resize->coordinates == MS_RESIZE_ALIGN_CORNERS ? "round_prefer_ceil"
									      : "floor");
	if (resize->method == MS_RESIZE_CUBIC) {
		onnx_attr_float(op->graph, node, "cubic_coeff_a", (float)resize->cubic_coeff);
		onnx_attr_int(op->graph, node, "exclude_outside", resize->exclude_outside);
	}
	return 0;
}

int ms_layer_resize(struct ms_op *op, const struct ms_resize *resize)
{
	struct onnx_value *x = ms_in_nchw(op, 0), *ret;
	struct target target = { .dims = { -1, -1 } };
	struct onnx_node *node;
	int64_t dims[4];
	int r;

	if (op->error)
		return op->error;
	r = read_target(op, resize, x, &target);
	if (r < 0)
		return r;
	if (target.sizes && target.sizes->constant && (target.dims[0] < 1 || target.dims[1] < 1))
		return ms_invalid(op, "its size is %lld x %lld", (long long)target.dims[0],
				  (long long)target.dims[1]);
	if (target.sizes)
		node = ONNX_NODE(op->graph, "Resize", x, NULL, NULL, all_sizes(op, x, &target));
	else
		node = ONNX_NODE(op->graph, "Resize", x, NULL, all_scales(op, &target));
	ret = onnx_out(op->graph, node, x->dtype);
	r = set_mode(op, node, resize);
	for (int i = 0; i < 4; i++)
		dims[i] = i < 2 ? x->dims[i] : target.dims[i - 2];
	onnx_value_set_shape(ret, dims, 4);
	ms_out_nchw(op, 0, ret);
	return r;
}
