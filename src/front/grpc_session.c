/* SPDX-License-Identifier: Apache-2.0 */
#include "front/grpc_session.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/status.h"
#include "front/grpc_stream.h"
#include "front/guest.h"

/* Beside those that are under way, as max-requests allows: for health, metadata and the like. */
#define STREAMS_BESIDE 8u

TAILQ_HEAD(grpc_streams, grpc_stream);

struct grpc_session {
	struct guest *guest;
	struct stream_host *host;
	uint64_t connection; /* its number, for the log */
	struct h2 *h2;
	struct grpc_streams streams;
	struct grpc_messages leaving; /* that may be referred to by what goes out */
	unsigned n_leaving;
	bool is_in_op; /* the carrier looks again by itself */
	bool has_left; /* streams may have room for messages again */
	bool is_stopping;
	bool is_refused;
	bool has_ended; /* the peer sends no more */
	bool is_over;   /* nothing is sent any more, either */
};

/*
 * ---- What is known of it in grpc_stream.h
 */

struct h2 *grpc_h2(const struct grpc_session *session)
{
	return session->h2;
}

bool grpc_is_stopping(const struct grpc_session *session)
{
	return session->is_stopping;
}

void grpc_changed(struct grpc_session *session)
{
	if (!session->is_in_op)
		session->host->wake(session->host);
}

int grpc_take_fd(const struct grpc_session *session)
{
	return stream_take_fd(session->host);
}

void grpc_leave(struct grpc_session *session, struct grpc_message *message)
{
	TAILQ_INSERT_TAIL(&session->leaving, message, entry);
	session->n_leaving++;
	session->has_left = true;
}

unsigned grpc_leaving(const struct grpc_session *session)
{
	return session->n_leaving;
}

/*
 * ---- For HTTP/2
 */

static void *on_request(void *context, int32_t id, const struct h2_head *head)
{
	struct grpc_session *s = context;
	struct grpc_stream *stream = grpc_stream_new(s, s->guest, id);

	if (!stream)
		return NULL;
	stream->connection = s->connection;
	TAILQ_INSERT_TAIL(&s->streams, stream, entry);
	grpc_stream_begin(stream, head);
	return stream;
}

static uint64_t on_place(void *stream, void **ret_place)
{
	return grpc_stream_place(stream, ret_place);
}

static size_t on_body(void *stream, const unsigned char *bytes, size_t n)
{
	return grpc_stream_body(stream, bytes, n);
}

static void on_body_end(void *stream)
{
	grpc_stream_ended(stream);
}

static void on_answer(void *stream, size_t max, struct h2_frame *ret)
{
	grpc_stream_answer(stream, max, ret);
}

static void on_closed(void *stream)
{
	struct grpc_stream *st = stream;

	TAILQ_REMOVE(&st->session->streams, st, entry);
	grpc_stream_free(st);
}

static void on_drained(void *context)
{
	struct grpc_session *s = context;
	struct grpc_message *m;

	while ((m = TAILQ_FIRST(&s->leaving))) {
		TAILQ_REMOVE(&s->leaving, m, entry);
		grpc_message_free(m);
		s->n_leaving--;
		s->has_left = true;
	}
}

static const struct h2_ops h2_ops = {
	.request = on_request,
	.place = on_place,
	.body = on_body,
	.ended = on_body_end,
	.answer = on_answer,
	.closed = on_closed,
	.drained = on_drained,
};

/*
 * ---- As a stream of bytes
 */

static void drop_streams(struct grpc_session *s)
{
	struct grpc_stream *stream;

	while ((stream = TAILQ_FIRST(&s->streams)))
		on_closed(stream);
}

/* Nothing is sent any more, and nothing looked at. */
static void end(struct grpc_session *s)
{
	s->is_over = true;
	drop_streams(s);
	on_drained(s);
}

static void look_whether_over(struct grpc_session *s)
{
	const char *reason = h2_reason(s->h2);

	if (s->is_over || !h2_is_over(s->h2))
		return;
	if (reason)
		tsk_warning("a gRPC connection is ended: %s", reason);
	end(s);
}

/* Streams whose messages have gone take the next ones. */
static void resume_streams(struct grpc_session *s)
{
	struct grpc_stream *stream;

	if (!s->has_left)
		return;
	s->has_left = false;
	TAILQ_FOREACH(stream, &s->streams, entry)
	grpc_stream_resume(stream);
}

/* After bytes have come, or gone. */
static void look_around(struct grpc_session *s)
{
	/* Where nothing goes out, nothing refers to what has left. */
	if (!h2_is_sending(s->h2))
		on_drained(s);
	resume_streams(s);
	look_whether_over(s);
}

static unsigned grpc_scatter(void *stream, struct iovec *iov)
{
	struct grpc_session *s = stream;

	return s->is_over || s->has_ended || s->is_refused ? 0 : h2_scatter(s->h2, iov);
}

static size_t grpc_window(void *stream, void **ret_buf)
{
	struct iovec iov[STREAM_SCATTER_MAX];

	if (!grpc_scatter(stream, iov))
		return 0;
	*ret_buf = iov[0].iov_base;
	return iov[0].iov_len;
}

static void grpc_received(void *stream, size_t n)
{
	struct grpc_session *s = stream;

	s->is_in_op = true;
	h2_received(s->h2, n);
	look_around(s);
	s->is_in_op = false;
}

/* What the peer had not sent whole will never be. */
static void drop_incomplete(struct grpc_session *s)
{
	struct grpc_stream *stream, *next;

	for (stream = TAILQ_FIRST(&s->streams); stream; stream = next) {
		next = TAILQ_NEXT(stream, entry);
		if (!stream->has_ended && !stream->is_finished)
			h2_reset(s->h2, stream->id);
	}
}

static void grpc_ended(void *stream)
{
	struct grpc_session *s = stream;

	s->is_in_op = true;
	s->has_ended = true;
	drop_incomplete(s);
	s->is_in_op = false;
}

static unsigned grpc_gather(void *stream, struct iovec *iov, unsigned max)
{
	struct grpc_session *s = stream;
	bool was_in_op = s->is_in_op;
	unsigned n;

	if (s->is_over)
		return 0;
	s->is_in_op = true;
	n = h2_gather(s->h2, iov, max);
	s->is_in_op = was_in_op;
	return n;
}

static size_t grpc_output(void *stream, const void **ret_buf)
{
	struct iovec iov;

	if (!grpc_gather(stream, &iov, 1))
		return 0;
	*ret_buf = iov.iov_base;
	return iov.iov_len;
}

static void grpc_sent(void *stream, size_t n)
{
	struct grpc_session *s = stream;

	s->is_in_op = true;
	h2_sent(s->h2, n);
	look_around(s);
	s->is_in_op = false;
}

static bool grpc_finished(void *stream)
{
	struct grpc_session *s = stream;

	if (s->is_over || s->is_refused || h2_is_over(s->h2))
		return true;
	return (s->has_ended || s->is_stopping) && TAILQ_EMPTY(&s->streams);
}

static void grpc_close(void *stream)
{
	struct grpc_session *s = stream;

	s->is_in_op = true;
	end(s);
	h2_free(s->h2);
	account_give(&s->guest->account, H2_MEMORY_MAX);
	free(s);
}

static void *grpc_open(struct guest *guest, struct stream_host *host)
{
	struct grpc_session *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	*s = (struct grpc_session){ .guest = guest,
				    .host = host,
				    .connection = guest->counters.connections };
	TAILQ_INIT(&s->streams);
	TAILQ_INIT(&s->leaving);
	if (account_take(&guest->account, H2_MEMORY_MAX) < 0) {
		free(s);
		return NULL;
	}
	s->h2 = h2_new(&h2_ops, s, guest->limits.requests_max + STREAMS_BESIDE);
	if (s->h2)
		return s;
	account_give(&guest->account, H2_MEMORY_MAX);
	free(s);
	return NULL;
}

static bool grpc_is_waiting(void *stream)
{
	struct grpc_session *s = stream;
	const struct grpc_stream *st;

	if (s->is_over)
		return false;
	if (h2_is_sending(s->h2) || (!s->has_ended && !h2_is_between(s->h2)))
		return true;
	TAILQ_FOREACH(st, &s->streams, entry)
	{
		if (grpc_stream_is_waiting(st))
			return true;
	}
	return false;
}

static void grpc_timed_out(void *stream)
{
	struct grpc_session *s = stream;

	tsk_info(
		"a gRPC connection is ended: its guest has been silent for too long (idle-timeout)");
	s->is_in_op = true;
	end(s);
	s->is_in_op = false;
}

static void grpc_refuse(void *stream, const struct tensock_error *error)
{
	struct grpc_session *s = stream;

	h2_refuse(s->h2, error->message);
	s->is_refused = true;
}

static void grpc_stop(void *stream)
{
	struct grpc_session *s = stream;
	struct grpc_stream *st;

	if (s->is_stopping || s->is_over)
		return;
	s->is_stopping = true;
	h2_go_away(s->h2, "the host is going down");
	TAILQ_FOREACH(st, &s->streams, entry)
	grpc_stream_stop(st);
}

static void grpc_give_up(void *stream)
{
	struct grpc_session *s = stream;
	struct tensock_error error;
	struct grpc_stream *st;

	(void)tsk_fail(&error, TENSOCK_UNAVAILABLE, "the host goes down, and this takes too long");
	TAILQ_FOREACH(st, &s->streams, entry)
	grpc_stream_give_up(st, &error);
}

static const struct stream_ops grpc_stream_ops = {
	.window = grpc_window,
	.scatter = grpc_scatter,
	.received = grpc_received,
	.ended = grpc_ended,
	.output = grpc_output,
	.gather = grpc_gather,
	.sent = grpc_sent,
	.finished = grpc_finished,
	.close = grpc_close,
};

/* Of a region that is registered. */
static bool grpc_takes_fd(const void *stream)
{
	(void)stream;
	return true;
}

/* HTTP/2's preface. */
static bool grpc_begins(const unsigned char first[PROTOCOL_FIRST_BYTES])
{
	return memcmp(first, "PRI ", PROTOCOL_FIRST_BYTES) == 0;
}

const struct protocol grpc_protocol = {
	.name = "grpc",
	.begins = grpc_begins,
	.stream = &grpc_stream_ops,
	.open = grpc_open,
	.takes_fd = grpc_takes_fd,
	.is_waiting = grpc_is_waiting,
	.timed_out = grpc_timed_out,
	.stop = grpc_stop,
	.refuse = grpc_refuse,
	.give_up = grpc_give_up,
};
