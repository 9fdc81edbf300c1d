/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The JSON of the Open Inference Protocol over HTTP (docs/oip.md): requests read, answers written.
 * Pure.  What comes in is hostile; answers are valid JSON whatever bytes names have.
 *
 * Texts that are written are the caller's, from malloc: n bytes, not terminated.
 */
#ifndef PROTOCOL_OIP_JSON_H
#define PROTOCOL_OIP_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <tensock/types.h>

#include "base/cleanup.h"
#include "front/protocol/json_text.h"
#include "front/protocol/oip.h"
#include "front/protocol/oip_settings.h"
#include "tensor/model_info.h"

struct oip_json {
	char *bytes;
	size_t n;
};

/* The memory that reading the text takes at most, for the guest's account; it is not checked. */
uint64_t oip_json_memory(const char *text, size_t n);

/*
 * The body of POST .../infer, up to the binary data.  Strings of *ret lie in it or in text, which must
 * outlive *ret (oip_infer_done()).  OIP_BINARY inputs have the bytes of "binary_data_size", which fit
 * their types and shapes.  INVALID_ARGUMENT, UNSUPPORTED (named), TOO_LARGE, OUT_OF_MEMORY.
 */
int oip_json_infer_read(const char *text, size_t n, struct oip_infer *ret,
			struct tensock_error *reterr) _nodiscard_;

/* The bytes of an OIP_VALUES input: tensor.bytes of them. */
void oip_json_values_write(const struct oip_input *input, void *to);

/* The memory that an answer takes at most: a float of four bytes may become twenty characters. */
uint64_t oip_json_answer_memory(const struct oip_answer *answer);

/*
 * The answer to it, as it is written; binary results (is_binary, not in a region) get "binary_data_size", and
 * stand behind the JSON.  What it points to must stay until it is done.
 */
struct oip_json_answer {
	struct oip_answer answer;

	/* Its own. */
	struct json_text text;
	uint32_t next;      /* the result that is written */
	bool is_within;     /* its "data" */
	uint64_t at, elems; /* bytes of it that have been; elements that are left */
};

void oip_json_answer_begin(struct oip_json_answer *w, const struct oip_answer *answer);

/*
 * Writes on, for about max bytes (from 1) of results, but an element of BYTES whole.  1: there is more; 0:
 * *ret is all of it.  UNSUPPORTED for a type that JSON cannot carry (FP16, BF16 ...), OUT_OF_MEMORY.
 */
int oip_json_answer_write(struct oip_json_answer *w, size_t max, struct oip_json *ret,
			  struct tensock_error *reterr) _nodiscard_;

/* Always, also of one that is zero. */
void oip_json_answer_done(struct oip_json_answer *w);

/* The following fail with -ENOMEM only. */

int oip_json_error(const char *message, struct oip_json *ret) _nodiscard_;

/* GET /v2, of extensions (terminated by NULL). */
int oip_json_server(const char *name, const char *version, const char *const *extensions,
		    struct oip_json *ret) _nodiscard_;

int oip_json_model_metadata(const struct oip_model_view *model, struct oip_json *ret) _nodiscard_;
int oip_json_model_config(const struct oip_model_view *model, struct oip_json *ret) _nodiscard_;
int oip_json_model_ready(const struct oip_model_view *model, bool is_ready, struct oip_json *ret)
	_nodiscard_;
int oip_json_stats(const struct oip_model_view *models, size_t n, struct oip_json *ret) _nodiscard_;
int oip_json_index(const struct oip_model_view *models, size_t n, struct oip_json *ret) _nodiscard_;

/* POST /v2/repository/index; an empty body is none. */
int oip_json_index_read(const char *text, size_t n, bool *ret_ready, struct tensock_error *reterr)
	_nodiscard_;

/*
 * POST /v2/repository/models/M/load and unload.  The text is read in place, so that a model in base64 is not
 * there twice: its memory is this process's alone, OIP_JSON_PADDING bytes longer than the text, and outlives
 * *ret.
 */
#define OIP_JSON_PADDING 4u
struct oip_json_load {
	bool has_file;
	struct wire_string version; /* of the file: that of "file:1/model.onnx"; or len 0 */
	uint64_t file_bytes;        /* decoded */
	struct wire_string config;  /* len 0: none; not checked (oip_config.h) */
	void *own;
};

/* What reading it takes at most, beside the text. */
uint64_t oip_json_load_memory(const char *text, size_t n);
int oip_json_load_read(char *text, size_t n, struct oip_json_load *ret,
		       struct tensock_error *reterr) _nodiscard_;
void oip_json_load_file(const struct oip_json_load *load, void *to); /* file_bytes of them */
void oip_json_load_done(struct oip_json_load *load);

/*
 * POST .../trace/setting and /v2/logging; an empty body asks for no change: whether what is to be set
 * holds already, by oip_setting_check().  INVALID_ARGUMENT, OUT_OF_MEMORY.
 */
int oip_json_settings_check(const char *text, size_t n, const struct oip_settings *settings,
			    struct tensock_error *reterr) _nodiscard_;
/* All of them.  -ENOMEM. */
int oip_json_settings(const struct oip_settings *settings, struct oip_json *ret) _nodiscard_;

#endif
