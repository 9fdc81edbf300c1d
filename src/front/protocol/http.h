/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP/1.1 requests (RFC 9112) out of a stream, one after the other.  Pure: bytes in, events out.
 *
 * One buffer takes heads, and what stands behind them.  A body goes where the caller says: one that
 * is sent with its length and as it is, is received there directly; the others go through the
 * buffer, chunks and compression taken off.
 */
#ifndef PROTOCOL_HTTP_H
#define PROTOCOL_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include <tensock/types.h>

#include "base/cleanup.h"
#include "front/protocol/http_head.h"
#include "front/protocol/http_inflate.h"

/* A head stays until its request has ended; behind it there is room for as much again. */
#define HTTP_BUFFER_BYTES (2u * HTTP_HEAD_MAX)
/* What chunks may bring beside the body: of extensions, beyond 16 bytes a chunk; of trailers. */
#define HTTP_FRAMING_MAX 8192u

#define HTTP_SCATTER_MAX 2u

enum http_event {
	HTTP_MORE,   /* bytes are wanted */
	HTTP_BEGUN,  /* head: a request, whose body follows if it has one */
	HTTP_PLACED, /* `placed` bytes of the body have been placed */
	HTTP_ROOM,   /* there is more body than place: http_place() or http_discard() first */
	HTTP_ENDED,  /* the request is whole.  The next one begins with the next call */
	HTTP_BROKEN, /* the stream cannot be trusted any more: status, error.  For ever */
};

struct http_decoder {
	struct http_head head; /* from BEGUN on, until the call after ENDED */
	size_t placed;
	uint64_t place_left; /* room that is left of what http_place() gave */
	unsigned status;     /* of HTTP, to be answered */
	struct tensock_error error;

	/* Its own. */
	enum {
		HTTP_AT_HEAD,
		HTTP_AT_BODY,
	} at;
	llhttp_t parser;
	struct http_raw_head *raw; /* in one block with the buffer */
	unsigned char *buf;
	size_t floor;      /* bytes of the head that must stay, from the buffer's first on */
	size_t start, end; /* received, and not looked at */
	size_t fed;        /* of them, bytes of a head that the parser has seen */

	uint64_t left;     /* of a body with its length, as it is sent */
	size_t chunk;      /* of such bytes from `start` on that the parser has found to be body */
	uint64_t framing;  /* what chunks have brought beside the body */
	size_t n_trailing; /* the same since the last of it */
	bool has_all_chunks; /* the last one has come, and what follows it */
	bool has_ended;      /* ENDED has been said, and nothing since */

	struct http_inflate inflate;
	unsigned char *plain; /* decompressed, while there is compression */
	size_t plain_at, plain_end;
	bool is_inflating; /* there may be more without any input */

	unsigned char *place;
	size_t direct; /* bytes that went past the buffer since the last event */
	bool discards;
	bool is_broken;
};

int http_decoder_init(struct http_decoder *decoder) _nodiscard_;
void http_decoder_done(struct http_decoder *decoder);

/* Room for the next bytes.  Call http_next() until it wants MORE before. */
size_t http_window(struct http_decoder *decoder, void **ret_buf);

/*
 * The same as up to HTTP_SCATTER_MAX pieces that can be received in one call, the first
 * http_window()'s.  How many.
 */
unsigned http_scatter(struct http_decoder *decoder, struct iovec *iov);

/* n bytes, 1 to http_window(), or to the sum of http_scatter()'s, have been put there. */
void http_received(struct http_decoder *decoder, size_t n);

enum http_event http_next(struct http_decoder *decoder);

/* Where the next n bytes of the body go; what was given before is forgotten. */
void http_place(struct http_decoder *decoder, void *place, uint64_t n);

/* The rest of the body, if any is missing, is not wanted. */
void http_discard(struct http_decoder *decoder);

/* Whether no byte of this request's body has come yet. */
bool http_is_body_awaited(const struct http_decoder *decoder);

/* True where the peer may fall silent: before the first byte of a request. */
bool http_is_between(const struct http_decoder *decoder);

#endif
