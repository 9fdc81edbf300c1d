/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a model takes and gives: names, types, shapes.  The worker encodes it, the front decodes and
 * checks it; later it travels to guests in the same form:
 *
 *   u32 form (1 or 2), string engine, string format, u32 n_inputs, u32 n_outputs, the inputs, the
 *   outputs; each: string name, u32 dtype, u32 rank, rank times {i64 dim, string dim_name};
 *   in form 2: string operators
 *
 * A string is a u16 length and that many bytes, none of them 0; a dim_name of length 0 is none.
 * Strings are what the model's author wrote, not necessarily UTF-8 or printable.
 */
#ifndef TSK_TENSOR_MODEL_INFO_H
#define TSK_TENSOR_MODEL_INFO_H

#include <stddef.h>
#include <stdint.h>

#include <tensock/types.h>

#include "base/cleanup.h"

#define TSK_TENSOR_NAME_MAX 1024u   /* bytes of each string here, without the NUL */
#define TSK_MODEL_TENSORS_MAX 1024u /* inputs, and outputs */

struct tsk_tensor_info {
	char *name;
	uint32_t dtype; /* enum tensock_dtype, never invalid */
	uint32_t rank;
	int64_t dims[TENSOCK_RANK_MAX];    /* -1: not fixed */
	char *dim_names[TENSOCK_RANK_MAX]; /* a symbolic dimension's name, or NULL */
};

struct tsk_model_info {
	char *engine; /* "onnxruntime 1.28.0" */
	char *format; /* "onnx" */
	struct tsk_tensor_info *inputs, *outputs;
	uint32_t n_inputs, n_outputs;
	char *operators; /* what it is made of, for people: "Conv 52, Add 10"; NULL: not said */
};

/* Frees all that *info holds (strings and arrays come from malloc) and zeroes it. */
void tsk_model_info_done(struct tsk_model_info *info);

/* The memory that it takes, with what the heap keeps beside each piece: about. */
uint64_t tsk_model_info_bytes(const struct tsk_model_info *info);

/*
 * *ret_len bytes at buf, of form 2 where the operators are said.  -ENOSPC when they are more than size,
 * -EINVAL for an info that breaks a bound: a string too long or NULL (but dim_names and operators), too
 * many tensors, dtype, rank, a dim below -1.
 */
int tsk_model_info_encode(const struct tsk_model_info *info, void *buf, size_t size,
			  size_t *ret_len) _nodiscard_;

/*
 * -EPROTO for anything that _encode would not write, or -ENOMEM.  *ret is the caller's to _done.
 * buf must be private memory.
 */
int tsk_model_info_decode(const void *buf, size_t len, struct tsk_model_info *ret) _nodiscard_;

#endif
