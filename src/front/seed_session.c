/* SPDX-License-Identifier: Apache-2.0 */
#include "front/seed_session.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/status.h"
#include "front/access_log.h"
#include "front/guest.h"
#include "front/printer.h"
#include "front/protocol/seed.h"
#include "front/protocol/seed_input.h"
#include "front/protocol/seed_output.h"

#define ANSWER_BYTES 2u
static const char answer_ok[ANSWER_BYTES] = { 'O', 'K' };
static const char answer_error[ANSWER_BYTES] = { 'E', 'R' };

enum seed_stage {
	STAGE_RECEIVING, /* a frame; the decoder knows where in it */
	STAGE_WORKING,   /* the model is hashed, loaded, run */
	STAGE_ANSWERING, /* two bytes are to be taken by the peer */
	STAGE_OVER,
};

struct seed_session {
	struct guest *guest;
	struct stream_host *host;
	enum seed_stage stage;
	struct seed_decoder decoder;
	struct model_file *file; /* until models have it */
	struct request request;
	struct seed_input input;
	const char *answer; /* what of it is still to be taken */
	size_t answer_bytes;
	bool ends_after_answer;
	uint64_t connection; /* its number, for the log */
};

static struct seed_session *session_of(struct request *request)
{
	return (struct seed_session *)(void *)((char *)request -
					       offsetof(struct seed_session, request));
}

static bool is_in_body(const struct seed_session *s)
{
	return s->stage == STAGE_RECEIVING && s->decoder.state == SEED_BODY;
}

static void set_answer(struct seed_session *s, const char *answer)
{
	model_file_free(TAKE_PTR(s->file));
	s->stage = STAGE_ANSWERING;
	s->answer = answer;
	s->answer_bytes = ANSWER_BYTES;
}

static void answer_with_error(struct seed_session *s, const struct tensock_error *error)
{
	s->guest->counters.error++;
	access_log(&s->request, error->status, error);
	tsk_warning("frame %u: %s: %s", s->decoder.id, tsk_status(error->status)->name,
		    error->message);
	set_answer(s, answer_error);
}

/* The body, or what follows, cannot be told from a header: this connection ends. */
static void refuse(struct seed_session *s, const struct tensock_error *error)
{
	seed_refuse(&s->decoder);
	s->ends_after_answer = true;
	answer_with_error(s, error);
}

static void over(struct seed_session *s)
{
	model_file_free(TAKE_PTR(s->file));
	s->stage = STAGE_OVER;
}

/* The guest will not finish its frame. */
static void lose_frame(struct seed_session *s, const char *why)
{
	if (is_in_body(s)) {
		s->guest->counters.reset++;
		access_log(&s->request, TENSOCK_CANCELLED, NULL);
		tsk_info("frame %u: given up, %llu bytes of %llu were missing: %s", s->decoder.id,
			 (unsigned long long)s->decoder.body_left,
			 (unsigned long long)s->decoder.size, why);
	} else if (!seed_is_between(&s->decoder)) {
		tsk_info("a frame was given up within its header: %s", why);
	}
	over(s);
}

static int request_prepare(struct request *request, const struct tsk_model_info *info,
			   uint64_t *ret_in_bytes, uint64_t *ret_out_bytes,
			   struct tensock_error *reterr)
{
	struct seed_session *s = session_of(request);
	int r;

	seed_input_done(&s->input);
	r = seed_input_init(&s->input, info, reterr);
	if (r < 0)
		return r;
	*ret_in_bytes = s->input.bytes;
	*ret_out_bytes = seed_output_guess(info);
	return 0;
}

static bool request_fill(struct request *request, void *region)
{
	return seed_input_fill(&session_of(request)->input, region);
}

static void print_outputs(const struct request_outputs *outputs)
{
	_cleanup_free_ char *text = NULL;
	size_t len;

	if (seed_output_text(outputs->region, outputs->tensors, outputs->n_tensors, &text, &len) <
	    0)
		tsk_warning("the outputs of a run are not printed: no memory");
	else
		printer_print(text, len);
}

static void request_done(struct request *request, struct request_outputs *outputs,
			 const struct tensock_error *error)
{
	struct seed_session *s = session_of(request);

	seed_input_done(&s->input);
	if (error) {
		answer_with_error(s, error);
	} else {
		print_outputs(outputs);
		s->guest->counters.ok++;
		access_log(&s->request, TENSOCK_OK, NULL);
		tsk_debug("frame %u: ok", s->decoder.id);
		set_answer(s, answer_ok);
	}
	s->host->wake(s->host);
}

static const struct request_ops request_ops = {
	.prepare = request_prepare,
	.fill = request_fill,
	.done = request_done,
};

static void on_hashed(void *context)
{
	struct seed_session *s = context;

	models_submit(s->guest->models, TAKE_PTR(s->file), &s->request);
}

static void begin_body(struct seed_session *s)
{
	struct tensock_error error;

	if (model_file_new(&s->guest->account, s->decoder.size, &s->file, &error) < 0) {
		refuse(s, &error);
		return;
	}
	s->request.origin.bytes = s->decoder.size;
	seed_body(&s->decoder, model_file_room(s->file));
	/* The engine of a new worker opens while the model comes. */
	workers_expect(s->guest->workers);
}

static void begin_frame(struct seed_session *s)
{
	s->guest->counters.accepted++;
	s->request.origin = (struct request_origin){ .protocol = "seed",
						     .what = "MODEL",
						     .connection = s->connection,
						     .id = s->decoder.id,
						     .begun_ns = tsk_now_ns() };
}

static void end_body(struct seed_session *s)
{
	struct tensock_error error;

	s->stage = STAGE_WORKING;
	if (model_file_freeze(s->file, &s->guest->work, on_hashed, s, &error) < 0)
		answer_with_error(s, &error);
}

static void *seed_open(struct guest *guest, struct stream_host *host)
{
	struct seed_session *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	*s = (struct seed_session){ .guest = guest, .host = host, .request.ops = &request_ops };
	s->connection = guest->counters.connections;
	seed_decoder_init(&s->decoder, guest->limits.model_bytes_max);
	return s;
}

static size_t seed_session_window(void *stream, void **ret_buf)
{
	struct seed_session *s = stream;

	return s->stage == STAGE_RECEIVING ? seed_window(&s->decoder, ret_buf) : 0;
}

static void seed_session_received(void *stream, size_t n)
{
	struct seed_session *s = stream;
	enum seed_state before = s->decoder.state;
	struct tensock_error error;

	seed_received(&s->decoder, n, &error);
	if (s->decoder.state == before)
		return;
	if (before == SEED_HEADER)
		begin_frame(s);
	if (s->decoder.state == SEED_REFUSED)
		refuse(s, &error);
	else if (s->decoder.state == SEED_BODY)
		begin_body(s);
	else
		end_body(s);
}

static void seed_session_ended(void *stream)
{
	struct seed_session *s = stream;

	s->ends_after_answer = true;
	if (s->stage == STAGE_RECEIVING)
		lose_frame(s, "the guest closed the connection");
}

static size_t seed_session_output(void *stream, const void **ret_buf)
{
	struct seed_session *s = stream;

	if (s->stage != STAGE_ANSWERING)
		return 0;
	*ret_buf = s->answer;
	return s->answer_bytes;
}

static void seed_session_sent(void *stream, size_t n)
{
	struct seed_session *s = stream;

	assert(s->stage == STAGE_ANSWERING && n <= s->answer_bytes);
	s->answer += n;
	s->answer_bytes -= n;
	if (s->answer_bytes)
		return;
	if (s->ends_after_answer) {
		over(s);
		return;
	}
	seed_next(&s->decoder);
	s->stage = STAGE_RECEIVING;
}

static bool seed_session_finished(void *stream)
{
	struct seed_session *s = stream;

	return s->stage == STAGE_OVER;
}

static void seed_session_close(void *stream)
{
	struct seed_session *s = stream;

	if (is_in_body(s)) {
		lose_frame(s, "the connection was reset");
	} else if (s->stage == STAGE_WORKING) {
		s->guest->counters.cancelled++;
		access_log(&s->request, TENSOCK_CANCELLED, NULL);
		tsk_info("frame %u: cancelled, the guest is gone", s->decoder.id);
		models_cancel(s->guest->models, &s->request);
	}
	model_file_free(s->file);
	seed_input_done(&s->input);
	free(s);
}

static bool seed_is_waiting(void *stream)
{
	struct seed_session *s = stream;

	if (s->stage == STAGE_RECEIVING)
		return !seed_is_between(&s->decoder);
	return s->stage == STAGE_ANSWERING;
}

static void seed_timed_out(void *stream)
{
	struct seed_session *s = stream;

	if (s->stage == STAGE_RECEIVING)
		lose_frame(s, "too few bytes came for too long (idle-timeout)");
	else
		over(s);
}

static void seed_refuse_stream(void *stream, const struct tensock_error *error)
{
	struct seed_session *s = stream;

	(void)error; /* it has no words for it, and the log has it */
	seed_refuse(&s->decoder);
	s->ends_after_answer = true;
	set_answer(s, answer_error);
}

static void seed_stop(void *stream)
{
	struct seed_session *s = stream;

	s->ends_after_answer = true;
	if (s->stage == STAGE_RECEIVING && seed_is_between(&s->decoder))
		over(s);
}

static void seed_give_up(void *stream)
{
	struct seed_session *s = stream;
	struct tensock_error error;

	if (s->stage == STAGE_RECEIVING)
		lose_frame(s, "the host goes down");
	if (s->stage != STAGE_WORKING)
		return;
	models_cancel(s->guest->models, &s->request);
	(void)tsk_fail(&error, TENSOCK_UNAVAILABLE, "the host goes down, and this takes too long");
	answer_with_error(s, &error);
}

static const struct stream_ops seed_stream_ops = {
	.window = seed_session_window,
	.received = seed_session_received,
	.ended = seed_session_ended,
	.output = seed_session_output,
	.sent = seed_session_sent,
	.finished = seed_session_finished,
	.close = seed_session_close,
};

static bool seed_begins(const unsigned char first[PROTOCOL_FIRST_BYTES])
{
	static const unsigned char type[PROTOCOL_FIRST_BYTES] = { SEED_TYPE_MODEL, 0, 0, 0 };

	return memcmp(first, type, sizeof(type)) == 0;
}

const struct protocol seed_protocol = {
	.name = "seed",
	.begins = seed_begins,
	.stream = &seed_stream_ops,
	.open = seed_open,
	.is_waiting = seed_is_waiting,
	.timed_out = seed_timed_out,
	.stop = seed_stop,
	.refuse = seed_refuse_stream,
	.give_up = seed_give_up,
};
