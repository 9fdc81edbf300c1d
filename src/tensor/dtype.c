/* SPDX-License-Identifier: Apache-2.0 */
#include "tensor/dtype.h"

#include <assert.h>
#include <stddef.h>

#include "base/cleanup.h"

static const struct {
	const char *name;
	unsigned bits;
} rows[] = {
	[TENSOCK_BOOL] = { "BOOL", 8 },
	[TENSOCK_UINT8] = { "UINT8", 8 },
	[TENSOCK_UINT16] = { "UINT16", 16 },
	[TENSOCK_UINT32] = { "UINT32", 32 },
	[TENSOCK_UINT64] = { "UINT64", 64 },
	[TENSOCK_INT8] = { "INT8", 8 },
	[TENSOCK_INT16] = { "INT16", 16 },
	[TENSOCK_INT32] = { "INT32", 32 },
	[TENSOCK_INT64] = { "INT64", 64 },
	[TENSOCK_FLOAT16] = { "FP16", 16 },
	[TENSOCK_FLOAT32] = { "FP32", 32 },
	[TENSOCK_FLOAT64] = { "FP64", 64 },
	[TENSOCK_BFLOAT16] = { "BF16", 16 },
	[TENSOCK_BYTES] = { "BYTES", 0 },
	[TENSOCK_COMPLEX64] = { "COMPLEX64", 64 },
	[TENSOCK_COMPLEX128] = { "COMPLEX128", 128 },
	[TENSOCK_FLOAT8E4M3FN] = { "FP8E4M3FN", 8 },
	[TENSOCK_FLOAT8E4M3FNUZ] = { "FP8E4M3FNUZ", 8 },
	[TENSOCK_FLOAT8E5M2] = { "FP8E5M2", 8 },
	[TENSOCK_FLOAT8E5M2FNUZ] = { "FP8E5M2FNUZ", 8 },
	[TENSOCK_UINT4] = { "UINT4", 4 },
	[TENSOCK_INT4] = { "INT4", 4 },
	[TENSOCK_FLOAT4E2M1] = { "FP4E2M1", 4 },
};
static_assert(ARRAY_SIZE(rows) == TENSOCK_DTYPE_MAX, "an element type lacks its row");

const char *tsk_dtype_name(uint32_t dtype)
{
	return tsk_dtype_is_valid(dtype) ? rows[dtype].name : NULL;
}

unsigned tsk_dtype_bits(uint32_t dtype)
{
	return tsk_dtype_is_valid(dtype) ? rows[dtype].bits : 0;
}
