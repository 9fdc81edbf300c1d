/* SPDX-License-Identifier: Apache-2.0 */
#include "front/protocol/http.h"

#include <assert.h>
#include <string.h>

#include "base/status.h"

/* A body is received past the buffer where at least so much of it is missing: below, one receive of
 * it and of what follows is cheaper than two. */
#define DIRECT_MIN (HTTP_BUFFER_BYTES / 4)
#define PLAIN_BYTES 16384u
#define CHUNK_FRAMING 16u /* bytes that each chunk has for nothing */

static_assert(HTTP_HEAD_MAX <= UINT16_MAX, "a span holds no more");

/*
 * ---- What the parser finds
 */

static struct http_decoder *decoder_of(const llhttp_t *parser)
{
	return parser->data;
}

/* A span comes in pieces, one behind the other, as its bytes come. */
static void add_piece(const struct http_decoder *d, struct http_span *span, const char *at,
		      size_t n)
{
	size_t offset = (size_t)((const unsigned char *)at - (d->buf + d->start));

	if (!span->len)
		span->at = (uint16_t)offset;
	span->len = (uint16_t)(offset + n - span->at);
}

static int on_url(llhttp_t *parser, const char *at, size_t n)
{
	struct http_decoder *d = decoder_of(parser);

	add_piece(d, &d->raw->target, at, n);
	return 0;
}

static int on_field(llhttp_t *parser, const char *at, size_t n)
{
	struct http_decoder *d = decoder_of(parser);

	/* Trailers are counted, and not read. */
	if (d->at == HTTP_AT_BODY)
		return 0;
	if (d->raw->n_fields == HTTP_FIELDS_MAX)
		return HPE_USER;
	add_piece(d, &d->raw->fields[d->raw->n_fields].name, at, n);
	return 0;
}

static int on_value(llhttp_t *parser, const char *at, size_t n)
{
	struct http_decoder *d = decoder_of(parser);

	if (d->at == HTTP_AT_HEAD)
		add_piece(d, &d->raw->fields[d->raw->n_fields].value, at, n);
	return 0;
}

static int on_value_complete(llhttp_t *parser)
{
	struct http_decoder *d = decoder_of(parser);

	if (d->at == HTTP_AT_HEAD && ++d->raw->n_fields < HTTP_FIELDS_MAX)
		d->raw->fields[d->raw->n_fields] = (struct http_field){ 0 };
	return 0;
}

static int on_pause(llhttp_t *parser)
{
	(void)parser;
	return HPE_PAUSED;
}

static int on_chunk_header(llhttp_t *parser)
{
	struct http_decoder *d = decoder_of(parser);
	uint64_t allowed = parser->content_length / 2;

	allowed = allowed < CHUNK_FRAMING ? CHUNK_FRAMING : allowed;
	d->framing = d->framing > allowed ? d->framing - allowed : 0;
	return 0;
}

static int on_body(llhttp_t *parser, const char *at, size_t n)
{
	struct http_decoder *d = decoder_of(parser);

	(void)at; /* that it ends where the parser stops */
	d->chunk = n;
	return HPE_PAUSED;
}

static int on_complete(llhttp_t *parser)
{
	decoder_of(parser)->has_all_chunks = true;
	return HPE_PAUSED;
}

static const llhttp_settings_t settings = {
	.on_url = on_url,
	.on_header_field = on_field,
	.on_header_value = on_value,
	.on_header_value_complete = on_value_complete,
	.on_headers_complete = on_pause,
	.on_chunk_header = on_chunk_header,
	.on_body = on_body,
	.on_message_complete = on_complete,
};

/*
 * ---- Its life
 */

static void begin_head(struct http_decoder *d)
{
	llhttp_init(&d->parser, HTTP_REQUEST, &settings);
	d->parser.data = d;
	d->at = HTTP_AT_HEAD;
	d->raw->target = (struct http_span){ 0 };
	d->raw->n_fields = 0;
	d->raw->fields[0] = (struct http_field){ 0 };
	d->floor = d->fed = 0;
	d->has_ended = false;
	d->place = NULL;
	d->place_left = 0;
	d->discards = false;
	if (d->start == d->end)
		d->start = d->end = 0;
}

int http_decoder_init(struct http_decoder *decoder)
{
	*decoder = (struct http_decoder){
		.raw = malloc(sizeof(*decoder->raw) + HTTP_BUFFER_BYTES),
	};
	if (!decoder->raw)
		return -ENOMEM;
	decoder->buf = (unsigned char *)(decoder->raw + 1);
	begin_head(decoder);
	return 0;
}

static void end_coding(struct http_decoder *d)
{
	http_inflate_done(&d->inflate);
	free(TAKE_PTR(d->plain));
	d->plain_at = d->plain_end = 0;
	d->is_inflating = false;
}

void http_decoder_done(struct http_decoder *decoder)
{
	end_coding(decoder);
	free(TAKE_PTR(decoder->raw));
}

/*
 * ---- Bytes come
 */

static size_t buffered(const struct http_decoder *d)
{
	return d->end - d->start;
}

static bool is_as_sent(const struct http_decoder *d)
{
	return !d->head.is_chunked && d->head.coding == HTTP_IDENTITY;
}

/* Bytes of the body that can be received past the buffer. */
static uint64_t direct_room(const struct http_decoder *d)
{
	uint64_t room = d->left < d->place_left ? d->left : d->place_left;

	if (d->at != HTTP_AT_BODY || !d->place || !is_as_sent(d) || buffered(d) ||
	    room < DIRECT_MIN)
		return 0;
	return room < SIZE_MAX ? room : SIZE_MAX;
}

static void make_room(struct http_decoder *d)
{
	if (d->start == d->floor)
		return;
	memmove(d->buf + d->floor, d->buf + d->start, buffered(d));
	d->end -= d->start - d->floor;
	d->start = d->floor;
}

size_t http_window(struct http_decoder *decoder, void **ret_buf)
{
	struct http_decoder *d = decoder;
	uint64_t direct = direct_room(d);

	if (d->is_broken)
		return 0;
	if (direct) {
		*ret_buf = d->place;
		return (size_t)direct;
	}
	make_room(d);
	*ret_buf = d->buf + d->end;
	return HTTP_BUFFER_BYTES - d->end;
}

unsigned http_scatter(struct http_decoder *decoder, struct iovec *iov)
{
	struct http_decoder *d = decoder;

	iov[0].iov_len = http_window(d, &iov[0].iov_base);
	if (!iov[0].iov_len || !direct_room(d))
		return iov[0].iov_len > 0;
	make_room(d);
	iov[1].iov_base = d->buf + d->end;
	iov[1].iov_len = HTTP_BUFFER_BYTES - d->end;
	return 2;
}

void http_received(struct http_decoder *decoder, size_t n)
{
	struct http_decoder *d = decoder;
	uint64_t direct = direct_room(d);

	if (direct > n)
		direct = n;
	if (direct) {
		d->place += direct;
		d->place_left -= direct;
		d->left -= direct;
		d->direct += direct;
	}
	assert(n - direct <= HTTP_BUFFER_BYTES - d->end);
	d->end += n - direct;
}

void http_place(struct http_decoder *decoder, void *place, uint64_t n)
{
	decoder->place = place;
	decoder->place_left = n;
}

void http_discard(struct http_decoder *decoder)
{
	/* That of the next request is another's. */
	if (decoder->at != HTTP_AT_BODY)
		return;
	decoder->place = NULL;
	decoder->place_left = 0;
	decoder->discards = true;
	end_coding(decoder);
}

/*
 * ---- Heads
 */

static enum http_event broken(struct http_decoder *d, unsigned status, const char *how)
{
	(void)tsk_fail(&d->error, status == 501 ? TENSOCK_UNSUPPORTED : TENSOCK_PROTOCOL, "%s",
		       how);
	d->status = status;
	d->is_broken = true;
	return HTTP_BROKEN;
}

static enum http_event broken_head(struct http_decoder *d, llhttp_errno_t error)
{
	if (error == HPE_USER)
		return broken(d, 431, "more than 100 header fields");
	/* It is found at its first wrong letter. */
	if (error == HPE_INVALID_METHOD && d->buf[d->start] >= 'A' && d->buf[d->start] <= 'Z')
		return broken(d, 501, "no method that this host knows");
	if (error == HPE_INVALID_VERSION)
		return broken(d, strncmp(d->parser.reason, "Invalid HTTP", 12) ? 400 : 505,
			      d->parser.reason);
	if (error == HPE_PAUSED_H2_UPGRADE)
		return broken(d, 505, "HTTP/2 begins a connection, or is not spoken on it");
	return broken(d, 400, d->parser.reason ? d->parser.reason : "a request that is none");
}

static int begin_coding(struct http_decoder *d)
{
	if (d->head.coding == HTTP_IDENTITY)
		return 0;
	d->plain = malloc(PLAIN_BYTES);
	if (d->plain && http_inflate_init(&d->inflate, d->head.coding) == 0)
		return 0;
	(void)broken(d, 503, "no memory to decompress the body");
	d->error.status = TENSOCK_OUT_OF_MEMORY;
	return -ENOMEM;
}

/* The head, of `fed` bytes, is whole. */
static enum http_event end_head(struct http_decoder *d)
{
	struct http_raw_head *raw = d->raw;

	raw->bytes = (char *)d->buf + d->start;
	raw->n = d->fed;
	d->start += d->fed;
	d->floor = d->start;
	d->fed = 0;
	if (http_head_read(&d->parser, raw, &d->head, &d->status, &d->error) < 0) {
		d->is_broken = true;
		return HTTP_BROKEN;
	}
	d->at = HTTP_AT_BODY;
	d->left = d->head.length;
	d->chunk = d->n_trailing = 0;
	d->framing = 0;
	d->has_all_chunks = false;
	/* No other protocol is gone over to. */
	d->parser.upgrade = 0;
	return begin_coding(d) < 0 ? HTTP_BROKEN : HTTP_BEGUN;
}

static enum http_event next_head(struct http_decoder *d)
{
	llhttp_errno_t error;
	const char *from;
	size_t n;

	if (d->has_ended)
		begin_head(d);
	from = (const char *)d->buf + d->start + d->fed;
	n = buffered(d) - d->fed;
	if (n > HTTP_HEAD_MAX - d->fed)
		n = HTTP_HEAD_MAX - d->fed;
	error = n ? llhttp_execute(&d->parser, from, n) : HPE_OK;
	if (error == HPE_PAUSED) {
		d->fed += (size_t)(llhttp_get_error_pos(&d->parser) - from);
		llhttp_resume(&d->parser);
		return end_head(d);
	}
	if (error != HPE_OK)
		return broken_head(d, error);
	d->fed += n;
	if (d->fed < HTTP_HEAD_MAX)
		return HTTP_MORE;
	if (d->raw->n_fields || d->raw->fields[0].name.len)
		return broken(d, 431, "request line and header fields of more than 16384 bytes");
	return broken(d, 414, "a request line of more than 16384 bytes");
}

/*
 * ---- Bodies: as they are sent
 */

/* Looks for the next bytes of the body behind framing.  -EPROTO when it is broken. */
static int next_chunk(struct http_decoder *d)
{
	const char *from = (const char *)d->buf + d->start;
	llhttp_errno_t error;
	size_t n;

	if (d->chunk || d->has_all_chunks || !buffered(d))
		return 0;
	error = llhttp_execute(&d->parser, from, buffered(d));
	n = buffered(d);
	if (error == HPE_PAUSED) {
		n = (size_t)(llhttp_get_error_pos(&d->parser) - from);
		llhttp_resume(&d->parser);
	} else if (error != HPE_OK) {
		(void)broken(d, 400, d->parser.reason ? d->parser.reason : "chunks that are none");
		return -EPROTO;
	}
	assert(d->chunk <= n);
	d->start += n - d->chunk;
	d->framing += n - d->chunk;
	d->n_trailing = d->chunk ? 0 : d->n_trailing + n;
	if (d->framing <= HTTP_FRAMING_MAX && d->n_trailing <= HTTP_FRAMING_MAX)
		return 0;
	(void)broken(d, 400, "chunks with more than 8192 bytes of extensions, or trailers");
	return -EPROTO;
}

/* Bytes of it that stand at `start`. */
static size_t n_sent(const struct http_decoder *d)
{
	if (d->head.is_chunked)
		return d->chunk;
	return d->left < buffered(d) ? (size_t)d->left : buffered(d);
}

static void take_sent(struct http_decoder *d, size_t n)
{
	d->start += n;
	if (d->head.is_chunked)
		d->chunk -= n;
	else
		d->left -= n;
	if (d->start == d->end)
		d->start = d->end = d->floor;
}

static bool is_all_sent(const struct http_decoder *d)
{
	return d->head.is_chunked ? d->has_all_chunks && !d->chunk : !d->left;
}

/*
 * ---- Bodies: as they are meant
 */

/* A body that nobody wants need not be decompressed. */
static bool is_decompressed(const struct http_decoder *d)
{
	return d->head.coding != HTTP_IDENTITY && !d->discards;
}

/* Decompresses what has come into the empty `plain`.  -EPROTO when it is broken. */
static int inflate_some(struct http_decoder *d)
{
	const unsigned char *from = d->buf + d->start;
	size_t n = n_sent(d), left = n, made;

	d->plain_at = d->plain_end = 0;
	if (!n && !d->is_inflating)
		return 0;
	if (d->inflate.is_over) {
		(void)broken(d, 400, "bytes behind the end of the compressed body");
		return -EPROTO;
	}
	if (http_inflate_step(&d->inflate, &from, &left, d->plain, PLAIN_BYTES, &made, &d->error) <
	    0) {
		d->status = 400;
		d->is_broken = true;
		return -EPROTO;
	}
	take_sent(d, n - left);
	d->plain_end = made;
	d->is_inflating = made == PLAIN_BYTES && !d->inflate.is_over;
	return 0;
}

/* The next bytes of the body, *ret_n of them; or none yet.  -EPROTO when it is broken. */
static int find_bytes(struct http_decoder *d, const unsigned char **ret, size_t *ret_n)
{
	if (d->head.is_chunked && next_chunk(d) < 0)
		return -EPROTO;
	if (!is_decompressed(d)) {
		*ret = d->buf + d->start;
		*ret_n = n_sent(d);
		return 0;
	}
	if (d->plain_at == d->plain_end && inflate_some(d) < 0)
		return -EPROTO;
	*ret = d->plain + d->plain_at;
	*ret_n = d->plain_end - d->plain_at;
	return 0;
}

static void take_bytes(struct http_decoder *d, size_t n)
{
	if (is_decompressed(d))
		d->plain_at += n;
	else
		take_sent(d, n);
}

static enum http_event end_body(struct http_decoder *d)
{
	if (is_decompressed(d) && !d->inflate.is_over)
		return broken(d, 400, "the compressed body is cut off");
	end_coding(d);
	/* The head stays until the next call, whatever comes behind it. */
	d->at = HTTP_AT_HEAD;
	d->has_ended = true;
	return HTTP_ENDED;
}

static enum http_event place_bytes(struct http_decoder *d, const unsigned char *bytes, size_t n)
{
	if (n > d->place_left)
		n = (size_t)d->place_left;
	if (!n)
		return HTTP_ROOM;
	memcpy(d->place, bytes, n);
	d->place += n;
	d->place_left -= n;
	d->placed = n;
	take_bytes(d, n);
	return HTTP_PLACED;
}

/* True while there may be more of it in what has come. */
static bool has_more(const struct http_decoder *d)
{
	if (d->is_inflating)
		return true;
	return d->head.is_chunked ? buffered(d) > 0 : n_sent(d) > 0;
}

static enum http_event next_body(struct http_decoder *d)
{
	const unsigned char *bytes;
	size_t n;

	if (d->direct) {
		d->placed = d->direct;
		d->direct = 0;
		return HTTP_PLACED;
	}
	for (;;) {
		if (find_bytes(d, &bytes, &n) < 0)
			return HTTP_BROKEN;
		if (n && !d->discards)
			return place_bytes(d, bytes, n);
		if (n)
			take_bytes(d, n);
		else if (is_all_sent(d) && !d->is_inflating)
			return end_body(d);
		else if (!has_more(d))
			return HTTP_MORE;
	}
}

enum http_event http_next(struct http_decoder *decoder)
{
	if (decoder->is_broken)
		return HTTP_BROKEN;
	return decoder->at == HTTP_AT_HEAD ? next_head(decoder) : next_body(decoder);
}

bool http_is_body_awaited(const struct http_decoder *decoder)
{
	return decoder->at == HTTP_AT_BODY && !buffered(decoder) &&
	       (decoder->head.is_chunked || decoder->left == decoder->head.length);
}

bool http_is_between(const struct http_decoder *decoder)
{
	return decoder->at == HTTP_AT_HEAD && buffered(decoder) == 0;
}
