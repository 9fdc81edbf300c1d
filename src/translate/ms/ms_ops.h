/* SPDX-License-Identifier: Apache-2.0 */
/* The functions of MSL2's operators: each reads the fields of one, and is a row of ms_op_table.c. */
#ifndef TRANSLATE_MS_MS_OPS_H
#define TRANSLATE_MS_MS_OPS_H

struct ms_op;

/* ms_ops_conv.c */
int ms_op_conv(struct ms_op *op);
int ms_op_conv_transpose(struct ms_op *op);
int ms_op_max_pool(struct ms_op *op);
int ms_op_avg_pool(struct ms_op *op);
int ms_op_matmul(struct ms_op *op);
int ms_op_full_connection(struct ms_op *op);

/* ms_ops_math.c */
int ms_op_activation(struct ms_op *op);
int ms_op_elu(struct ms_op *op);
int ms_op_leaky_relu(struct ms_op *op);
int ms_op_add(struct ms_op *op);
int ms_op_sub(struct ms_op *op);
int ms_op_mul(struct ms_op *op);
int ms_op_div(struct ms_op *op);
int ms_op_real_div(struct ms_op *op);
int ms_op_maximum(struct ms_op *op);
int ms_op_minimum(struct ms_op *op);
int ms_op_eltwise(struct ms_op *op);
int ms_op_add_n(struct ms_op *op);
int ms_op_exp(struct ms_op *op);
int ms_op_pow(struct ms_op *op);
int ms_op_clip(struct ms_op *op);
int ms_op_cast(struct ms_op *op);
int ms_op_abs(struct ms_op *op);
int ms_op_ceil(struct ms_op *op);
int ms_op_cos(struct ms_op *op);
int ms_op_erf(struct ms_op *op);
int ms_op_floor(struct ms_op *op);
int ms_op_log(struct ms_op *op);
int ms_op_neg(struct ms_op *op);
int ms_op_reciprocal(struct ms_op *op);
int ms_op_sin(struct ms_op *op);
int ms_op_sqrt(struct ms_op *op);
int ms_op_equal(struct ms_op *op);
int ms_op_greater(struct ms_op *op);
int ms_op_greater_equal(struct ms_op *op);
int ms_op_less(struct ms_op *op);
int ms_op_less_equal(struct ms_op *op);
int ms_op_logical_and(struct ms_op *op);
int ms_op_logical_or(struct ms_op *op);

/* ms_ops_shape.c */
int ms_op_reshape(struct ms_op *op);
int ms_op_transpose(struct ms_op *op);
int ms_op_flatten(struct ms_op *op);
int ms_op_reduce(struct ms_op *op);

#endif
