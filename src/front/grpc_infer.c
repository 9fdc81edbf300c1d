/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ModelInfer and ModelStreamInfer.  Raw contents are received into the buffer that the worker will read:
 * it is taken when the first of them begins, by what has been said of the inputs until then.
 */
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "base/status.h"
#include "front/grpc_stream.h"
#include "front/limit_hits.h"

#define RAWS_MIN 4u

static struct grpc_message *of_call(struct oip_call *call)
{
	return (struct grpc_message *)(void *)((char *)call - offsetof(struct grpc_message, call));
}

/*
 * ---- Its answer
 */

static void answer_results(struct grpc_message *m, const struct oip_answer *answer,
			   struct buffer **buffer)
{
	bool in_stream = m->stream->method == OIP_PB_MODEL_STREAM_INFER;
	struct tensock_error error;
	int r = grpc_answer_results(&m->answer, answer, in_stream, &error);

	if (r == 0)
		r = grpc_message_account(m, grpc_answer_memory(&m->answer), &error);
	if (r < 0) {
		grpc_answer_done(&m->answer);
		oip_call_untold(&m->call, &error);
		grpc_message_fail(m, &error);
		return;
	}
	m->buffer = TAKE_PTR(*buffer);
	grpc_message_answered(m);
}

static void on_done(struct oip_call *call, const struct oip_answer *answer, struct buffer **buffer,
		    const struct tensock_error *error)
{
	struct grpc_message *m = of_call(call);

	if (error)
		grpc_message_fail(m, error);
	else
		answer_results(m, answer, buffer);
}

static const struct oip_call_ops call_ops = { .done = on_done };

/* It does not come to submit(). */
static void fail(struct grpc_message *m, const struct tensock_error *error)
{
	oip_call_fail(&m->call, error);
	grpc_message_fail(m, error);
}

void grpc_infer_give_up(struct grpc_message *message, const struct tensock_error *error)
{
	if (message->has_call && !message->call.is_done)
		oip_call_fail(&message->call, error);
}

void grpc_infer_begin(struct grpc_message *message)
{
	const struct grpc_stream *s = message->stream;
	uint64_t now_ms = uv_now(s->guest->loop);
	struct tensock_error error;

	if (oip_call_begin(&message->call, s->guest, &call_ops, &error) < 0) {
		grpc_message_fail(message, &error);
		return;
	}
	message->has_call = true;
	if (s->deadline_ms)
		oip_call_set_deadline(&message->call,
				      s->deadline_ms > now_ms ? s->deadline_ms - now_ms : 1);
}

/*
 * ---- Room for the inputs
 */

static uint64_t aligned(uint64_t bytes)
{
	return (bytes + RUN_ALIGN - 1) & ~(uint64_t)(RUN_ALIGN - 1);
}

/* As far as it has been said. */
static struct wire_string name_of(const struct grpc_decoder *d)
{
	if (!d->name_at || d->name_bytes > OIP_NAME_MAX)
		return (struct wire_string){ 0 };
	return (struct wire_string){ .bytes = (const char *)d->buffer + d->name_at,
				     .len = (uint16_t)d->name_bytes };
}

static int take_room(struct grpc_message *m, struct wire_string name, uint32_t n_inputs,
		     uint64_t bytes, struct tensock_error *reterr)
{
	struct grpc_infer *infer = &m->infer;
	int r;

	infer->room = NULL;
	r = oip_call_take(&m->call, name, n_inputs, bytes, &infer->room, reterr);
	if (r < 0)
		return r;
	infer->n_room = n_inputs;
	infer->room_bytes = bytes;
	return 0;
}

/*
 * More room than was taken: what stands there is kept meanwhile.  So it is where inputs come behind raw
 * contents, or are of regions beside such.
 */
static int widen_room(struct grpc_message *m, struct wire_string name, uint32_t n_inputs,
		      uint64_t bytes, struct tensock_error *reterr)
{
	struct account *account = &m->guest->account;
	uint64_t n = m->infer.used_bytes;
	void *kept;
	int r;

	if (!n)
		return take_room(m, name, n_inputs, bytes, reterr);
	if (account_take(account, n) < 0)
		return limit_fail(
			METRICS_LIMIT_MEMORY, reterr, TENSOCK_LIMIT_REACHED,
			"no room for %llu bytes of inputs beside what is in use (max-memory)",
			(unsigned long long)n);
	kept = malloc(n);
	if (kept)
		memcpy(kept, m->infer.room, n);
	r = kept ? take_room(m, name, n_inputs, bytes, reterr)
		 : tsk_fail(reterr, TENSOCK_OUT_OF_MEMORY, "no memory for the request");
	if (r == 0)
		memcpy(m->infer.room, kept, n);
	free(kept);
	account_give(account, n);
	return r;
}

/* There is room for so many inputs, and bytes beside those that are used. */
static int need_room(struct grpc_message *m, struct wire_string name, uint32_t n_inputs,
		     uint64_t bytes, struct tensock_error *reterr)
{
	struct grpc_infer *infer = &m->infer;

	if (infer->room && n_inputs <= infer->n_room &&
	    bytes <= infer->room_bytes - infer->used_bytes)
		return 0;
	return widen_room(m, name, n_inputs, infer->used_bytes + bytes, reterr);
}

/*
 * Of those raw contents that come now, and may follow: they are no more than the message has left, and
 * one for each input.  Where only one is known of, it gets what it needs.
 */
static int need_raw_room(struct grpc_message *m, struct tensock_error *reterr)
{
	const struct grpc_decoder *d = &m->stream->decoder;
	uint32_t n = d->n_inputs, described = n + d->n_outputs;

	/* Outputs are perhaps in regions: that stands in the message. */
	if (described > OIP_TENSORS_MAX)
		described = OIP_TENSORS_MAX;
	if (n > 1 && n <= OIP_TENSORS_MAX && !m->infer.room)
		return need_room(m, name_of(d), described, aligned(d->left) + n * RUN_ALIGN,
				 reterr);
	if (n == 1 && !m->infer.room)
		return need_room(m, name_of(d), described, aligned(d->raw_bytes), reterr);
	if (!m->infer.room || m->infer.room_bytes - m->infer.used_bytes < aligned(d->raw_bytes))
		return need_room(m, name_of(d), OIP_TENSORS_MAX,
				 aligned(d->left) + OIP_TENSORS_MAX * RUN_ALIGN, reterr);
	return 0;
}

static int add_raw(struct grpc_message *m, struct tensock_error *reterr)
{
	struct grpc_infer *infer = &m->infer;
	uint32_t wanted = infer->raws_max ? 2 * infer->raws_max : RAWS_MIN;
	struct oip_pb_raw *grown;

	if (infer->n_raws == OIP_TENSORS_MAX)
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT,
				"more raw_input_contents than the %u that inputs may be",
				OIP_TENSORS_MAX);
	if (infer->n_raws == infer->raws_max) {
		int r = grpc_message_account(m, (wanted - infer->raws_max) * sizeof(*grown),
					     reterr);

		grown = r == 0 ? realloc(infer->raws, wanted * sizeof(*grown)) : NULL;
		if (r == 0 && !grown)
			r = tsk_fail(reterr, TENSOCK_OUT_OF_MEMORY, "no memory for the request");
		if (r < 0)
			return r;
		infer->raws = grown;
		infer->raws_max = wanted;
	}
	return need_raw_room(m, reterr);
}

void grpc_infer_raw(struct grpc_message *message)
{
	struct grpc_decoder *d = &message->stream->decoder;
	struct grpc_infer *infer = &message->infer;
	struct tensock_error error;

	if (add_raw(message, &error) < 0) {
		fail(message, &error);
		return;
	}
	infer->raws[infer->n_raws++] =
		(struct oip_pb_raw){ .offset = infer->used_bytes, .bytes = d->raw_bytes };
	grpc_place(d, infer->room + infer->used_bytes);
	infer->used_bytes += aligned(d->raw_bytes);
}

/*
 * ---- All of it is there
 */

/* What the inputs take that have not been received, and where each is put behind those. */
static int lay_out(struct grpc_message *m, struct oip_infer *infer, struct wire_string name,
		   struct tensock_error *reterr)
{
	uint64_t end = m->infer.used_bytes;
	uint32_t n = oip_infer_described(infer);
	int r;

	/* Where bytes have been received, room for more places of outputs is not worth moving them. */
	if (end && n > m->infer.n_room)
		n = infer->n_inputs;
	for (uint32_t i = 0; i < infer->n_inputs; i++) {
		struct wire_tensor *t = &infer->inputs[i].tensor;

		if (infer->inputs[i].source == OIP_BINARY)
			continue;
		t->offset = end;
		if (!tsk_add(end, t->bytes, &end) || !tsk_align_up(end, RUN_ALIGN, &end))
			return limit_fail(METRICS_LIMIT_REQUEST_SIZE, reterr, TENSOCK_TOO_LARGE,
					  "inputs above max-request-size");
	}
	r = need_room(m, name, n, end - m->infer.used_bytes, reterr);
	if (r == 0)
		m->infer.used_bytes = end;
	return r;
}

static void write_values(const struct grpc_message *m, const struct oip_infer *infer)
{
	for (uint32_t i = 0; i < infer->n_inputs; i++) {
		const struct oip_input *input = &infer->inputs[i];

		if (input->source == OIP_VALUES)
			oip_pb_values_write(input, m->infer.room + input->tensor.offset);
	}
}

void grpc_infer_submit(struct grpc_message *message)
{
	const struct grpc_decoder *d = &message->stream->decoder;
	struct grpc_message *m = message;
	struct oip_infer infer = { 0 };
	struct wire_string name, version;
	struct tensock_error error;
	int r = grpc_message_account(m, oip_pb_memory(d->n), &error);

	if (r == 0)
		r = oip_pb_infer_read(d->buffer, d->n, m->infer.raws, m->infer.n_raws, &infer,
				      &name, &version, &error);
	if (r == 0)
		r = lay_out(m, &infer, name, &error);
	if (r < 0) {
		oip_infer_done(&infer);
		fail(m, &error);
		return;
	}
	write_values(m, &infer);
	oip_call_submit(&m->call, &infer, name, version);
}

void grpc_infer_done(struct grpc_message *message)
{
	if (message->has_call)
		oip_call_end(&message->call);
	buffer_pool_put(&message->guest->workers->buffers, TAKE_PTR(message->buffer));
	free(TAKE_PTR(message->infer.raws));
}
