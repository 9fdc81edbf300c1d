/* SPDX-License-Identifier: Apache-2.0 */
#include "engines/mindspore_lite/mslite.h"

/* MSDataType's numbers; all elements are whole bytes. */
static const struct {
	int type;
	uint32_t dtype, bytes;
} types[] = {
	{ 30, TENSOCK_BOOL, 1 },    { 32, TENSOCK_INT8, 1 },    { 33, TENSOCK_INT16, 2 },
	{ 34, TENSOCK_INT32, 4 },   { 35, TENSOCK_INT64, 8 },   { 37, TENSOCK_UINT8, 1 },
	{ 38, TENSOCK_UINT16, 2 },  { 39, TENSOCK_UINT32, 4 },  { 40, TENSOCK_UINT64, 8 },
	{ 42, TENSOCK_FLOAT16, 2 }, { 43, TENSOCK_FLOAT32, 4 }, { 44, TENSOCK_FLOAT64, 8 },
};

#define N_TYPES (sizeof(types) / sizeof(types[0]))

uint32_t mslite_dtype(int type)
{
	for (unsigned i = 0; i < N_TYPES; i++) {
		if (types[i].type == type)
			return types[i].dtype;
	}
	return TENSOCK_DTYPE_INVALID;
}

uint32_t mslite_dtype_bytes(uint32_t dtype)
{
	for (unsigned i = 0; i < N_TYPES; i++) {
		if (types[i].dtype == dtype)
			return types[i].bytes;
	}
	return 0;
}
