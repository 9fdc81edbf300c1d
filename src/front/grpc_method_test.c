/* SPDX-License-Identifier: Apache-2.0 */
/* All methods but inference, against a whole front. */
#include "front/grpc_stream.h"

#include <string.h>

#include "front/grpc_testing.h"
#include "front/limit_hits.h"

static struct client client;

/* Calls it with what a message of this field (0: none) says; the answer is unpacked. */
static void *ask_for(const char *path, unsigned field, const char *text,
		     const ProtobufCMessageDescriptor *type)
{
	struct said said = message_of(field, text);
	struct h2_peer_stream *s = client_call(&client, path, &said);

	client_expect(&client, s, 0, "");
	said_done(&said);
	return client_message(s, 0, type);
}

static void expect_error(const char *path, unsigned field, const char *text, unsigned status,
			 const char *words)
{
	struct said said = message_of(field, text);

	client_expect(&client, client_call(&client, path, &said), status, words);
	said_done(&said);
}

/* It is answered by a message without fields. */
static void expect_nothing(const char *path, unsigned field, const char *text)
{
	struct said said = message_of(field, text);
	struct h2_peer_stream *s = client_call(&client, path, &said);

	client_expect(&client, s, 0, "");
	assert_int_equal(s->n_answer, GRPC_PREFIX_BYTES);
	said_done(&said);
}

static void test_the_server(void **state)
{
	struct front_start limits = rig_limits();
	Inference__ServerReadyResponse *ready;
	Inference__ServerMetadataResponse *server;
	struct rig rig;

	(void)state;
	rig_init(&rig, &limits);
	client_connect(&client, &rig);
	ready = ask_for(INFERENCE "ServerReady", 0, NULL,
			&inference__server_ready_response__descriptor);
	assert_true(ready->ready);
	free_unpacked(ready);
	server = ask_for(INFERENCE "ServerMetadata", 0, NULL,
			 &inference__server_metadata_response__descriptor);
	assert_string_equal(server->name, "tensock");
	assert_true(server->n_extensions > 3);
	free_unpacked(server);
	assert_int_equal(rig.guest->counters.ok, 2);
	client_close(&client);
	rig_done(&rig);
}

static void test_models(void **state)
{
	struct front_start limits = rig_limits();
	Inference__ModelMetadataResponse *metadata;
	Inference__ModelStatisticsResponse *stats;
	Inference__RepositoryIndexResponse *models;
	Inference__ModelConfigResponse *config;
	Inference__ModelReadyResponse *ready;
	struct rig_worker *worker;
	struct rig rig;

	(void)state;
	rig_init(&rig, &limits);
	worker = push_loaded(&rig, "model", "name", "3");
	client_connect(&client, &rig);
	ready = ask_for(INFERENCE "ModelReady", 1, "name",
			&inference__model_ready_response__descriptor);
	assert_true(ready->ready);
	free_unpacked(ready);
	ready = ask_for(INFERENCE "ModelReady", 1, "nome",
			&inference__model_ready_response__descriptor);
	assert_false(ready->ready);
	free_unpacked(ready);
	metadata = ask_for(INFERENCE "ModelMetadata", 1, "name",
			   &inference__model_metadata_response__descriptor);
	assert_string_equal(metadata->name, "name");
	assert_int_equal(metadata->n_versions, 1);
	assert_string_equal(metadata->versions[0], "3");
	assert_string_equal(metadata->inputs[0]->name, "x");
	free_unpacked(metadata);
	config = ask_for(INFERENCE "ModelConfig", 1, "name",
			 &inference__model_config_response__descriptor);
	assert_string_equal(config->config->input[0]->name, "x");
	free_unpacked(config);
	stats = ask_for(INFERENCE "ModelStatistics", 0, NULL,
			&inference__model_statistics_response__descriptor);
	assert_int_equal(stats->n_model_stats, 1);
	assert_string_equal(stats->model_stats[0]->version, "3");
	free_unpacked(stats);
	models = ask_for(INFERENCE "RepositoryIndex", 0, NULL,
			 &inference__repository_index_response__descriptor);
	assert_int_equal(models->n_models, 1);
	assert_string_equal(models->models[0]->state, "READY");
	free_unpacked(models);
	expect_error(INFERENCE "ModelMetadata", 1, "nome", 5, "'nome' is not found");
	expect_error(INFERENCE "ModelConfig", 1, "nome", 5, "'nome' is not found");
	expect_error(INFERENCE "ModelStatistics", 1, "nome", 5, "'nome' is not found");
	assert_int_equal(rig.guest->counters.error, 3);
	client_close(&client);
	rig_worker_exit(&rig, worker, 0);
	rig_done(&rig);
}

/* RepositoryModelLoad of these bytes. */
static struct said load_of(char *name, char *config, const char *bytes)
{
	Inference__ModelRepositoryParameter values_of[2];
	Inference__RepositoryModelLoadRequest__ParametersEntry entries[2],
		*p[2] = { &entries[0], &entries[1] };
	Inference__RepositoryModelLoadRequest r;
	struct said said = { 0 };

	inference__repository_model_load_request__init(&r);
	r.model_name = name;
	for (size_t i = 0; i < 2; i++) {
		inference__repository_model_load_request__parameters_entry__init(&entries[i]);
		inference__model_repository_parameter__init(&values_of[i]);
		entries[i].value = &values_of[i];
	}
	entries[0].key = "config";
	values_of[0].parameter_choice_case =
		INFERENCE__MODEL_REPOSITORY_PARAMETER__PARAMETER_CHOICE_STRING_PARAM;
	values_of[0].string_param = config;
	entries[1].key = "file:7/model.onnx";
	values_of[1].parameter_choice_case =
		INFERENCE__MODEL_REPOSITORY_PARAMETER__PARAMETER_CHOICE_BYTES_PARAM;
	values_of[1].bytes_param.data = (uint8_t *)(uintptr_t)bytes;
	values_of[1].bytes_param.len = strlen(bytes);
	r.parameters = p;
	r.n_parameters = 2;
	said_add(&said, &r);
	return said;
}

static void test_a_model_comes_and_goes(void **state)
{
	struct front_start limits = rig_limits();
	struct said load = load_of("name", "{}", "model"), wrong = load_of("n", "[]", "x");
	struct said unload = message_of(2, "name");
	Inference__ModelReadyResponse *ready;
	struct rig_worker *worker;
	struct h2_peer_stream *s;
	struct rig rig;

	(void)state;
	rig_init(&rig, &limits);
	client_connect(&client, &rig);
	s = client_call(&client, INFERENCE "RepositoryModelLoad", &load);
	client_say_all(&client);
	worker = rig_worker_with(&rig, "model");
	client_expect(&client, s, 0, "");
	assert_non_null(named(&rig, "name", "7"));
	ready = ask_for(INFERENCE "ModelReady", 1, "name",
			&inference__model_ready_response__descriptor);
	assert_true(ready->ready);
	free_unpacked(ready);
	s = client_call(&client, INFERENCE "RepositoryModelLoad", &wrong);
	client_expect(&client, s, 3, "config");
	expect_error(INFERENCE "RepositoryModelLoad", 2, "nome", 5, "'nome' is not found");
	s = client_call(&client, INFERENCE "RepositoryModelUnload", &unload);
	client_say_all(&client);
	rig_worker_expect_end(&rig, worker);
	rig_worker_exit(&rig, worker, 0);
	client_expect(&client, s, 0, "");
	assert_int_equal(s->n_answer, GRPC_PREFIX_BYTES);
	ready = ask_for(INFERENCE "ModelReady", 1, "name",
			&inference__model_ready_response__descriptor);
	assert_false(ready->ready);
	free_unpacked(ready);
	client_close(&client);
	said_done(&load);
	said_done(&wrong);
	said_done(&unload);
	rig_done(&rig);
}

/* Who asks for it goes before it is done. */
static void test_a_load_that_nobody_waits_for(void **state)
{
	struct front_start limits = rig_limits();
	struct said load = load_of("name", "{}", "model");
	struct rig_worker *worker;
	struct rig rig;

	(void)state;
	rig_init(&rig, &limits);
	client_connect(&client, &rig);
	client_call(&client, INFERENCE "RepositoryModelLoad", &load);
	client_say_all(&client);
	worker = rig_worker_new(&rig);
	client_close(&client);
	assert_int_equal(rig.guest->n_calls, 0);
	assert_int_equal(rig.guest->counters.cancelled, 1);
	said_done(&load);
	rig_worker_exit(&rig, worker, 0);
	rig_done(&rig);
}

static void test_shared_memory_and_settings(void **state)
{
	struct front_start limits = rig_limits();
	struct rig rig;

	(void)state;
	rig_init(&rig, &limits);
	client_connect(&client, &rig);
	expect_nothing(INFERENCE "SystemSharedMemoryStatus", 0, NULL);
	expect_nothing(INFERENCE "SystemSharedMemoryUnregister", 0, NULL);
	expect_nothing(INFERENCE "SystemSharedMemoryUnregister", 1, "r");
	expect_nothing(INFERENCE "CudaSharedMemoryStatus", 0, NULL);
	expect_nothing(INFERENCE "CudaSharedMemoryUnregister", 0, NULL);
	expect_error(INFERENCE "SystemSharedMemoryStatus", 1, "r", 5, "region: 'r'");
	expect_error(INFERENCE "SystemSharedMemoryRegister", 1, "r", 3, "no part of a region");
	expect_error(INFERENCE "CudaSharedMemoryRegister", 1, "r", 12, "CUDA");
	/* Field 1 of both is what is to be set: an entry of a map. */
	expect_error(INFERENCE "TraceSetting", 1, "\012\1k", 12, "traces");
	expect_error(INFERENCE "LogSettings", 1, "\012\1k", 12, "operator");
	client_close(&client);
	rig_done(&rig);
}

static void test_health(void **state)
{
	struct front_start limits = rig_limits();
	struct said said = message_of(1, "inference.GRPCInferenceService");
	struct h2_peer_stream *s;
	struct rig rig;

	(void)state;
	rig_init(&rig, &limits);
	client_connect(&client, &rig);
	s = client_call(&client, "/grpc.health.v1.Health/Check", &said);
	client_expect(&client, s, 0, "");
	assert_int_equal(s->n_answer, 7);
	assert_memory_equal(s->answer, "\0\0\0\0\2\10\1", 7);
	expect_error("/grpc.health.v1.Health/Check", 1, "nothing", 5, "unknown service");
	client_close(&client);
	said_done(&said);
	rig_done(&rig);
}

/* Several questions on one stream. */
static void test_reflection(void **state)
{
	static const char *const paths[] = {
		"/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
		"/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
	};
	struct front_start limits = rig_limits();
	struct said said = message_of(7, "*");
	struct h2_peer_stream *s;
	struct rig rig;

	(void)state;
	rig_init(&rig, &limits);
	client_connect(&client, &rig);
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		s = peer_request(&client.h2, paths[i], NULL, said.bytes, said.n, true);
		await_messages(&client, s, 1);
		peer_send_more(&client.h2, s, said.bytes, said.n, false);
		client_expect(&client, s, 0, "");
		assert_int_equal(client_messages(s), 2);
		assert_non_null(
			memmem(s->answer, s->n_answer, "inference.GRPCInferenceService", 30));
	}
	client_close(&client);
	said_done(&said);
	rig_done(&rig);
}

/* Who asks nothing on it has its end all the same. */
static void test_reflection_without_a_question(void **state)
{
	struct front_start limits = rig_limits();
	struct h2_peer_stream *s;
	struct rig rig;

	(void)state;
	rig_init(&rig, &limits);
	client_connect(&client, &rig);
	s = peer_request(&client.h2, "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
			 NULL, "", 0, false);
	client_expect(&client, s, 0, "");
	assert_int_equal(s->n_answer, 0);
	client_close(&client);
	rig_done(&rig);
}

/* One that is packed could say more than 32 bits count. */
static void test_no_message_is_longer_than_can_be_said(void **state)
{
	static struct guest guest;
	const char *limit;

	(void)state;
	guest.limits.request_bytes_max = UINT64_C(8) << 30;
	guest.limits.model_bytes_max = UINT32_MAX;
	assert_int_equal(grpc_method_length_max(&guest, OIP_PB_MODEL_INFER, &limit), UINT32_MAX);
	assert_string_equal(limit, "what gRPC can say the length of");
	assert_int_equal(grpc_method_length_max(&guest, OIP_PB_REPOSITORY_LOAD, &limit),
			 UINT32_MAX);
	assert_string_equal(limit, "what gRPC can say the length of");
	guest.limits.request_bytes_max = 1000;
	assert_int_equal(grpc_method_length_max(&guest, OIP_PB_MODEL_STREAM_INFER, &limit), 1000);
	assert_string_equal(limit, "max-request-size");
}

/* Its sentence names what bounds it, and where that is a key, it counts. */
static void expect_too_long(const char *path, uint32_t n, const char *text, enum metrics_limit hits)
{
	unsigned char prefix[GRPC_PREFIX_BYTES];
	struct said said = { .bytes = prefix, .n = sizeof(prefix) };
	uint64_t before[METRICS_LIMIT_MAX];

	for (unsigned i = 0; i < METRICS_LIMIT_MAX; i++)
		before[i] = limit_hits((enum metrics_limit)i);
	grpc_prefix_write(n, prefix);
	client_expect(&client, client_call(&client, path, &said), 8, text);
	for (unsigned i = 0; i < METRICS_LIMIT_MAX; i++)
		assert_int_equal(limit_hits((enum metrics_limit)i),
				 before[i] + (i == (unsigned)hits));
}

static void test_a_message_that_is_too_long(void **state)
{
	struct front_start limits = rig_limits();
	struct rig rig;

	(void)state;
	limits.request_bytes_max = 1000;
	rig_init(&rig, &limits);
	client_connect(&client, &rig);
	expect_too_long(INFERENCE "ModelInfer", 1001, "above max-request-size, which is 1000 bytes",
			METRICS_LIMIT_REQUEST_SIZE);
	expect_too_long(INFERENCE "RepositoryModelLoad", 2 << 20,
			"above what a model of max-model-size takes", METRICS_LIMIT_MODEL_SIZE);
	expect_too_long(INFERENCE "ServerLive", 65537, "above what such a request takes",
			METRICS_LIMIT_MAX);
	client_close(&client);
	rig_done(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TSK_TEST(test_the_server),
		TSK_TEST(test_models),
		TSK_TEST(test_a_model_comes_and_goes),
		TSK_TEST(test_a_load_that_nobody_waits_for),
		TSK_TEST(test_shared_memory_and_settings),
		TSK_TEST(test_health),
		TSK_TEST(test_reflection),
		TSK_TEST(test_reflection_without_a_question),
		TSK_TEST(test_no_message_is_longer_than_can_be_said),
		TSK_TEST(test_a_message_that_is_too_long),
	};

	return cmocka_run_group_tests(tests, rig_warm_up, NULL);
}
