/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Words that both public borders, <tensock/tensock.h> (guests) and <tensock/engine.h> (plug-ins),
 * share: statuses, element types, a tensor's description, the error object.  Numbers are wire and ABI:
 * they never change, new ones are appended.
 */
#ifndef TENSOCK_TYPES_H
#define TENSOCK_TYPES_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What became of a call, grouped by what its caller can do about it. */
enum tensock_status {
	TENSOCK_OK = 0,

	/* The request must change before it can succeed. */
	TENSOCK_INVALID_ARGUMENT = 1, /* a value, shape, type or name does not fit */
	TENSOCK_INVALID_MODEL = 2,    /* the bytes are not a model, or a broken one */
	TENSOCK_UNSUPPORTED = 3,      /* understood, but this host does not do it */
	TENSOCK_NOT_FOUND = 4,        /* no such model, tensor, version */
	TENSOCK_TOO_LARGE = 5,        /* above a stated limit: a smaller one may pass */
	TENSOCK_PERMISSION_DENIED = 6,
	TENSOCK_PROTOCOL = 7, /* the peer broke the rules of the wire */

	/* The same request may succeed later. */
	TENSOCK_LIMIT_REACHED = 8, /* too many of something at once */
	TENSOCK_OUT_OF_MEMORY = 9,
	TENSOCK_UNAVAILABLE = 10,       /* shutting down, or not started yet */
	TENSOCK_DEADLINE_EXCEEDED = 11, /* ended because its time was up */
	TENSOCK_CANCELLED = 12,
	TENSOCK_WORKER_DIED = 13, /* the process that ran the model crashed or was killed */

	/* Nothing the caller can do. */
	TENSOCK_ENGINE_FAILED = 14, /* the engine refused or failed; its text says why */
	TENSOCK_INTERNAL = 15,

	TENSOCK_STATUS_MAX
};

/*
 * Element types of tensors.  Every element type of ONNX 1.17 has one; the names of the Open
 * Inference Protocol are in the comments where it has one.  Sub-byte types are packed two to a
 * byte, the first element in the low four bits, as in onnx.proto.
 */
enum tensock_dtype {
	TENSOCK_DTYPE_INVALID = 0,
	TENSOCK_BOOL = 1,       /* BOOL: one byte, 0 or 1 */
	TENSOCK_UINT8 = 2,      /* UINT8 */
	TENSOCK_UINT16 = 3,     /* UINT16 */
	TENSOCK_UINT32 = 4,     /* UINT32 */
	TENSOCK_UINT64 = 5,     /* UINT64 */
	TENSOCK_INT8 = 6,       /* INT8 */
	TENSOCK_INT16 = 7,      /* INT16 */
	TENSOCK_INT32 = 8,      /* INT32 */
	TENSOCK_INT64 = 9,      /* INT64 */
	TENSOCK_FLOAT16 = 10,   /* FP16 */
	TENSOCK_FLOAT32 = 11,   /* FP32 */
	TENSOCK_FLOAT64 = 12,   /* FP64 */
	TENSOCK_BFLOAT16 = 13,  /* BF16 */
	TENSOCK_BYTES = 14,     /* BYTES: each element a u32 little-endian length, then its bytes */
	TENSOCK_COMPLEX64 = 15, /* two FP32: real, imaginary */
	TENSOCK_COMPLEX128 = 16,
	TENSOCK_FLOAT8E4M3FN = 17,
	TENSOCK_FLOAT8E4M3FNUZ = 18,
	TENSOCK_FLOAT8E5M2 = 19,
	TENSOCK_FLOAT8E5M2FNUZ = 20,
	TENSOCK_UINT4 = 21,
	TENSOCK_INT4 = 22,
	TENSOCK_FLOAT4E2M1 = 23,
	TENSOCK_DTYPE_MAX
};

/* The most dimensions a tensor may have, everywhere. */
#define TENSOCK_RANK_MAX 16u

/* One input or output of a model.  Frozen. */
struct tensock_tensor_info {
	const char *name; /* UTF-8, at most 1024 bytes */
	uint32_t dtype;   /* enum tensock_dtype */
	uint32_t rank;    /* 0: a scalar, or the model does not say; then any rank may come */
	int64_t dims[TENSOCK_RANK_MAX];          /* -1: not fixed */
	const char *dim_names[TENSOCK_RANK_MAX]; /* of a dimension that is not fixed; may be NULL */
};

/*
 * An error with a sentence.  Caller's memory; functions that take one as `reterr` fill it only when
 * they fail, and accept NULL.  The message is UTF-8, ends in a NUL byte and names no path, address
 * or secret of the host.
 */
struct tensock_error {
	uint32_t status; /* enum tensock_status, never TENSOCK_OK once filled */
	char message[252];
};

#ifdef __cplusplus
}
#endif

#endif
