/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The protobuf of the Open Inference Protocol over gRPC (docs/oip.md, oip.proto): messages read and
 * written.  Pure.  What comes in is hostile.
 *
 * Messages that are written are the caller's, from malloc.
 */
#ifndef PROTOCOL_OIP_PB_H
#define PROTOCOL_OIP_PB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <tensock/types.h>

#include "base/cleanup.h"
#include "front/protocol/oip.h"
#include "tensor/model_info.h"

struct oip_pb {
	unsigned char *bytes;
	size_t n;
};

/* What reading a message of n bytes takes at most, for the guest's account. */
uint64_t oip_pb_memory(size_t n);

/* An entry of raw_input_contents, wherever it has been put: offset is copied to the input's. */
struct oip_pb_raw {
	uint64_t offset, bytes;
};

/*
 * ModelInferRequest without its raw_input_contents, which are told by raws.  Strings of *ret, *ret_name
 * and *ret_version lie in ret->own.  Each input that is not of a region has either its raw entry, in
 * order (OIP_BINARY), or its contents (OIP_VALUES).  As for oip_json_infer_read().
 */
int oip_pb_infer_read(const unsigned char *bytes, size_t n, const struct oip_pb_raw *raws,
		      uint32_t n_raws, struct oip_infer *ret, struct wire_string *ret_name,
		      struct wire_string *ret_version, struct tensock_error *reterr) _nodiscard_;

void oip_pb_values_write(const struct oip_input *input, void *to);

/*
 * ModelInferResponse up to its raw_output_contents, which the caller puts behind it: one for each
 * result, empty for those in regions.  -ENOMEM.
 */
int oip_pb_answer(const struct oip_answer *answer, struct oip_pb *ret) _nodiscard_;

/* What stands before the bytes of one raw_output_contents: at most OIP_PB_RAW_MAX; how many. */
#define OIP_PB_RAW_MAX 11u
size_t oip_pb_raw_head(uint64_t bytes, unsigned char to[OIP_PB_RAW_MAX]);

/*
 * ModelStreamInferResponse: either error (terminated), of the request with this id, or what stands before
 * an infer_response of n bytes.
 */
int oip_pb_stream_error(const char *error, struct wire_string id, struct oip_pb *ret) _nodiscard_;
size_t oip_pb_stream_head(uint64_t n, unsigned char to[OIP_PB_RAW_MAX]);

/*
 * All other methods: a request's message in, the answer's out.  Requests name a model, or nothing.
 */
struct oip_pb_named {
	struct wire_string name, version; /* in own */
	bool is_ready;                    /* RepositoryIndexRequest.ready */
	bool has_settings;      /* TraceSetting, LogSettings: something is to be set, not asked */
	struct wire_string key; /* SystemSharedMemoryRegister, and these */
	uint64_t offset, byte_size;
	/* RepositoryModelLoad: as of struct oip_json_load; file lies in own. */
	struct wire_string config, file_version;
	const void *file; /* NULL: none */
	uint64_t file_bytes;
	void *own;
};
enum oip_pb_method {
	OIP_PB_SERVER_LIVE,
	OIP_PB_SERVER_READY,
	OIP_PB_MODEL_READY,
	OIP_PB_SERVER_METADATA,
	OIP_PB_MODEL_METADATA,
	OIP_PB_MODEL_INFER,
	OIP_PB_MODEL_STREAM_INFER,
	OIP_PB_MODEL_CONFIG,
	OIP_PB_MODEL_STATISTICS,
	OIP_PB_REPOSITORY_INDEX,
	OIP_PB_REPOSITORY_LOAD,
	OIP_PB_REPOSITORY_UNLOAD,
	OIP_PB_SYSTEM_SHM_STATUS,
	OIP_PB_SYSTEM_SHM_REGISTER,
	OIP_PB_SYSTEM_SHM_UNREGISTER,
	OIP_PB_CUDA_SHM_STATUS,
	OIP_PB_CUDA_SHM_REGISTER,
	OIP_PB_CUDA_SHM_UNREGISTER,
	OIP_PB_TRACE_SETTING,
	OIP_PB_LOG_SETTINGS,
	OIP_PB_HEALTH_CHECK, /* grpc.health.v1.Health/Check */
	OIP_PB_HEALTH_WATCH,
	OIP_PB_REFLECTION,       /* grpc.reflection.v1.ServerReflection/ServerReflectionInfo */
	OIP_PB_REFLECTION_ALPHA, /* grpc.reflection.v1alpha... */
	OIP_PB_METHODS
};

/* By the path of the HTTP/2 request, "/inference.GRPCInferenceService/ServerLive".  -1: none. */
int oip_pb_method(const char *path, size_t n);

int oip_pb_named_read(enum oip_pb_method method, const unsigned char *bytes, size_t n,
		      struct oip_pb_named *ret, struct tensock_error *reterr) _nodiscard_;
void oip_pb_named_done(struct oip_pb_named *named);

/* live of ServerLiveResponse; ready of the others. */
int oip_pb_bool(bool value, struct oip_pb *ret) _nodiscard_;
int oip_pb_server(const char *name, const char *version, const char *const *extensions,
		  struct oip_pb *ret) _nodiscard_;
int oip_pb_model_metadata(const struct oip_model_view *model, struct oip_pb *ret) _nodiscard_;
int oip_pb_model_config(const struct oip_model_view *model, struct oip_pb *ret) _nodiscard_;
int oip_pb_stats(const struct oip_model_view *models, size_t n, struct oip_pb *ret) _nodiscard_;
int oip_pb_index(const struct oip_model_view *models, size_t n, struct oip_pb *ret) _nodiscard_;
int oip_pb_health(bool is_serving, struct oip_pb *ret) _nodiscard_;

/* SystemSharedMemoryStatusResponse; CudaSharedMemoryStatusResponse of n 0 is the same. */
int oip_pb_regions(const struct oip_region_view *regions, size_t n, struct oip_pb *ret) _nodiscard_;

/* TraceSettingResponse or LogSettingsResponse, of the settings that oip.h gives. */
int oip_pb_settings(enum oip_pb_method method, struct oip_pb *ret) _nodiscard_;

/* One ServerReflectionRequest in, the response out: list_services, file_by_filename, file_containing_symbol;
 * of others an error_response.  The descriptors are made from oip.proto when it is built. */
int oip_pb_reflection(const unsigned char *bytes, size_t n, struct oip_pb *ret,
		      struct tensock_error *reterr) _nodiscard_;

#endif
