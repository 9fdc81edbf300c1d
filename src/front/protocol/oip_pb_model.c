/* SPDX-License-Identifier: Apache-2.0 */
/* What is told of the server and its models.  Numbers are those of oip.proto. */
#include "front/protocol/oip_pb_write.h"
#include "tensor/dtype.h"

int oip_pb_bool(bool value, struct oip_pb *ret)
{
	struct pb_writer w;

	pb_writer_init(&w);
	pb_number(&w, 1, value);
	return pb_writer_end(&w, ret);
}

int oip_pb_health(bool is_serving, struct oip_pb *ret)
{
	enum {
		SERVING = 1,
		NOT_SERVING = 2
	};
	struct pb_writer w;

	pb_writer_init(&w);
	pb_number(&w, 1, is_serving ? SERVING : NOT_SERVING);
	return pb_writer_end(&w, ret);
}

int oip_pb_server(const char *name, const char *version, const char *const *extensions,
		  struct oip_pb *ret)
{
	struct pb_writer w;

	pb_writer_init(&w);
	pb_text(&w, 1, name);
	pb_text(&w, 2, version);
	for (; *extensions; extensions++)
		pb_list_text(&w, 3, *extensions);
	return pb_writer_end(&w, ret);
}

/*
 * ---- What a model takes and gives
 */

static void write_platform(struct pb_writer *w, uint32_t field, const struct tsk_model_info *info)
{
	char platform[OIP_PLATFORM_BYTES];

	oip_platform(info, platform);
	pb_text(w, field, platform);
}

/* TensorMetadata. */
static void write_metadata(struct pb_writer *w, uint32_t field,
			   const struct tsk_tensor_info *tensors, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		size_t at = pb_message_begin(w, field);

		pb_text(w, 1, tensors[i].name);
		pb_text(w, 2, tsk_dtype_name(tensors[i].dtype));
		pb_dims(w, 3, tensors[i].dims, tensors[i].rank);
		pb_message_end(w, at);
	}
}

int oip_pb_model_metadata(const struct oip_model_view *model, struct oip_pb *ret)
{
	const struct tsk_model_info *info = model->info;
	struct pb_writer w;

	pb_writer_init(&w);
	pb_text(&w, 1, model->name);
	for (const char *const *version = model->versions; *version; version++)
		pb_list_text(&w, 2, *version);
	write_platform(&w, 3, info);
	write_metadata(&w, 4, info->inputs, info->n_inputs);
	write_metadata(&w, 5, info->outputs, info->n_outputs);
	return pb_writer_end(&w, ret);
}

/* ModelInput and ModelOutput, whose dims have numbers of their own. */
static void write_config(struct pb_writer *w, uint32_t field, uint32_t dims_field,
			 const struct tsk_tensor_info *tensors, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		size_t at = pb_message_begin(w, field);

		pb_text(w, 1, tensors[i].name);
		pb_number(w, 2, oip_config_type(tensors[i].dtype, NULL));
		pb_dims(w, dims_field, tensors[i].dims, tensors[i].rank);
		pb_message_end(w, at);
	}
}

/* The latest one of its versions. */
static void write_version_policy(struct pb_writer *w)
{
	size_t policy = pb_message_begin(w, 3), latest = pb_message_begin(w, 1);

	pb_number(w, 1, 1);
	pb_message_end(w, latest);
	pb_message_end(w, policy);
}

int oip_pb_model_config(const struct oip_model_view *model, struct oip_pb *ret)
{
	const struct tsk_model_info *info = model->info;
	struct pb_writer w;
	size_t config;

	pb_writer_init(&w);
	config = pb_message_begin(&w, 1);
	pb_text(&w, 1, model->name);
	write_platform(&w, 2, info);
	write_version_policy(&w);
	/* max_batch_size 4 is 0: shapes are whole. */
	write_config(&w, 5, 4, info->inputs, info->n_inputs);
	write_config(&w, 6, 3, info->outputs, info->n_outputs);
	pb_string(&w, 17, oip_backend(info));
	pb_message_end(&w, pb_message_begin(&w, 19)); /* not decoupled */
	pb_message_end(&w, config);
	return pb_writer_end(&w, ret);
}

/*
 * ---- Statistics and index
 */

static void write_duration(struct pb_writer *w, uint32_t field, const struct oip_duration *duration)
{
	size_t at = pb_message_begin(w, field);

	pb_number(w, 1, duration->count);
	pb_number(w, 2, duration->ns);
	pb_message_end(w, at);
}

/* InferStatistics.  There is no cache. */
static void write_durations(struct pb_writer *w, uint32_t field, const struct oip_stats *stats)
{
	static const struct oip_duration none;
	size_t at = pb_message_begin(w, field);

	write_duration(w, 1, &stats->success);
	write_duration(w, 2, &stats->fail);
	write_duration(w, 3, &stats->queue);
	write_duration(w, 4, &stats->input);
	write_duration(w, 5, &stats->infer);
	write_duration(w, 6, &stats->output);
	write_duration(w, 7, &none);
	write_duration(w, 8, &none);
	pb_message_end(w, at);
}

/* MemoryUsage. */
static void write_memory(struct pb_writer *w, uint32_t field, uint64_t bytes)
{
	size_t at = pb_message_begin(w, field);

	pb_text(w, 1, "CPU");
	pb_number(w, 3, bytes);
	pb_message_end(w, at);
}

int oip_pb_stats(const struct oip_model_view *models, size_t n, struct oip_pb *ret)
{
	struct pb_writer w;

	pb_writer_init(&w);
	for (size_t i = 0; i < n; i++) {
		const struct oip_stats *stats = models[i].stats;
		size_t at = pb_message_begin(&w, 1);

		pb_text(&w, 1, models[i].name);
		pb_text(&w, 2, models[i].version);
		pb_number(&w, 3, stats->last_ms);
		pb_number(&w, 4, stats->success.count);
		pb_number(&w, 5, stats->infer.count);
		write_durations(&w, 6, stats);
		if (models[i].memory)
			write_memory(&w, 8, models[i].memory);
		pb_message_end(&w, at);
	}
	return pb_writer_end(&w, ret);
}

int oip_pb_index(const struct oip_model_view *models, size_t n, struct oip_pb *ret)
{
	struct pb_writer w;

	pb_writer_init(&w);
	for (size_t i = 0; i < n; i++) {
		size_t at = pb_message_begin(&w, 1);

		pb_text(&w, 1, models[i].name);
		pb_text(&w, 2, models[i].version);
		pb_text(&w, 3, models[i].state);
		pb_text(&w, 4, models[i].reason);
		pb_message_end(&w, at);
	}
	return pb_writer_end(&w, ret);
}

/*
 * ---- Regions and settings: maps, of entries with key 1 and value 2
 */

int oip_pb_regions(const struct oip_region_view *regions, size_t n, struct oip_pb *ret)
{
	struct pb_writer w;

	pb_writer_init(&w);
	for (size_t i = 0; i < n; i++) {
		size_t entry = pb_message_begin(&w, 1), status;

		pb_text(&w, 1, regions[i].name);
		status = pb_message_begin(&w, 2);
		pb_text(&w, 1, regions[i].name);
		pb_text(&w, 2, regions[i].key);
		pb_number(&w, 3, regions[i].offset);
		pb_number(&w, 4, regions[i].bytes);
		pb_message_end(&w, status);
		pb_message_end(&w, entry);
	}
	return pb_writer_end(&w, ret);
}

/* SettingValue of a TraceSettingResponse: a list of strings. */
static void write_trace_value(struct pb_writer *w, const struct oip_setting *setting)
{
	pb_list_text(w, 1, setting->string);
}

/* SettingValue of a LogSettingsResponse: a choice. */
static void write_log_value(struct pb_writer *w, const struct oip_setting *setting)
{
	enum {
		BOOL_PARAM = 1,
		UINT32_PARAM = 2,
		STRING_PARAM = 3
	};

	if (setting->kind == OIP_SETTING_STRING)
		pb_list_text(w, STRING_PARAM, setting->string);
	else
		pb_list_number(w, setting->kind == OIP_SETTING_BOOL ? BOOL_PARAM : UINT32_PARAM,
			       setting->number);
}

int oip_pb_settings(enum oip_pb_method method, struct oip_pb *ret)
{
	bool is_trace = method == OIP_PB_TRACE_SETTING;
	const struct oip_setting *settings = is_trace ? oip_trace_settings : oip_log_settings;
	size_t n = is_trace ? OIP_TRACE_SETTINGS : OIP_LOG_SETTINGS;
	struct pb_writer w;

	pb_writer_init(&w);
	for (size_t i = 0; i < n; i++) {
		size_t entry = pb_message_begin(&w, 1), value;

		pb_text(&w, 1, settings[i].key);
		value = pb_message_begin(&w, 2);
		if (is_trace)
			write_trace_value(&w, &settings[i]);
		else
			write_log_value(&w, &settings[i]);
		pb_message_end(&w, value);
		pb_message_end(&w, entry);
	}
	return pb_writer_end(&w, ret);
}
