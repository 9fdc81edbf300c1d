/* SPDX-License-Identifier: Apache-2.0 */
/* What a model is made of, in a line for people: "Conv 52, Add 10, Gemm 1", the most frequent first. */
#ifndef TRANSLATE_OPERATORS_H
#define TRANSLATE_OPERATORS_H

#include <stdbool.h>
#include <stddef.h>

#define OPERATORS_BYTES 512u

/*
 * Of an ONNX or a .ms model (its own operators, not those of its translation).  A list that does not fit
 * ends in "...".  False for another format, and for a model without operators or a broken one.
 */
bool operators_of(const void *bytes, size_t n_bytes, char ret[OPERATORS_BYTES]);

#endif
