/* SPDX-License-Identifier: Apache-2.0 */
/* What is to be known of each element type. */
#ifndef TSK_TENSOR_DTYPE_H
#define TSK_TENSOR_DTYPE_H

#include <stdbool.h>
#include <stdint.h>

#include <tensock/types.h>

/* "FP32": the Open Inference Protocol's name, or ours in its style.  NULL for a number that is none. */
const char *tsk_dtype_name(uint32_t dtype);

/* Bits an element takes; 0 for BYTES, whose elements differ, and for numbers that are none. */
unsigned tsk_dtype_bits(uint32_t dtype);

static inline bool tsk_dtype_is_valid(uint32_t dtype)
{
	return dtype > TENSOCK_DTYPE_INVALID && dtype < TENSOCK_DTYPE_MAX;
}

#endif
