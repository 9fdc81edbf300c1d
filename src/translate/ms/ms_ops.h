/* SPDX-License-Identifier: Apache-2.0 */
/* The functions of MSL2's operators: each reads the fields of one kind, for rows of ms_op_table.c. */
#ifndef TRANSLATE_MS_MS_OPS_H
#define TRANSLATE_MS_MS_OPS_H

struct ms_op;

/* ms_ops_block.c */
int ms_op_space_to_batch(struct ms_op *op);
int ms_op_batch_to_space(struct ms_op *op);

/* ms_ops_conv.c */
int ms_op_conv(struct ms_op *op);
int ms_op_conv_transpose(struct ms_op *op);
int ms_op_pool(struct ms_op *op);
int ms_op_matmul(struct ms_op *op);
int ms_op_full_connection(struct ms_op *op);

/* ms_ops_join.c */
int ms_op_concat(struct ms_op *op);
int ms_op_stack(struct ms_op *op);
int ms_op_unstack(struct ms_op *op);
int ms_op_split(struct ms_op *op);
int ms_op_gather(struct ms_op *op);
int ms_op_gather_d(struct ms_op *op);
int ms_op_slice(struct ms_op *op);
int ms_op_strided_slice(struct ms_op *op);
int ms_op_reverse(struct ms_op *op);
int ms_op_reverse_sequence(struct ms_op *op);
int ms_op_tile(struct ms_op *op);
int ms_op_pad(struct ms_op *op);
int ms_op_depth_to_space(struct ms_op *op);
int ms_op_space_to_depth(struct ms_op *op);
int ms_op_crop(struct ms_op *op);
int ms_op_resize(struct ms_op *op);
int ms_op_glu(struct ms_op *op);

/* ms_ops_make.c */
int ms_op_fill(struct ms_op *op);
int ms_op_fill_v2(struct ms_op *op);
int ms_op_constant_of_shape(struct ms_op *op);
int ms_op_range(struct ms_op *op);
int ms_op_one_hot(struct ms_op *op);
int ms_op_scatter_nd_update(struct ms_op *op);
int ms_op_tensor_scatter_add(struct ms_op *op);
int ms_op_top_k(struct ms_op *op);
int ms_op_cum_sum(struct ms_op *op);
int ms_op_triu(struct ms_op *op);
int ms_op_tril(struct ms_op *op);
int ms_op_embedding(struct ms_op *op);
int ms_op_scatter_elements(struct ms_op *op);
int ms_op_non_max_suppression(struct ms_op *op);
int ms_op_non_zero(struct ms_op *op);
int ms_op_where(struct ms_op *op);

/* ms_ops_math.c */
int ms_op_activation(struct ms_op *op);
int ms_op_elu(struct ms_op *op);
int ms_op_leaky_relu(struct ms_op *op);
int ms_op_arithmetic(struct ms_op *op);
int ms_op_eltwise(struct ms_op *op);
int ms_op_exp(struct ms_op *op);
int ms_op_pow(struct ms_op *op);
int ms_op_clip(struct ms_op *op);
int ms_op_cast(struct ms_op *op);
int ms_op_log1p(struct ms_op *op);
int ms_op_is_finite(struct ms_op *op);

/* ms_ops_norm.c */
int ms_op_batch_norm(struct ms_op *op);
int ms_op_fused_batch_norm(struct ms_op *op);
int ms_op_instance_norm(struct ms_op *op);
int ms_op_group_norm(struct ms_op *op);
int ms_op_layer_norm(struct ms_op *op);
int ms_op_l2_normalize(struct ms_op *op);
int ms_op_lrn(struct ms_op *op);
int ms_op_scale(struct ms_op *op);
int ms_op_softmax(struct ms_op *op);
int ms_op_log_softmax(struct ms_op *op);

/* ms_ops_recurrent.c */
int ms_op_lstm(struct ms_op *op);
int ms_op_gru(struct ms_op *op);

/* ms_ops_shape.c */
int ms_op_reshape(struct ms_op *op);
int ms_op_transpose(struct ms_op *op);
int ms_op_flatten(struct ms_op *op);
int ms_op_reduce(struct ms_op *op);
int ms_op_arg(struct ms_op *op);
int ms_op_squeeze(struct ms_op *op);
int ms_op_unsqueeze(struct ms_op *op);
int ms_op_expand_dims(struct ms_op *op);
int ms_op_broadcast_to(struct ms_op *op);
int ms_op_format_transpose(struct ms_op *op);

#endif
