/* SPDX-License-Identifier: Apache-2.0 */
#include "tensor/shape.h"

#include <errno.h>
#include <stdbool.h>

#include <tensock/types.h>

#include "base/checked.h"
#include "tensor/dtype.h"

int tsk_shape_elems(const int64_t *dims, uint32_t rank, uint64_t *ret)
{
	int64_t product = 1;
	bool empty = false;

	if (rank > TENSOCK_RANK_MAX)
		return -E2BIG;
	for (uint32_t i = 0; i < rank; i++) {
		if (dims[i] < 0)
			return -EINVAL;
	}
	for (uint32_t i = 0; i < rank; i++) {
		if (dims[i] == 0)
			empty = true;
		else if (!tsk_mul(product, dims[i], &product))
			return -EOVERFLOW;
	}
	*ret = empty ? 0 : (uint64_t)product;
	return 0;
}

int tsk_shape_bytes(uint32_t dtype, const int64_t *dims, uint32_t rank, uint64_t *ret)
{
	unsigned bits = tsk_dtype_bits(dtype);
	uint64_t elems, bytes;
	int r;

	if (!bits)
		return -EINVAL;
	r = tsk_shape_elems(dims, rank, &elems);
	if (r < 0)
		return r;
	/* Eight elements are `bits` bytes; the rest are rounded up. */
	if (!tsk_mul(elems / 8, (uint64_t)bits, &bytes) ||
	    !tsk_add(bytes, (elems % 8 * bits + 7) / 8, &bytes))
		return -EOVERFLOW;
	*ret = bytes;
	return 0;
}
