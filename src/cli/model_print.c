/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/model_print.h"

#include "cli/text.h"

void model_print_label(FILE *out, const struct tensock_model_info *info)
{
	text_print(out, *info->name ? info->name : "-");
	if (*info->version) {
		fputc(':', out);
		text_print(out, info->version);
	}
}

void model_json_shape(struct json *json, const int64_t *dims, uint32_t rank)
{
	json_array(json);
	for (uint32_t i = 0; i < rank; i++)
		json_int(json, dims[i]);
	json_end_array(json);
}

static void text_field(struct json *json, const char *key, const char *text)
{
	json_key(json, key);
	json_string(json, text);
}

static void uint_field(struct json *json, const char *key, uint64_t v)
{
	json_key(json, key);
	json_uint(json, v);
}

static void tensor_json(struct json *json, const struct tensock_tensor_info *info)
{
	const char *dtype = tensock_dtype_name(info->dtype);

	json_object(json);
	text_field(json, "name", info->name);
	text_field(json, "dtype", dtype ? dtype : "?");
	json_key(json, "shape");
	model_json_shape(json, info->dims, info->rank);
	json_key(json, "dim-names");
	json_array(json);
	for (uint32_t i = 0; i < info->rank; i++) {
		if (info->dims[i] < 0 && info->dim_names[i] && *info->dim_names[i])
			json_string(json, info->dim_names[i]);
		else
			json_null(json);
	}
	json_end_array(json);
	json_end_object(json);
}

static void tensors_json(struct json *json, const char *key,
			 const struct tensock_tensor_info *infos, uint32_t n)
{
	json_key(json, key);
	json_array(json);
	for (uint32_t i = 0; i < n; i++)
		tensor_json(json, &infos[i]);
	json_end_array(json);
}

void model_json(struct json *json, const struct tensock_model_info *info, bool has_tensors)
{
	json_object(json);
	text_field(json, "name", info->name);
	text_field(json, "version", info->version);
	text_field(json, "sha256", info->hash);
	text_field(json, "state", model_state_name(info->state));
	text_field(json, "format", info->format);
	text_field(json, "engine", info->engine);
	uint_field(json, "bytes", info->bytes);
	uint_field(json, "memory-bytes", info->memory);
	uint_field(json, "runs", info->runs);
	if (has_tensors) {
		text_field(json, "operators", info->operators);
		tensors_json(json, "inputs", info->inputs, info->n_inputs);
		tensors_json(json, "outputs", info->outputs, info->n_outputs);
	}
	json_end_object(json);
}
