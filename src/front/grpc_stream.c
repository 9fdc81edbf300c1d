/* SPDX-License-Identifier: Apache-2.0 */
#include "front/grpc_stream.h"

#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "front/grpc_unpack.h"
#include "front/limit_hits.h"

#define BUFFER_MIN 512u /* of a message's buffer, and of the backlog, in bytes */

#define CONTENT_TYPE                               \
	{                                          \
		"content-type", "application/grpc" \
	}
#define ENCODING                                                  \
	{                                                         \
		"grpc-accept-encoding", "identity, deflate, gzip" \
	}

bool grpc_stream_is_unary(const struct grpc_stream *stream)
{
	return stream->method != OIP_PB_MODEL_STREAM_INFER && stream->method != OIP_PB_REFLECTION &&
	       stream->method != OIP_PB_REFLECTION_ALPHA;
}

static bool is_infer(const struct grpc_stream *s)
{
	return s->method == OIP_PB_MODEL_INFER || s->method == OIP_PB_MODEL_STREAM_INFER;
}

/*
 * ---- Its answer's header and trailers
 */

static void respond(struct grpc_stream *s, const struct h2_header *headers, size_t n, bool has_body)
{
	struct h2 *h2 = grpc_h2(s->session);

	s->has_head = true;
	if (h2_respond(h2, s->id, headers, n, has_body ? s : NULL) < 0)
		h2_reset(h2, s->id);
	grpc_changed(s->session);
}

static void respond_head(struct grpc_stream *s)
{
	static const struct h2_header head[] = { { ":status", "200" }, CONTENT_TYPE, ENCODING };

	if (!s->has_head)
		respond(s, head, ARRAY_SIZE(head), true);
}

/* Valid until the next call. */
static size_t write_trailers(const struct grpc_stream *s, struct h2_header ret[2])
{
	static char number[4], message[GRPC_PERCENT_MAX + 1];
	unsigned code = tsk_status(s->status.status)->grpc;

	number[0] = (char)('0' + code / 10);
	number[1] = (char)('0' + code % 10);
	number[2] = '\0';
	ret[0] = (struct h2_header){ "grpc-status", code < 10 ? number + 1 : number };
	if (!code)
		return 1;
	grpc_percent_encode(s->status.message, message);
	ret[1] = (struct h2_header){ "grpc-message", message };
	return 2;
}

static void respond_trailers_only(struct grpc_stream *s)
{
	struct h2_header head[5] = { { ":status", "200" }, CONTENT_TYPE, ENCODING };
	size_t n = 3 + write_trailers(s, head + 3);

	respond(s, head, n, false);
}

/* The error (NULL: none) is what becomes of it, once what has been answered has gone. */
static void finish(struct grpc_stream *s, const struct tensock_error *error)
{
	if (s->is_finished)
		return;
	s->is_finished = true;
	s->receiver = NULL;
	if (error)
		s->status = *error;
	if (!s->has_head)
		respond_trailers_only(s);
	else
		h2_resume(grpc_h2(s->session), s->id);
	grpc_changed(s->session);
}

static void finish_by(struct grpc_stream *s, enum tensock_status status, const char *text)
{
	struct tensock_error error;

	(void)tsk_fail(&error, status, "%s", text);
	finish(s, &error);
}

/* One that is no call of gRPC. */
static void refuse_http(struct grpc_stream *s, const char *status)
{
	const struct h2_header head[] = { { ":status", status } };

	s->is_finished = true;
	respond(s, head, 1, false);
}

/*
 * ---- Messages
 */

int grpc_message_account(struct grpc_message *message, uint64_t bytes, struct tensock_error *reterr)
{
	if (account_take(&message->guest->account, bytes) < 0)
		return limit_fail(METRICS_LIMIT_MEMORY, reterr, TENSOCK_LIMIT_REACHED,
				  "no room for a message of %llu bytes beside what is in use "
				  "(max-memory)",
				  (unsigned long long)bytes);
	message->private_bytes += bytes;
	return 0;
}

void grpc_message_answered(struct grpc_message *message)
{
	struct grpc_stream *s = message->stream;

	message->is_answered = true;
	if (s->receiver == message) {
		s->receiver = NULL;
		grpc_skip(&s->decoder);
	}
	respond_head(s);
	if (grpc_stream_is_unary(s) && !s->is_watching)
		finish(s, NULL);
	else
		h2_resume(grpc_h2(s->session), s->id);
	grpc_changed(s->session);
}

void grpc_message_answer(struct grpc_message *message, struct oip_pb *pb)
{
	struct tensock_error error;

	grpc_answer_init(&message->answer, pb);
	if (grpc_message_account(message, grpc_answer_memory(&message->answer), &error) < 0)
		finish(message->stream, &error);
	else
		grpc_message_answered(message);
}

void grpc_message_fail(struct grpc_message *message, const struct tensock_error *error)
{
	struct wire_string id = message->call.infer.id; /* as far as it is known */
	struct oip_pb pb;

	if (message->stream->method == OIP_PB_MODEL_STREAM_INFER &&
	    oip_pb_stream_error(error->message, id, &pb) == 0)
		grpc_message_answer(message, &pb);
	else
		finish(message->stream, error);
}

void grpc_message_free(struct grpc_message *message)
{
	grpc_infer_done(message);
	region_task_end(&message->guest->regions, &message->region);
	if (message->has_task)
		oip_task_end(&message->task);
	grpc_answer_done(&message->answer);
	account_give(&message->guest->account, message->private_bytes);
	free(message);
}

static void remove_message(struct grpc_stream *s, struct grpc_message *m)
{
	TAILQ_REMOVE(&s->messages, m, entry);
	s->n_messages--;
	m->stream = NULL;
	if (m->is_answered)
		grpc_leave(s->session, m);
	else
		grpc_message_free(m);
}

static struct grpc_message *message_new(struct grpc_stream *s, struct tensock_error *reterr)
{
	struct grpc_message *m = calloc(1, sizeof(*m));

	if (!m) {
		(void)tsk_fail(reterr, TENSOCK_OUT_OF_MEMORY, "no memory for the message");
		return NULL;
	}
	m->guest = s->guest;
	m->stream = s;
	if (grpc_message_account(m, sizeof(*m), reterr) < 0) {
		free(m);
		return NULL;
	}
	TAILQ_INSERT_TAIL(&s->messages, m, entry);
	s->n_messages++;
	return m;
}

/*
 * ---- The request, as it comes
 */

static void drop_buffer(struct grpc_stream *s)
{
	account_give(&s->guest->account, s->decoder.size);
	grpc_decoder_done(&s->decoder);
}

static void begin_message(struct grpc_stream *s)
{
	struct tensock_error error;

	if (s->has_message && grpc_stream_is_unary(s)) {
		finish_by(s, TENSOCK_PROTOCOL, "more than one message to a method that takes one");
		return;
	}
	s->has_message = true;
	s->receiver = message_new(s, &error);
	if (!s->receiver)
		finish(s, &error);
	else if (is_infer(s))
		grpc_infer_begin(s->receiver);
}

/* The buffer must hold more: twice as much, but no more than the message has. */
static size_t wanted_size(const struct grpc_decoder *d)
{
	size_t wanted = 2 * d->size > BUFFER_MIN ? 2 * d->size : BUFFER_MIN;

	if (wanted > d->n + d->left)
		wanted = d->n + (size_t)d->left;
	return wanted > d->needed ? wanted : d->needed;
}

/* The message that comes has no other end than this. */
static void fail_receiver(struct grpc_stream *s, const struct tensock_error *error)
{
	grpc_infer_give_up(s->receiver, error);
	grpc_message_fail(s->receiver, error);
}

static void grow_buffer(struct grpc_stream *s)
{
	struct account *account = &s->guest->account;
	struct grpc_decoder *d = &s->decoder;
	size_t wanted = wanted_size(d), more = wanted - d->size;
	struct tensock_error error;

	if (account_take(account, more) < 0) {
		(void)limit_fail(METRICS_LIMIT_MEMORY, &error, TENSOCK_LIMIT_REACHED,
				 "no room for a message of %u bytes beside what is in use "
				 "(max-memory)",
				 d->length);
		fail_receiver(s, &error);
		return;
	}
	if (grpc_grow(d, wanted) == 0)
		return;
	account_give(account, more);
	(void)tsk_fail(&error, TENSOCK_OUT_OF_MEMORY, "no memory for the message");
	fail_receiver(s, &error);
}

/* Where it is by what a key allows that a message is too long. */
static void count_length(const struct grpc_stream *s, const struct tensock_error *error)
{
	if (error->status == TENSOCK_TOO_LARGE && is_infer(s))
		limit_hit(METRICS_LIMIT_REQUEST_SIZE);
	else if (error->status == TENSOCK_TOO_LARGE && s->method == OIP_PB_REPOSITORY_LOAD)
		limit_hit(METRICS_LIMIT_MODEL_SIZE);
}

static bool step(struct grpc_stream *s);

/* What the message says that is compressed is looked at as if it had come so. */
static void unpack_message(struct grpc_stream *s)
{
	struct account *account = &s->guest->account;
	struct grpc_decoder *d = &s->decoder;
	const unsigned char *in = d->in, *end = d->end;
	struct grpc_unpacked_bytes unpacked;
	struct tensock_error error;
	int r = grpc_unpack(&unpacked, account, s->coding, d->buffer, d->n, d->length_max, d->limit,
			    &error);

	drop_buffer(s);
	if (r < 0) {
		count_length(s, &error);
		fail_receiver(s, &error);
		return;
	}
	grpc_unpacked(d, unpacked.bytes, (uint32_t)unpacked.n);
	do
		(void)step(s);
	while (!s->is_finished && !grpc_is_between(d));
	grpc_unpack_done(&unpacked);
	grpc_feed(d, in, (size_t)(end - in));
}

static void end_message(struct grpc_stream *s)
{
	struct grpc_message *m;

	if (s->receiver && s->decoder.is_packed) {
		unpack_message(s);
		return;
	}
	m = TAKE_PTR(s->receiver);
	if (m && is_infer(s))
		grpc_infer_submit(m);
	else if (m)
		grpc_method_call(m);
	drop_buffer(s);
}

/* False: more bytes are wanted. */
static bool step(struct grpc_stream *s)
{
	switch (grpc_next(&s->decoder)) {
	case GRPC_MORE:
		return false;
	case GRPC_BEGIN:
		begin_message(s);
		break;
	case GRPC_FULL:
		grow_buffer(s);
		break;
	case GRPC_RAW:
		grpc_infer_raw(s->receiver);
		break;
	case GRPC_RAW_END:
		break;
	case GRPC_MESSAGE:
		end_message(s);
		break;
	case GRPC_BROKEN:
		count_length(s, &s->decoder.error);
		finish(s, &s->decoder.error);
		break;
	}
	return true;
}

/* No more messages, until one of those that are there has gone: they would be refused, or wait. */
static bool is_full(const struct grpc_stream *s)
{
	return (s->n_messages >= GRPC_MESSAGES_MAX ||
		s->n_messages + grpc_leaving(s->session) >= s->guest->limits.requests_max) &&
	       grpc_is_between(&s->decoder);
}

/* How many of the bytes have been used: all, but what is behind the last message that may be. */
static size_t decode(struct grpc_stream *s, const unsigned char *bytes, size_t n)
{
	grpc_feed(&s->decoder, bytes, n);
	while (!s->is_finished && !is_full(s) && step(s))
		;
	return s->is_finished ? n : n - grpc_unused(&s->decoder);
}

static void look_whether_ended(struct grpc_stream *s)
{
	if (!s->has_ended || s->n_backlog || s->is_finished)
		return;
	if (!grpc_is_between(&s->decoder))
		finish_by(s, TENSOCK_PROTOCOL, "the request ends within a message");
	else if (grpc_stream_is_unary(s) && !s->has_message)
		finish_by(s, TENSOCK_PROTOCOL, "a request without a message");
	else if (!s->n_messages && !s->is_watching)
		finish(s, NULL);
}

/*
 * ---- What may not be looked at yet
 */

static int grow_backlog(struct grpc_stream *s, size_t n)
{
	size_t wanted = 2 * s->backlog_size > BUFFER_MIN ? 2 * s->backlog_size : BUFFER_MIN;
	unsigned char *grown;

	while (wanted - s->n_backlog < n)
		wanted *= 2;
	if (account_take(&s->guest->account, wanted - s->backlog_size) < 0)
		return -EBUSY;
	grown = realloc(s->backlog, wanted);
	if (!grown) {
		account_give(&s->guest->account, wanted - s->backlog_size);
		return -ENOMEM;
	}
	s->backlog = grown;
	s->backlog_size = wanted;
	return 0;
}

static void drop_backlog(struct grpc_stream *s)
{
	account_give(&s->guest->account, s->backlog_size);
	free(TAKE_PTR(s->backlog));
	s->backlog_size = s->n_backlog = s->backlog_at = 0;
}

/* No more than H2_STREAM_WINDOW: the peer may send no more until it is consumed. */
static void keep(struct grpc_stream *s, const unsigned char *bytes, size_t n)
{
	if (n > s->backlog_size - s->backlog_at - s->n_backlog && s->backlog_at) {
		memmove(s->backlog, s->backlog + s->backlog_at, s->n_backlog);
		s->backlog_at = 0;
	}
	if (n > s->backlog_size - s->backlog_at - s->n_backlog && grow_backlog(s, n) < 0) {
		limit_hit(METRICS_LIMIT_MEMORY);
		finish_by(s, TENSOCK_LIMIT_REACHED,
			  "no room for more messages beside what is in use (max-memory)");
		return;
	}
	memcpy(s->backlog + s->backlog_at + s->n_backlog, bytes, n);
	s->n_backlog += n;
}

void grpc_stream_resume(struct grpc_stream *stream)
{
	struct grpc_stream *s = stream;

	while (s->n_backlog && !s->is_finished && !is_full(s)) {
		size_t used = decode(s, s->backlog + s->backlog_at, s->n_backlog);

		s->backlog_at += used;
		s->n_backlog -= used;
		h2_consume(grpc_h2(s->session), s->id, used);
		grpc_changed(s->session);
	}
	if (s->backlog && !s->n_backlog)
		drop_backlog(s);
	look_whether_ended(s);
}

/*
 * ---- As HTTP/2 tells of it
 */

struct grpc_stream *grpc_stream_new(struct grpc_session *session, struct guest *guest, int32_t id)
{
	struct grpc_stream *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	if (account_take(&guest->account, sizeof(*s)) < 0) {
		free(s);
		return NULL;
	}
	s->session = session;
	s->guest = guest;
	s->id = id;
	TAILQ_INIT(&s->messages);
	return s;
}

void grpc_stream_free(struct grpc_stream *stream)
{
	struct grpc_message *m;

	while ((m = TAILQ_FIRST(&stream->messages)))
		remove_message(stream, m);
	drop_buffer(stream);
	drop_backlog(stream);
	account_give(&stream->guest->account, sizeof(*stream));
	free(stream);
}

static void begin_call(struct grpc_stream *s, const char *path, uint64_t timeout_ms)
{
	int method = oip_pb_method(path, strlen(path));
	struct tensock_error error;

	if (method < 0) {
		(void)tsk_fail(&error, TENSOCK_UNSUPPORTED, "unknown method %.200s", path);
		finish(s, &error);
		return;
	}
	s->method = (enum oip_pb_method)method;
	s->decoder.is_infer = is_infer(s);
	s->decoder.takes_packed = s->coding != HTTP_IDENTITY;
	s->decoder.length_max = grpc_method_length_max(s->guest, s->method, &s->decoder.limit);
	if (timeout_ms)
		s->deadline_ms = uv_now(s->guest->loop) + timeout_ms;
	if (s->method == OIP_PB_MODEL_STREAM_INFER)
		respond_head(s);
}

static bool read_encoding(const char *text, enum http_coding *ret)
{
	if (!text[0] || strcmp(text, "identity") == 0)
		*ret = HTTP_IDENTITY;
	else if (strcmp(text, "gzip") == 0)
		*ret = HTTP_GZIP;
	else if (strcmp(text, "deflate") == 0)
		*ret = HTTP_DEFLATE;
	else
		return false;
	return true;
}

void grpc_stream_begin(struct grpc_stream *stream, const struct h2_head *head)
{
	const char *timeout = head->values[H2_GRPC_TIMEOUT];
	struct grpc_stream *s = stream;
	uint64_t timeout_ms = 0;

	if (strcmp(head->values[H2_METHOD], "POST") != 0)
		refuse_http(s, "405");
	else if (!grpc_is_content_type(head->values[H2_CONTENT_TYPE]))
		refuse_http(s, "415");
	else if (strcmp(head->values[H2_TE], "trailers") != 0)
		finish_by(s, TENSOCK_PROTOCOL,
			  "a call of gRPC says \"te: trailers\": something on the way does not "
			  "speak it");
	else if (timeout[0] && grpc_timeout_read(timeout, &timeout_ms) < 0)
		finish_by(s, TENSOCK_PROTOCOL, "a grpc-timeout that is none");
	else if (!read_encoding(head->values[H2_GRPC_ENCODING], &s->coding))
		finish_by(s, TENSOCK_UNSUPPORTED,
			  "a grpc-encoding that this host does not know: it takes identity, gzip "
			  "and deflate");
	else
		begin_call(s, head->values[H2_PATH], timeout_ms);
}

uint64_t grpc_stream_place(struct grpc_stream *stream, void **ret_place)
{
	if (stream->is_finished || stream->has_ended || stream->n_backlog || !stream->receiver)
		return 0;
	return grpc_room(&stream->decoder, ret_place);
}

size_t grpc_stream_body(struct grpc_stream *stream, const unsigned char *bytes, size_t n)
{
	struct grpc_stream *s = stream;
	size_t used = 0;

	if (!s->n_backlog)
		used = decode(s, bytes, n);
	if (!s->is_finished && used < n)
		keep(s, bytes + used, n - used);
	return s->is_finished ? n : used;
}

void grpc_stream_ended(struct grpc_stream *stream)
{
	stream->has_ended = true;
	look_whether_ended(stream);
}

/* What is to be answered has been. */
static void end_answers(struct grpc_stream *s)
{
	if (grpc_is_stopping(s->session) && !s->has_ended && !s->is_watching)
		finish_by(s, TENSOCK_UNAVAILABLE, "the host is going down");
	look_whether_ended(s);
}

void grpc_stream_answer(struct grpc_stream *stream, size_t max, struct h2_frame *ret)
{
	static struct h2_header trailers[2];
	struct grpc_stream *s = stream;
	struct grpc_message *m;

	while ((m = TAILQ_FIRST(&s->messages)) && m->is_answered) {
		if (!grpc_answer_take(&m->answer, max, ret))
			return;
		remove_message(s, m);
	}
	if (!m)
		end_answers(s);
	if (!s->is_finished || (m && s->status.status == TENSOCK_OK))
		return;
	ret->is_last = true;
	ret->trailers = trailers;
	ret->n_trailers = write_trailers(s, trailers);
}

void grpc_stream_stop(struct grpc_stream *stream)
{
	if (!grpc_stream_is_unary(stream) && TAILQ_EMPTY(&stream->messages))
		finish_by(stream, TENSOCK_UNAVAILABLE, "the host is going down");
	if (stream->is_watching)
		grpc_method_stop(stream);
}

struct grpc_message *grpc_stream_say(struct grpc_stream *stream)
{
	return message_new(stream, NULL);
}

void grpc_stream_finish(struct grpc_stream *stream)
{
	finish(stream, NULL);
}

void grpc_stream_give_up(struct grpc_stream *stream, const struct tensock_error *error)
{
	struct grpc_message *m;

	TAILQ_FOREACH(m, &stream->messages, entry)
	{
		if (!m->is_answered)
			grpc_infer_give_up(m, error);
	}
	finish(stream, error);
}

bool grpc_stream_is_waiting(const struct grpc_stream *stream)
{
	const struct grpc_message *m = TAILQ_FIRST(&stream->messages);

	if (stream->is_finished || (m && m->is_answered))
		return true;
	if (stream->has_ended)
		return false;
	if (grpc_stream_is_unary(stream))
		return !stream->has_message || stream->receiver;
	return !grpc_is_between(&stream->decoder);
}
