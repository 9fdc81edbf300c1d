/* SPDX-License-Identifier: Apache-2.0 */
/* Shapes: at most TENSOCK_RANK_MAX dimensions, outermost first; -1 is one that is not fixed. */
#ifndef TSK_TENSOR_SHAPE_H
#define TSK_TENSOR_SHAPE_H

#include <stdint.h>

#include "base/cleanup.h"

/*
 * The number of elements.  -EINVAL for a negative dimension, -EOVERFLOW, -E2BIG for the rank.
 * Never above INT64_MAX, and no part of the product is either: the dimensions of an empty tensor
 * are multiplied as if its zeros were ones, for engines multiply them in any order.
 */
int tsk_shape_elems(const int64_t *dims, uint32_t rank, uint64_t *ret) _nodiscard_;

/* The bytes of a tensor of a fixed-width type, sub-byte types rounded up.  -EINVAL for BYTES. */
int tsk_shape_bytes(uint32_t dtype, const int64_t *dims, uint32_t rank, uint64_t *ret) _nodiscard_;

#endif
