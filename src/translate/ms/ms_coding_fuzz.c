/* SPDX-License-Identifier: Apache-2.0 */
/* Coded weights: 4 bytes of coding, width, channels and what they stand for, then 2 of dims, then the data. */
#include "translate/ms/ms_coding.h"

#include <stdlib.h>

#include "translate/ms/ms_sample.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void write_out(const struct onnx_value *value)
{
	unsigned char *bytes = malloc(value->constant->n_bytes);

	if (!bytes)
		return;
	value->constant->write(value->constant, bytes);
	free(bytes);
}

static void decode(struct onnx_graph *graph, const uint8_t *data, size_t size)
{
	const int64_t dims[] = { data[4], data[5] };
	struct ms_quant_param params[TESTING_PARAMS_MAX];
	uint32_t n_params = data[2] % (TESTING_PARAMS_MAX + 1);
	struct tensock_error error = { 0 };
	struct testing_tensor t;
	struct onnx_value *value;

	for (uint32_t i = 0; i < TESTING_PARAMS_MAX; i++)
		params[i] = (struct ms_quant_param){ .scale = data[3],
						     .zero_point = (int8_t)data[3],
						     .n_bits = (int8_t)data[1],
						     .is_set = true };
	testing_tensor(&t, graph, &error, data[1] > 8 ? TENSOCK_INT16 : TENSOCK_INT8, dims, 2,
		       data + 6, (uint32_t)(size - 6), params, n_params);
	t.tensor.coding = (int8_t)data[0];
	value = ms_decoded(&t.op, &t.tensor, dims);
	if (!value) {
		if (!graph->failed && error.status == 0)
			abort(); /* nobody is told why */
		return;
	}
	if (value->constant)
		write_out(value);
	if (value->constant && n_params > 0)
		ms_quant_weight(&t.op, 0, value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct onnx_graph graph;

	if (size < 6 || size > 1 << 16)
		return 0;
	onnx_graph_init(&graph, 1 << 20);
	decode(&graph, data, size);
	onnx_graph_done(&graph);
	return 0;
}
