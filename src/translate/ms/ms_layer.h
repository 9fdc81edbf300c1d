/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Operators without the fields of a generation: what both operator tables come to once the fields are
 * read.  Each is a whole operator: it takes the node's inputs and gives its outputs, in the layout that
 * suits them, and returns what an operator's function returns.
 *
 * Axes are the file's (NHWC) and may be negative; `activation` is an ActivationType's number.
 */
#ifndef TRANSLATE_MS_MS_LAYER_H
#define TRANSLATE_MS_MS_LAYER_H

#include "translate/ms/ms_op.h"

/* MSL2's PadMode */
enum ms_pad_mode {
	MS_PAD_EXPLICIT = 0,
	MS_PAD_SAME = 1,
	MS_PAD_VALID = 2,
};

/*
 * ms_layer_conv.c.  Inputs: NHWC data, weight [out, h, w, in/group] (transposed: [in, h, w, out/group]),
 * and a bias where there is a third.  SAME: the pads are computed, whatever the window's are; kernel
 * sizes are the weight's: the window's are checked where they are not 0.
 */
int ms_layer_conv(struct ms_op *op, struct window *window, unsigned pad_mode, unsigned activation);
int ms_layer_conv_transpose(struct ms_op *op, struct window *window, unsigned pad_mode,
			    unsigned activation);
/* "MaxPool" or "AveragePool"; is_global: over all of height and width. */
int ms_layer_pool(struct ms_op *op, const char *onnx_op, struct window *window, unsigned pad_mode,
		  bool is_global, unsigned activation);

/* ms_layer_math.c */
bool ms_is_float(uint32_t dtype);
int ms_layer_unary(struct ms_op *op); /* by the node of its row, as all here that are given none */
int ms_layer_activation(struct ms_op *op, unsigned kind,
			const struct activation_settings *settings);
/* Of two inputs that broadcast: "Add", "Mul", "Max" ... */
int ms_layer_binary(struct ms_op *op, const char *onnx_op, unsigned activation);
int ms_layer_arithmetic(struct ms_op *op);                /* likewise, without an activation */
int ms_layer_compare(struct ms_op *op);                   /* gives BOOL */
int ms_layer_nary(struct ms_op *op, const char *onnx_op); /* of all inputs, one after the other */
int ms_layer_add_n(struct ms_op *op);
int ms_layer_exp(struct ms_op *op, double base, double scale, double shift); /* base -1: e */
/* (scale · x + shift) ^ power, the power being input 1 where power is NULL */
int ms_layer_power(struct ms_op *op, const double *power, double scale, double shift);
int ms_layer_clip(struct ms_op *op, double min, double max);
int ms_layer_cast(struct ms_op *op, uint32_t dtype);
int ms_layer_select(struct ms_op *op); /* condition, a, b */
int ms_layer_not_equal(struct ms_op *op);
int ms_layer_logic(struct ms_op *op);
int ms_layer_not(struct ms_op *op);
int ms_layer_clip_to(struct ms_op *op); /* x, minimum[, maximum] */
int ms_layer_round(struct ms_op *op);
int ms_layer_square(struct ms_op *op);
int ms_layer_squared_difference(struct ms_op *op);
int ms_layer_rsqrt(struct ms_op *op);
int ms_layer_mod(struct ms_op *op); /* as C's fmod */
int ms_layer_floor_div(struct ms_op *op);
int ms_layer_floor_mod(struct ms_op *op);
/* A value behind an activation that is part of another operator: it has no numbers of its own. */
struct onnx_value *ms_fused(struct ms_op *op, struct onnx_value *value, unsigned activation);
/* Gives output 0, behind such a one. */
int ms_layer_activated(struct ms_op *op, struct onnx_value *value, enum ms_layout layout,
		       unsigned activation);

/* ms_layer_norm.c */
int ms_layer_bias_add(struct ms_op *op);                                 /* along the last axis */
int ms_layer_scale(struct ms_op *op, int64_t axis, unsigned activation); /* x, scale[, offset] */
int ms_layer_batch_norm(struct ms_op *op, double epsilon);               /* x, mean, variance */
int ms_layer_fused_batch_norm(struct ms_op *op,
			      double epsilon);                /* x, scale, bias, mean, variance */
int ms_layer_instance_norm(struct ms_op *op, double epsilon); /* x, scale, offset */
int ms_layer_group_norm(struct ms_op *op, int64_t n_groups, double epsilon);
int ms_layer_layer_norm(struct ms_op *op, int64_t begin_axis, double epsilon);
int ms_layer_l2_normalize(struct ms_op *op, const int64_t *axes, size_t n, double epsilon,
			  unsigned activation);
int ms_layer_lrn(struct ms_op *op, int64_t radius, double bias, double alpha, double beta);
int ms_layer_softmax(struct ms_op *op, const char *onnx_op, int64_t axis); /* or "LogSoftmax" */
int ms_layer_prelu(struct ms_op *op);                                      /* x, slope */

/* ms_layer_shape.c */
int ms_layer_reshape(struct ms_op *op, const int64_t *dims, size_t n);
int ms_layer_reshape_to(struct ms_op *op, unsigned i); /* to what input i holds */
int ms_layer_flatten(struct ms_op *op, int64_t axis);
int ms_layer_transpose(struct ms_op *op, const int64_t *perm, size_t n);
int ms_layer_nhwc_to_nchw(struct ms_op *op);
int ms_layer_nchw_to_nhwc(struct ms_op *op);
int ms_layer_squeeze(struct ms_op *op, const int64_t *axes, size_t n); /* n 0: all that are 1 */
int ms_layer_unsqueeze(struct ms_op *op, const int64_t *axes, size_t n);
int ms_layer_shape(struct ms_op *op);
int ms_layer_rank(struct ms_op *op);
int ms_layer_size(struct ms_op *op);
int ms_layer_identity(struct ms_op *op); /* output 0 is input 0 */
int ms_layer_broadcast_to(struct ms_op *op, const int64_t *dims, size_t n); /* -1 keeps */
int ms_layer_broadcast_as(struct ms_op *op, unsigned i); /* to the shape that input i holds */
/* The shape of input i, of INT32. */
struct onnx_value *ms_shape_of(struct ms_op *op, unsigned i);
/* The layout for an operator that takes these axes away: what is left must have the file's order. */
enum ms_layout ms_layout_without(struct ms_op *op, const int64_t *axes, size_t n);

/* ms_layer_join.c: what puts tensors together and takes them apart */
int ms_layer_concat(struct ms_op *op, int64_t axis);
int ms_layer_stack(struct ms_op *op, int64_t axis);
int ms_layer_unstack(struct ms_op *op, int64_t axis);
/* sizes: one an output, or n 0 for equal parts; one of them may be -1: the rest */
int ms_layer_split(struct ms_op *op, int64_t axis, const int64_t *sizes, size_t n);
int ms_layer_gather(struct ms_op *op, int64_t axis); /* x, indices */
int ms_layer_tile(struct ms_op *op, const int64_t *multiples, size_t n);
int ms_layer_tile_by(struct ms_op *op, unsigned i); /* by what input i holds, one an axis */
/* paddings: before and after of each axis in turn: n of both; mode as MSL2's PaddingMode */
int ms_layer_pad(struct ms_op *op, const int64_t *paddings, size_t n, unsigned mode, double value);
/* column_first: as ONNX's mode "CRD", else "DCR" */
int ms_layer_depth_to_space(struct ms_op *op, int64_t block, bool column_first);
int ms_layer_space_to_depth(struct ms_op *op, int64_t block);

/* ms_layer_slice.c */
/* size -1: to the end */
int ms_layer_slice(struct ms_op *op, const int64_t *axes, const int64_t *begin, const int64_t *size,
		   size_t n);
struct ms_strided_slice {
	int64_t begin[TENSOCK_RANK_MAX], end[TENSOCK_RANK_MAX], strides[TENSOCK_RANK_MAX];
	size_t n;
	uint32_t begin_mask, end_mask, ellipsis_mask, new_axis_mask, shrink_axis_mask;
};
int ms_layer_strided_slice(struct ms_op *op, const struct ms_strided_slice *slice);
/* By values in the graph; axes and strides may be NULL. */
int ms_layer_slice_computed(struct ms_op *op, struct onnx_value *begin, struct onnx_value *end,
			    struct onnx_value *axes, struct onnx_value *strides);
/* From what input 1 holds on, as many as input 2 holds: one of each an axis. */
int ms_layer_slice_sized(struct ms_op *op, const int64_t *axes, size_t n);
int ms_layer_reverse_sequence(struct ms_op *op, int64_t time_axis, int64_t batch_axis);
int ms_layer_reverse(struct ms_op *op, const int64_t *axes, size_t n);
/* Caffe's: x, and what has the size; offsets 0: none, 1: for all */
int ms_layer_crop(struct ms_op *op, int64_t axis, const int64_t *offsets, size_t n);

/* ms_layer_make.c; `value`, `shape`, `indices`: which inputs they are */
/* value, broadcast to the shape that `shape` holds. */
struct onnx_value *ms_expanded(struct ms_op *op, struct onnx_value *value,
			       struct onnx_value *shape);
int ms_layer_fill(struct ms_op *op, unsigned value, unsigned shape);
int ms_layer_filled(struct ms_op *op, unsigned shape, uint32_t dtype, double v);
int ms_layer_zeros_like(struct ms_op *op); /* x gives shape and type */
int ms_layer_ones_like(struct ms_op *op);
int ms_layer_range(struct ms_op *op); /* start, limit, delta */
int ms_layer_range_of(struct ms_op *op, int64_t start, int64_t limit, int64_t delta);
int ms_layer_one_hot(struct ms_op *op, int64_t axis); /* indices, depth, [off, on] or on and off */
int ms_layer_gather_nd(struct ms_op *op);
int ms_layer_gather_elements(struct ms_op *op, unsigned indices, int64_t axis);
int ms_layer_scatter_nd(struct ms_op *op, const char *reduction);              /* NULL: replaces */
int ms_layer_top_k(struct ms_op *op, int64_t axis, bool largest, bool sorted); /* x, k */
int ms_layer_cum_sum(struct ms_op *op, bool exclusive, bool reverse);          /* x, axis */
int ms_layer_triangle(struct ms_op *op, bool upper);                           /* x[, k] */

/* ms_layer_reduce.c; mode as ReduceMode's numbers, axes none: all */
int ms_layer_reduce(struct ms_op *op, unsigned mode, const int64_t *axes, size_t n, bool keep_dims,
		    bool reduce_to_end, double coeff);
/* "ArgMax" or "ArgMin" */
int ms_layer_arg(struct ms_op *op, const char *onnx_op, int64_t axis, int64_t top_k, bool keep_dims,
		 bool out_max_value);

/* ms_layer_matmul.c */
int ms_layer_matmul(struct ms_op *op, bool transpose_a, bool transpose_b, unsigned activation);
int ms_layer_full_connection(struct ms_op *op, bool use_axis, int64_t axis, unsigned activation);

/* ms_layer_resize.c; the numbers are MSL2's */
enum ms_resize_method {
	MS_RESIZE_LINEAR = 0,
	MS_RESIZE_NEAREST = 1,
	MS_RESIZE_CUBIC = 2,
};
enum ms_resize_coordinates {
	MS_RESIZE_ASYMMETRIC = 0,
	MS_RESIZE_ALIGN_CORNERS = 1,
	MS_RESIZE_HALF_PIXEL = 2,
};
struct ms_resize {
	int method;
	int coordinates;
	int64_t new_height, new_width; /* 0: input 1 has them, as sizes or (float) scales */
	double cubic_coeff;
	bool exclude_outside;
};
int ms_layer_resize(struct ms_op *op, const struct ms_resize *resize);

/* ms_layer_pick.c */
int ms_layer_embedding(struct ms_op *op);        /* table[, its other parts], places */
int ms_layer_scatter_to_zeros(struct ms_op *op); /* shape, places, updates; or the shape last */
int ms_layer_scatter_elements(struct ms_op *op, int64_t axis); /* x, places, updates */
int ms_layer_non_max_suppression(struct ms_op *op, bool center_point_box);
int ms_layer_non_zero(struct ms_op *op, bool in_rows);

/* ms_layer_block.c: of height and width; pads and crops: top, bottom, left, right */
int ms_layer_space_to_batch(struct ms_op *op, const int64_t block[2], const int64_t pads[4]);
int ms_layer_batch_to_space(struct ms_op *op, const int64_t block[2], const int64_t crops[4]);

/* ms_layer_recurrent.c: x, weight of input, weight of state, bias, state, and ... */
int ms_layer_lstm(struct ms_op *op, bool is_bidirectional); /* ... cell */
int ms_layer_gru(struct ms_op *op, bool is_bidirectional);  /* ... perhaps lengths */

#endif
