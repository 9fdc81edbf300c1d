/* SPDX-License-Identifier: Apache-2.0 */
#include "front/native_session.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/status.h"
#include "front/access_log.h"
#include "front/guest.h"
#include "front/handle.h"
#include "front/native_call.h"
#include "front/protocol/native.h"
#include "wire/session.h"

TAILQ_HEAD(native_calls, native_call);

struct native_session {
	struct guest *guest;
	struct stream_host *host;
	struct native_decoder decoder;
	struct native_output output;
	struct native_calls calls;
	unsigned n_calls, calls_max;
	unsigned n_receiving;         /* of them */
	struct native_call *receiver; /* of the payload that comes now; NULL: it is discarded */
	uv_timer_t *timer;            /* the next deadline */
	uint64_t connection;          /* its number */
	bool is_in_op;                /* the carrier looks again by itself */
	bool has_greeted;
	uint64_t features;     /* that both ends have */
	struct region *memory; /* that the peer shares; NULL: none that can be used */
	bool is_stopping;      /* no new calls: GOAWAY */
	bool has_ended;        /* the peer sends no more */
	bool has_failed;       /* it broke the rules: nothing of it is looked at any more */
	bool is_over;          /* nothing is sent any more, either */
};

/*
 * ---- What is known of it in native_call.h
 */

struct guest *native_guest(struct native_session *session)
{
	return session->guest;
}

struct native_output *native_answers(struct native_session *session)
{
	return &session->output;
}

bool native_has_operators(const struct native_session *session)
{
	return session->features & WIRE_FEATURE_OPERATORS;
}

static void changed(struct native_session *s)
{
	if (!s->is_in_op)
		s->host->wake(s->host);
}

static void send_error(struct native_session *s, enum wire_type type, uint32_t id,
		       const struct tensock_error *error)
{
	struct tsk_writer w = native_output_begin(&s->output, sizeof(*error) + 2);

	wire_error_write(&w, error);
	native_output_commit(&s->output, &w, type, id);
	changed(s);
}

/* Of the message that is looked at. */
static void set_origin(const struct native_session *s, struct request *request, uint32_t id)
{
	request->origin.protocol = "native";
	request->origin.what = wire_type_name(s->decoder.header.type);
	request->origin.connection = s->connection;
	request->origin.id = id;
	if (!request->origin.begun_ns)
		request->origin.begun_ns = tsk_now_ns();
}

void native_call_begin(struct native_session *session, struct native_call *call, uint32_t id)
{
	set_origin(session, call->request, id);
	call->session = session;
	call->id = id;
	TAILQ_INSERT_TAIL(&session->calls, call, entry);
	session->n_calls++;
	session->guest->n_calls++;
	session->guest->counters.accepted++;
}

void native_call_set_receiving(struct native_call *call, bool is_receiving)
{
	call->session->n_receiving += is_receiving;
	call->session->n_receiving -= call->is_receiving;
	call->is_receiving = is_receiving;
	changed(call->session);
}

/* It is no longer under way.  Its end has been counted. */
static void remove_call(struct native_call *call, bool is_unwanted)
{
	struct native_session *s = call->session;

	native_call_set_receiving(call, false);
	if (s->receiver == call) {
		s->receiver = NULL;
		native_place(&s->decoder, NULL, 0);
	}
	TAILQ_REMOVE(&s->calls, call, entry);
	s->n_calls--;
	s->guest->n_calls--;
	call->ops->free(call, is_unwanted);
}

void native_call_answered(struct native_call *call)
{
	struct native_session *s = call->session;

	s->guest->counters.ok++;
	access_log(call->request, TENSOCK_OK, NULL);
	remove_call(call, false);
	changed(s);
}

static void log_error(uint32_t id, const struct tensock_error *error)
{
	tsk_info("request %u: %s: %s", id, tsk_status(error->status)->name, error->message);
}

void native_call_failed(struct native_call *call, const struct tensock_error *error)
{
	struct native_session *s = call->session;

	s->guest->counters.error++;
	log_error(call->id, error);
	access_log(call->request, error->status, error);
	send_error(s, WIRE_ERROR, call->id, error);
	remove_call(call, false);
}

/* Of what has not become a call. */
static void tell(const struct native_session *s, uint32_t id, uint32_t status,
		 const struct tensock_error *error)
{
	struct request request = { .ops = NULL };

	set_origin(s, &request, id);
	access_log(&request, status, error);
}

void native_answered(struct native_session *session)
{
	tell(session, session->decoder.header.id, TENSOCK_OK, NULL);
	session->guest->counters.accepted++;
	session->guest->counters.ok++;
	changed(session);
}

void native_refuse(struct native_session *session, uint32_t id, const struct tensock_error *error)
{
	session->guest->counters.accepted++;
	session->guest->counters.error++;
	log_error(id, error);
	tell(session, id, error->status, error);
	send_error(session, WIRE_ERROR, id, error);
}

/*
 * ---- Ends
 */

static void drop_call(struct native_session *s, struct native_call *call)
{
	if (call->is_receiving)
		s->guest->counters.reset++;
	else
		s->guest->counters.cancelled++;
	access_log(call->request, TENSOCK_CANCELLED, NULL);
	remove_call(call, false);
}

/* All calls end without an answer. */
static void drop_calls(struct native_session *s)
{
	struct native_call *call;

	while ((call = TAILQ_FIRST(&s->calls)))
		drop_call(s, call);
}

static struct native_call *first_receiving(struct native_session *s)
{
	struct native_call *call;

	TAILQ_FOREACH(call, &s->calls, entry)
	{
		if (call->is_receiving)
			return call;
	}
	return NULL;
}

/* The peer sends no more: what it had not sent whole will never be. */
static void drop_incomplete(struct native_session *s)
{
	struct native_call *call;

	while ((call = first_receiving(s)))
		drop_call(s, call);
}

static void fail(struct native_session *s, const struct tensock_error *error)
{
	tsk_warning("a native connection is ended: %s: %s", tsk_status(error->status)->name,
		    error->message);
	drop_calls(s);
	send_error(s, WIRE_ERROR, 0, error);
	s->has_failed = true;
}

static void break_rules(struct native_session *s, const char *how)
{
	const struct wire_header *header = &s->decoder.header;
	struct tensock_error error;

	(void)tsk_fail(&error, TENSOCK_PROTOCOL, "%s %u: %s", wire_type_name(header->type),
		       header->id, how);
	fail(s, &error);
}

/*
 * ---- Deadlines
 */

static void on_deadline(uv_timer_t *timer);

/* The earliest deadline, if the timer does not stand at it already. */
static void arm(struct native_session *s)
{
	uint64_t now_ms = uv_now(s->guest->loop), first_ms = 0;
	struct native_call *call;

	TAILQ_FOREACH(call, &s->calls, entry)
	{
		if (call->deadline_ms && (!first_ms || call->deadline_ms < first_ms))
			first_ms = call->deadline_ms;
	}
	if (first_ms)
		uv_timer_start(s->timer, on_deadline, first_ms > now_ms ? first_ms - now_ms : 0, 0);
}

static struct native_call *first_late(struct native_session *s)
{
	uint64_t now_ms = uv_now(s->guest->loop);
	struct native_call *call;

	TAILQ_FOREACH(call, &s->calls, entry)
	{
		if (call->deadline_ms && call->deadline_ms <= now_ms)
			return call;
	}
	return NULL;
}

static void on_deadline(uv_timer_t *timer)
{
	struct native_session *s = timer->data;
	struct native_call *call;
	struct tensock_error error;

	(void)tsk_fail(&error, TENSOCK_DEADLINE_EXCEEDED, "not answered within its deadline");
	/* One that ends may take others with it. */
	while ((call = first_late(s)))
		native_call_failed(call, &error);
	arm(s);
}

void native_call_set_deadline(struct native_call *call, uint32_t ms)
{
	struct native_session *s = call->session;

	if (!ms)
		return;
	call->deadline_ms = uv_now(s->guest->loop) + ms;
	/* It rings too early where the call that it was set for is gone: then it is set anew. */
	if (!uv_is_active((uv_handle_t *)s->timer) || uv_timer_get_due_in(s->timer) > ms)
		uv_timer_start(s->timer, on_deadline, ms, 0);
}

/*
 * ---- Messages
 */

static struct native_call *find_call(struct native_session *s, uint32_t id)
{
	struct native_call *call;

	TAILQ_FOREACH(call, &s->calls, entry)
	{
		if (call->id == id)
			return call;
	}
	return NULL;
}

static void send_welcome(struct native_session *s)
{
	const struct front_start *limits = &s->guest->limits;
	struct wire_welcome welcome = {
		.version = WIRE_VERSION,
		.requests_max = s->calls_max,
		.features = s->features,
		.model_bytes_max = limits->model_bytes_max,
		.request_bytes_max = limits->request_bytes_max,
		.program = wire_string("tensockd " TENSOCK_VERSION),
		.guest = wire_string(limits->name),
	};
	struct tsk_writer w = native_output_begin(&s->output, WIRE_HELLO_BYTES_MAX);

	wire_welcome_write(&w, &welcome);
	native_output_commit(&s->output, &w, WIRE_WELCOME, 0);
}

static void on_hello(struct native_session *s)
{
	struct tensock_error error;
	struct wire_hello hello;

	if (wire_hello_read(s->decoder.body, s->decoder.body_bytes, &hello) < 0) {
		break_rules(s, "malformed");
		return;
	}
	if (hello.version_min > WIRE_VERSION || hello.version_max < WIRE_VERSION) {
		(void)tsk_fail(&error, TENSOCK_UNSUPPORTED,
			       "this host speaks version %u of the protocol, the guest's %.*s "
			       "speaks %u to %u",
			       WIRE_VERSION, (int)hello.program.len, hello.program.bytes,
			       hello.version_min, hello.version_max);
		fail(s, &error);
		return;
	}
	s->has_greeted = true;
	s->features = hello.features & WIRE_FEATURES;
	send_welcome(s);
}

static void on_cancel(struct native_session *s)
{
	struct native_call *call = find_call(s, s->decoder.header.id);
	struct tensock_error error;

	/* Its answer is on its way, then. */
	if (!call)
		return;
	(void)tsk_fail(&error, TENSOCK_CANCELLED, "cancelled by the guest");
	s->guest->counters.cancelled++;
	access_log(call->request, TENSOCK_CANCELLED, &error);
	send_error(s, WIRE_ERROR, call->id, &error);
	remove_call(call, true);
}

static void send_pong(struct native_session *s)
{
	struct tsk_writer w = native_output_begin(&s->output, 0);

	native_output_commit(&s->output, &w, WIRE_PONG, s->decoder.header.id);
}

/* What was shared before is not used any more, but by what is under way. */
static void on_memory(struct native_session *s)
{
	struct regions *regions = &s->guest->regions;
	struct tensock_error error;
	uint64_t bytes;

	if (wire_memory_read(s->decoder.body, s->decoder.body_bytes, &bytes) < 0) {
		break_rules(s, "malformed");
		return;
	}
	regions_release(regions, TAKE_PTR(s->memory));
	if (regions_share(regions, bytes, stream_take_fd(s->host), &s->memory, &error) < 0)
		tsk_info("memory that a connection shares is not used: %s", error.message);
}

/* No memory is there that could be used: nothing is done, and that is the answer. */
static void send_inline(struct native_session *s)
{
	struct tsk_writer w = native_output_begin(&s->output, 0);

	native_output_commit(&s->output, &w, WIRE_INLINE, s->decoder.header.id);
	native_answered(s);
}

/*
 * The call to be may not be.  One whose answer has not gone yet is under way as its guest sees it, and
 * counts: else one that takes no answers could have any number of them wait here.
 */
static bool is_refused(struct native_session *s)
{
	unsigned n_own = s->n_calls + s->output.n_held;
	uint32_t id = s->decoder.header.id;
	struct tensock_error error;

	if (n_own >= s->calls_max)
		(void)tsk_fail(&error, TENSOCK_LIMIT_REACHED,
			       "%u requests are under way on this connection, as many as %s allows",
			       n_own,
			       s->calls_max < NATIVE_CALLS_MAX ? "max-requests" : "the protocol");
	else if (guest_may_call(s->guest, &error) == 0)
		return false;
	native_refuse(s, id, &error);
	return true;
}

/* What asks for something under an id of its own. */
static void on_ask(struct native_session *s)
{
	const struct native_decoder *d = &s->decoder;
	uint32_t id = d->header.id;
	int r = 0;

	if (find_call(s, id)) {
		break_rules(s, "a request of this id is under way");
		return;
	}
	if (d->header.type == WIRE_LIST)
		native_model_list(s, id);
	else if (d->header.type == WIRE_STATS)
		native_stats(s, id);
	else if (d->header.type == WIRE_INFER_MEMORY && !s->memory)
		send_inline(s);
	else if (is_refused(s))
		return;
	else if (d->header.type == WIRE_INFER)
		r = native_request_begin(s, id, d->body, d->body_bytes, NULL);
	else if (d->header.type == WIRE_INFER_MEMORY)
		r = native_request_begin(s, id, d->body, d->body_bytes, s->memory);
	else if (d->header.type == WIRE_OFFER)
		r = native_upload_begin(s, id, d->body, d->body_bytes);
	else if (d->header.type == WIRE_INFO)
		r = native_model_info(s, id, d->body, d->body_bytes);
	else
		r = native_model_unload(s, id, d->body, d->body_bytes);
	if (r < 0)
		break_rules(s, "malformed");
}

static bool is_of_memory(uint32_t type)
{
	return type == WIRE_MEMORY || type == WIRE_INFER_MEMORY;
}

static void on_message(struct native_session *s)
{
	if (!s->has_greeted && s->decoder.header.type != WIRE_HELLO) {
		break_rules(s, "before HELLO");
		return;
	}
	if (is_of_memory(s->decoder.header.type) && !(s->features & WIRE_FEATURE_MEMORY)) {
		break_rules(s, "the feature has not been agreed on");
		return;
	}
	switch (s->decoder.header.type) {
	case WIRE_HELLO:
		if (s->has_greeted)
			break_rules(s, "a second one");
		else
			on_hello(s);
		break;
	case WIRE_OFFER:
	case WIRE_INFO:
	case WIRE_LIST:
	case WIRE_UNLOAD:
	case WIRE_STATS:
	case WIRE_INFER:
	case WIRE_INFER_MEMORY:
		on_ask(s);
		break;
	case WIRE_MEMORY:
		on_memory(s);
		break;
	case WIRE_CANCEL:
		on_cancel(s);
		break;
	case WIRE_PING:
		send_pong(s);
		break;
	case WIRE_PONG:
		break;
	default:
		break_rules(s, "only hosts send this");
	}
}

/*
 * ---- Payload
 */

/*
 * The frame's payload goes to the call of its id.  Where there is none, the call has ended without it:
 * what its guest had sent before it knew is discarded.
 */
static void begin_payload(struct native_session *s)
{
	struct native_call *call = find_call(s, s->decoder.header.id);
	uint64_t awaited;
	void *room;

	if (!call || !call->is_receiving || !s->decoder.left)
		return;
	awaited = call->ops->room(call, &room);
	if (s->decoder.left > awaited) {
		break_rules(s, "more bytes than were announced");
		return;
	}
	s->receiver = call;
	native_place(&s->decoder, room, awaited - s->decoder.left);
}

static void on_payload(struct native_session *s)
{
	struct native_call *call = s->receiver;

	if (!s->decoder.left)
		s->receiver = NULL;
	if (call)
		call->ops->received(call, s->decoder.placed);
}

static void on_infer(struct native_session *s)
{
	on_message(s);
	if (!s->has_failed)
		begin_payload(s);
}

static void on_chunk(struct native_session *s)
{
	if (s->has_greeted)
		begin_payload(s);
	else
		break_rules(s, "before HELLO");
}

/* True while there may be more to look at. */
static bool step(struct native_session *s)
{
	switch (native_next(&s->decoder)) {
	case NATIVE_MORE:
		return false;
	case NATIVE_MESSAGE:
		on_message(s);
		break;
	case NATIVE_INFER:
		on_infer(s);
		break;
	case NATIVE_CHUNK:
		on_chunk(s);
		break;
	case NATIVE_PAYLOAD:
		on_payload(s);
		break;
	case NATIVE_BROKEN:
		fail(s, &s->decoder.error);
		break;
	}
	return true;
}

static bool is_deaf(const struct native_session *s)
{
	return s->has_failed || s->is_over || s->output.has_failed ||
	       native_output_is_full(&s->output);
}

/* Looks at all that has come, as long as there is room for the answers. */
static void advance(struct native_session *s)
{
	while (!is_deaf(s) && step(s))
		;
	if (s->has_ended && !is_deaf(s))
		drop_incomplete(s);
}

/*
 * ---- As a stream
 */

static void native_close(void *stream)
{
	struct native_session *s = stream;

	s->is_in_op = true;
	drop_calls(s);
	regions_release(&s->guest->regions, s->memory);
	native_output_done(&s->output);
	native_decoder_done(&s->decoder);
	handle_free(s->timer);
	free(s);
}

static void *native_open(struct guest *guest, struct stream_host *host)
{
	struct native_session *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	*s = (struct native_session){
		.guest = guest,
		.host = host,
		.connection = guest->counters.connections,
		.calls_max = guest->limits.requests_max < NATIVE_CALLS_MAX
				     ? guest->limits.requests_max
				     : NATIVE_CALLS_MAX,
	};
	TAILQ_INIT(&s->calls);
	s->timer = handle_timer_new(guest->loop, s);
	if (!s->timer || native_decoder_init(&s->decoder) < 0 ||
	    native_output_init(&s->output, &guest->workers->buffers, &guest->n_held) < 0) {
		native_close(s);
		return NULL;
	}
	return s;
}

static size_t native_session_window(void *stream, void **ret_buf)
{
	struct native_session *s = stream;

	return is_deaf(s) || s->has_ended ? 0 : native_window(&s->decoder, ret_buf);
}

static unsigned native_session_scatter(void *stream, struct iovec *iov)
{
	struct native_session *s = stream;

	return is_deaf(s) || s->has_ended ? 0 : native_scatter(&s->decoder, iov);
}

static void native_session_received(void *stream, size_t n)
{
	struct native_session *s = stream;

	s->is_in_op = true;
	native_received(&s->decoder, n);
	advance(s);
	s->is_in_op = false;
}

static void native_ended(void *stream)
{
	struct native_session *s = stream;

	s->is_in_op = true;
	s->has_ended = true;
	advance(s);
	s->is_in_op = false;
}

static size_t native_session_output(void *stream, const void **ret_buf)
{
	struct native_session *s = stream;

	return s->is_over ? 0 : native_output_bytes(&s->output, ret_buf);
}

static unsigned native_gather(void *stream, struct iovec *iov, unsigned max)
{
	struct native_session *s = stream;

	return s->is_over ? 0 : native_output_gather(&s->output, iov, max);
}

static void native_session_sent(void *stream, size_t n)
{
	struct native_session *s = stream;
	bool was_full = native_output_is_full(&s->output);

	s->is_in_op = true;
	native_output_sent(&s->output, n);
	if (was_full)
		advance(s);
	s->is_in_op = false;
}

static bool native_finished(void *stream)
{
	struct native_session *s = stream;

	if (s->is_over || s->has_failed || s->output.has_failed)
		return true;
	return (s->has_ended || s->is_stopping) && s->n_calls == 0 &&
	       !native_output_is_full(&s->output);
}

static bool native_is_waiting(void *stream)
{
	struct native_session *s = stream;

	if (!native_output_is_empty(&s->output))
		return true;
	if (s->has_ended)
		return false;
	return !native_is_between(&s->decoder) || !s->has_greeted || s->n_receiving;
}

static void native_timed_out(void *stream)
{
	struct native_session *s = stream;

	tsk_info(
		"a native connection is ended: its guest has been silent for too long (idle-timeout)");
	s->is_in_op = true;
	s->is_over = true;
	drop_calls(s);
	s->is_in_op = false;
}

static void native_refuse_stream(void *stream, const struct tensock_error *error)
{
	struct native_session *s = stream;

	s->is_in_op = true;
	send_error(s, WIRE_ERROR, 0, error);
	s->has_failed = true;
	s->is_in_op = false;
}

static void native_stop(void *stream)
{
	struct native_session *s = stream;
	struct tensock_error error;

	if (s->is_stopping)
		return;
	s->is_stopping = true;
	(void)tsk_fail(&error, TENSOCK_UNAVAILABLE, "the host is going down");
	send_error(s, WIRE_GOAWAY, 0, &error);
}

static void native_give_up(void *stream)
{
	struct native_session *s = stream;
	struct native_call *call;
	struct tensock_error error;

	(void)tsk_fail(&error, TENSOCK_UNAVAILABLE, "the host goes down, and this takes too long");
	while ((call = TAILQ_FIRST(&s->calls)))
		native_call_failed(call, &error);
}

static const struct stream_ops native_stream_ops = {
	.window = native_session_window,
	.scatter = native_session_scatter,
	.received = native_session_received,
	.ended = native_ended,
	.output = native_session_output,
	.gather = native_gather,
	.sent = native_session_sent,
	.finished = native_finished,
	.close = native_close,
};

static bool native_takes_fd(const void *stream)
{
	const struct native_session *s = stream;

	return s->features & WIRE_FEATURE_MEMORY;
}

static bool native_begins(const unsigned char first[PROTOCOL_FIRST_BYTES])
{
	static const unsigned char type[PROTOCOL_FIRST_BYTES] = { WIRE_HELLO, 0, 0, 0 };

	return memcmp(first, type, sizeof(type)) == 0;
}

const struct protocol native_protocol = {
	.name = "native",
	.begins = native_begins,
	.stream = &native_stream_ops,
	.open = native_open,
	.takes_fd = native_takes_fd,
	.is_waiting = native_is_waiting,
	.timed_out = native_timed_out,
	.stop = native_stop,
	.refuse = native_refuse_stream,
	.give_up = native_give_up,
};
