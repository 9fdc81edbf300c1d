/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gRPC over HTTP/2 (grpc/grpc doc/PROTOCOL-HTTP2.md), what is to be said of one stream.  Pure.
 *
 * The decoder takes the body's bytes, however they are cut, and gives messages: each whole in a buffer
 * that the caller grows; or, of ModelInferRequest, all but its raw_input_contents, whose bytes go where
 * the caller says.  Bytes that stand there already, because they were received there, stay.
 */
#ifndef PROTOCOL_GRPC_H
#define PROTOCOL_GRPC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <tensock/types.h>

#include "base/cleanup.h"

#define GRPC_PREFIX_BYTES 5u
#define GRPC_PERCENT_MAX (3u * 252u) /* of an error's message, percent-encoded */

enum grpc_event {
	GRPC_MORE,    /* all bytes have been used */
	GRPC_BEGIN,   /* a message of `length` bytes begins */
	GRPC_FULL,    /* grpc_grow() by this or more: the buffer must hold `needed` bytes */
	GRPC_RAW,     /* raw_input_contents of `raw_bytes` begin: grpc_place() */
	GRPC_RAW_END, /* they are whole */
	GRPC_MESSAGE, /* it is whole: buffer, n */
	GRPC_BROKEN,  /* error says why.  For ever */
};

struct grpc_decoder {
	bool is_infer;       /* messages are ModelInferRequests; set by the caller, once */
	uint64_t length_max; /* of a message; set by the caller */
	const char *limit;   /* the key that length_max is of, or what else says it; the caller's */
	bool takes_packed;   /* compressed messages; set by the caller, once */

	uint32_t length;
	bool is_packed;        /* GRPC_MESSAGE gives it as it came: grpc_unpacked() */
	uint64_t left;         /* bytes of the message that are missing */
	unsigned char *buffer; /* n bytes of size */
	size_t n, size, needed;
	uint64_t raw_bytes, raw_left;
	/* Of the infer's message, as far as it has come: for the first guess of what it needs. */
	uint32_t n_inputs, n_outputs;
	size_t name_at, name_bytes; /* model_name in buffer; 0: not yet */
	struct tensock_error error;

	/* Its own. */
	const unsigned char *in, *end; /* of what was fed and has not been used */
	unsigned char prefix[GRPC_PREFIX_BYTES];
	unsigned n_prefix;
	uint64_t field_left; /* of the field that goes to the buffer */
	unsigned char *place;
	unsigned char key[20]; /* a field's tag and length, or its varint; n_key bytes of it */
	unsigned n_key;
	unsigned state;
};

/* Lets go of the buffer; what the caller has accounted for it is d->size. */
void grpc_decoder_done(struct grpc_decoder *d);

/* Bytes that come next.  grpc_next() until it wants MORE before. */
void grpc_feed(struct grpc_decoder *d, const unsigned char *bytes, size_t n);
enum grpc_event grpc_next(struct grpc_decoder *d);

/* -ENOMEM. */
int grpc_grow(struct grpc_decoder *d, size_t size) _nodiscard_;
/* After GRPC_RAW: where its bytes go; NULL: nowhere. */
void grpc_place(struct grpc_decoder *d, void *place);
/* From GRPC_BEGIN on: nobody wants the rest of the message, whose GRPC_MESSAGE comes without it. */
void grpc_skip(struct grpc_decoder *d);
/*
 * After the GRPC_MESSAGE of a packed one: these n bytes are what it says; its events follow, but for the
 * GRPC_BEGIN.  What was fed and not used is to be fed again behind them.
 */
void grpc_unpacked(struct grpc_decoder *d, const unsigned char *bytes, uint32_t n);
/* Bytes that were fed and have not been used yet. */
size_t grpc_unused(const struct grpc_decoder *d);
/* Where the next bytes have their place, and how many; 0: nowhere yet. */
uint64_t grpc_room(const struct grpc_decoder *d, void **ret_place);
/* True between messages. */
bool grpc_is_between(const struct grpc_decoder *d);

void grpc_prefix_write(uint32_t length, unsigned char to[GRPC_PREFIX_BYTES]);

/* "application/grpc", perhaps with +proto or parameters. */
bool grpc_is_content_type(const char *text);
/* grpc-timeout, in whole milliseconds, no less than 1.  -EINVAL. */
int grpc_timeout_read(const char *text, uint64_t *ret_ms) _nodiscard_;
/* A status's message, as grpc-message has it: terminated. */
void grpc_percent_encode(const char *text, char to[GRPC_PERCENT_MAX + 1]);

#endif
