/* SPDX-License-Identifier: Apache-2.0 */
/* Floating-point types that C lacks, to and from float. */
#ifndef TSK_TENSOR_SMALL_FLOAT_H
#define TSK_TENSOR_SMALL_FLOAT_H

#include <stdbool.h>
#include <stdint.h>

/* Rounded to nearest, ties to even. */
uint16_t half_from_float(float v);
uint16_t bfloat16_from_float(float v);

/* The value of bits of a type; 0 for a type that is none of FP16, BF16, FP8*, FP4. */
float small_float_value(uint32_t dtype, uint16_t bits);

#endif
