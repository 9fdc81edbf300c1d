/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The functions of the old operators, those of files without identifier (MindSpore Lite 1.0) and of MSL1
 * (1.1): each reads its fields, by their numbers in ops.fbs of 1.1, and calls a layer.  Where 1.0 had a
 * field of another meaning or default, op->file->generation decides.
 */
#ifndef TRANSLATE_MS_OLD_OP_H
#define TRANSLATE_MS_OLD_OP_H

#include "translate/ms/ms_layer.h"

/* old_op.c: what several of them read */

/* The activation fused into an operator: NONE, RELU or RELU6, the only ones that ran fused. */
int old_fused_activation(struct ms_op *op, unsigned field, unsigned *ret) _nodiscard_;
/* Integers that are a field, or else input i where there is one: how many, or the operator's failure. */
int old_ints(struct ms_op *op, unsigned field, unsigned i, int64_t *ret, size_t max) _nodiscard_;
/* Dimensions of input i in the file's order: its rank, or the operator's failure. */
int old_shape(struct ms_op *op, unsigned i, int64_t ret[TENSOCK_RANK_MAX]) _nodiscard_;
/* Gives output 0 the type that the runtime gave it: that of input 0. */
void old_cast_output(struct ms_op *op);

/* old_window.c */
int old_conv(struct ms_op *op);
int old_depthwise_conv(struct ms_op *op);
int old_deconv(struct ms_op *op);
int old_depthwise_deconv(struct ms_op *op);
int old_pooling(struct ms_op *op);

/* old_resize.c */
int old_resize(struct ms_op *op);
int old_upsample(struct ms_op *op);

/* old_math.c */
int old_activation(struct ms_op *op);
int old_arithmetic(struct ms_op *op);
int old_eltwise(struct ms_op *op);
int old_power(struct ms_op *op);
int old_exp(struct ms_op *op);
int old_elu(struct ms_op *op);
int old_leaky_relu(struct ms_op *op);
int old_gelu(struct ms_op *op);
int old_clip(struct ms_op *op);
int old_cast(struct ms_op *op);
int old_matmul(struct ms_op *op);
int old_full_connection(struct ms_op *op);

/* old_norm.c */
int old_softmax(struct ms_op *op);
int old_batch_norm(struct ms_op *op);
int old_fused_batch_norm(struct ms_op *op);
int old_instance_norm(struct ms_op *op);
int old_layer_norm(struct ms_op *op);
int old_l2_norm(struct ms_op *op);
int old_lrn(struct ms_op *op);
int old_local_response_norm(struct ms_op *op);
int old_scale(struct ms_op *op);
int old_prelu(struct ms_op *op);

/* old_shape.c */
int old_reshape(struct ms_op *op);
int old_flatten(struct ms_op *op);
int old_transpose(struct ms_op *op);
int old_permute(struct ms_op *op);
int old_squeeze(struct ms_op *op);
int old_unsqueeze(struct ms_op *op);
int old_expand_dims(struct ms_op *op);
int old_broadcast_to(struct ms_op *op);
int old_rank(struct ms_op *op);
int old_pass(struct ms_op *op); /* one input, which is the output */
int old_tile(struct ms_op *op);
int old_pad(struct ms_op *op);
int old_space_to_depth(struct ms_op *op);
int old_depth_to_space(struct ms_op *op);
int old_space_to_batch(struct ms_op *op);
int old_batch_to_space(struct ms_op *op);

/* old_part.c */
int old_concat(struct ms_op *op);
int old_stack(struct ms_op *op);
int old_unstack(struct ms_op *op);
int old_split(struct ms_op *op);
int old_slice(struct ms_op *op);
int old_strided_slice(struct ms_op *op);
int old_crop(struct ms_op *op);
int old_gather(struct ms_op *op);
int old_one_hot(struct ms_op *op);
int old_top_k(struct ms_op *op);
int old_reverse(struct ms_op *op);

/* old_reduce.c */
int old_reduce(struct ms_op *op);
int old_mean(struct ms_op *op);
int old_arg(struct ms_op *op);

/* old_fill.c */
int old_fill(struct ms_op *op);
int old_constant_of_shape(struct ms_op *op);
int old_range(struct ms_op *op);

/* old_recurrent.c */
int old_lstm(struct ms_op *op);

#endif
