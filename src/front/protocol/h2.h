/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP/2 (RFC 9113) as a server of gRPC has it, on nghttp2.  Pure: bytes in, requests out; answers in,
 * bytes out.
 *
 * Bodies: nghttp2 does not look at what DATA carries.  So where a frame of one brings much to a place
 * that its stream has named, the carrier receives it right there, and no byte is copied; everything
 * else comes through a buffer.  Answers' bytes are not copied either: they are referred to until they
 * have gone.
 *
 * Bounds: the streams at once, bytes of a header block, frames that are no DATA, streams that come to
 * nothing, and the memory of all of it (H2_MEMORY_MAX), which nghttp2 takes from here.  A peer that breaks one,
 * or the rules, has its connection ended by GOAWAY.
 */
#ifndef PROTOCOL_H2_H
#define PROTOCOL_H2_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/cleanup.h"

#define H2_STREAMS_MAX 128u
#define H2_HEADERS_MAX 16384u       /* of one request, as SETTINGS_MAX_HEADER_LIST_SIZE counts */
#define H2_FRAME_MAX (1u << 20)     /* that we take: of DATA */
#define H2_STREAM_WINDOW (4u << 20) /* bytes that a peer sends before they have been consumed */
#define H2_CONNECTION_WINDOW (16u << 20)
#define H2_SPOILED_MAX 256u /* streams that come to nothing, in a row */
#define H2_BUFFER_BYTES 16384u
#define H2_MEMORY_MAX (384u << 10) /* of a connection, all together */
#define H2_PIECES_MAX 8u           /* of an answer, in one frame */

/* What is kept of a request's header. */
enum h2_field {
	H2_METHOD,
	H2_PATH,
	H2_CONTENT_TYPE,
	H2_TE,
	H2_GRPC_TIMEOUT,
	H2_GRPC_ENCODING,
	H2_FIELDS
};

/* Terminated; "" where it is not there; a longer one is cut to this.  Of several the last. */
#define H2_VALUE_MAX 255u
struct h2_head {
	char values[H2_FIELDS][H2_VALUE_MAX + 1];
};

/* Of an answer.  Both terminated, valid as HTTP/2 wants them; copied. */
struct h2_header {
	const char *name, *value;
};

/* A piece of an answer's body, for one frame. */
struct h2_frame {
	struct iovec pieces[H2_PIECES_MAX];
	unsigned n_pieces;
	size_t bytes; /* of them */
	/* There is no more; these follow. */
	bool is_last;
	const struct h2_header *trailers; /* valid during h2's call */
	size_t n_trailers;
};

/* All mandatory.  Called by h2_received(), h2_gather() and h2_sent(). */
struct h2_ops {
	/* What is kept of the stream, until closed(); NULL: there is no memory for it. */
	void *(*request)(void *context, int32_t id, const struct h2_head *head);
	/* Where the next bytes of the body have their place, and how many; 0: nowhere yet. */
	uint64_t (*place)(void *stream, void **ret_place);
	/*
	 * Bytes of the body; they may stand in their place already.  How many are consumed: of the
	 * others, the peer learns by h2_consume().
	 */
	size_t (*body)(void *stream, const unsigned char *bytes, size_t n);
	void (*ended)(void *stream); /* the body */
	/*
	 * The next piece of the answer, of at most max bytes; without bytes, and not the last:
	 * h2_resume() tells when there are some.  They are referred to until drained().
	 */
	void (*answer)(void *stream, size_t max, struct h2_frame *ret);
	/* It has ended: nothing is told of stream any more; what answer() has given stays until drained(). */
	void (*closed)(void *stream);
	/* All that answer() has given so far has gone. */
	void (*drained)(void *context);
};

struct h2;

/* streams_max: that may be open at once, up to H2_STREAMS_MAX.  NULL: no memory. */
struct h2 *h2_new(const struct h2_ops *ops, void *context, uint32_t streams_max);
/* Tells of no stream any more. */
void h2_free(struct h2 *h2);

/* As stream_ops have them. */
unsigned h2_scatter(struct h2 *h2, struct iovec *iov);
void h2_received(struct h2 *h2, size_t n);
unsigned h2_gather(struct h2 *h2, struct iovec *iov, unsigned max);
void h2_sent(struct h2 *h2, size_t n);

/* Nothing is read or written any more, once all has gone that is to go. */
bool h2_is_over(const struct h2 *h2);
/* In the middle of a frame, or of the preface. */
bool h2_is_between(const struct h2 *h2);
/* Bytes have been gathered that have not gone. */
bool h2_is_sending(const struct h2 *h2);

/*
 * The answer to a stream's request: its header, and a body, for which answer() of stream is asked; NULL: none.
 * -ENOMEM.
 */
int h2_respond(struct h2 *h2, int32_t id, const struct h2_header *headers, size_t n, void *stream)
	_nodiscard_;
/* answer() has something to give again. */
void h2_resume(struct h2 *h2, int32_t id);
/* n bytes more of a stream's body have been consumed: the peer may send as many. */
void h2_consume(struct h2 *h2, int32_t id, size_t n);

/* It cannot be answered. */
void h2_reset(struct h2 *h2, int32_t id);

/* No new streams; text says why to whoever looks. */
void h2_go_away(struct h2 *h2, const char *text);
/* The same, and the connection is over with it. */
void h2_refuse(struct h2 *h2, const char *text);
/* Why the connection is ended by us; NULL: nothing is known. */
const char *h2_reason(const struct h2 *h2);

/* Bytes that it has taken, for tests. */
size_t h2_memory(const struct h2 *h2);

#endif
