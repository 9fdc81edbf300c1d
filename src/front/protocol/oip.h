/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One inference of the Open Inference Protocol, version 2, with Triton's extensions
 * (docs/oip.md): what JSON (oip_json.h) and protobuf (oip_pb.h) have in common, and what
 * front/oip_call.h runs.  Plain records; strings lie in what the mapping has parsed, which `own`
 * keeps, and are not terminated.
 */
#ifndef PROTOCOL_OIP_H
#define PROTOCOL_OIP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <tensock/types.h>

#include "base/cleanup.h"
#include "tensor/model_info.h"
#include "wire/infer.h"

#define OIP_TENSORS_MAX WIRE_TENSORS_MAX /* inputs, and wanted outputs */
#define OIP_ID_MAX 1024u                 /* bytes of a request's id */
#define OIP_REGION_NAME_MAX 255u
#define OIP_KEY_MAX 1024u /* bytes of a parameter's key */

/* Part of a shared-memory region that the guest has registered. */
struct oip_region {
	struct wire_string name; /* len 0: none */
	uint64_t offset, bytes;
};

enum oip_source {
	OIP_BINARY, /* bytes behind the JSON; an entry of raw_input_contents */
	OIP_VALUES, /* JSON data; typed contents: the mapping makes bytes of them */
	OIP_REGION, /* bytes of input->region */
};

struct oip_input {
	/*
	 * name (never empty), index WIRE_INDEX_NONE, dtype, rank, dims.  bytes: as dtype and dims say;
	 * of BYTES what is there, or will be.  offset: whoever lays the payload out sets it.
	 */
	struct wire_tensor tensor;
	enum oip_source source;
	struct oip_region region;
	const void *values; /* the mapping's own */
};

struct oip_output {
	struct wire_string name;
	uint32_t classes;         /* as BYTES "value:index", the largest ones first; 0: as it is */
	bool is_binary;           /* HTTP: behind the JSON; gRPC: always */
	struct oip_region region; /* where it is to be put; its bytes then are not in the answer */
};

struct oip_infer {
	struct wire_string id;
	uint64_t timeout_us; /* parameter "timeout"; 0: none */
	bool is_binary;      /* outputs that are not named one by one are binary */
	uint32_t n_inputs, n_outputs;
	struct oip_input *inputs;
	struct oip_output *outputs; /* n_outputs 0: all of the model's */
	void *own;                  /* what all this lies in: for free_own() */
	void (*free_own)(void *own);
};

/* What a run is told of one by one: its inputs, and outputs in regions as far as there is room for them. */
static inline uint32_t oip_infer_described(const struct oip_infer *infer)
{
	uint32_t n = infer->n_inputs;

	for (uint32_t i = 0; i < infer->n_outputs && n < OIP_TENSORS_MAX; i++)
		n += infer->outputs[i].region.name.len != 0;
	return n;
}

/* Frees what it holds, and zeroes it.  Also of one that is zero. */
static inline void oip_infer_done(struct oip_infer *infer)
{
	if (infer->free_own)
		infer->free_own(infer->own);
	*infer = (struct oip_infer){ 0 };
}

/* An output as it is answered. */
struct oip_result {
	struct wire_string name;
	uint32_t dtype, rank;
	int64_t dims[TENSOCK_RANK_MAX];
	uint64_t bytes;
	/*
	 * bytes of it.  Where the worker wrote it, that it may still write: look at each byte once.
	 * NULL where the output has gone into a region.
	 */
	const void *data;
	bool is_binary;
	struct oip_region region; /* that it has gone into */
};

struct oip_answer {
	/* The model as it was asked for; terminated. */
	const char *model, *version;
	struct wire_string id;
	uint32_t n_results;
	const struct oip_result *results;
};

/* What became of the requests to a model since its front started, whatever protocol they came by. */
struct oip_duration {
	uint64_t count, ns;
};

struct oip_stats {
	uint64_t last_ms; /* of the wall clock: when the last one began; 0: none yet */
	struct oip_duration success, fail, queue, input, infer, output;
};

/*
 * ---- What both mappings check, in the same way and the same words (oip.c)
 *
 * INVALID_ARGUMENT where nothing else is said.
 */

/* For "%.*s": as much of a peer's string as a sentence has room for. */
#define OIP_SAID(string) (string).len < 80 ? (int)(string).len : 80, (string).bytes

/* n bytes of the peer's as a string: at most max (65535 at most) of them, none of them 0.  what: "id". */
int oip_string(const void *bytes, size_t n, size_t max, const char *what, struct wire_string *ret,
	       struct tensock_error *reterr) _nodiscard_;

/* By its name in the protocol, "FP32", or ours in its style.  TENSOCK_DTYPE_INVALID: it is none. */
uint32_t oip_dtype(struct wire_string name);

/*
 * The type and shape of an input whose name is set; its bytes, too, but of BYTES.  TOO_LARGE for more
 * than 64 bits can count.
 */
int oip_input_set_shape(struct oip_input *input, struct wire_string datatype, const int64_t *dims,
			size_t rank, struct tensock_error *reterr) _nodiscard_;

/* So many bytes are there for it (its region's, where it has one): whether they go with type and shape. */
int oip_input_set_bytes(struct oip_input *input, uint64_t bytes, struct tensock_error *reterr)
	_nodiscard_;

/* What a parameter holds, in JSON or protobuf. */
enum oip_parameter_kind {
	OIP_PARAMETER_NONE, /* null, an object ... */
	OIP_PARAMETER_BOOL,
	OIP_PARAMETER_INT,
	OIP_PARAMETER_UINT, /* JSON: an integer above INT64_MAX */
	OIP_PARAMETER_STRING,
	OIP_PARAMETER_OTHER, /* what only a model's own may be: a double, any other string */
};

struct oip_parameter {
	struct wire_string key;
	enum oip_parameter_kind kind;
	union {
		bool truth;
		int64_t i;
		uint64_t u;
		struct wire_string string;
	};
};

/* A string; one that is longer than wire_string, or has a zero byte, is OIP_PARAMETER_OTHER. */
void oip_parameter_set_string(struct oip_parameter *parameter, const void *bytes, size_t n);

/*
 * A parameter of the request.  UNSUPPORTED for what says that it is one of a sequence.  Others that
 * this host does not know are models' own, and pass; so does priority.
 */
int oip_infer_parameter(struct oip_infer *infer, const struct oip_parameter *parameter,
			struct tensock_error *reterr) _nodiscard_;

/* What the parameters of an input or output say; begins as zero. */
struct oip_tensor_parameters {
	struct oip_region region;
	uint32_t classes;
	bool has_offset, has_bytes;      /* of the region */
	bool has_binary_data, is_binary; /* "binary_data" */
};

/* One of them.  "binary_data_size", which only an input behind JSON has, passes. */
int oip_tensor_parameter(struct wire_string tensor, const struct oip_parameter *parameter,
			 struct oip_tensor_parameters *parameters, struct tensock_error *reterr)
	_nodiscard_;

/* All have been looked at: whether they go together. */
int oip_tensor_parameters_end(struct wire_string tensor,
			      const struct oip_tensor_parameters *parameters,
			      struct tensock_error *reterr) _nodiscard_;

/*
 * ---- How both tell of a model
 */

/* What is told of a model; strings terminated. */
struct oip_model_view {
	const char *name, *version;
	const char *const *versions;       /* all of that name, ended by NULL */
	const struct tsk_model_info *info; /* of metadata and configuration; else it may be NULL */
	const struct oip_stats *stats;
	const char *state, *reason; /* "READY", "UNAVAILABLE", "LOADING" */
	uint64_t memory;
};

/* "onnxruntime": its engine, without the version.  Lies in info. */
struct wire_string oip_backend(const struct tsk_model_info *info);

/* "onnxruntime_onnx": backend and format; terminated. */
#define OIP_PLATFORM_BYTES (2 * TSK_TENSOR_NAME_MAX + 2)
void oip_platform(const struct tsk_model_info *info, char ret[OIP_PLATFORM_BYTES]);

/*
 * An element type as a model's configuration has it: the number, and in *ret_name (may be NULL)
 * "TYPE_FP32".  Of those that it has none for 0, "TYPE_INVALID".
 */
uint32_t oip_config_type(uint32_t dtype, const char **ret_name);

/*
 * The key of a parameter of RepositoryModelLoad: true for "file:1/model.onnx", *ret_version is what
 * stands before the slash, or of length 0.
 */
bool oip_file_key(struct wire_string key, struct wire_string *ret_version);

/* A registered region, as it is told of.  Strings terminated. */
struct oip_region_view {
	const char *name, *key;
	uint64_t offset, bytes;
};

/*
 * Tracing and the log, as clients of Triton ask for them: nothing is traced, and a guest changes nothing
 * of the host's log.
 */
enum oip_setting_kind {
	OIP_SETTING_STRING,
	OIP_SETTING_BOOL,
	OIP_SETTING_NUMBER,
};

struct oip_setting {
	const char *key;
	enum oip_setting_kind kind;
	const char *string; /* of tracing all are strings */
	uint32_t number;    /* also of a bool */
};

#define OIP_TRACE_SETTINGS 5u
#define OIP_LOG_SETTINGS 6u
extern const struct oip_setting oip_trace_settings[OIP_TRACE_SETTINGS];
extern const struct oip_setting oip_log_settings[OIP_LOG_SETTINGS];

#endif
