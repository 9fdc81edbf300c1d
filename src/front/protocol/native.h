/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Native frames (wire/frame.h) out of a stream.  Pure: bytes in, events out.
 *
 * One buffer takes what is looked at here: headers, messages, metadata, and what payload stands
 * right behind them; so one receive brings several small frames.  Longer payload goes straight to
 * the place that the caller names.
 */
#ifndef PROTOCOL_NATIVE_H
#define PROTOCOL_NATIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include <tensock/types.h>

#include "base/cleanup.h"
#include "wire/frame.h"

/* It grows where metadata needs more, to that, and shrinks again. */
#define NATIVE_BUFFER_BYTES 16384u
#define NATIVE_BUFFER_MAX (WIRE_META_MAX + WIRE_ALIGN)

#define NATIVE_SCATTER_MAX 2u

enum native_event {
	NATIVE_MORE,    /* bytes are wanted */
	NATIVE_MESSAGE, /* header, body: a message without payload */
	NATIVE_INFER,   /* header, body: the metadata.  Payload of `left` bytes follows */
	NATIVE_CHUNK,   /* header.  Payload of `left` bytes follows */
	NATIVE_PAYLOAD, /* `placed` bytes of it have been placed; `left` are missing */
	NATIVE_BROKEN,  /* the stream cannot be trusted any more, error says why.  For ever */
};

struct native_decoder {
	struct wire_header header;
	const unsigned char *body; /* valid until the next call */
	size_t body_bytes;
	uint64_t left;
	uint64_t placed;
	struct tensock_error error;

	/* Its own. */
	unsigned char *buf;
	size_t size, start, end; /* start to end: received, and not looked at */
	size_t needed;        /* bytes from start that the next event takes, as far as is known */
	unsigned char *place; /* of the next byte of payload; NULL: discarded */
	uint64_t more;        /* payload in frames behind this one */
	uint64_t direct;      /* bytes that went past the buffer since the last event */
	bool is_in_frame;     /* its header has been looked at */
	bool is_broken;
};

int native_decoder_init(struct native_decoder *decoder) _nodiscard_;
void native_decoder_done(struct native_decoder *decoder);

/* Room for the next bytes.  Call native_next() until it wants MORE before. */
size_t native_window(struct native_decoder *decoder, void **ret_buf);

/*
 * The same as up to NATIVE_SCATTER_MAX pieces that can be received in one call, the first native_window()'s:
 * behind payload that goes past the buffer, what follows it.  How many.
 */
unsigned native_scatter(struct native_decoder *decoder, struct iovec *iov);

/* n bytes, 1 to native_window(), or to the sum of native_scatter()'s, have been put there. */
void native_received(struct native_decoder *decoder, size_t n);

enum native_event native_next(struct native_decoder *decoder);

/*
 * Where the payload's `left` bytes go; NULL: nowhere.  After INFER and CHUNK it is NULL.  May be
 * changed while payload is under way, to NULL only.  more: bytes that other frames bring to the same
 * place.
 */
void native_place(struct native_decoder *decoder, void *place, uint64_t more);

/* True where the peer may fall silent: before the first byte of a frame. */
bool native_is_between(const struct native_decoder *decoder);

#endif
