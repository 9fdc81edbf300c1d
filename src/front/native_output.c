/* SPDX-License-Identifier: Apache-2.0 */
#include "front/native_output.h"

#include <assert.h>
#include <string.h>

/* An answer that is not in the block. */
struct native_answer {
	TAILQ_ENTRY(native_answer) entry;
	uint32_t id;
	unsigned char *head; /* the first frame, up to its payload; or all of it */
	size_t head_bytes;
	uint64_t first_payload; /* bytes of payload in the first frame */
	bool has_begun;
	bool is_held;

	struct buffer *buffer; /* that the pieces lie in, or NULL */
	uint64_t payload_left;
	size_t piece; /* the next one, and what of it has gone */
	uint64_t piece_done;

	/* The frame that is being sent. */
	unsigned char chunk[WIRE_HEADER_BYTES];
	const unsigned char *plain; /* header, or head: comes before payload */
	size_t plain_left;
	uint64_t frame_left; /* of payload */

	size_t n_pieces;
	struct native_piece pieces[];
};

int native_output_init(struct native_output *output, struct buffer_pool *buffers, unsigned *held)
{
	*output = (struct native_output){ .buffers = buffers,
					  .held = held,
					  .block = malloc(NATIVE_BLOCK_BYTES) };
	TAILQ_INIT(&output->answers);
	return output->block ? 0 : -ENOMEM;
}

static void answer_free(struct native_output *o, struct native_answer *a)
{
	buffer_pool_put(o->buffers, a->buffer);
	free(a->head);
	free(a);
}

static void hold(struct native_output *o, struct native_answer *a)
{
	a->is_held = true;
	o->n_held++;
	++*o->held;
}

static void remove_answer(struct native_output *o, struct native_answer *a)
{
	o->n_held -= a->is_held;
	*o->held -= a->is_held;
	TAILQ_REMOVE(&o->answers, a, entry);
	o->n_answers--;
	o->private_bytes -= a->head_bytes;
	answer_free(o, a);
}

void native_output_done(struct native_output *output)
{
	struct native_answer *a;

	if (!output->block)
		return;
	while ((a = TAILQ_FIRST(&output->answers)))
		remove_answer(output, a);
	free(TAKE_PTR(output->block));
}

static struct native_answer *answer_new(struct native_output *o, uint32_t id, size_t head_bytes,
					size_t n_pieces)
{
	struct native_answer *a = calloc(1, sizeof(*a) + n_pieces * sizeof(a->pieces[0]));

	if (!a)
		return NULL;
	a->id = id;
	a->head_bytes = head_bytes;
	a->head = malloc(head_bytes);
	if (!a->head) {
		free(a);
		return NULL;
	}
	TAILQ_INSERT_TAIL(&o->answers, a, entry);
	o->n_answers++;
	o->private_bytes += head_bytes;
	return a;
}

static void write_header(unsigned char *at, enum wire_type type, uint32_t id, uint64_t size)
{
	struct wire_header header = { .type = type, .id = id, .size = size };

	wire_header_write(at, &header);
}

/*
 * ---- Frames without payload of others'
 */

/* Room in the block, or NULL. */
static unsigned char *block_room(struct native_output *o, size_t bytes)
{
	if (bytes > NATIVE_SMALL_MAX || bytes > NATIVE_BLOCK_BYTES - o->end)
		return NULL;
	return o->block + o->end;
}

struct tsk_writer native_output_begin(struct native_output *output, size_t max)
{
	size_t bytes = WIRE_HEADER_BYTES + max;
	unsigned char *room = block_room(output, bytes);
	struct native_answer *a;

	if (!room) {
		a = answer_new(output, 0, bytes, 0);
		room = a ? a->head : NULL;
	}
	return room ? tsk_writer(room + WIRE_HEADER_BYTES, max)
		    : (struct tsk_writer){ .bad = true };
}

void native_output_commit(struct native_output *output, const struct tsk_writer *w,
			  enum wire_type type, uint32_t id)
{
	struct native_output *o = output;
	struct native_answer *a = TAILQ_LAST(&o->answers, native_answers);
	size_t n = tsk_writer_len(w), bytes = WIRE_HEADER_BYTES + n;
	unsigned char *at = w->start ? w->start - WIRE_HEADER_BYTES : NULL;

	if (w->bad || !at) {
		o->has_failed = true;
		return;
	}
	write_header(at, type, id, n);
	if (at == o->block + o->end) {
		o->end += bytes;
		return;
	}
	assert(a && at == a->head && bytes <= a->head_bytes);
	o->private_bytes -= a->head_bytes - bytes;
	a->head_bytes = bytes;
	if (type == WIRE_MODEL || type == WIRE_RESULT_MEMORY)
		hold(o, a);
}

/*
 * ---- Results
 */

static void write_meta(unsigned char *at, uint32_t id, const struct native_result *result,
		       size_t offset, uint64_t first_payload)
{
	struct tsk_writer w = tsk_writer(at + WIRE_HEADER_BYTES, result->meta_bytes);

	write_header(at, WIRE_RESULT, id, offset + first_payload);
	wire_result_write(&w, &result->wire, result->outputs);
	assert(!w.bad && tsk_writer_len(&w) == result->meta_bytes);
	memset(at + WIRE_HEADER_BYTES + result->meta_bytes, 0, offset - result->meta_bytes);
}

static void copy_pieces(unsigned char *at, const struct native_piece *pieces, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		memcpy(at, pieces[i].bytes, (size_t)pieces[i].len);
		at += pieces[i].len;
	}
}

/* All of it in the block.  False where there is no room. */
static bool gather(struct native_output *o, uint32_t id, const struct native_result *result,
		   const struct native_piece *pieces, size_t n_pieces)
{
	uint64_t payload = result->wire.payload_bytes;
	size_t offset, bytes;
	unsigned char *at;

	if (wire_first_payload(result->meta_bytes, payload, &offset) < payload ||
	    payload > NATIVE_SMALL_MAX)
		return false;
	bytes = WIRE_HEADER_BYTES + offset + (size_t)payload;
	at = block_room(o, bytes);
	if (!at)
		return false;
	write_meta(at, id, result, offset, payload);
	copy_pieces(at + WIRE_HEADER_BYTES + offset, pieces, n_pieces);
	o->end += bytes;
	return true;
}

int native_output_result(struct native_output *output, uint32_t id,
			 const struct native_result *result, const struct run_tensor *tensors,
			 const void *region, struct buffer **buffer)
{
	_cleanup_free_ struct native_piece *pieces =
		calloc(NATIVE_PIECES(result->wire.n_outputs) + 1, sizeof(*pieces));
	size_t n_pieces, offset;
	struct native_answer *a;

	if (!pieces)
		return -ENOMEM;
	n_pieces = native_result_pieces(result, tensors, region, pieces);
	if (gather(output, id, result, pieces, n_pieces))
		return 0;
	(void)wire_first_payload(result->meta_bytes, result->wire.payload_bytes, &offset);
	a = answer_new(output, id, WIRE_HEADER_BYTES + offset, n_pieces);
	if (!a)
		return -ENOMEM;
	memcpy(a->pieces, pieces, n_pieces * sizeof(*pieces));
	a->n_pieces = n_pieces;
	a->payload_left = result->wire.payload_bytes;
	a->first_payload = wire_first_payload(result->meta_bytes, a->payload_left, &offset);
	write_meta(a->head, id, result, offset, a->first_payload);
	a->buffer = TAKE_PTR(*buffer);
	hold(output, a);
	return 0;
}

/*
 * ---- Sending
 */

static void begin_frame(struct native_answer *a)
{
	if (!a->has_begun) {
		a->has_begun = true;
		a->plain = a->head;
		a->plain_left = a->head_bytes;
		a->frame_left = a->first_payload;
	} else {
		a->frame_left = a->payload_left < WIRE_BODY_MAX ? a->payload_left : WIRE_BODY_MAX;
		write_header(a->chunk, WIRE_CHUNK, a->id, a->frame_left);
		a->plain = a->chunk;
		a->plain_left = sizeof(a->chunk);
	}
	a->payload_left -= a->frame_left;
}

/* Pieces that go out in one call. */
struct gathered {
	struct iovec *iov;
	unsigned n, max;
};

static void add_piece(struct gathered *g, const void *bytes, size_t len)
{
	g->iov[g->n].iov_base = (void *)(uintptr_t)bytes;
	g->iov[g->n++].iov_len = len;
}

/* So much payload from this piece on, and how much is left for another call. */
static uint64_t add_payload(struct gathered *g, const struct native_piece **piece, uint64_t *done,
			    uint64_t left)
{
	while (left && g->n < g->max) {
		uint64_t len = (*piece)->len - *done;

		if (len > left)
			len = left;
		add_piece(g, (const unsigned char *)(*piece)->bytes + *done, (size_t)len);
		left -= len;
		*done += len;
		if (*done == (*piece)->len) {
			++*piece;
			*done = 0;
		}
	}
	return left;
}

/*
 * The frame that is being sent, and where nothing else waits for its turn those that follow it: a
 * call for each would wake the peer for each.
 */
static void gather_answer(struct native_output *o, const struct native_answer *a,
			  struct gathered *g, bool is_alone)
{
	const struct native_piece *piece = &a->pieces[a->piece];
	uint64_t done = a->piece_done, after = a->payload_left;

	if (a->plain_left)
		add_piece(g, a->plain, a->plain_left);
	if (add_payload(g, &piece, &done, a->frame_left) || !is_alone)
		return;
	for (unsigned i = 0; i < NATIVE_AHEAD_MAX && after && g->max - g->n >= 2; i++) {
		uint64_t frame = after < WIRE_BODY_MAX ? after : WIRE_BODY_MAX;

		write_header(o->ahead[i], WIRE_CHUNK, a->id, frame);
		add_piece(g, o->ahead[i], WIRE_HEADER_BYTES);
		after -= frame;
		if (add_payload(g, &piece, &done, frame))
			return;
	}
}

/* Whose turn it is: the block's, unless it had the last one and an answer waits. */
static void choose(struct native_output *o)
{
	if (o->end > o->start && !(o->block_had_turn && !TAILQ_EMPTY(&o->answers))) {
		o->turn_end = o->end;
		o->block_had_turn = true;
		return;
	}
	o->current = TAILQ_FIRST(&o->answers);
	o->block_had_turn = false;
	if (o->current)
		begin_frame(o->current);
}

unsigned native_output_gather(struct native_output *output, struct iovec *iov, unsigned max)
{
	struct native_output *o = output;
	struct gathered g = { .iov = iov, .max = max };

	if (o->has_failed)
		return 0;
	if (!o->current && o->start == o->turn_end)
		choose(o);
	if (o->current)
		gather_answer(o, o->current, &g, o->n_answers == 1 && o->start == o->end);
	else if (o->turn_end > o->start)
		add_piece(&g, o->block + o->start, o->turn_end - o->start);
	return g.n;
}

size_t native_output_bytes(struct native_output *output, const void **ret_buf)
{
	struct iovec iov;

	if (native_output_gather(output, &iov, 1) == 0)
		return 0;
	*ret_buf = iov.iov_base;
	return iov.iov_len;
}

static void end_frame(struct native_output *o, struct native_answer *a)
{
	o->current = NULL;
	if (!a->payload_left) {
		remove_answer(o, a);
		return;
	}
	TAILQ_REMOVE(&o->answers, a, entry);
	TAILQ_INSERT_TAIL(&o->answers, a, entry);
}

static void payload_sent(struct native_answer *a, uint64_t n)
{
	a->frame_left -= n;
	while (n) {
		uint64_t left = a->pieces[a->piece].len - a->piece_done;

		if (n < left) {
			a->piece_done += n;
			return;
		}
		n -= left;
		a->piece++;
		a->piece_done = 0;
	}
}

/* Returns how many of the n bytes belong to the frame. */
static size_t frame_sent(struct native_output *o, struct native_answer *a, size_t n)
{
	size_t plain = n < a->plain_left ? n : a->plain_left;
	size_t payload = n - plain < a->frame_left ? n - plain : (size_t)a->frame_left;

	a->plain += plain;
	a->plain_left -= plain;
	payload_sent(a, payload);
	if (!a->plain_left && !a->frame_left)
		end_frame(o, a);
	return plain + payload;
}

static size_t block_sent(struct native_output *o, size_t n)
{
	if (n > o->turn_end - o->start)
		n = o->turn_end - o->start;
	o->start += n;
	if (o->start == o->end)
		o->start = o->end = o->turn_end = 0;
	return n;
}

void native_output_sent(struct native_output *output, size_t n)
{
	struct native_output *o = output;

	/* Turns are taken here as they were when this was gathered: nothing has come in between. */
	while (n) {
		if (!o->current && o->start == o->turn_end)
			choose(o);
		n -= o->current ? frame_sent(o, o->current, n) : block_sent(o, n);
	}
}

bool native_output_is_empty(const struct native_output *output)
{
	return output->has_failed ||
	       (output->start == output->end && TAILQ_EMPTY(&output->answers));
}

bool native_output_is_full(const struct native_output *output)
{
	return output->private_bytes >= NATIVE_PRIVATE_MAX ||
	       output->n_answers >= NATIVE_ANSWERS_MAX;
}
