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
#include <stdint.h>

#include "wire/infer.h"

#define OIP_TENSORS_MAX WIRE_TENSORS_MAX /* inputs, and wanted outputs */
#define OIP_ID_MAX 1024u                 /* bytes of a request's id */
#define OIP_REGION_NAME_MAX 255u

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

#endif
