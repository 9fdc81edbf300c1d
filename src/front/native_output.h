/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What goes out on a native connection: frames, in any order but that of the bytes of each answer.
 *
 * Small frames are gathered in one block and go out together.  Answers with much payload go out of
 * the worker's buffer, a frame at a time, taking turns with each other and with the block; so a small
 * answer waits for one frame (WIRE_BODY_MAX) of a large one at most.
 *
 * Private memory: the block, and what does not fit it, which the session keeps small by taking no
 * more requests while native_output_is_full().
 */
#ifndef FRONT_NATIVE_OUTPUT_H
#define FRONT_NATIVE_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/uio.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "front/buffer_pool.h"
#include "front/protocol/native_result.h"
#include "wire/frame.h"

/* Frames up to so many bytes are gathered, header and all. */
#define NATIVE_SMALL_MAX 16384u
#define NATIVE_BLOCK_BYTES 32768u
/* Nothing more is asked for while so many bytes or answers wait outside of the block. */
#define NATIVE_PRIVATE_MAX 65536u
#define NATIVE_ANSWERS_MAX 64u
/* Frames behind another that go out in one call with it, where nothing else waits. */
#define NATIVE_AHEAD_MAX 4u

struct native_answer;

struct native_output {
	struct buffer_pool *buffers;
	unsigned char *block;
	size_t start, end; /* of what is in the block */
	size_t turn_end;   /* of what goes out before the next answer has a turn */
	bool block_had_turn;
	TAILQ_HEAD(native_answers, native_answer) answers;
	unsigned n_answers;
	unsigned n_held; /* of them, of a RESULT or a MODEL: answers to calls, which may be large */
	unsigned *held;  /* the same of all connections together */
	size_t private_bytes;
	struct native_answer *current; /* in the middle of a frame; first of answers */
	unsigned char ahead[NATIVE_AHEAD_MAX][WIRE_HEADER_BYTES]; /* of frames that may follow it */
	bool has_failed; /* there was no memory for an answer: nothing more is right */
};

/* held: counts, as others do it. */
int native_output_init(struct native_output *output, struct buffer_pool *buffers, unsigned *held)
	_nodiscard_;
void native_output_done(struct native_output *output);

/*
 * Room for a frame with a body of at most max bytes, 0 to WIRE_BODY_MAX; write it, then _commit(),
 * before anything else.  A writer that is bad is a bug, or the lack of memory: has_failed then.
 */
struct tsk_writer native_output_begin(struct native_output *output, size_t max);
void native_output_commit(struct native_output *output, const struct tsk_writer *w,
			  enum wire_type type, uint32_t id);

/*
 * The RESULT of a run.  Takes *buffer, in which the region lies, where it is needed longer than this
 * call (*buffer is NULL then).  -ENOMEM, and nothing goes out.
 */
int native_output_result(struct native_output *output, uint32_t id,
			 const struct native_result *result, const struct run_tensor *tensors,
			 const void *region, struct buffer **buffer) _nodiscard_;

/*
 * Bytes to be sent; the same in up to max pieces; and that the first n of what either of them gave
 * last have been.
 */
size_t native_output_bytes(struct native_output *output, const void **ret_buf);
unsigned native_output_gather(struct native_output *output, struct iovec *iov, unsigned max);
void native_output_sent(struct native_output *output, size_t n);

bool native_output_is_empty(const struct native_output *output);
bool native_output_is_full(const struct native_output *output);

#endif
