/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any text as any of the requests.  Values are written to exactly the room that they are said to take; as an
 * answer they are JSON that reads as the same bytes.
 */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "front/protocol/oip_config.h"
#include "front/protocol/oip_json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void *room_for(size_t n)
{
	void *room = malloc(n ? n : 1);

	if (!room)
		abort();
	return room;
}

/* What has been reckoned as room for a text is enough. */
static bool is_read(int r, const struct tensock_error *error)
{
	if (r < 0 && (error->status == TENSOCK_OUT_OF_MEMORY || error->status == TENSOCK_INTERNAL))
		abort();
	return r == 0;
}

/* A NaN is as good as another. */
static bool is_same(uint32_t dtype, const unsigned char *a, const unsigned char *b, uint64_t n)
{
	uint64_t width = dtype == TENSOCK_FLOAT32 ? 4 : dtype == TENSOCK_FLOAT64 ? 8 : 1;

	for (uint64_t i = 0; i < n; i += width) {
		float single;
		double real;

		memcpy(&single, a + i, width == 4 ? 4 : 0);
		memcpy(&real, a + i, width == 8 ? 8 : 0);
		if (memcmp(a + i, b + i, width) != 0 && !(width == 4 && isnan(single)) &&
		    !(width == 8 && isnan(real)))
			return false;
	}
	return true;
}

static void read_again(const struct oip_json *json, const struct wire_tensor *tensor,
		       const unsigned char *bytes)
{
	char *outputs = memmem(json->bytes, json->n, "\"outputs\":", 10);
	struct tensock_error error;
	struct oip_infer infer;
	unsigned char *again;

	if (!outputs)
		abort();
	memcpy(outputs, "\"inputs\": ", 10);
	if (oip_json_infer_read(json->bytes, json->n, &infer, &error) < 0 || infer.n_inputs != 1 ||
	    infer.inputs->tensor.bytes != tensor->bytes)
		abort();
	again = room_for(tensor->bytes);
	oip_json_values_write(infer.inputs, again);
	if (!is_same(tensor->dtype, bytes, again, tensor->bytes))
		abort();
	free(again);
	oip_infer_done(&infer);
}

static void answer_values(const struct oip_input *input, const unsigned char *bytes)
{
	struct oip_result result = { .name = input->tensor.name,
				     .dtype = input->tensor.dtype,
				     .rank = input->tensor.rank,
				     .bytes = input->tensor.bytes,
				     .data = bytes };
	struct oip_answer answer = {
		.model = "m", .version = "1", .n_results = 1, .results = &result
	};
	struct oip_json_answer whole, pieces;
	struct tensock_error error;
	struct oip_json json, other;
	int r;

	memcpy(result.dims, input->tensor.dims, sizeof(result.dims));
	oip_json_answer_begin(&whole, &answer);
	if (oip_json_answer_write(&whole, SIZE_MAX, &json, &error) < 0 ||
	    json.n > oip_json_answer_memory(&answer))
		abort();
	oip_json_answer_begin(&pieces, &answer);
	do
		r = oip_json_answer_write(&pieces, 1, &other, &error);
	while (r > 0);
	if (r < 0 || other.n != json.n || memcmp(other.bytes, json.bytes, json.n) != 0)
		abort();
	free(other.bytes);
	read_again(&json, &input->tensor, bytes);
	free(json.bytes);
}

static void write_values(const struct oip_input *input)
{
	unsigned char *bytes = room_for(input->tensor.bytes);

	oip_json_values_write(input, bytes);
	answer_values(input, bytes);
	free(bytes);
}

static void try_infer(const char *text, size_t n)
{
	struct tensock_error error;
	struct oip_infer infer;

	if (!is_read(oip_json_infer_read(text, n, &infer, &error), &error))
		return;
	if (infer.n_inputs > OIP_TENSORS_MAX || infer.n_outputs > OIP_TENSORS_MAX ||
	    infer.id.len > OIP_ID_MAX)
		abort();
	for (uint32_t i = 0; i < infer.n_inputs; i++) {
		if (infer.inputs[i].source == OIP_VALUES)
			write_values(&infer.inputs[i]);
	}
	oip_infer_done(&infer);
}

static void try_load(const char *text, size_t n)
{
	char *own = room_for(n + OIP_JSON_PADDING);
	struct oip_json_load load = { 0 };
	struct tensock_error error;
	void *bytes;

	memcpy(own, text, n);
	is_read(oip_json_load_read(own, n, &load, &error), &error);
	if (load.has_file) {
		bytes = room_for(load.file_bytes);
		oip_json_load_file(&load, bytes);
		free(bytes);
	}
	oip_json_load_done(&load);
	free(own);
}

static void try_config(const char *text, size_t n)
{
	static char engine[] = "onnxruntime 1", format[] = "onnx", x[] = "x";
	static struct tsk_tensor_info x_info = {
		.name = x, .dtype = TENSOCK_FLOAT32, .rank = 2, .dims = { -1, 3 }
	};
	static const struct tsk_model_info info = { .engine = engine,
						    .format = format,
						    .inputs = &x_info,
						    .outputs = &x_info,
						    .n_inputs = 1,
						    .n_outputs = 1 };
	struct wire_string config = { text, (uint16_t)n };
	struct tensock_error error;

	if (n > UINT16_MAX)
		return;
	is_read(oip_config_check(config, "m", &info, &error), &error);
	is_read(oip_config_check(config, "m", NULL, &error), &error);
}

static void try_settings(const char *text, size_t n)
{
	struct tensock_error error;
	struct oip_settings settings;

	oip_trace_settings(&settings);
	is_read(oip_json_settings_check(text, n, &settings, &error), &error);
	oip_log_settings(TSK_LOG_INFO, &settings);
	is_read(oip_json_settings_check(text, n, &settings, &error), &error);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	struct tensock_error error;
	bool ready;

	if (oip_json_memory(text, size) < size)
		abort();
	try_infer(text, size);
	try_load(text, size);
	try_config(text, size);
	try_settings(text, size);
	is_read(oip_json_index_read(text, size, &ready, &error), &error);
	return 0;
}
