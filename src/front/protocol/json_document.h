/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A JSON text as its values, and what is asked of them.  The text is hostile: it must be all of it one
 * value of RFC 8259, in UTF-8; beside that only NaN and Infinity, which Python writes and Triton reads,
 * in any case of letters.  Integers are exact.  What fits neither an integer of 64 bits nor a finite
 * double, NaN and Infinity among it, is a raw value: json_raw_number().
 */
#ifndef PROTOCOL_JSON_DOCUMENT_H
#define PROTOCOL_JSON_DOCUMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <yyjson.h>

#include <tensock/types.h>

#include "base/cleanup.h"
#include "wire/frame.h"

struct json_document {
	yyjson_val *root;
	void *memory;
};

/* The memory that reading it touches, at most; where it is read in place, beside the text. */
uint64_t json_document_memory(const char *text, size_t n);
uint64_t json_document_memory_in_place(const char *text, size_t n);

/* INVALID_ARGUMENT, OUT_OF_MEMORY.  text may go afterwards. */
int json_document_read(const char *text, size_t n, struct json_document *ret,
		       struct tensock_error *reterr) _nodiscard_;

#define JSON_PADDING 4u /* bytes */

/*
 * The same without a copy: strings are unescaped in the text itself, which must outlive the document, and have
 * JSON_PADDING bytes of room behind it.  Its memory is this process's alone: what has been checked is not
 * read again elsewhere.
 */
int json_document_read_in_place(char *text, size_t n, struct json_document *ret,
				struct tensock_error *reterr) _nodiscard_;

void json_document_done(struct json_document *document);

/* A raw value's number: false where a double cannot hold it, as 1e999. */
bool json_raw_number(yyjson_val *value, double *ret);

/*
 * In all that follows, `what` is what errors call the value; NULL is one that is missing; a failure is
 * INVALID_ARGUMENT.
 */

struct json_field {
	const char *key;
	yyjson_val **ret; /* NULL where it is missing, or null */
};

/* The fields that are known; others are passed over.  A known one that is there twice is refused. */
int json_get_fields(yyjson_val *value, const char *what, const struct json_field *fields, size_t n,
		    struct tensock_error *reterr) _nodiscard_;

bool json_key_equals(yyjson_val *key, const char *text);

/* In the document: as of oip_string(). */
int json_get_string(yyjson_val *value, const char *what, size_t max, struct wire_string *ret,
		    struct tensock_error *reterr) _nodiscard_;
int json_get_uint(yyjson_val *value, const char *what, uint64_t *ret, struct tensock_error *reterr)
	_nodiscard_;
int json_get_bool(yyjson_val *value, const char *what, bool *ret, struct tensock_error *reterr)
	_nodiscard_;
/* TOO_LARGE above max. */
int json_get_array(yyjson_val *value, const char *what, size_t max, struct tensock_error *reterr)
	_nodiscard_;

#endif
