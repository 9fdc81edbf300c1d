/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Constants of an ONNX graph: the model's weights, where they lie in the model, and how they become
 * what ONNX wants.  Nothing is computed or copied before the file is written.
 */
#ifndef TRANSLATE_CONSTANT_H
#define TRANSLATE_CONSTANT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "translate/graph.h"

/* The most elements that the readers of small constants below give. */
#define ONNX_SMALL_MAX 4096u

struct onnx_constant {
	uint32_t dtype; /* of what is written, as the dims */
	uint32_t rank;
	int64_t dims[TENSOCK_RANK_MAX];
	size_t n_bytes; /* that write() writes */

	/* Writes the tensor as TensorProto.raw_data has it. */
	void (*write)(const struct onnx_constant *constant, unsigned char *to);

	/* The source: as write() needs it. */
	const unsigned char *bytes;
	size_t n_source;
	const void *context;
	uint8_t perm[TENSOCK_RANK_MAX];        /* of a transposed one */
	int64_t source_dims[TENSOCK_RANK_MAX]; /* likewise */
	struct onnx_value *transposed;         /* made of this, the last one; or NULL */
};

/*
 * A dense tensor at bytes, which are referred to.  Marks the graph with -EINVAL where the bytes are not
 * those of the shape.
 */
struct onnx_value *onnx_constant(struct onnx_graph *graph, uint32_t dtype, const int64_t *dims,
				 uint32_t rank, const void *bytes, size_t n_bytes);

/* One that a function writes: a copy of *constant is kept, whose n_bytes are set to those of its shape. */
struct onnx_value *onnx_constant_made(struct onnx_graph *graph,
				      const struct onnx_constant *constant);

struct onnx_value *onnx_int64s(struct onnx_graph *graph, const int64_t *v, size_t n); /* rank 1 */
struct onnx_value *onnx_int64(struct onnx_graph *graph, int64_t v);                   /* rank 0 */
struct onnx_value *onnx_floats(struct onnx_graph *graph, const float *v, size_t n);   /* rank 1 */
/* A scalar of any number type, the nearest to v. */
struct onnx_value *onnx_scalar(struct onnx_graph *graph, uint32_t dtype, double v);

/* Constants made of constants, without copying.  The caller has checked rank and number of elements. */
struct onnx_value *onnx_constant_transposed(struct onnx_graph *graph, struct onnx_value *value,
					    const int64_t *perm);
struct onnx_value *onnx_constant_reshaped(struct onnx_graph *graph, struct onnx_value *value,
					  const int64_t *dims, uint32_t rank);

/*
 * The elements of a small constant of a type of integers or BOOL (or of floats): how many, or -EINVAL
 * for a value that is no such constant, -E2BIG for more than max (at most ONNX_SMALL_MAX).
 */
int onnx_constant_read_ints(const struct onnx_value *value, int64_t *ret, size_t max);
int onnx_constant_read_floats(const struct onnx_value *value, double *ret, size_t max);

#endif
