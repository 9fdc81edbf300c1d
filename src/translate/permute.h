/* SPDX-License-Identifier: Apache-2.0 */
/* Dense tensors with their dimensions in another order. */
#ifndef TRANSLATE_PERMUTE_H
#define TRANSLATE_PERMUTE_H

#include <stddef.h>
#include <stdint.h>

/*
 * Writes at `to` what lies at `from` with these dims, so that dimension i of the result is dimension
 * perm[i] of the source.  rank: at most TENSOCK_RANK_MAX; perm: a permutation; the product of the dims
 * fits (tensor/shape.h); an element: 1, 2, 4, 8 or 16 bytes.  Neither needs alignment.
 */
void permute(const void *from, const int64_t *dims, const uint8_t *perm, uint32_t rank,
	     size_t elem_bytes, void *to);

#endif
