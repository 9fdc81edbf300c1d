/* SPDX-License-Identifier: Apache-2.0 */
/* A quantised tensor without a file around it, for tests and fuzz targets. */
#ifndef TRANSLATE_MS_MS_QUANT_TESTING_H
#define TRANSLATE_MS_MS_QUANT_TESTING_H

#include <string.h>

#include "translate/ms/flatbuffer_testing.h"
#include "translate/ms/ms_quant.h"

#define TESTING_PARAMS_MAX 8

struct testing_tensor {
	struct build build; /* a table whose field 0 are the parameters */
	unsigned char dims[4 * TENSOCK_RANK_MAX];
	unsigned char number[4];
	struct ms_file file;
	struct ms_tensor tensor;
	struct ms_node node;
	struct ms_op op;
};

static inline uint64_t testing_bits(const void *v, size_t n)
{
	uint64_t bits = 0;

	memcpy(&bits, v, n); /* little-endian, as all machines that this runs on */
	return bits;
}

/* QuantParam */
static inline void testing_param(struct build *build, size_t table,
				 const struct ms_quant_param *param)
{
	build_scalar(build, table, 0, testing_bits(&param->scale, 8));
	build_scalar(build, table, 1, (uint32_t)param->zero_point);
	build_scalar(build, table, 5, (uint32_t)param->n_bits);
	build_scalar(build, table, 6, param->is_set);
	build_scalar(build, table, 7, testing_bits(&param->variance_factor, 4));
	build_scalar(build, table, 8, testing_bits(&param->mean_offset, 4));
}

/* Input 0 of a Conv2DFusion of MSL2: the tensor with these dims, bytes and parameters. */
static inline void testing_tensor(struct testing_tensor *t, struct onnx_graph *graph,
				  struct tensock_error *reterr, uint32_t dtype, const int64_t *dims,
				  uint32_t rank, const void *data, uint32_t n_data,
				  const struct ms_quant_param *params, uint32_t n_params)
{
	struct fb_table root;
	size_t vector;

	*t = (struct testing_tensor){ 0 };
	vector = build_vector(&t->build, build_root(&t->build, NULL, 1), 0, n_params, 4);
	for (uint32_t i = 0; i < n_params; i++)
		testing_param(&t->build, build_element(&t->build, vector, i, 9), &params[i]);
	for (uint32_t i = 0; i < rank; i++)
		memcpy(t->dims + (size_t)i * 4, &dims[i], 4);
	fb_open(&t->file.flatbuffer, t->build.bytes, t->build.n);
	root = fb_root(&t->file.flatbuffer);
	t->file.generation = MS_L2;
	t->file.tensors = &t->tensor;
	t->file.n_tensors = 1;
	t->tensor.dtype = dtype;
	t->tensor.dims = (struct fb_vector){ &t->file.flatbuffer, t->dims, 0, rank, 4 };
	t->tensor.data = (struct fb_vector){ &t->file.flatbuffer, data, 0, n_data, 1 };
	t->tensor.quant_params = fb_vector(&root, 0, FB_OFFSET);
	t->node.inputs = (struct fb_vector){ &t->file.flatbuffer, t->number, 0, 1, 4 };
	t->op = (struct ms_op){ .graph = graph,
				.file = &t->file,
				.node = &t->node,
				.name = "Conv2DFusion",
				.n_inputs = 1,
				.reterr = reterr };
}

#endif
