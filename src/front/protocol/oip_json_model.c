/* SPDX-License-Identifier: Apache-2.0 */
#include "front/protocol/json_text.h"
#include "front/protocol/oip_json.h"
#include "tensor/dtype.h"

static int take(struct json_text *text, struct oip_json *ret)
{
	return json_text_take(text, &ret->bytes, &ret->n);
}

static void put_string(struct json_text *text, const char *key, const char *value)
{
	json_text_key(text, key);
	json_text_string(text, value);
}

static void put_uint(struct json_text *text, const char *key, uint64_t value)
{
	json_text_key(text, key);
	json_text_uint(text, value);
}

static void put_bool(struct json_text *text, const char *key, bool value)
{
	json_text_key(text, key);
	json_text_bool(text, value);
}

static void put_list(struct json_text *text, const char *key, const char *const *strings)
{
	json_text_key(text, key);
	json_text_open(text, '[');
	for (; strings && *strings; strings++)
		json_text_string(text, *strings);
	json_text_close(text, ']');
}

int oip_json_error(const char *message, struct oip_json *ret)
{
	struct json_text text = { 0 };

	json_text_open(&text, '{');
	put_string(&text, "error", message);
	json_text_close(&text, '}');
	return take(&text, ret);
}

int oip_json_server(const char *name, const char *version, const char *const *extensions,
		    struct oip_json *ret)
{
	struct json_text text = { 0 };

	json_text_open(&text, '{');
	put_string(&text, "name", name);
	put_string(&text, "version", version);
	put_list(&text, "extensions", extensions);
	json_text_close(&text, '}');
	return take(&text, ret);
}

static void put_dims(struct json_text *text, const char *key, const struct tsk_tensor_info *tensor)
{
	json_text_key(text, key);
	json_text_open(text, '[');
	for (uint32_t i = 0; i < tensor->rank; i++)
		json_text_int(text, tensor->dims[i]);
	json_text_close(text, ']');
}

static void put_tensors(struct json_text *text, const char *key,
			const struct tsk_tensor_info *tensors, uint32_t n)
{
	json_text_key(text, key);
	json_text_open(text, '[');
	for (uint32_t i = 0; i < n; i++) {
		json_text_open(text, '{');
		put_string(text, "name", tensors[i].name);
		put_string(text, "datatype", tsk_dtype_name(tensors[i].dtype));
		put_dims(text, "shape", &tensors[i]);
		json_text_close(text, '}');
	}
	json_text_close(text, ']');
}

static void put_platform(struct json_text *text, const struct tsk_model_info *info)
{
	char platform[OIP_PLATFORM_BYTES];

	oip_platform(info, platform);
	put_string(text, "platform", platform);
}

int oip_json_model_metadata(const struct oip_model_view *model, struct oip_json *ret)
{
	const struct tsk_model_info *info = model->info;
	struct json_text text = { 0 };

	json_text_open(&text, '{');
	put_string(&text, "name", model->name);
	put_list(&text, "versions", model->versions);
	put_platform(&text, info);
	put_tensors(&text, "inputs", info->inputs, info->n_inputs);
	put_tensors(&text, "outputs", info->outputs, info->n_outputs);
	json_text_close(&text, '}');
	return take(&text, ret);
}

static const char *data_type(uint32_t dtype)
{
	const char *name;

	oip_config_type(dtype, &name);
	return name;
}

static void put_config_input(struct json_text *text, const struct tsk_tensor_info *tensor)
{
	json_text_open(text, '{');
	put_string(text, "name", tensor->name);
	put_string(text, "data_type", data_type(tensor->dtype));
	put_string(text, "format", "FORMAT_NONE");
	put_dims(text, "dims", tensor);
	put_bool(text, "is_shape_tensor", false);
	put_bool(text, "allow_ragged_batch", false);
	put_bool(text, "optional", false);
	json_text_close(text, '}');
}

static void put_config_output(struct json_text *text, const struct tsk_tensor_info *tensor)
{
	json_text_open(text, '{');
	put_string(text, "name", tensor->name);
	put_string(text, "data_type", data_type(tensor->dtype));
	put_dims(text, "dims", tensor);
	put_string(text, "label_filename", "");
	put_bool(text, "is_shape_tensor", false);
	json_text_close(text, '}');
}

static void put_config_tensors(struct json_text *text, const struct tsk_model_info *info)
{
	json_text_key(text, "input");
	json_text_open(text, '[');
	for (uint32_t i = 0; i < info->n_inputs; i++)
		put_config_input(text, &info->inputs[i]);
	json_text_close(text, ']');
	json_text_key(text, "output");
	json_text_open(text, '[');
	for (uint32_t i = 0; i < info->n_outputs; i++)
		put_config_output(text, &info->outputs[i]);
	json_text_close(text, ']');
}

/* "key":{"inner":{}}, or "key":{} */
static void put_empty(struct json_text *text, const char *key, const char *inner)
{
	json_text_key(text, key);
	json_text_open(text, '{');
	if (inner) {
		json_text_key(text, inner);
		json_text_open(text, '{');
		json_text_close(text, '}');
	}
	json_text_close(text, '}');
}

int oip_json_model_config(const struct oip_model_view *model, struct oip_json *ret)
{
	const struct tsk_model_info *info = model->info;
	struct wire_string backend = oip_backend(info);
	struct json_text text = { 0 };

	json_text_open(&text, '{');
	put_string(&text, "name", model->name);
	put_platform(&text, info);
	json_text_key(&text, "backend");
	json_text_bytes(&text, backend.bytes, backend.len);
	/* All versions that there are can be asked for; none of a batch's elements is told apart. */
	put_empty(&text, "version_policy", "all");
	json_text_key(&text, "max_batch_size");
	json_text_uint(&text, 0);
	put_config_tensors(&text, info);
	put_list(&text, "batch_input", NULL);
	put_list(&text, "batch_output", NULL);
	put_list(&text, "instance_group", NULL);
	put_string(&text, "default_model_filename", "");
	put_empty(&text, "cc_model_filenames", NULL);
	put_empty(&text, "metric_tags", NULL);
	put_empty(&text, "parameters", NULL);
	put_list(&text, "model_warmup", NULL);
	json_text_key(&text, "model_transaction_policy");
	json_text_open(&text, '{');
	put_bool(&text, "decoupled", false);
	json_text_close(&text, '}');
	json_text_close(&text, '}');
	return take(&text, ret);
}

int oip_json_model_ready(const struct oip_model_view *model, bool is_ready, struct oip_json *ret)
{
	struct json_text text = { 0 };

	json_text_open(&text, '{');
	put_string(&text, "name", model->name);
	put_bool(&text, "ready", is_ready);
	json_text_close(&text, '}');
	return take(&text, ret);
}

static void put_duration(struct json_text *text, const char *key, struct oip_duration duration)
{
	json_text_key(text, key);
	json_text_open(text, '{');
	put_uint(text, "count", duration.count);
	put_uint(text, "ns", duration.ns);
	json_text_close(text, '}');
}

static void put_durations(struct json_text *text, const struct oip_stats *stats)
{
	static const struct oip_duration none;

	json_text_key(text, "inference_stats");
	json_text_open(text, '{');
	put_duration(text, "success", stats->success);
	put_duration(text, "fail", stats->fail);
	put_duration(text, "queue", stats->queue);
	put_duration(text, "compute_input", stats->input);
	put_duration(text, "compute_infer", stats->infer);
	put_duration(text, "compute_output", stats->output);
	/* Answers are not kept. */
	put_duration(text, "cache_hit", none);
	put_duration(text, "cache_miss", none);
	json_text_close(text, '}');
}

/* Each request is run by itself. */
static void put_batches(struct json_text *text, const struct oip_stats *stats)
{
	json_text_key(text, "batch_stats");
	json_text_open(text, '[');
	if (stats->infer.count) {
		json_text_open(text, '{');
		put_uint(text, "batch_size", 1);
		put_duration(text, "compute_input", stats->input);
		put_duration(text, "compute_infer", stats->infer);
		put_duration(text, "compute_output", stats->output);
		json_text_close(text, '}');
	}
	json_text_close(text, ']');
}

static void put_memory(struct json_text *text, uint64_t bytes)
{
	json_text_key(text, "memory_usage");
	json_text_open(text, '[');
	if (bytes) {
		json_text_open(text, '{');
		put_string(text, "type", "CPU");
		put_uint(text, "id", 0);
		put_uint(text, "byte_size", bytes);
		json_text_close(text, '}');
	}
	json_text_close(text, ']');
}

static void put_stats(struct json_text *text, const struct oip_model_view *model)
{
	const struct oip_stats *stats = model->stats;

	json_text_open(text, '{');
	put_string(text, "name", model->name);
	put_string(text, "version", model->version);
	put_uint(text, "last_inference", stats->last_ms);
	put_uint(text, "inference_count", stats->success.count);
	put_uint(text, "execution_count", stats->infer.count);
	put_durations(text, stats);
	put_empty(text, "response_stats", NULL);
	put_batches(text, stats);
	put_memory(text, model->memory);
	json_text_close(text, '}');
}

int oip_json_stats(const struct oip_model_view *models, size_t n, struct oip_json *ret)
{
	struct json_text text = { 0 };

	json_text_open(&text, '{');
	json_text_key(&text, "model_stats");
	json_text_open(&text, '[');
	for (size_t i = 0; i < n; i++)
		put_stats(&text, &models[i]);
	json_text_close(&text, ']');
	json_text_close(&text, '}');
	return take(&text, ret);
}

int oip_json_index(const struct oip_model_view *models, size_t n, struct oip_json *ret)
{
	struct json_text text = { 0 };

	json_text_open(&text, '[');
	for (size_t i = 0; i < n; i++) {
		json_text_open(&text, '{');
		put_string(&text, "name", models[i].name);
		put_string(&text, "version", models[i].version);
		put_string(&text, "state", models[i].state);
		put_string(&text, "reason", models[i].reason);
		json_text_close(&text, '}');
	}
	json_text_close(&text, ']');
	return take(&text, ret);
}
