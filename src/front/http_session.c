/* SPDX-License-Identifier: Apache-2.0 */
#include "front/http_session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/status.h"
#include "front/access_log.h"
#include "front/handle.h"
#include "front/http_exchange.h"
#include "front/limit_hits.h"
#include "front/protocol/http.h"

/*
 * A connection that ends in the middle of what its client sends is listened to a little longer: closed
 * at once, it would be reset, and our answer lost with it.  Until the client pauses, and no longer than
 * all this.
 */
#define LINGER_PAUSE_MS 200u
#define LINGER_MS 5000u
#define LINGER_BYTES ((size_t)64 << 20)

struct http_session {
	struct guest *guest;
	struct stream_host *host;
	uint64_t connection; /* its number, for the log */
	struct http_decoder decoder;
	struct http_output output;
	struct http_exchange exchange;
	uint64_t head_since_ms; /* of the loop's clock: since when a head is awaited; 0: none is */
	uv_timer_t *linger;     /* while what comes is thrown away */
	uint64_t linger_until_ms;
	size_t lingered;  /* bytes */
	bool is_in_op;    /* the carrier looks again by itself */
	bool is_stopping; /* this answer is the last one */
	bool has_ended;   /* the peer sends no more */
	bool is_closing;  /* nothing of what comes is looked at any more */
	bool is_over;     /* nothing is sent any more, either */
};

static struct http_session *session_of(struct http_exchange *x)
{
	return (struct http_session *)(void *)((char *)x - offsetof(struct http_session, exchange));
}

static void changed(struct http_session *s)
{
	if (!s->is_in_op)
		s->host->wake(s->host);
}

/*
 * ---- What the access log tells
 */

#define WHAT_MAX 256u /* bytes of a method and a path that are told */

/* "GET /v2/models/m". */
static void write_what(const struct http_head *head, char ret[WHAT_MAX])
{
	int n = snprintf(ret, WHAT_MAX, "%s ", llhttp_method_name(head->method));

	if (!head->n_segments)
		snprintf(ret + n, WHAT_MAX - (size_t)n, "/");
	for (unsigned i = 0; i < head->n_segments && i < HTTP_SEGMENTS_MAX && n < (int)WHAT_MAX;
	     i++)
		n += snprintf(ret + n, WHAT_MAX - (size_t)n, "/%.*s", head->segments[i].len,
			      head->segments[i].bytes);
}

/* head: NULL where it could not be read. */
static void tell(const struct http_session *s, struct request *request,
		 const struct http_head *head, unsigned http_status, uint32_t status,
		 const struct tensock_error *error)
{
	struct request_origin *origin = &request->origin;
	char what[WHAT_MAX] = "";

	if (!access_log_is_on())
		return;
	if (head)
		write_what(head, what);
	origin->protocol = "http";
	origin->what = what;
	origin->connection = s->connection;
	origin->http_status = http_status;
	if (!origin->begun_ns)
		origin->begun_ns = s->exchange.begun_ns;
	if (head && !origin->text.len)
		origin->text = head->id;
	access_log(request, status, error);
	origin->what = NULL;
}

/* Of the exchange: what is known of it lies in its task, or its call. */
static void tell_exchange(struct http_exchange *x, unsigned http_status, uint32_t status,
			  const struct tensock_error *error)
{
	struct request *request = x->task.guest ? &x->task.request : &x->infer.call.request;

	tell(session_of(x), request, x->head, http_status, status, error);
}

/*
 * ---- Ends
 */

static void end_linger(struct http_session *s)
{
	handle_free(TAKE_PTR(s->linger));
}

static void on_lingered(uv_timer_t *timer)
{
	struct http_session *s = timer->data;

	end_linger(s);
	s->host->wake(s->host);
}

/* For as long as the client does not pause. */
static void linger(struct http_session *s)
{
	uint64_t now_ms = uv_now(s->guest->loop);
	uint64_t left_ms = s->linger_until_ms > now_ms ? s->linger_until_ms - now_ms : 0;

	uv_timer_start(s->linger, on_lingered,
		       left_ms < LINGER_PAUSE_MS ? left_ms : LINGER_PAUSE_MS, 0);
}

/* Nothing more is looked at, and what was said last is sent.  is_in_middle: more of it may come. */
static void begin_closing(struct http_session *s, bool is_in_middle)
{
	if (s->is_closing)
		return;
	s->is_closing = true;
	if (!is_in_middle || s->has_ended)
		return;
	s->linger = handle_timer_new(s->guest->loop, s);
	s->linger_until_ms = uv_now(s->guest->loop) + LINGER_MS;
	if (s->linger)
		linger(s);
}

/* What is under way for the request is let go of. */
static void drop_work(struct http_exchange *x)
{
	http_infer_end(x);
	oip_task_end(&x->task);
	region_task_end(&x->guest->regions, &x->region);
	http_body_done(&x->body);
	account_give(&x->guest->account, x->inflate_bytes);
	x->inflate_bytes = 0;
}

/* It ends, be it answered or not. */
static void end_exchange(struct http_session *s)
{
	if (!s->exchange.handler)
		return;
	if (!s->exchange.is_answered)
		tell_exchange(&s->exchange, 0, TENSOCK_CANCELLED, NULL);
	drop_work(&s->exchange);
	s->exchange.handler = NULL;
}

/* The connection ends without another word. */
static void over(struct http_session *s)
{
	end_exchange(s);
	end_linger(s);
	s->is_over = true;
}

/*
 * ---- What is known of it in http_exchange.h
 */

void http_set_place(struct http_exchange *x, void *place, uint64_t n)
{
	http_place(&session_of(x)->decoder, place, n);
}

void http_want_body(struct http_exchange *x)
{
	struct http_session *s = session_of(x);

	if (x->head->expects_continue && http_is_body_awaited(&s->decoder))
		http_output_continue(&s->output);
}

int http_take_fd(struct http_exchange *x)
{
	return stream_take_fd(session_of(x)->host);
}

/*
 * Whether the connection can go on behind this answer: what is missing of the request is discarded then.
 * A client that waited to be told to send it will perhaps not.
 */
static bool closes(const struct http_session *s)
{
	const struct http_exchange *x = &s->exchange;

	if (!x->head->keeps_alive || s->is_stopping ||
	    (s->has_ended && http_is_between(&s->decoder)))
		return true;
	if (x->is_whole)
		return false;
	return x->head->is_chunked || x->head->expects_continue ||
	       x->head->length > s->guest->limits.request_bytes_max;
}

static void answer(struct http_exchange *x, struct http_answer *a)
{
	struct http_session *s = session_of(x);

	a->to = x->head;
	a->closes = closes(s);
	x->is_answered = true;
	if (http_output_answer(&s->output, a) < 0) {
		tsk_warning("an HTTP connection is ended: no memory for an answer");
		over(s);
	} else if (a->closes) {
		begin_closing(s, !x->is_whole);
	} else {
		http_discard(&s->decoder);
	}
	changed(s);
}

void http_answer(struct http_exchange *x, unsigned status, struct oip_json *json)
{
	struct http_answer a = { .status = status, .json = *json };

	*json = (struct oip_json){ 0 };
	tell_exchange(x, status, TENSOCK_OK, NULL);
	answer(x, &a);
}

void http_answer_results(struct http_exchange *x, struct oip_json *json,
			 const struct oip_answer *results, struct buffer **buffer)
{
	struct http_answer a = {
		.status = 200,
		.json = *json,
		.results = results->results,
		.n_results = results->n_results,
		.buffer = buffer,
	};

	*json = (struct oip_json){ 0 };
	tell_exchange(x, a.status, TENSOCK_OK, NULL);
	answer(x, &a);
}

void http_answer_status(struct http_exchange *x, unsigned status, const struct tensock_error *error)
{
	struct http_answer a = {
		.status = status,
		.allow = status == 405 ? x->route.allow : NULL,
	};

	/* Without memory for its words the number must do. */
	if (oip_json_error(error->message, &a.json) < 0)
		a.json = (struct oip_json){ 0 };
	tell_exchange(x, status, error->status, error);
	answer(x, &a);
}

void http_answer_error(struct http_exchange *x, const struct tensock_error *error)
{
	http_answer_status(x, tsk_status(error->status)->http, error);
}

void http_count_ok(struct http_exchange *x)
{
	x->guest->counters.accepted++;
	x->guest->counters.ok++;
}

static void count_error(struct guest *guest, const struct tensock_error *error)
{
	guest->counters.accepted++;
	guest->counters.error++;
	tsk_info("an HTTP request: %s: %s", tsk_status(error->status)->name, error->message);
}

void http_refuse(struct http_exchange *x, const struct tensock_error *error)
{
	count_error(x->guest, error);
	http_answer_error(x, error);
}

/*
 * ---- Events
 */

/* The stream cannot be trusted any more: an answer, where none is on its way, and the end. */
static void fail(struct http_session *s, unsigned status, const struct tensock_error *error)
{
	struct http_exchange *x = &s->exchange;
	struct http_answer a = { .status = status, .closes = true };
	struct request none = { .ops = NULL };

	if (x->handler && x->is_answered) {
		begin_closing(s, true);
		return;
	}
	if (x->handler)
		tell_exchange(x, status, error->status, error);
	else
		tell(s, &none, NULL, status, error->status, error);
	if (x->handler && x->infer.call.is_counted)
		http_infer_fail(x, error);
	else if (!x->handler || !x->task.is_counted)
		count_error(s->guest, error);
	if (x->handler)
		a.to = x->head;
	(void)!oip_json_error(error->message, &a.json);
	if (http_output_answer(&s->output, &a) < 0)
		s->is_over = true;
	end_exchange(s);
	begin_closing(s, true);
}

static const struct http_handler *handler_of(enum http_resource resource)
{
	return resource == ROUTE_MODEL_INFER ? &http_infer_handler : &http_text_handler;
}

/* Of a body that comes compressed, while its request lasts. */
static int take_inflate_memory(struct http_exchange *x, struct tensock_error *reterr)
{
	if (x->head->coding == HTTP_IDENTITY)
		return 0;
	if (account_take(&x->guest->account, HTTP_INFLATE_MEMORY) < 0)
		return limit_fail(
			METRICS_LIMIT_MEMORY, reterr, TENSOCK_LIMIT_REACHED,
			"no room to decompress a body beside what is in use (max-memory)");
	x->inflate_bytes = HTTP_INFLATE_MEMORY;
	return 0;
}

static void on_begun(struct http_session *s)
{
	struct http_exchange *x = &s->exchange;
	struct tensock_error error;
	unsigned status;

	*x = (struct http_exchange){
		.handler = &http_text_handler,
		.guest = s->guest,
		.begun_ns = tsk_now_ns(),
		.head = &s->decoder.head,
	};
	if (http_route_find(x->head, &x->route, &status, &error) < 0) {
		count_error(s->guest, &error);
		http_answer_status(x, status, &error);
		return;
	}
	if (take_inflate_memory(x, &error) < 0) {
		http_refuse(x, &error);
		return;
	}
	x->handler = handler_of(x->route.resource);
	x->handler->begin(x);
}

static void on_ended(struct http_session *s)
{
	struct http_exchange *x = &s->exchange;

	x->is_whole = true;
	if (!x->is_answered)
		x->handler->ended(x);
	else if (http_output_is_empty(&s->output))
		end_exchange(s);
}

/* True while there may be more to look at. */
static bool step(struct http_session *s)
{
	struct http_exchange *x = &s->exchange;

	switch (http_next(&s->decoder)) {
	case HTTP_MORE:
		return false;
	case HTTP_BEGUN:
		on_begun(s);
		break;
	case HTTP_PLACED:
		if (!x->is_answered)
			x->handler->placed(x, s->decoder.placed);
		break;
	case HTTP_ROOM:
		x->handler->room(x);
		break;
	case HTTP_ENDED:
		on_ended(s);
		break;
	case HTTP_BROKEN:
		fail(s, s->decoder.status, &s->decoder.error);
		break;
	}
	return true;
}

/* Whether nothing is to be looked at, at least until the answer has been sent. */
static bool is_deaf(const struct http_session *s)
{
	return s->is_over || s->is_closing || (s->exchange.handler && s->exchange.is_whole);
}

/* No head takes longer than a connection may be silent. */
static void look_at_clock(struct http_session *s)
{
	uint64_t now_ms = uv_now(s->guest->loop);
	struct tensock_error error;

	if (s->exchange.handler || http_is_between(&s->decoder)) {
		s->head_since_ms = 0;
	} else if (!s->head_since_ms) {
		s->head_since_ms = now_ms;
	} else if (now_ms - s->head_since_ms > s->guest->limits.idle_timeout_ms) {
		(void)tsk_fail(&error, TENSOCK_DEADLINE_EXCEEDED,
			       "the request's head took longer than idle-timeout allows");
		fail(s, 408, &error);
	}
}

static void advance(struct http_session *s)
{
	while (!is_deaf(s) && step(s))
		;
	if (!is_deaf(s))
		look_at_clock(s);
	/* What has not come whole will never be. */
	if (s->has_ended && !is_deaf(s)) {
		end_exchange(s);
		begin_closing(s, false);
	}
}

/*
 * ---- As a stream
 */

static void http_close(void *stream)
{
	struct http_session *s = stream;

	s->is_in_op = true;
	over(s);
	http_output_done(&s->output);
	http_decoder_done(&s->decoder);
	free(s);
}

static void *http_open(struct guest *guest, struct stream_host *host)
{
	struct http_session *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->guest = guest;
	s->connection = guest->counters.connections;
	s->host = host;
	http_output_init(&s->output, &guest->workers->buffers);
	if (http_decoder_init(&s->decoder) < 0) {
		free(s);
		return NULL;
	}
	return s;
}

/* Where bytes go that nobody wants. */
static unsigned char rubbish[16384];

static size_t rubbish_window(const struct http_session *s, void **ret_buf)
{
	*ret_buf = rubbish;
	return s->linger && !s->is_over ? sizeof(rubbish) : 0;
}

static size_t http_session_window(void *stream, void **ret_buf)
{
	struct http_session *s = stream;

	if (s->is_closing)
		return rubbish_window(s, ret_buf);
	/* Requests behind the one that is worked on wait in the buffer: to look away costs calls. */
	return s->is_over || s->has_ended ? 0 : http_window(&s->decoder, ret_buf);
}

static unsigned http_session_scatter(void *stream, struct iovec *iov)
{
	struct http_session *s = stream;

	if (s->is_closing) {
		iov->iov_len = rubbish_window(s, &iov->iov_base);
		return iov->iov_len > 0;
	}
	return s->is_over || s->has_ended ? 0 : http_scatter(&s->decoder, iov);
}

static void http_session_received(void *stream, size_t n)
{
	struct http_session *s = stream;

	s->is_in_op = true;
	if (s->is_closing) {
		s->lingered += n;
		if (s->lingered > LINGER_BYTES)
			end_linger(s);
		else if (s->linger)
			linger(s);
	} else {
		http_received(&s->decoder, n);
		advance(s);
	}
	s->is_in_op = false;
}

static void http_ended(void *stream)
{
	struct http_session *s = stream;

	s->is_in_op = true;
	s->has_ended = true;
	end_linger(s);
	advance(s);
	s->is_in_op = false;
}

static unsigned http_gather(void *stream, struct iovec *iov, unsigned max)
{
	struct http_session *s = stream;

	return s->is_over ? 0 : http_output_gather(&s->output, iov, max);
}

static size_t http_session_output(void *stream, const void **ret_buf)
{
	struct iovec iov;

	if (http_gather(stream, &iov, 1) == 0)
		return 0;
	*ret_buf = iov.iov_base;
	return iov.iov_len;
}

static void http_session_sent(void *stream, size_t n)
{
	struct http_session *s = stream;
	struct http_exchange *x = &s->exchange;

	s->is_in_op = true;
	http_output_sent(&s->output, n);
	if (http_output_is_empty(&s->output) && x->handler && x->is_answered &&
	    (x->is_whole || s->is_closing)) {
		end_exchange(s);
		if (s->is_stopping)
			begin_closing(s, false);
		advance(s);
	}
	s->is_in_op = false;
}

static bool http_finished(void *stream)
{
	struct http_session *s = stream;

	return s->is_over || (s->is_closing && !s->linger);
}

static bool http_is_waiting(void *stream)
{
	struct http_session *s = stream;

	if (!http_output_is_empty(&s->output) || s->linger)
		return true;
	if (s->has_ended || is_deaf(s))
		return false;
	return !http_is_between(&s->decoder);
}

static void http_timed_out(void *stream)
{
	struct http_session *s = stream;

	tsk_info(
		"an HTTP connection is ended: its client has been silent for too long (idle-timeout)");
	s->is_in_op = true;
	over(s);
	s->is_in_op = false;
}

static void http_refuse_stream(void *stream, const struct tensock_error *error)
{
	struct http_session *s = stream;

	s->is_in_op = true;
	fail(s, tsk_status(error->status)->http, error);
	s->is_in_op = false;
}

static void http_stop(void *stream)
{
	struct http_session *s = stream;

	s->is_stopping = true;
	if (!s->exchange.handler && http_is_between(&s->decoder) &&
	    http_output_is_empty(&s->output))
		begin_closing(s, false);
}

static void http_give_up(void *stream)
{
	struct http_session *s = stream;
	struct tensock_error error;

	(void)tsk_fail(&error, TENSOCK_UNAVAILABLE, "the host goes down, and this takes too long");
	s->is_in_op = true;
	if (!s->is_closing)
		fail(s, tsk_status(error.status)->http, &error);
	s->is_in_op = false;
}

static const struct stream_ops http_stream_ops = {
	.window = http_session_window,
	.scatter = http_session_scatter,
	.received = http_session_received,
	.ended = http_ended,
	.output = http_session_output,
	.gather = http_gather,
	.sent = http_session_sent,
	.finished = http_finished,
	.close = http_close,
};

/* Of a region that is registered. */
static bool http_takes_fd(const void *stream)
{
	(void)stream;
	return true;
}

/* A method's first letters.  Those of HTTP/2, which begins by a method of its own, are another's. */
static bool http_begins(const unsigned char first[PROTOCOL_FIRST_BYTES])
{
	for (unsigned i = 0; i < PROTOCOL_FIRST_BYTES; i++) {
		bool is_end = i == PROTOCOL_FIRST_BYTES - 1 && first[i] == ' ';

		if ((first[i] < 'A' || first[i] > 'Z') && !is_end)
			return false;
	}
	return memcmp(first, "PRI ", PROTOCOL_FIRST_BYTES) != 0;
}

const struct protocol http_protocol = {
	.name = "http",
	.begins = http_begins,
	.stream = &http_stream_ops,
	.open = http_open,
	.takes_fd = http_takes_fd,
	.is_waiting = http_is_waiting,
	.timed_out = http_timed_out,
	.stop = http_stop,
	.refuse = http_refuse_stream,
	.give_up = http_give_up,
};
