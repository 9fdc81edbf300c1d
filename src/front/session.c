/* SPDX-License-Identifier: Apache-2.0 */
#include "front/session.h"

#include <inttypes.h>
#include <string.h>
#include <uv.h>

#include "base/log.h"
#include "base/status.h"
#include "front/grpc_session.h"
#include "front/guest.h"
#include "front/handle.h"
#include "front/http_session.h"
#include "front/limit_hits.h"
#include "front/native_session.h"
#include "front/seed_session.h"

/*
 * Connections above max-connections that are kept a moment, so that their guest can be told why they
 * are refused; more than these are closed without a word.
 */
#define BEYOND_MAX 8u
#define BEYOND_MS 500u

static const struct protocol *const protocols[] = {
	&seed_protocol,
	&native_protocol,
	&http_protocol,
	&grpc_protocol,
};

/*
 * A peer that is waited for has to move so much within idle_timeout_ms, or all that is awaited: a byte now
 * and then does not hold a connection, and no header takes longer than that.
 */
#define MOVED_MIN 64u

struct session {
	TAILQ_ENTRY(session) entry;
	struct sessions *sessions;
	struct stream_host *host; /* the carrier's */
	struct stream_host inner; /* ours, for the protocol */
	uv_timer_t *timer;
	size_t moved; /* since the timer was started */

	unsigned char first[PROTOCOL_FIRST_BYTES];
	size_t n_first;
	const struct protocol *protocol; /* NULL until the first bytes are there */
	void *stream;                    /* the protocol's */
	bool is_over;                    /* no protocol, and none to come */
	bool is_beyond;                  /* above max-connections: it is told so, and closed */
};

static bool is_waiting(const struct session *session)
{
	if (session->protocol)
		return session->protocol->is_waiting(session->stream);
	if (session->is_beyond)
		return !session->is_over;
	return session->n_first && !session->is_over;
}

static void on_silence(uv_timer_t *timer)
{
	struct session *session = timer->data;

	if (!session->is_beyond)
		limit_hit(METRICS_LIMIT_IDLE_TIMEOUT);
	if (session->protocol)
		session->protocol->timed_out(session->stream);
	else
		session->is_over = true;
	session->host->wake(session->host);
}

/* What the peer is waited for has changed. */
static void rearm(struct session *session)
{
	uint64_t ms = session->sessions->guest->limits.idle_timeout_ms;

	if (session->is_beyond && ms > BEYOND_MS)
		ms = BEYOND_MS;
	session->moved = 0;
	if (is_waiting(session))
		uv_timer_start(session->timer, on_silence, ms, 0);
	else
		uv_timer_stop(session->timer);
}

/* The peer has sent or taken n bytes. */
static void moved(struct session *session, size_t n)
{
	session->moved += n < MOVED_MIN ? n : MOVED_MIN;
	if (session->moved >= MOVED_MIN || !is_waiting(session) ||
	    !uv_is_active((const uv_handle_t *)session->timer))
		rearm(session);
}

static struct session *session_of(struct stream_host *inner)
{
	return (struct session *)(void *)((char *)inner - offsetof(struct session, inner));
}

static void on_inner_wake(struct stream_host *inner)
{
	struct session *session = session_of(inner);

	rearm(session);
	session->host->wake(session->host);
}

static int take_inner_fd(struct stream_host *inner)
{
	return stream_take_fd(session_of(inner)->host);
}

static size_t session_window(void *stream, void **ret_buf)
{
	struct session *session = stream;

	if (session->protocol)
		return session->protocol->stream->window(session->stream, ret_buf);
	*ret_buf = session->first + session->n_first;
	return session->is_over ? 0 : sizeof(session->first) - session->n_first;
}

static unsigned session_scatter(void *stream, struct iovec *iov)
{
	struct session *session = stream;

	if (session->protocol)
		return stream_scatter(session->protocol->stream, session->stream, iov);
	iov->iov_len = session_window(stream, &iov->iov_base);
	return iov->iov_len > 0;
}

static bool protocol_takes_fd(const struct session *session)
{
	const struct protocol *protocol = session->protocol;

	return protocol->takes_fd && protocol->takes_fd(session->stream);
}

/* It comes with the first bytes, before it is known who would take it. */
static bool session_takes_fd(void *stream)
{
	const struct session *session = stream;

	return !session->protocol || protocol_takes_fd(session);
}

static const struct protocol *find_protocol(const unsigned char *first)
{
	for (size_t i = 0; i < ARRAY_SIZE(protocols); i++) {
		if (protocols[i]->begins(first))
			return protocols[i];
	}
	return NULL;
}

/* Gives the protocol the first bytes, in as many pieces as it has room for. */
static void replay_first(struct session *session)
{
	const struct stream_ops *ops = session->protocol->stream;
	size_t done = 0;

	while (done < session->n_first) {
		void *buf;
		size_t n = ops->window(session->stream, &buf);

		if (n > session->n_first - done)
			n = session->n_first - done;
		if (n == 0)
			return;
		memcpy(buf, session->first + done, n);
		ops->received(session->stream, n);
		done += n;
	}
}

static void refuse_stream(struct session *session)
{
	const struct guest *guest = session->sessions->guest;
	struct tensock_error error;

	(void)tsk_fail(&error, TENSOCK_LIMIT_REACHED,
		       "this guest has %u connections open, as many as max-connections allows",
		       guest->limits.connections_max);
	session->protocol->refuse(session->stream, &error);
}

static void choose_protocol(struct session *session)
{
	const unsigned char *first = session->first;
	const struct protocol *protocol = find_protocol(first);

	if (!protocol) {
		tsk_warning("a connection was closed: %02x %02x %02x %02x begins no known protocol",
			    first[0], first[1], first[2], first[3]);
		session->is_over = true;
		return;
	}
	session->sessions->guest->counters.connections++;
	session->stream = protocol->open(session->sessions->guest, &session->inner);
	if (!session->stream) {
		tsk_warning("a connection was closed: no memory");
		session->is_over = true;
		return;
	}
	session->protocol = protocol;
	if (!protocol_takes_fd(session))
		tsk_close(stream_take_fd(session->host));
	if (session->is_beyond)
		refuse_stream(session);
	else
		replay_first(session);
}

static void session_received(void *stream, size_t n)
{
	struct session *session = stream;

	session->sessions->guest->counters.received_bytes += n;
	if (session->protocol) {
		session->protocol->stream->received(session->stream, n);
	} else {
		session->n_first += n;
		if (session->n_first == sizeof(session->first))
			choose_protocol(session);
	}
	moved(session, n);
}

static void session_ended(void *stream)
{
	struct session *session = stream;

	if (session->protocol)
		session->protocol->stream->ended(session->stream);
	else
		session->is_over = true;
	rearm(session);
}

static size_t session_output(void *stream, const void **ret_buf)
{
	struct session *session = stream;

	return session->protocol ? session->protocol->stream->output(session->stream, ret_buf) : 0;
}

static unsigned session_gather(void *stream, struct iovec *iov, unsigned max)
{
	struct session *session = stream;

	return session->protocol
		       ? stream_gather(session->protocol->stream, session->stream, iov, max)
		       : 0;
}

static void session_sent(void *stream, size_t n)
{
	struct session *session = stream;

	session->sessions->guest->counters.sent_bytes += n;
	session->protocol->stream->sent(session->stream, n);
	moved(session, n);
}

static bool session_finished(void *stream)
{
	struct session *session = stream;

	return session->protocol ? session->protocol->stream->finished(session->stream)
				 : session->is_over;
}

static void session_close(void *stream)
{
	struct session *session = stream;
	struct sessions *sessions = session->sessions;

	if (session->protocol)
		session->protocol->stream->close(session->stream);
	handle_free(session->timer);
	TAILQ_REMOVE(&sessions->list, session, entry);
	sessions->n -= !session->is_beyond;
	sessions->n_beyond -= session->is_beyond;
	free(session);
	sessions->closed(sessions->guest);
}

/* False: this one is not even told why. */
static bool has_room_beyond(struct sessions *sessions)
{
	sessions->refused++;
	limit_hit(METRICS_LIMIT_CONNECTIONS);
	tsk_warning("a connection was refused: %u are open, as many as max-connections allows "
		    "(%" PRIu64 " refused so far)",
		    sessions->n, sessions->refused);
	return sessions->n_beyond < BEYOND_MAX;
}

static struct session *session_new(struct sessions *sessions, struct stream_host *host)
{
	struct session *session = calloc(1, sizeof(*session));

	if (!session)
		return NULL;
	session->sessions = sessions;
	session->host = host;
	session->inner = (struct stream_host){ .wake = on_inner_wake, .take_fd = take_inner_fd };
	session->timer = handle_timer_new(sessions->guest->loop, session);
	if (!session->timer) {
		free(session);
		return NULL;
	}
	TAILQ_INSERT_TAIL(&sessions->list, session, entry);
	return session;
}

static void *session_open(void *context, struct stream_host *host)
{
	struct sessions *sessions = context;
	const struct guest *guest = sessions->guest;
	bool is_beyond = sessions->n >= guest->limits.connections_max;
	struct session *session;

	if (guest->is_stopping || (is_beyond && !has_room_beyond(sessions)))
		return NULL;
	session = session_new(sessions, host);
	if (!session)
		return NULL;
	session->is_beyond = is_beyond;
	sessions->n += !is_beyond;
	sessions->n_beyond += is_beyond;
	rearm(session);
	return session;
}

static const struct stream_ops session_ops = {
	.window = session_window,
	.scatter = session_scatter,
	.takes_fd = session_takes_fd,
	.received = session_received,
	.ended = session_ended,
	.output = session_output,
	.gather = session_gather,
	.sent = session_sent,
	.finished = session_finished,
	.close = session_close,
};

void sessions_init(struct sessions *sessions, struct guest *guest,
		   void (*closed)(struct guest *guest))
{
	*sessions = (struct sessions){ .guest = guest, .closed = closed };
	TAILQ_INIT(&sessions->list);
}

struct stream_service sessions_service(struct sessions *sessions)
{
	return (struct stream_service){
		.ops = &session_ops,
		.context = sessions,
		.open = session_open,
	};
}

void sessions_stop(struct sessions *sessions)
{
	struct session *session;

	TAILQ_FOREACH(session, &sessions->list, entry)
	{
		if (session->protocol)
			session->protocol->stop(session->stream);
		else
			session->is_over = true;
		session->host->wake(session->host);
	}
}

void sessions_give_up(struct sessions *sessions)
{
	struct session *session;

	TAILQ_FOREACH(session, &sessions->list, entry)
	{
		if (session->protocol)
			session->protocol->give_up(session->stream);
		session->host->wake(session->host);
	}
}
