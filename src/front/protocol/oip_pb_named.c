/* SPDX-License-Identifier: Apache-2.0 */
#include "front/protocol/oip_pb.h"

#include <stdlib.h>
#include <string.h>

#include "front/protocol/oip_pb_read.h"

#define INFERENCE "/inference.GRPCInferenceService/"
#define HEALTH "/grpc.health.v1.Health/"

/* A request: its message, and the numbers of the fields that are looked at; 0: it has none. */
static const struct request {
	const char *path, *message;
	uint32_t name, version, repository, ready, load, settings, key, offset, byte_size;
} requests[OIP_PB_METHODS] = {
	[OIP_PB_SERVER_LIVE] = { INFERENCE "ServerLive", "ServerLiveRequest" },
	[OIP_PB_SERVER_READY] = { INFERENCE "ServerReady", "ServerReadyRequest" },
	[OIP_PB_MODEL_READY] = { INFERENCE "ModelReady", "ModelReadyRequest", .name = 1,
				 .version = 2 },
	[OIP_PB_SERVER_METADATA] = { INFERENCE "ServerMetadata", "ServerMetadataRequest" },
	[OIP_PB_MODEL_METADATA] = { INFERENCE "ModelMetadata", "ModelMetadataRequest", .name = 1,
				    .version = 2 },
	[OIP_PB_MODEL_INFER] = { INFERENCE "ModelInfer", "ModelInferRequest" },
	[OIP_PB_MODEL_STREAM_INFER] = { INFERENCE "ModelStreamInfer", "ModelInferRequest" },
	[OIP_PB_MODEL_CONFIG] = { INFERENCE "ModelConfig", "ModelConfigRequest", .name = 1,
				  .version = 2 },
	[OIP_PB_MODEL_STATISTICS] = { INFERENCE "ModelStatistics", "ModelStatisticsRequest",
				      .name = 1, .version = 2 },
	[OIP_PB_REPOSITORY_INDEX] = { INFERENCE "RepositoryIndex", "RepositoryIndexRequest",
				      .repository = 1, .ready = 2 },
	[OIP_PB_REPOSITORY_LOAD] = { INFERENCE "RepositoryModelLoad", "RepositoryModelLoadRequest",
				     .repository = 1, .name = 2, .load = 3 },
	[OIP_PB_REPOSITORY_UNLOAD] = { INFERENCE "RepositoryModelUnload",
				       "RepositoryModelUnloadRequest", .repository = 1, .name = 2 },
	[OIP_PB_SYSTEM_SHM_STATUS] = { INFERENCE "SystemSharedMemoryStatus",
				       "SystemSharedMemoryStatusRequest", .name = 1 },
	[OIP_PB_SYSTEM_SHM_REGISTER] = { INFERENCE "SystemSharedMemoryRegister",
					 "SystemSharedMemoryRegisterRequest", .name = 1, .key = 2,
					 .offset = 3, .byte_size = 4 },
	[OIP_PB_SYSTEM_SHM_UNREGISTER] = { INFERENCE "SystemSharedMemoryUnregister",
					   "SystemSharedMemoryUnregisterRequest", .name = 1 },
	[OIP_PB_CUDA_SHM_STATUS] = { INFERENCE "CudaSharedMemoryStatus",
				     "CudaSharedMemoryStatusRequest", .name = 1 },
	[OIP_PB_CUDA_SHM_REGISTER] = { INFERENCE "CudaSharedMemoryRegister",
				       "CudaSharedMemoryRegisterRequest", .name = 1 },
	[OIP_PB_CUDA_SHM_UNREGISTER] = { INFERENCE "CudaSharedMemoryUnregister",
					 "CudaSharedMemoryUnregisterRequest", .name = 1 },
	[OIP_PB_TRACE_SETTING] = { INFERENCE "TraceSetting", "TraceSettingRequest", .settings = 1,
				   .name = 2 },
	[OIP_PB_LOG_SETTINGS] = { INFERENCE "LogSettings", "LogSettingsRequest", .settings = 1 },
	[OIP_PB_HEALTH_CHECK] = { HEALTH "Check", "HealthCheckRequest", .name = 1 },
	[OIP_PB_HEALTH_WATCH] = { HEALTH "Watch", "HealthCheckRequest", .name = 1 },
	[OIP_PB_REFLECTION] = { "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
				"ServerReflectionRequest" },
	[OIP_PB_REFLECTION_ALPHA] = { "/grpc.reflection.v1alpha.ServerReflection/"
				      "ServerReflectionInfo",
				      "ServerReflectionRequest" },
};

int oip_pb_method(const char *path, size_t n)
{
	for (unsigned i = 0; i < OIP_PB_METHODS; i++) {
		if (strlen(requests[i].path) == n && memcmp(path, requests[i].path, n) == 0)
			return (int)i;
	}
	return -1;
}

/*
 * ---- RepositoryModelLoad
 */

/* ModelRepositoryParameter: one of, the last one. */
enum load_choice {
	LOAD_STRING = 3,
	LOAD_BYTES = 4,
};

struct load_parameter {
	struct wire_string key;
	uint32_t choice; /* 0: none */
	const unsigned char *bytes;
	size_t n;
};

static bool read_load_value(struct tsk_reader value, struct load_parameter *ret)
{
	struct proto_field field;

	while (proto_next(&value, &field)) {
		if (field.number > LOAD_BYTES)
			continue;
		ret->choice = field.number;
		if (field.number < LOAD_STRING) {
			(void)proto_is(&value, &field, PROTO_VARINT);
		} else if (proto_is(&value, &field, PROTO_BYTES)) {
			ret->bytes = field.bytes;
			ret->n = field.n_bytes;
		}
	}
	return !value.bad;
}

static int bad_load_value(const struct load_parameter *parameter, const char *expected,
			  struct tensock_error *reterr)
{
	return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT,
			"invalid value type for load parameter '%.*s', expected %s.",
			OIP_SAID(parameter->key), expected);
}

static int take_load_parameter(const struct load_parameter *parameter, struct oip_pb_named *named,
			       struct tensock_error *reterr)
{
	struct wire_string version;

	if (wire_string_equals(parameter->key, "config")) {
		if (parameter->choice != LOAD_STRING)
			return bad_load_value(parameter, "string_param", reterr);
		return oip_string(parameter->bytes, parameter->n, UINT16_MAX,
				  "model's configuration", &named->config, reterr);
	}
	if (!oip_file_key(parameter->key, &version))
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT,
				"unrecognized load parameter '%.*s'.", OIP_SAID(parameter->key));
	if (parameter->choice != LOAD_BYTES)
		return bad_load_value(parameter, "bytes_param", reterr);
	if (named->file)
		return tsk_fail(reterr, TENSOCK_UNSUPPORTED,
				"there are several files: this host takes models of one file");
	named->file = parameter->bytes;
	named->file_bytes = parameter->n;
	named->file_version = version;
	return 0;
}

/* A map's entry: key 1, value 2.  One that is bad makes the message bad. */
static int read_load_parameter(struct tsk_reader *message, const struct proto_field *entry_field,
			       struct oip_pb_named *named, struct tensock_error *reterr)
{
	struct tsk_reader entry = proto_message(message, entry_field);
	struct load_parameter parameter = { .choice = 0 };
	struct proto_field field;
	int err = 0;

	while (err == 0 && proto_next(&entry, &field)) {
		if (field.number == 1)
			err = oip_pb_string(&entry, &field, OIP_KEY_MAX, "key of a parameter",
					    &parameter.key, reterr);
		else if (field.number == 2)
			entry.bad |= !read_load_value(proto_message(&entry, &field), &parameter);
	}
	if (err < 0)
		return err;
	if (entry.bad) {
		message->bad = true;
		return 0;
	}
	return take_load_parameter(&parameter, named, reterr);
}

/*
 * ---- All of them
 */

static int read_repository(struct tsk_reader *message, const struct proto_field *field,
			   struct tensock_error *reterr)
{
	if (!proto_is(message, field, PROTO_BYTES) || !field->n_bytes)
		return 0;
	return tsk_fail(reterr, TENSOCK_UNSUPPORTED,
			"'repository_name' specification is not supported");
}

static int read_field(const struct request *request, struct tsk_reader *message,
		      const struct proto_field *field, struct oip_pb_named *named,
		      struct tensock_error *reterr)
{
	uint32_t number = field->number;

	if (number == request->name)
		return oip_pb_string(message, field, UINT16_MAX, "name", &named->name, reterr);
	if (number == request->version)
		return oip_pb_string(message, field, UINT16_MAX, "version", &named->version,
				     reterr);
	if (number == request->repository)
		return read_repository(message, field, reterr);
	if (number == request->load)
		return read_load_parameter(message, field, named, reterr);
	if (number == request->key)
		return oip_pb_string(message, field, UINT16_MAX, "key", &named->key, reterr);
	if (number == request->ready)
		named->is_ready = proto_int(message, field) != 0;
	if (number == request->settings)
		named->has_settings = proto_is(message, field, PROTO_BYTES);
	if (number == request->offset)
		named->offset = (uint64_t)proto_int(message, field);
	if (number == request->byte_size)
		named->byte_size = (uint64_t)proto_int(message, field);
	return 0;
}

int oip_pb_named_read(enum oip_pb_method method, const unsigned char *bytes, size_t n,
		      struct oip_pb_named *ret, struct tensock_error *reterr)
{
	const struct request *request = &requests[method];
	_cleanup_free_ void *own = malloc(n ? n : 1);
	struct oip_pb_named named = { .is_ready = false };
	struct tsk_reader message;
	struct proto_field field;
	int err = 0;

	if (!own)
		return tsk_fail(reterr, TENSOCK_OUT_OF_MEMORY,
				"no memory for the request's %zu bytes", n);
	if (n)
		memcpy(own, bytes, n);
	message = tsk_reader(own, n);
	while (err == 0 && proto_next(&message, &field))
		err = read_field(request, &message, &field, &named, reterr);
	if (err < 0)
		return err;
	if (message.bad)
		return oip_pb_malformed(request->message, reterr);
	named.own = TAKE_PTR(own);
	*ret = named;
	return 0;
}

void oip_pb_named_done(struct oip_pb_named *named)
{
	free(named->own);
	*named = (struct oip_pb_named){ .own = NULL };
}
