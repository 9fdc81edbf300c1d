/* SPDX-License-Identifier: Apache-2.0 */
/*
 * NumPy's files of one array each: .npy, versions 1 to 3, little-endian, in C order.
 *
 * Our element types in them: BOOL b1; UINT* u, INT* i, FP16 to FP64 f, COMPLEX* c, each of its width;
 * BF16 V2, FP8* V1 (as ml_dtypes writes them); INT4 i1, UINT4 and FP4E2M1 u1, an element a byte.
 * BYTES: read from S (zeros at the end do not count) and from U (as UTF-8), written as S.  Where the
 * reader knows what is wanted, BF16 comes from u2 as well, FP8* from u1, four-bit types from V1.
 * Objects (pickles), structures, dates and big-endian numbers are refused.
 */
#ifndef TSK_TENSOR_NPY_H
#define TSK_TENSOR_NPY_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <tensock/types.h>

#include "base/cleanup.h"

#define TSK_NPY_HEADER_MAX 65535u /* bytes of the dictionary */

struct tsk_npy {
	char kind;           /* NumPy's letter: b i u f c V S U */
	uint32_t item_bytes; /* of an element, in the file; not 0 */
	uint32_t rank;
	int64_t dims[TENSOCK_RANK_MAX];
	uint64_t n_elems;
	const unsigned char *data; /* in the file */
	uint64_t bytes;            /* of data: n_elems × item_bytes */
};

/*
 * Reads the header of a whole file: INVALID_ARGUMENT, or UNSUPPORTED for what NumPy knows and we do
 * not.
 */
int tsk_npy_parse(const void *file, size_t len, struct tsk_npy *ret, struct tensock_error *reterr)
	_nodiscard_;

struct tsk_npy_tensor {
	uint32_t dtype;
	const void *data; /* in the file, or `owned` */
	uint64_t bytes;
	void *owned;
};

/*
 * The array as a tensor of the type that is wanted, or of its own where wanted is
 * TENSOCK_DTYPE_INVALID.  Nothing is converted that is not the same number: INVALID_ARGUMENT.
 * OUT_OF_MEMORY.  *ret is the caller's to _done, and refers to the file.
 */
int tsk_npy_tensor(const struct tsk_npy *npy, uint32_t wanted, struct tsk_npy_tensor *ret,
		   struct tensock_error *reterr) _nodiscard_;
void tsk_npy_tensor_done(struct tsk_npy_tensor *tensor);

/*
 * Writes a file.  The tensor may come from a peer: PROTOCOL where its bytes are not its shape's.
 * UNSUPPORTED for BYTES whose elements end in a zero (S cannot hold these), TOO_LARGE where padding
 * them to one length would take far more than they do.  Errors of the stream are left to the caller's
 * ferror().
 */
int tsk_npy_write(FILE *out, uint32_t dtype, const int64_t *dims, uint32_t rank, const void *data,
		  uint64_t bytes, struct tensock_error *reterr) _nodiscard_;

#endif
