/* SPDX-License-Identifier: Apache-2.0 */
#include "front/protocol/health.pb-c.h"
#include "front/protocol/oip_pb_testing.h"

static struct tsk_tensor_info inputs[] = {
	{ .name = (char *)"image",
	  .dtype = TENSOCK_FLOAT32,
	  .rank = 4,
	  .dims = { -1, 3, 224, 224 } },
	{ .name = (char *)"text\xff", .dtype = TENSOCK_BYTES, .rank = 1, .dims = { -1 } },
};
static struct tsk_tensor_info outputs[] = {
	{ .name = (char *)"scale", .dtype = TENSOCK_BFLOAT16, .rank = 0 },
};
static const struct tsk_model_info info = {
	.engine = (char *)"onnxruntime 1.28.0",
	.format = (char *)"onnx",
	.inputs = inputs,
	.outputs = outputs,
	.n_inputs = 2,
	.n_outputs = 1,
};
static const char *const versions[] = { "1", "2", NULL };
static const struct oip_stats stats = {
	.last_ms = 1700000000123,
	.success = { 10, 11 },
	.fail = { 20, 21 },
	.queue = { 30, 31 },
	.input = { 40, 41 },
	.infer = { 50, 51 },
	.output = { 60, UINT64_MAX },
};
static const struct oip_stats no_stats;
static const struct oip_model_view models[] = {
	{
		.name = "densenet",
		.version = "2",
		.versions = versions,
		.info = &info,
		.stats = &stats,
		.state = "READY",
		.reason = "",
		.memory = 1 << 20,
	},
	{ .name = "idle",
	  .version = "1",
	  .stats = &no_stats,
	  .state = "UNAVAILABLE",
	  .reason = "unloaded" },
};

static void test_bool(void **state)
{
	struct oip_pb pb;
	Inference__ModelReadyResponse *ready;
	Inference__ServerLiveResponse *live;

	(void)state;
	assert_int_equal(oip_pb_bool(true, &pb), 0);
	live = unpacked(&inference__server_live_response__descriptor, &pb);
	assert_true(live->live);
	free_unpacked(live);
	free_pb(&pb);
	assert_int_equal(oip_pb_bool(false, &pb), 0);
	ready = unpacked(&inference__model_ready_response__descriptor, &pb);
	assert_false(ready->ready);
	free_unpacked(ready);
	free_pb(&pb);
}

static void test_health(void **state)
{
	for (unsigned i = 0; i < 2; i++) {
		Grpc__Health__V1__HealthCheckResponse *response;
		struct oip_pb pb;

		assert_int_equal(oip_pb_health(i, &pb), 0);
		response = unpacked(&grpc__health__v1__health_check_response__descriptor, &pb);
		assert_int_equal(
			response->status,
			i ? GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING
			  : GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__NOT_SERVING);
		free_unpacked(response);
		free_pb(&pb);
	}
	(void)state;
}

static void test_server(void **state)
{
	static const char *const extensions[] = { "statistics", "model_repository", NULL };
	Inference__ServerMetadataResponse *response;
	struct oip_pb pb;

	(void)state;
	assert_int_equal(oip_pb_server("tensock", "0.1.0", extensions, &pb), 0);
	response = unpacked(&inference__server_metadata_response__descriptor, &pb);
	assert_string_equal(response->name, "tensock");
	assert_string_equal(response->version, "0.1.0");
	assert_int_equal(response->n_extensions, 2);
	assert_string_equal(response->extensions[1], "model_repository");
	free_unpacked(response);
	free_pb(&pb);
}

static void test_metadata(void **state)
{
	Inference__ModelMetadataResponse *m;
	struct oip_pb pb;

	(void)state;
	assert_int_equal(oip_pb_model_metadata(&models[0], &pb), 0);
	m = unpacked(&inference__model_metadata_response__descriptor, &pb);
	assert_string_equal(m->name, "densenet");
	assert_int_equal(m->n_versions, 2);
	assert_string_equal(m->versions[0], "1");
	assert_string_equal(m->versions[1], "2");
	assert_string_equal(m->platform, "onnxruntime_onnx");
	assert_int_equal(m->n_inputs, 2);
	assert_string_equal(m->inputs[0]->name, "image");
	assert_string_equal(m->inputs[0]->datatype, "FP32");
	assert_int_equal(m->inputs[0]->n_shape, 4);
	assert_int_equal(m->inputs[0]->shape[0], -1);
	assert_int_equal(m->inputs[0]->shape[3], 224);
	assert_string_equal(m->inputs[1]->name, "text?");
	assert_string_equal(m->inputs[1]->datatype, "BYTES");
	assert_int_equal(m->n_outputs, 1);
	assert_string_equal(m->outputs[0]->datatype, "BF16");
	assert_int_equal(m->outputs[0]->n_shape, 0);
	free_unpacked(m);
	free_pb(&pb);
}

static void test_config(void **state)
{
	Inference__ModelConfigResponse *response;
	const Inference__ModelConfig *c;
	struct oip_pb pb;

	(void)state;
	assert_int_equal(oip_pb_model_config(&models[0], &pb), 0);
	response = unpacked(&inference__model_config_response__descriptor, &pb);
	c = response->config;
	assert_string_equal(c->name, "densenet");
	assert_string_equal(c->platform, "onnxruntime_onnx");
	assert_string_equal(c->backend, "onnxruntime");
	assert_int_equal(c->max_batch_size, 0);
	assert_int_equal(c->version_policy->latest->num_versions, 1);
	assert_int_equal(c->n_input, 2);
	assert_int_equal(c->input[0]->data_type, INFERENCE__DATA_TYPE__TYPE_FP32);
	assert_int_equal(c->input[0]->n_dims, 4);
	assert_int_equal(c->input[0]->dims[0], -1);
	assert_int_equal(c->input[1]->data_type, INFERENCE__DATA_TYPE__TYPE_STRING);
	assert_int_equal(c->n_output, 1);
	assert_string_equal(c->output[0]->name, "scale");
	assert_int_equal(c->output[0]->data_type, INFERENCE__DATA_TYPE__TYPE_BF16);
	assert_non_null(c->model_transaction_policy);
	assert_false(c->model_transaction_policy->decoupled);
	free_unpacked(response);
	free_pb(&pb);
}

/* Each element type has the number that oip.proto gives the name. */
static void test_config_types(void **state)
{
	const ProtobufCEnumDescriptor *type = &inference__data_type__descriptor;
	unsigned n = 0;

	(void)state;
	for (uint32_t dtype = 0; dtype < TENSOCK_DTYPE_MAX; dtype++) {
		const char *name;
		uint32_t number = oip_config_type(dtype, &name);
		const ProtobufCEnumValue *value =
			protobuf_c_enum_descriptor_get_value_by_name(type, name);

		assert_non_null(value);
		assert_int_equal(value->value, number);
		n += number > 0;
	}
	assert_int_equal(n, type->n_values - 1);
}

static void assert_duration(const Inference__StatisticDuration *duration, uint64_t count,
			    uint64_t ns)
{
	assert_non_null(duration);
	assert_true(duration->count == count && duration->ns == ns);
}

static void test_stats(void **state)
{
	Inference__ModelStatisticsResponse *response;
	const Inference__ModelStatistics *s;
	struct oip_pb pb;

	(void)state;
	assert_int_equal(oip_pb_stats(models, 2, &pb), 0);
	response = unpacked(&inference__model_statistics_response__descriptor, &pb);
	assert_int_equal(response->n_model_stats, 2);
	s = response->model_stats[0];
	assert_string_equal(s->name, "densenet");
	assert_string_equal(s->version, "2");
	assert_true(s->last_inference == 1700000000123);
	assert_int_equal(s->inference_count, 10);
	assert_int_equal(s->execution_count, 50);
	assert_duration(s->inference_stats->success, 10, 11);
	assert_duration(s->inference_stats->fail, 20, 21);
	assert_duration(s->inference_stats->queue, 30, 31);
	assert_duration(s->inference_stats->compute_input, 40, 41);
	assert_duration(s->inference_stats->compute_infer, 50, 51);
	assert_duration(s->inference_stats->compute_output, 60, UINT64_MAX);
	assert_duration(s->inference_stats->cache_hit, 0, 0);
	assert_duration(s->inference_stats->cache_miss, 0, 0);
	assert_int_equal(s->n_memory_usage, 1);
	assert_string_equal(s->memory_usage[0]->type, "CPU");
	assert_int_equal(s->memory_usage[0]->byte_size, 1 << 20);
	s = response->model_stats[1];
	assert_string_equal(s->name, "idle");
	assert_int_equal(s->n_memory_usage, 0);
	assert_duration(s->inference_stats->success, 0, 0);
	free_unpacked(response);
	free_pb(&pb);
	assert_int_equal(oip_pb_stats(NULL, 0, &pb), 0);
	assert_int_equal(pb.n, 0);
	free_pb(&pb);
}

static void test_index(void **state)
{
	Inference__RepositoryIndexResponse *response;
	struct oip_pb pb;

	(void)state;
	assert_int_equal(oip_pb_index(models, 2, &pb), 0);
	response = unpacked(&inference__repository_index_response__descriptor, &pb);
	assert_int_equal(response->n_models, 2);
	assert_string_equal(response->models[0]->name, "densenet");
	assert_string_equal(response->models[0]->version, "2");
	assert_string_equal(response->models[0]->state, "READY");
	assert_string_equal(response->models[0]->reason, "");
	assert_string_equal(response->models[1]->state, "UNAVAILABLE");
	assert_string_equal(response->models[1]->reason, "unloaded");
	free_unpacked(response);
	free_pb(&pb);
}

static void test_regions(void **state)
{
	static const struct oip_region_view views[] = {
		{ .name = "in", .key = "/a", .offset = 0, .bytes = 64 },
		{ .name = "out", .key = "/b", .offset = 128, .bytes = UINT64_MAX },
	};
	Inference__SystemSharedMemoryStatusResponse *response;
	struct oip_pb pb;

	(void)state;
	assert_int_equal(oip_pb_regions(views, 2, &pb), 0);
	response = unpacked(&inference__system_shared_memory_status_response__descriptor, &pb);
	assert_int_equal(response->n_regions, 2);
	for (unsigned i = 0; i < 2; i++) {
		assert_string_equal(response->regions[i]->key, views[i].name);
		assert_string_equal(response->regions[i]->value->name, views[i].name);
		assert_string_equal(response->regions[i]->value->key, views[i].key);
		assert_true(response->regions[i]->value->offset == views[i].offset);
		assert_true(response->regions[i]->value->byte_size == views[i].bytes);
	}
	free_unpacked(response);
	free_pb(&pb);
	assert_int_equal(oip_pb_regions(NULL, 0, &pb), 0);
	assert_int_equal(pb.n, 0);
	free_pb(&pb);
}

static void test_trace(void **state)
{
	Inference__TraceSettingResponse *response;
	struct oip_pb pb;

	(void)state;
	assert_int_equal(oip_pb_settings(OIP_PB_TRACE_SETTING, &pb), 0);
	response = unpacked(&inference__trace_setting_response__descriptor, &pb);
	assert_int_equal(response->n_settings, OIP_TRACE_SETTINGS);
	for (unsigned i = 0; i < OIP_TRACE_SETTINGS; i++) {
		assert_string_equal(response->settings[i]->key, oip_trace_settings[i].key);
		assert_int_equal(response->settings[i]->value->n_value, 1);
		assert_string_equal(response->settings[i]->value->value[0],
				    oip_trace_settings[i].string);
	}
	free_unpacked(response);
	free_pb(&pb);
}

/* Each setting is of the choice that clients expect of it. */
static void test_log(void **state)
{
	Inference__LogSettingsResponse *response;
	const Inference__LogSettingsResponse__SettingValue *value;
	struct oip_pb pb;

	(void)state;
	assert_int_equal(oip_pb_settings(OIP_PB_LOG_SETTINGS, &pb), 0);
	response = unpacked(&inference__log_settings_response__descriptor, &pb);
	assert_int_equal(response->n_settings, OIP_LOG_SETTINGS);
	for (unsigned i = 0; i < OIP_LOG_SETTINGS; i++) {
		value = response->settings[i]->value;
		switch (oip_log_settings[i].kind) {
		case OIP_SETTING_STRING:
			assert_int_equal(value->parameter_choice_case, 3);
			assert_string_equal(value->string_param, oip_log_settings[i].string);
			break;
		case OIP_SETTING_BOOL:
			assert_int_equal(value->parameter_choice_case, 1);
			assert_int_equal(value->bool_param, oip_log_settings[i].number);
			break;
		default:
			assert_int_equal(value->parameter_choice_case, 2);
			assert_int_equal(value->uint32_param, oip_log_settings[i].number);
		}
	}
	free_unpacked(response);
	free_pb(&pb);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TSK_TEST(test_bool),     TSK_TEST(test_health), TSK_TEST(test_server),
		TSK_TEST(test_metadata), TSK_TEST(test_config), TSK_TEST(test_config_types),
		TSK_TEST(test_stats),    TSK_TEST(test_index),  TSK_TEST(test_regions),
		TSK_TEST(test_trace),    TSK_TEST(test_log),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
