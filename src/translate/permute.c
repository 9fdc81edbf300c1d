/* SPDX-License-Identifier: Apache-2.0 */
#include "translate/permute.h"

#include <string.h>

#include <tensock/types.h>

/* The dimensions of the result, outermost first, and how far apart their elements lie in the source. */
struct walk {
	unsigned n;
	size_t count[TENSOCK_RANK_MAX], stride[TENSOCK_RANK_MAX]; /* strides in elements */
};

/* Dimensions of one element are left out; two that lie in the source as in the result become one. */
static struct walk make_walk(const int64_t *dims, const uint8_t *perm, uint32_t rank)
{
	size_t strides[TENSOCK_RANK_MAX], stride = 1;
	struct walk walk = { 0 };

	for (uint32_t i = rank; i-- > 0;) {
		strides[i] = stride;
		stride *= (size_t)dims[i];
	}
	for (uint32_t i = 0; i < rank; i++) {
		size_t count = (size_t)dims[perm[i]], step = strides[perm[i]];

		if (count == 1)
			continue;
		if (walk.n > 0 && walk.stride[walk.n - 1] == step * count) {
			walk.count[walk.n - 1] *= count;
			walk.stride[walk.n - 1] = step;
		} else {
			walk.count[walk.n] = count;
			walk.stride[walk.n++] = step;
		}
	}
	return walk;
}

/* A loop for each size: the compiler makes plain loads and stores of memcpy with a fixed one. */
#define GATHER(size)                   \
	for (size_t i = 0; i < n; i++) \
	memcpy(to + i * (size), from + i * stride * (size), (size))

static void gather(const unsigned char *from, size_t stride, size_t n, size_t elem_bytes,
		   unsigned char *to)
{
	switch (elem_bytes) {
	case 1:
		GATHER(1);
		break;
	case 2:
		GATHER(2);
		break;
	case 4:
		GATHER(4);
		break;
	case 8:
		GATHER(8);
		break;
	default:
		GATHER(elem_bytes);
		break;
	}
}

void permute(const void *from, const int64_t *dims, const uint8_t *perm, uint32_t rank,
	     size_t elem_bytes, void *to)
{
	const struct walk walk = make_walk(dims, perm, rank);
	size_t at[TENSOCK_RANK_MAX] = { 0 }, offset = 0;
	unsigned char *p = to;
	size_t inner = walk.n ? walk.count[walk.n - 1] : 1;
	size_t inner_stride = walk.n ? walk.stride[walk.n - 1] : 1;

	for (uint32_t i = 0; i < rank; i++) {
		if (dims[i] == 0)
			return;
	}
	for (;;) {
		const unsigned char *row = (const unsigned char *)from + offset * elem_bytes;
		unsigned d = walk.n ? walk.n - 1 : 0;

		if (inner_stride == 1)
			memcpy(p, row, inner * elem_bytes);
		else
			gather(row, inner_stride, inner, elem_bytes, p);
		p += inner * elem_bytes;
		while (d > 0) {
			d--;
			offset += walk.stride[d];
			if (++at[d] < walk.count[d])
				break;
			offset -= walk.stride[d] * walk.count[d];
			at[d] = 0;
			if (d == 0)
				return;
		}
		if (walk.n <= 1)
			return;
	}
}
