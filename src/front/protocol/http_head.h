/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the head of an HTTP/1.1 request says (RFC 9110, 9112), from the pieces that the parser has cut it
 * into.  Pure.  What leaves room for two readings is refused: whoever stands between the client and
 * this host may have read it the other way.
 */
#ifndef PROTOCOL_HTTP_HEAD_H
#define PROTOCOL_HTTP_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <llhttp.h>

#include <tensock/types.h>

#include "base/cleanup.h"
#include "wire/frame.h"

#define HTTP_HEAD_MAX 16384u /* bytes of request line and header fields */
#define HTTP_FIELDS_MAX 100u
#define HTTP_SEGMENTS_MAX 8u

/* A piece of the head: offsets from its first byte. */
struct http_span {
	uint16_t at, len;
};

struct http_field {
	struct http_span name, value;
};

enum http_coding {
	HTTP_IDENTITY,
	HTTP_GZIP,
	HTTP_DEFLATE, /* zlib, or without its frame, as some clients send it */
};

/* Strings lie in the head's bytes. */
struct http_head {
	llhttp_method_t method;
	unsigned minor; /* of HTTP/1 */

	/*
	 * The path, cut at each '/', percent-decoded then: "/v2/models/a%2Fb" has 3, the last one
	 * "a/b".  One '/' at its end is as none.  More than there is room for: n_segments is
	 * HTTP_SEGMENTS_MAX + 1.
	 */
	struct wire_string segments[HTTP_SEGMENTS_MAX];
	unsigned n_segments;
	struct wire_string query; /* as it came */

	bool is_chunked, has_length; /* neither: there is no body */
	uint64_t length;             /* of the body as it is sent */
	enum http_coding coding;     /* of the body */
	bool has_json_bytes;
	uint64_t json_bytes; /* Inference-Header-Content-Length */

	bool keeps_alive;
	bool expects_continue;
	bool takes_gzip, takes_deflate; /* by Accept-Encoding */
	struct wire_string content_type;
	struct wire_string id_field,
		id; /* the name and value of X-Request-Id or Triton-Request-Id */
};

/* As the parser has found them; the fields' values perhaps with white space at their ends. */
struct http_raw_head {
	char *bytes; /* percent signs in the path are decoded in place */
	size_t n;
	struct http_span target;
	struct http_field fields[HTTP_FIELDS_MAX];
	unsigned n_fields;
};

/*
 * parser: has read all of it, llhttp is strict.  -errno, *reterr, and the status to answer: 400, 415,
 * 417, 501, 505.
 */
int http_head_read(const llhttp_t *parser, struct http_raw_head *raw, struct http_head *ret,
		   unsigned *ret_status, struct tensock_error *reterr) _nodiscard_;

/* Whether they are the same, apart from the case of ASCII letters. */
bool http_is_word(struct wire_string string, const char *word);

#endif
