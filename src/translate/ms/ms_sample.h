/* SPDX-License-Identifier: Apache-2.0 */
/* A quantised tensor without a file around it, for tests and fuzz targets. */
#ifndef TRANSLATE_MS_MS_SAMPLE_H
#define TRANSLATE_MS_MS_SAMPLE_H

#include <string.h>

#include "translate/ms/ms_quant.h"

#define TESTING_PARAMS_MAX 8
/* A QuantParam: a vtable of 9 fields, and a table with all of them. */
#define TESTING_VTABLE 22
#define TESTING_TABLE 32

struct testing_tensor {
	unsigned char bytes[8 + TESTING_PARAMS_MAX * 4 + TESTING_VTABLE + 2 +
			    TESTING_PARAMS_MAX * TESTING_TABLE];
	unsigned char dims[4 * TENSOCK_RANK_MAX];
	unsigned char number[4];
	struct ms_file file;
	struct ms_tensor tensor;
	struct ms_node node;
	struct ms_op op;
};

static inline void testing_put(unsigned char *to, const void *v, size_t n)
{
	memcpy(to, v, n); /* little-endian, as all machines that this runs on */
}

static inline void testing_u16(unsigned char *to, unsigned v)
{
	const uint16_t u = (uint16_t)v;

	testing_put(to, &u, sizeof(u));
}

static inline void testing_u32(unsigned char *to, size_t v)
{
	const uint32_t u = (uint32_t)v;

	testing_put(to, &u, sizeof(u));
}

/* Fields in the table, behind the offset of its vtable: places of scale, zero point, bits ... */
static inline void testing_vtable(unsigned char *to)
{
	static const unsigned char places[] = { 4, 12, 0, 0, 0, 16, 20, 24, 28 };

	testing_u16(to, TESTING_VTABLE);
	testing_u16(to + 2, TESTING_TABLE);
	for (unsigned i = 0; i < sizeof(places); i++)
		testing_u16(to + 4 + (size_t)i * 2, places[i]);
}

static inline void testing_table(unsigned char *to, size_t back, const struct ms_quant_param *param)
{
	testing_u32(to, back);
	testing_put(to + 4, &param->scale, 8);
	testing_put(to + 12, &param->zero_point, 4);
	testing_put(to + 16, &param->n_bits, 4);
	to[20] = param->is_set;
	testing_put(to + 24, &param->variance_factor, 4);
	testing_put(to + 28, &param->mean_offset, 4);
}

/* Input 0 of a Conv2DFusion of MSL2: the tensor with these dims, bytes and parameters. */
static inline void testing_tensor(struct testing_tensor *t, struct onnx_graph *graph,
				  struct tensock_error *reterr, uint32_t dtype, const int64_t *dims,
				  uint32_t rank, const void *data, uint32_t n_data,
				  const struct ms_quant_param *params, uint32_t n_params)
{
	const size_t vtable = 8 + TESTING_PARAMS_MAX * 4, tables = vtable + TESTING_VTABLE + 2;

	*t = (struct testing_tensor){ 0 };
	testing_vtable(t->bytes + vtable);
	for (uint32_t i = 0; i < n_params; i++) {
		size_t at = tables + (size_t)i * TESTING_TABLE, from = 8 + (size_t)i * 4;

		testing_table(t->bytes + at, at - vtable, &params[i]);
		testing_u32(t->bytes + from, at - from);
	}
	for (uint32_t i = 0; i < rank; i++)
		testing_u32(t->dims + (size_t)i * 4, (size_t)dims[i]);
	fb_open(&t->file.flatbuffer, t->bytes, sizeof(t->bytes));
	t->file.generation = MS_L2;
	t->file.tensors = &t->tensor;
	t->file.n_tensors = 1;
	t->tensor.dtype = dtype;
	t->tensor.dims = (struct fb_vector){ &t->file.flatbuffer, t->dims, 0, rank, 4 };
	t->tensor.data = (struct fb_vector){ &t->file.flatbuffer, data, 0, n_data, 1 };
	t->tensor.quant_params =
		(struct fb_vector){ &t->file.flatbuffer, t->bytes + 8, 8, n_params, 4 };
	t->node.inputs = (struct fb_vector){ &t->file.flatbuffer, t->number, 0, 1, 4 };
	t->op = (struct ms_op){ .graph = graph,
				.file = &t->file,
				.node = &t->node,
				.name = "Conv2DFusion",
				.n_inputs = 1,
				.reterr = reterr };
}

#endif
