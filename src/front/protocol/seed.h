/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Seed frames: a header of 16 bytes {u32 type = 1, u32 id, u64 size}, then size bytes of a model,
 * frame after frame.  Pure: bytes in, events out.  The body goes where the caller says.
 */
#ifndef PROTOCOL_SEED_H
#define PROTOCOL_SEED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <tensock/types.h>

#define SEED_HEADER_BYTES 16u
#define SEED_TYPE_MODEL 1u

enum seed_state {
	SEED_HEADER,  /* wants the bytes of a header */
	SEED_BODY,    /* wants the bytes of a body */
	SEED_WAITING, /* a frame is complete: seed_next() goes on */
	SEED_REFUSED, /* a frame was refused; the stream cannot be trusted any more.  For ever */
};

struct seed_decoder {
	enum seed_state state;
	uint64_t model_bytes_max;
	unsigned char header[SEED_HEADER_BYTES];
	size_t header_bytes; /* received */
	unsigned char *body;
	uint64_t body_left;
	uint32_t id; /* of the frame, from SEED_BODY on; also of one that is refused */
	uint64_t size;
};

void seed_decoder_init(struct seed_decoder *decoder, uint64_t model_bytes_max);

/* Room for the next bytes.  0 while WAITING, REFUSED, and in BODY before seed_body(). */
size_t seed_window(struct seed_decoder *decoder, void **ret_buf);

/*
 * n bytes, 1 to seed_window(), have been put there.  Compare the state before and after:
 * HEADER → BODY: id and size are known and within bounds; seed_body() must follow.
 * HEADER → REFUSED: *reterr says why.
 * BODY → WAITING: the body is complete.
 */
void seed_received(struct seed_decoder *decoder, size_t n, struct tensock_error *reterr);

/* Where the body's `size` bytes go. */
void seed_body(struct seed_decoder *decoder, void *body);

/* The frame is dealt with: WAITING → HEADER. */
void seed_next(struct seed_decoder *decoder);

/* Refuses what comes: the frame could not be taken. */
void seed_refuse(struct seed_decoder *decoder);

/* True where the peer may end: before the first byte of a frame. */
bool seed_is_between(const struct seed_decoder *decoder);

#endif
