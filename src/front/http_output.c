/* SPDX-License-Identifier: Apache-2.0 */
#include "front/http_output.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <zlib.h>

/* windowBits as deflateInit2() takes them. */
#define BITS_GZIP (16 + MAX_WBITS)
#define BITS_ZLIB MAX_WBITS
#define MEMORY_LEVEL 8

void http_output_init(struct http_output *output, struct buffer_pool *buffers)
{
	*output = (struct http_output){ .buffers = buffers };
	output->pieces = output->inline_pieces;
}

/* All has been sent, or will never be. */
static void clear(struct http_output *o)
{
	free(TAKE_PTR(o->json.bytes));
	o->json.n = 0;
	buffer_pool_put(o->buffers, TAKE_PTR(o->buffer));
	if (o->pieces != o->inline_pieces)
		free(o->pieces);
	o->pieces = o->inline_pieces;
	o->n_pieces = o->piece = 0;
	o->done = o->n_head = 0;
}

void http_output_done(struct http_output *output)
{
	if (output->pieces)
		clear(output);
}

/*
 * ---- Heads
 */

static const char *reason_of(unsigned status)
{
	static const struct {
		unsigned status;
		const char *reason;
	} rows[] = {
		{ 200, "OK" },
		{ 400, "Bad Request" },
		{ 403, "Forbidden" },
		{ 404, "Not Found" },
		{ 405, "Method Not Allowed" },
		{ 408, "Request Timeout" },
		{ 411, "Length Required" },
		{ 413, "Content Too Large" },
		{ 414, "URI Too Long" },
		{ 415, "Unsupported Media Type" },
		{ 417, "Expectation Failed" },
		{ 429, "Too Many Requests" },
		{ 431, "Request Header Fields Too Large" },
		{ 499, "Client Closed Request" },
		{ 500, "Internal Server Error" },
		{ 501, "Not Implemented" },
		{ 503, "Service Unavailable" },
		{ 504, "Gateway Timeout" },
		{ 505, "HTTP Version Not Supported" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (rows[i].status == status)
			return rows[i].reason;
	}
	return "Error";
}

_printf_(2, 3) static void say(struct http_output *o, const char *fmt, ...)
{
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(o->head + o->n_head, sizeof(o->head) - o->n_head, fmt, args);
	va_end(args);
	/* All that is said is bounded, and the room is not half full then. */
	assert(n >= 0 && (size_t)n < sizeof(o->head) - o->n_head);
	o->n_head += (size_t)n;
}

static void write_head(struct http_output *o, const struct http_answer *answer, uint64_t n_body,
		       bool is_binary, const char *coding)
{
	const struct http_head *to = answer->to;

	say(o, "HTTP/1.1 %u %s\r\n", answer->status, reason_of(answer->status));
	if (o->json.n)
		say(o, "Content-Type: application/%s\r\n", is_binary ? "octet-stream" : "json");
	if (is_binary)
		say(o, "Inference-Header-Content-Length: %zu\r\n", o->json.n);
	if (coding)
		say(o, "Content-Encoding: %s\r\nVary: Accept-Encoding\r\n", coding);
	say(o, "Content-Length: %" PRIu64 "\r\n", n_body);
	if (answer->allow)
		say(o, "Allow: %s\r\n", answer->allow);
	if (answer->status == 415)
		say(o, "Accept-Encoding: gzip, deflate\r\n");
	if (to && to->id.len)
		say(o, "%.*s: %.*s\r\n", to->id_field.len, to->id_field.bytes, to->id.len,
		    to->id.bytes);
	if (answer->closes)
		say(o, "Connection: close\r\n");
	else if (to && to->minor == 0)
		say(o, "Connection: keep-alive\r\n");
	say(o, "\r\n");
}

/*
 * ---- Compression
 */

static const char *coding_of(const struct http_head *to, size_t n)
{
	if (!to || n < HTTP_COMPRESS_MIN || n > HTTP_COMPRESS_MAX)
		return NULL;
	if (to->takes_gzip)
		return "gzip";
	return to->takes_deflate ? "deflate" : NULL;
}

/* *json becomes what it compresses to.  False: it stays as it is. */
static bool compress_json(struct oip_json *json, bool is_gzip)
{
	z_stream z = { 0 };
	_cleanup_free_ char *to = NULL;
	size_t room;
	bool is_smaller;

	if (deflateInit2(&z, Z_BEST_SPEED, Z_DEFLATED, is_gzip ? BITS_GZIP : BITS_ZLIB,
			 MEMORY_LEVEL, Z_DEFAULT_STRATEGY) != Z_OK)
		return false;
	room = json->n;
	to = malloc(room);
	z.next_in = (Bytef *)json->bytes;
	z.avail_in = (uInt)json->n;
	z.next_out = (Bytef *)to;
	z.avail_out = (uInt)room;
	is_smaller = to && deflate(&z, Z_FINISH) == Z_STREAM_END;
	deflateEnd(&z);
	if (!is_smaller)
		return false;
	free(json->bytes);
	json->bytes = TAKE_PTR(to);
	json->n = z.total_out;
	return true;
}

/*
 * ---- Answers
 */

static void add_piece(struct http_output *o, const void *bytes, size_t n)
{
	if (!n)
		return;
	o->pieces[o->n_pieces].iov_base = (void *)(uintptr_t)bytes;
	o->pieces[o->n_pieces++].iov_len = n;
}

static bool is_behind(const struct oip_result *result)
{
	return result->is_binary && !result->region.name.len;
}

/* Whether any are binary; *ret_bytes is what they take. */
static bool has_binary(const struct http_answer *answer, uint64_t *ret_bytes)
{
	bool has = false;

	*ret_bytes = 0;
	for (uint32_t i = 0; i < answer->n_results; i++) {
		if (!is_behind(&answer->results[i]))
			continue;
		has = true;
		*ret_bytes += answer->results[i].bytes;
	}
	return has;
}

static int make_pieces(struct http_output *o, uint32_t n_results)
{
	if (n_results + 2 <= HTTP_PIECES_INLINE)
		return 0;
	o->pieces = calloc((size_t)n_results + 2, sizeof(*o->pieces));
	if (o->pieces)
		return 0;
	o->pieces = o->inline_pieces;
	return -ENOMEM;
}

/* "100 Continue" may still be there. */
static void add_head(struct http_output *o)
{
	o->n_pieces = 0;
	add_piece(o, o->head, o->n_head);
}

void http_output_continue(struct http_output *output)
{
	say(output, "HTTP/1.1 100 Continue\r\n\r\n");
	add_head(output);
}

int http_output_answer(struct http_output *output, struct http_answer *answer)
{
	struct http_output *o = output;
	const struct http_head *to = answer->to;
	uint64_t n_binary;
	bool is_binary = has_binary(answer, &n_binary);
	const char *coding;

	o->json = answer->json;
	answer->json = (struct oip_json){ 0 };
	if (make_pieces(o, answer->n_results) < 0) {
		free(TAKE_PTR(o->json.bytes));
		o->json.n = 0;
		return -ENOMEM;
	}
	coding = is_binary || !answer->n_results ? NULL : coding_of(to, o->json.n);
	if (coding && !compress_json(&o->json, coding[0] == 'g'))
		coding = NULL;
	write_head(o, answer, o->json.n + n_binary, is_binary, coding);
	add_head(o);
	if (to && to->method == HTTP_HEAD)
		return 0;
	add_piece(o, o->json.bytes, o->json.n);
	for (uint32_t i = 0; i < answer->n_results; i++) {
		if (is_behind(&answer->results[i]))
			add_piece(o, answer->results[i].data, (size_t)answer->results[i].bytes);
	}
	if (is_binary && answer->buffer)
		o->buffer = TAKE_PTR(*answer->buffer);
	return 0;
}

/*
 * ---- Sending
 */

unsigned http_output_gather(struct http_output *output, struct iovec *iov, unsigned max)
{
	size_t done = output->done;
	unsigned n = 0;

	for (unsigned i = output->piece; i < output->n_pieces && n < max; i++, n++) {
		iov[n].iov_base = (char *)output->pieces[i].iov_base + done;
		iov[n].iov_len = output->pieces[i].iov_len - done;
		done = 0;
	}
	return n;
}

void http_output_sent(struct http_output *output, size_t n)
{
	struct http_output *o = output;

	while (n) {
		size_t left;

		assert(o->piece < o->n_pieces);
		left = o->pieces[o->piece].iov_len - o->done;
		if (n < left) {
			o->done += n;
			return;
		}
		n -= left;
		o->piece++;
		o->done = 0;
	}
	if (o->piece == o->n_pieces)
		clear(o);
}

bool http_output_is_empty(const struct http_output *output)
{
	return output->piece == output->n_pieces;
}
