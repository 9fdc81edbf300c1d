/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "front/protocol/health.pb-c.h"
#include "front/protocol/oip_pb_testing.h"

static void test_method(void **state)
{
	static const char path[] = "/inference.GRPCInferenceService/ModelInfer";

	(void)state;
	assert_int_equal(oip_pb_method(path, sizeof(path) - 1), OIP_PB_MODEL_INFER);
	assert_int_equal(oip_pb_method(path, sizeof(path) - 2), -1);
	assert_int_equal(oip_pb_method(path, sizeof(path)), -1);
	assert_int_equal(oip_pb_method("", 0), -1);
	assert_int_equal(oip_pb_method("/grpc.health.v1.Health/Watch", 28), OIP_PB_HEALTH_WATCH);
	assert_int_equal(
		oip_pb_method("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", 62),
		OIP_PB_REFLECTION_ALPHA);
}

/* The methods of oip.proto, in its order, are those that there are paths for. */
static void test_methods(void **state)
{
	extern const ProtobufCServiceDescriptor inference__grpcinference_service__descriptor;
	const ProtobufCServiceDescriptor *service = &inference__grpcinference_service__descriptor;
	bool seen[OIP_PB_METHODS] = { false };
	char path[256];

	(void)state;
	assert_int_equal(service->n_methods, 20);
	for (unsigned i = 0; i < service->n_methods; i++) {
		int n = snprintf(path, sizeof(path), "/%s/%s", service->name,
				 service->methods[i].name);
		int method = oip_pb_method(path, (size_t)n);

		assert_true(method >= 0 && !seen[method]);
		seen[method] = true;
	}
}

static const char untouched;

/* In it lies what has been read of it. */
static struct oip_pb kept;

static struct oip_pb_named read_ok(enum oip_pb_method method, const void *message)
{
	struct oip_pb_named named;
	struct tensock_error error = { 0 };
	int err;

	kept = packed(message);
	err = oip_pb_named_read(method, kept.bytes, kept.n, &named, &error);
	assert_string_equal(error.message, "");
	assert_int_equal(err, 0);
	return named;
}

static void assert_refused(enum oip_pb_method method, const void *bytes, size_t n,
			   enum tensock_status status, const char *message)
{
	struct oip_pb_named named = { .file = &untouched };
	struct tensock_error error = { 0 };

	assert_true(oip_pb_named_read(method, bytes, n, &named, &error) < 0);
	assert_string_equal(error.message, message);
	assert_int_equal(error.status, status);
	assert_ptr_equal(named.file, &untouched);
}

static void assert_message_refused(enum oip_pb_method method, const void *message,
				   enum tensock_status status, const char *text)
{
	struct oip_pb pb = packed(message);

	assert_refused(method, pb.bytes, pb.n, status, text);
	free_pb(&pb);
}

/*
 * ---- Names
 */

/* Messages of a name, and perhaps a version. */
#define TRY_NAMED(method, message, init, field, ...)                     \
	do {                                                             \
		message request = init;                                  \
		struct oip_pb_named named;                               \
                                                                         \
		request.field = (char *)"densenet";                      \
		__VA_ARGS__;                                             \
		named = read_ok(method, &request);                       \
		assert_true(wire_string_equals(named.name, "densenet")); \
		check_version(&named);                                   \
		free_pb(&kept);                                          \
	} while (0)

static const char *version_expected;

static void check_version(const struct oip_pb_named *named)
{
	assert_true(wire_string_equals(named->version, version_expected));
	assert_false(named->is_ready || named->file);
}

static void test_versioned(void **state)
{
	(void)state;
	version_expected = "2";
	TRY_NAMED(OIP_PB_MODEL_READY, Inference__ModelReadyRequest,
		  INFERENCE__MODEL_READY_REQUEST__INIT, name, request.version = (char *)"2");
	TRY_NAMED(OIP_PB_MODEL_METADATA, Inference__ModelMetadataRequest,
		  INFERENCE__MODEL_METADATA_REQUEST__INIT, name, request.version = (char *)"2");
	TRY_NAMED(OIP_PB_MODEL_CONFIG, Inference__ModelConfigRequest,
		  INFERENCE__MODEL_CONFIG_REQUEST__INIT, name, request.version = (char *)"2");
	TRY_NAMED(OIP_PB_MODEL_STATISTICS, Inference__ModelStatisticsRequest,
		  INFERENCE__MODEL_STATISTICS_REQUEST__INIT, name, request.version = (char *)"2");
}

static void test_not_versioned(void **state)
{
	(void)state;
	version_expected = "";
	TRY_NAMED(OIP_PB_REPOSITORY_LOAD, Inference__RepositoryModelLoadRequest,
		  INFERENCE__REPOSITORY_MODEL_LOAD_REQUEST__INIT, model_name);
	TRY_NAMED(OIP_PB_REPOSITORY_UNLOAD, Inference__RepositoryModelUnloadRequest,
		  INFERENCE__REPOSITORY_MODEL_UNLOAD_REQUEST__INIT, model_name);
	TRY_NAMED(OIP_PB_SYSTEM_SHM_STATUS, Inference__SystemSharedMemoryStatusRequest,
		  INFERENCE__SYSTEM_SHARED_MEMORY_STATUS_REQUEST__INIT, name);
	TRY_NAMED(OIP_PB_SYSTEM_SHM_REGISTER, Inference__SystemSharedMemoryRegisterRequest,
		  INFERENCE__SYSTEM_SHARED_MEMORY_REGISTER_REQUEST__INIT, name,
		  request.key = (char *)"/key", request.byte_size = 64);
	TRY_NAMED(OIP_PB_SYSTEM_SHM_UNREGISTER, Inference__SystemSharedMemoryUnregisterRequest,
		  INFERENCE__SYSTEM_SHARED_MEMORY_UNREGISTER_REQUEST__INIT, name);
	TRY_NAMED(OIP_PB_CUDA_SHM_STATUS, Inference__CudaSharedMemoryStatusRequest,
		  INFERENCE__CUDA_SHARED_MEMORY_STATUS_REQUEST__INIT, name);
	TRY_NAMED(OIP_PB_CUDA_SHM_REGISTER, Inference__CudaSharedMemoryRegisterRequest,
		  INFERENCE__CUDA_SHARED_MEMORY_REGISTER_REQUEST__INIT, name,
		  request.device_id = 1);
	TRY_NAMED(OIP_PB_CUDA_SHM_UNREGISTER, Inference__CudaSharedMemoryUnregisterRequest,
		  INFERENCE__CUDA_SHARED_MEMORY_UNREGISTER_REQUEST__INIT, name);
	TRY_NAMED(OIP_PB_TRACE_SETTING, Inference__TraceSettingRequest,
		  INFERENCE__TRACE_SETTING_REQUEST__INIT, model_name);
	TRY_NAMED(OIP_PB_HEALTH_CHECK, Grpc__Health__V1__HealthCheckRequest,
		  GRPC__HEALTH__V1__HEALTH_CHECK_REQUEST__INIT, service);
}

/* Each method takes an empty message, and none takes one that breaks off. */
static void test_all(void **state)
{
	static const unsigned char cut[] = { 0xa2, 0x06, 0x05 };

	(void)state;
	for (unsigned i = 0; i < OIP_PB_METHODS; i++) {
		struct oip_pb_named named;
		struct tensock_error error = { 0 };

		assert_int_equal(oip_pb_named_read(i, NULL, 0, &named, NULL), 0);
		assert_int_equal(named.name.len + named.version.len + named.config.len, 0);
		assert_null(named.file);
		assert_true(oip_pb_named_read(i, cut, sizeof(cut), &named, &error) < 0);
		assert_non_null(strstr(error.message, "Request: they end within a field"));
	}
}

static void test_index(void **state)
{
	Inference__RepositoryIndexRequest request = INFERENCE__REPOSITORY_INDEX_REQUEST__INIT;
	struct oip_pb_named named;

	(void)state;
	request.ready = true;
	named = read_ok(OIP_PB_REPOSITORY_INDEX, &request);
	assert_true(named.is_ready);
	free_pb(&kept);
	request.repository_name = (char *)"elsewhere";
	assert_message_refused(OIP_PB_REPOSITORY_INDEX, &request, TENSOCK_UNSUPPORTED,
			       "'repository_name' specification is not supported");
}

static void test_register(void **state)
{
	Inference__SystemSharedMemoryRegisterRequest request =
		INFERENCE__SYSTEM_SHARED_MEMORY_REGISTER_REQUEST__INIT;
	struct oip_pb_named named;

	(void)state;
	request.name = (char *)"r";
	request.key = (char *)"/shm";
	request.offset = 4096;
	request.byte_size = UINT64_MAX;
	named = read_ok(OIP_PB_SYSTEM_SHM_REGISTER, &request);
	assert_true(wire_string_equals(named.name, "r"));
	assert_true(wire_string_equals(named.key, "/shm"));
	assert_int_equal(named.offset, 4096);
	assert_true(named.byte_size == UINT64_MAX);
	free_pb(&kept);
}

static void test_bad_strings(void **state)
{
	(void)state;
	assert_refused(OIP_PB_MODEL_READY,
		       "\x0a\x03"
		       "a\0b",
		       5, TENSOCK_INVALID_ARGUMENT, "the name has a zero byte in it");
	assert_refused(OIP_PB_MODEL_READY,
		       "\x12\x03"
		       "a\0b",
		       5, TENSOCK_INVALID_ARGUMENT, "the version has a zero byte in it");
	assert_refused(OIP_PB_MODEL_READY, "\x08\x01", 2, TENSOCK_INVALID_ARGUMENT,
		       "the bytes are no ModelReadyRequest: they end within a field, or a field is "
		       "not of its type");
}

/*
 * ---- Load
 */

/* A load of densenet with up to two parameters. */
struct load {
	Inference__RepositoryModelLoadRequest message;
	Inference__RepositoryModelLoadRequest__ParametersEntry entries[2], *p_entries[2];
	Inference__ModelRepositoryParameter values[2];
};

static void load_init(struct load *load)
{
	inference__repository_model_load_request__init(&load->message);
	load->message.model_name = (char *)"densenet";
	load->message.parameters = load->p_entries;
}

static Inference__ModelRepositoryParameter *
load_add(struct load *load, const char *key,
	 Inference__ModelRepositoryParameter__ParameterChoiceCase choice)
{
	size_t i = load->message.n_parameters++;

	inference__repository_model_load_request__parameters_entry__init(&load->entries[i]);
	inference__model_repository_parameter__init(&load->values[i]);
	load->p_entries[i] = &load->entries[i];
	load->entries[i].key = (char *)key;
	load->entries[i].value = &load->values[i];
	load->values[i].parameter_choice_case = choice;
	return &load->values[i];
}

#define CHOICE(x) INFERENCE__MODEL_REPOSITORY_PARAMETER__PARAMETER_CHOICE_##x

static void test_load(void **state)
{
	static unsigned char model[] = { 8, 0, 0xff, 1 };
	struct load load = { .message.n_parameters = 0 };
	struct oip_pb_named named;

	(void)state;
	load_init(&load);
	load_add(&load, "file:1/model.onnx", CHOICE(BYTES_PARAM))->bytes_param =
		(ProtobufCBinaryData){ sizeof(model), model };
	load_add(&load, "config", CHOICE(STRING_PARAM))->string_param = (char *)"{}";
	named = read_ok(OIP_PB_REPOSITORY_LOAD, &load);
	assert_true(wire_string_equals(named.name, "densenet"));
	assert_true(wire_string_equals(named.config, "{}"));
	assert_true(wire_string_equals(named.file_version, "1"));
	assert_int_equal(named.file_bytes, sizeof(model));
	assert_memory_equal(named.file, model, sizeof(model));
	/* Not copied: a model is large. */
	assert_in_range((uintptr_t)named.file, (uintptr_t)kept.bytes,
			(uintptr_t)kept.bytes + kept.n - sizeof(model));
	free_pb(&kept);
}

static void refuse_load(const char *key,
			Inference__ModelRepositoryParameter__ParameterChoiceCase choice,
			const char *message)
{
	struct load load = { .message.n_parameters = 0 };
	Inference__ModelRepositoryParameter *value;

	load_init(&load);
	value = load_add(&load, key, choice);
	if (choice == CHOICE(STRING_PARAM))
		value->string_param = (char *)"x";
	assert_message_refused(OIP_PB_REPOSITORY_LOAD, &load, TENSOCK_INVALID_ARGUMENT, message);
}

static void test_load_refused(void **state)
{
	struct load load = { .message.n_parameters = 0 };

	(void)state;
	refuse_load("config", CHOICE(BYTES_PARAM),
		    "invalid value type for load parameter 'config', expected string_param.");
	refuse_load("config", CHOICE(_NOT_SET),
		    "invalid value type for load parameter 'config', expected string_param.");
	refuse_load("file:a", CHOICE(STRING_PARAM),
		    "invalid value type for load parameter 'file:a', expected bytes_param.");
	refuse_load("file:a", CHOICE(BOOL_PARAM),
		    "invalid value type for load parameter 'file:a', expected bytes_param.");
	refuse_load("unload_dependents", CHOICE(BOOL_PARAM),
		    "unrecognized load parameter 'unload_dependents'.");
	load_init(&load);
	(void)load_add(&load, "file:1/model.onnx", CHOICE(BYTES_PARAM));
	(void)load_add(&load, "file:1/weights", CHOICE(BYTES_PARAM));
	assert_message_refused(OIP_PB_REPOSITORY_LOAD, &load, TENSOCK_UNSUPPORTED,
			       "there are several files: this host takes models of one file");
}

/* Entries that are not what they should be, by hand. */
static void test_load_malformed(void **state)
{
	static const struct {
		const char *bytes;
		size_t n;
	} rows[] = {
		{ "\x1a\x02\x08\x01", 4 },         /* key as a number */
		{ "\x1a\x02\x10\x01", 4 },         /* value as a number */
		{ "\x18\x01", 2 },                 /* the entry is a number */
		{ "\x1a\x04\x12\x02\x20\x01", 6 }, /* bytes as a number */
		{ "\x1a\x04\x12\x02\x0a\x00", 6 }, /* bool as bytes */
		{ "\x1a\x04\x12\x02\x22\x01", 6 }, /* bytes beyond the end */
		{ "\x1a\x05\x12\x02\x22\x00", 6 }, /* an entry beyond the end */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		assert_refused(
			OIP_PB_REPOSITORY_LOAD, rows[i].bytes, rows[i].n, TENSOCK_INVALID_ARGUMENT,
			"the bytes are no RepositoryModelLoadRequest: they end within a field, "
			"or a field is not of its type");
	assert_refused(OIP_PB_REPOSITORY_LOAD, "\x1a\x00", 2, TENSOCK_INVALID_ARGUMENT,
		       "unrecognized load parameter ''.");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TSK_TEST(test_method),         TSK_TEST(test_methods),  TSK_TEST(test_versioned),
		TSK_TEST(test_not_versioned),  TSK_TEST(test_all),      TSK_TEST(test_index),
		TSK_TEST(test_bad_strings),    TSK_TEST(test_load),     TSK_TEST(test_load_refused),
		TSK_TEST(test_load_malformed), TSK_TEST(test_register),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
