/* SPDX-License-Identifier: Apache-2.0 */
#include "front/vhost/vsock_conn.h"

#include <assert.h>

#include "base/clock.h"
#include "base/log.h"
#include "front/vhost/hybrid.h"
#include "front/vhost/vsock_conn_internal.h"

static const char *const state_names[] = {
	[VSOCK_CONN_GREETING] = "GREETING",     [VSOCK_CONN_REQUESTED] = "REQUESTED",
	[VSOCK_CONN_CONNECTING] = "CONNECTING", [VSOCK_CONN_OPEN] = "OPEN",
	[VSOCK_CONN_CLOSING] = "CLOSING",       [VSOCK_CONN_DRAINING] = "DRAINING",
	[VSOCK_CONN_RESET] = "RESET",           [VSOCK_CONN_DEAD] = "DEAD",
};
static_assert(ARRAY_SIZE(state_names) == VSOCK_CONN_STATE_MAX, "a state lacks its name");

/* The states that each state may be followed by, as a set of bits. */
#define TO(state) (1u << VSOCK_CONN_##state)
static const unsigned next_states[VSOCK_CONN_STATE_MAX] = {
	[VSOCK_CONN_GREETING] = TO(REQUESTED) | TO(DEAD),
	[VSOCK_CONN_REQUESTED] = TO(OPEN) | TO(RESET) | TO(DEAD),
	[VSOCK_CONN_CONNECTING] = TO(OPEN) | TO(RESET) | TO(DEAD),
	[VSOCK_CONN_OPEN] = TO(CLOSING) | TO(RESET) | TO(DEAD),
	[VSOCK_CONN_CLOSING] = TO(DRAINING) | TO(RESET) | TO(DEAD),
	[VSOCK_CONN_DRAINING] = TO(DEAD),
	[VSOCK_CONN_RESET] = TO(DEAD),
	[VSOCK_CONN_DEAD] = 0,
};

static void set_state(struct vsock_conn *conn, enum vsock_conn_state state)
{
	assert(next_states[conn->state] & (1u << state));
	tsk_debug("vsock: guest port %u, host port %u: %s, was %s", conn->guest_port,
		  conn->host_port, state_names[state], state_names[conn->state]);
	conn->state = state;
	conn->deadline_ns = VSOCK_NEVER_NS;
}

/* Forgets what the guest has sent. */
static void forget(struct vsock_conn *conn)
{
	vsock_buffer_done(&conn->buffer);
	vsock_messages_done(&conn->messages);
}

void vsock_conn_kill(struct vsock_conn *conn)
{
	if (conn->state == VSOCK_CONN_DEAD)
		return;
	forget(conn);
	conn->out = 0;
	set_state(conn, VSOCK_CONN_DEAD);
}

void vsock_conn_reset(struct vsock_conn *conn)
{
	switch (conn->state) {
	case VSOCK_CONN_GREETING:
	case VSOCK_CONN_DRAINING:
		vsock_conn_kill(conn);
		return;
	case VSOCK_CONN_RESET:
	case VSOCK_CONN_DEAD:
		return;
	default:
		/* The guest has not heard of it yet. */
		if (conn->out & VSOCK_OUT_REQUEST) {
			vsock_conn_kill(conn);
			return;
		}
		forget(conn);
		conn->out = VSOCK_OUT_RST;
		set_state(conn, VSOCK_CONN_RESET);
	}
}

void vsock_conn_lost(struct vsock_conn *conn)
{
	conn->state = VSOCK_CONN_RESET;
	conn->out = VSOCK_OUT_RST;
}

void vsock_conn_close_end(struct vsock_conn *conn)
{
	struct vsock_end end = conn->end;

	conn->end = (struct vsock_end){ 0 };
	if (end.ops)
		end.ops->close(end.object);
}

void vsock_conn_accept(struct vsock_conn *conn)
{
	set_state(conn, VSOCK_CONN_OPEN);
	conn->out |= VSOCK_OUT_RESPONSE;
	conn->readable = true;
}

void vsock_conn_request(struct vsock_conn *conn, uint64_t now_ns)
{
	set_state(conn, VSOCK_CONN_REQUESTED);
	conn->deadline_ns = now_ns + VSOCK_REQUEST_NS;
	conn->out |= VSOCK_OUT_REQUEST;
	conn->readable = true;
}

static void tell_end(struct vsock_conn *conn, unsigned flags)
{
	conn->end.ops->shutdown(conn->end.object, flags);
	if (conn->end.ops->talks_back)
		conn->readable = true;
}

static bool is_flushed(const struct vsock_conn *conn)
{
	return conn->buffer.len == 0 && !vsock_messages_ready(&conn->messages);
}

void vsock_conn_flushed(struct vsock_conn *conn)
{
	if (conn->state == VSOCK_CONN_CLOSING) {
		vsock_conn_reset(conn);
	} else if (conn->state == VSOCK_CONN_DRAINING) {
		vsock_conn_kill(conn);
	} else if ((conn->guest_shut & VSOCK_SHUTDOWN_SEND) && !conn->end_told) {
		conn->end_told = true;
		tell_end(conn, VSOCK_SHUTDOWN_SEND);
		/* Neither way is left when each side sends no more. */
		if (conn->host_shut == VSOCK_SHUTDOWN_SEND) {
			conn->host_shut = VSOCK_SHUTDOWN_BOTH;
			conn->out |= VSOCK_OUT_SHUTDOWN;
		}
	}
}

static void drop_buffer(struct vsock_conn *conn)
{
	vsock_credit_pass_on(&conn->credit,
			     (uint32_t)(conn->buffer.len + conn->messages.bytes.len));
	forget(conn);
	vsock_conn_flushed(conn);
}

/* The host will not do any more what flags say. */
static void host_shut(struct vsock_conn *conn, unsigned flags)
{
	/* Neither way is left when each side takes no more. */
	if ((flags & VSOCK_SHUTDOWN_RECEIVE) && (conn->guest_shut & VSOCK_SHUTDOWN_RECEIVE))
		flags |= VSOCK_SHUTDOWN_SEND;
	flags &= ~conn->host_shut;
	if (!flags)
		return;
	conn->host_shut |= flags;
	if (conn->state == VSOCK_CONN_OPEN)
		conn->out |= VSOCK_OUT_SHUTDOWN;
	if (flags & VSOCK_SHUTDOWN_RECEIVE) {
		conn->deadline_ns = VSOCK_NEVER_NS; /* of the next look */
		drop_buffer(conn);
	}
}

void vsock_conn_write_failed(struct vsock_conn *conn, int error)
{
	bool unread = !((conn->guest_shut & VSOCK_SHUTDOWN_RECEIVE) ||
			(conn->host_shut & VSOCK_SHUTDOWN_SEND));

	if (error != -EPIPE && !unread) {
		vsock_conn_reset(conn);
		return;
	}
	/* What the host had sent before it went is still the guest's to read. */
	conn->broken = error != -EPIPE;
	conn->readable = true;
	host_shut(conn, VSOCK_SHUTDOWN_RECEIVE);
}

/* Returns how many bytes were taken.  The state may be another one afterwards. */
static size_t write_end(struct vsock_conn *conn, const struct iovec *iov, unsigned n)
{
	ssize_t r = conn->end.ops->write(conn->end.object, iov, n);

	if (conn->end.ops->talks_back)
		conn->readable = true;
	if (r >= 0)
		return (size_t)r;
	if (r != -EAGAIN)
		vsock_conn_write_failed(conn, (int)r);
	return 0;
}

void vsock_conn_look_at_credit(struct vsock_conn *conn)
{
	if (conn->state == VSOCK_CONN_OPEN && vsock_credit_update_due(&conn->credit))
		conn->out |= VSOCK_OUT_CREDIT;
}

static void flush(struct vsock_conn *conn)
{
	if (conn->type == VSOCK_TYPE_SEQPACKET)
		vsock_conn_flush_messages(conn);
	while (conn->buffer.len) {
		struct iovec iov[VSOCK_BUFFER_PIECES];
		unsigned n = vsock_buffer_bytes(&conn->buffer, iov);
		size_t taken = write_end(conn, iov, n);

		if (taken == 0)
			break;
		vsock_credit_pass_on(&conn->credit, (uint32_t)taken);
		vsock_buffer_take(&conn->buffer, taken);
		if (conn->buffer.len == 0)
			vsock_conn_flushed(conn);
	}
	vsock_conn_look_at_credit(conn);
}

/* Bytes of the guest, straight from its memory. */
static void receive(struct vsock_conn *conn, const struct vsock_header *header,
		    const struct iovec *iov, unsigned n)
{
	uint32_t len = header->len;
	size_t taken = 0;

	if ((conn->guest_shut & VSOCK_SHUTDOWN_SEND) ||
	    vsock_credit_receive(&conn->credit, len) < 0) {
		vsock_conn_reset(conn);
		return;
	}
	if (conn->type == VSOCK_TYPE_SEQPACKET) {
		vsock_conn_receive_message(conn, header, iov, n);
		return;
	}
	if (len == 0)
		return;
	if (conn->buffer.len == 0 && !(conn->host_shut & VSOCK_SHUTDOWN_RECEIVE))
		taken = write_end(conn, iov, n);
	if (conn->state != VSOCK_CONN_OPEN)
		return;
	if (conn->host_shut & VSOCK_SHUTDOWN_RECEIVE)
		taken = len;
	if (vsock_buffer_add(&conn->buffer, iov, n, taken) < 0) {
		vsock_conn_reset(conn);
		return;
	}
	vsock_credit_pass_on(&conn->credit, (uint32_t)taken);
	vsock_conn_look_at_credit(conn);
}

/* reads_no_more: news, too. */
static void guest_closed(struct vsock_conn *conn, bool reads_no_more)
{
	/* A stream would first have to be rid of its answers, and there is no reader for them. */
	if (conn->end.ops->talks_back) {
		vsock_conn_reset(conn);
		return;
	}
	set_state(conn, VSOCK_CONN_CLOSING);
	conn->out = 0;
	/* A host program that only writes would otherwise never come to read the last bytes. */
	if (is_flushed(conn))
		vsock_conn_flushed(conn);
	else if (reads_no_more)
		tell_end(conn, VSOCK_SHUTDOWN_RECEIVE);
}

static void guest_shut(struct vsock_conn *conn, unsigned flags)
{
	flags &= VSOCK_SHUTDOWN_BOTH & ~conn->guest_shut;
	if (!flags)
		return;
	conn->guest_shut |= flags;
	/* A message whose end cannot come any more is none. */
	if (flags & VSOCK_SHUTDOWN_SEND)
		vsock_credit_pass_on(&conn->credit, vsock_messages_abandon(&conn->messages));
	if (conn->guest_shut == VSOCK_SHUTDOWN_BOTH) {
		guest_closed(conn, flags & VSOCK_SHUTDOWN_RECEIVE);
	} else if (flags == VSOCK_SHUTDOWN_SEND) {
		if (is_flushed(conn))
			vsock_conn_flushed(conn);
	} else {
		tell_end(conn, VSOCK_SHUTDOWN_RECEIVE);
		if (conn->host_shut & VSOCK_SHUTDOWN_RECEIVE)
			host_shut(conn, VSOCK_SHUTDOWN_SEND);
	}
}

static void guest_reset(struct vsock_conn *conn)
{
	/* Linux gives up waiting for our RST after 8 s; its program had closed in good order. */
	if (conn->state == VSOCK_CONN_CLOSING)
		set_state(conn, VSOCK_CONN_DRAINING);
	else
		vsock_conn_kill(conn);
}

/* The guest's answer to our REQUEST. */
static void answered(struct vsock_conn *conn, const struct vsock_header *header)
{
	char line[HYBRID_LINE_MAX];
	struct iovec iov = { .iov_base = line };

	if (header->op != VSOCK_OP_RESPONSE || (conn->out & VSOCK_OUT_REQUEST) ||
	    vsock_credit_hear(&conn->credit, header) < 0) {
		vsock_conn_reset(conn);
		return;
	}
	set_state(conn, VSOCK_CONN_OPEN);
	iov.iov_len = hybrid_answer(conn->host_port, line);
	/* A host program that is gone is no reason to lose what it had sent. */
	if (write_end(conn, &iov, 1) != iov.iov_len && !(conn->host_shut & VSOCK_SHUTDOWN_RECEIVE))
		vsock_conn_reset(conn);
}

static void packet_of_open(struct vsock_conn *conn, const struct vsock_header *header,
			   const struct iovec *iov, unsigned n)
{
	if (vsock_credit_hear(&conn->credit, header) < 0) {
		vsock_conn_reset(conn);
		return;
	}
	if (conn->type == VSOCK_TYPE_SEQPACKET)
		vsock_window_hear(&conn->window, &conn->credit);
	switch (header->op) {
	case VSOCK_OP_RW:
		receive(conn, header, iov, n);
		break;
	case VSOCK_OP_SHUTDOWN:
		guest_shut(conn, header->flags);
		break;
	case VSOCK_OP_CREDIT_UPDATE:
		vsock_pace_answered(&conn->pace);
		/* Its own buffer may have shrunk, and with it what it will have under way. */
		vsock_conn_look_at_credit(conn);
		break;
	case VSOCK_OP_CREDIT_REQUEST:
		if (conn->state == VSOCK_CONN_OPEN)
			conn->out |= VSOCK_OUT_CREDIT;
		break;
	default:
		vsock_conn_reset(conn);
	}
}

void vsock_conn_packet(struct vsock_conn *conn, const struct vsock_header *header,
		       const struct iovec *iov, unsigned n)
{
	if (header->op == VSOCK_OP_RST) {
		guest_reset(conn);
		return;
	}
	switch (conn->state) {
	case VSOCK_CONN_REQUESTED:
		answered(conn, header);
		break;
	case VSOCK_CONN_OPEN:
	case VSOCK_CONN_CLOSING:
		packet_of_open(conn, header, iov, n);
		break;
	default: /* CONNECTING: nothing may come; RESET: the answer is on its way already */
		vsock_conn_reset(conn);
	}
}

void vsock_conn_host_event(struct vsock_conn *conn, unsigned events)
{
	bool written = conn->state == VSOCK_CONN_OPEN || conn->state == VSOCK_CONN_CLOSING ||
		       conn->state == VSOCK_CONN_DRAINING;
	bool talks_back;

	if (events & VSOCK_EVENT_READABLE)
		conn->readable = true;
	if (!written || !(events & VSOCK_EVENT_WRITABLE))
		return;
	talks_back = conn->end.ops->talks_back;
	if ((talks_back || !conn->end_told) && !(conn->host_shut & VSOCK_SHUTDOWN_RECEIVE) &&
	    conn->end.ops->deaf(conn->end.object))
		/* A stream then has no more to say, either, whether or not the guest has room. */
		host_shut(conn, talks_back ? VSOCK_SHUTDOWN_BOTH : VSOCK_SHUTDOWN_RECEIVE);
	else
		flush(conn);
}

/* The end holds the guest up, and could become deaf without an event. */
static bool is_stuck(const struct vsock_conn *conn)
{
	bool open = conn->state == VSOCK_CONN_OPEN || conn->state == VSOCK_CONN_CLOSING;

	return open && !is_flushed(conn) && !conn->end.ops->talks_back &&
	       !(conn->host_shut & VSOCK_SHUTDOWN_RECEIVE);
}

void vsock_conn_watch(struct vsock_conn *conn, uint64_t now_ns)
{
	if (conn->deadline_ns == VSOCK_NEVER_NS && is_stuck(conn))
		conn->deadline_ns = now_ns + VSOCK_LOOK_NS;
}

void vsock_conn_expired(struct vsock_conn *conn)
{
	bool lingers = conn->state == VSOCK_CONN_OPEN && conn->host_shut == VSOCK_SHUTDOWN_BOTH;

	conn->deadline_ns = VSOCK_NEVER_NS;
	if (lingers)
		vsock_conn_reset(conn);
	else if (conn->state == VSOCK_CONN_OPEN || conn->state == VSOCK_CONN_CLOSING)
		vsock_conn_host_event(conn, VSOCK_EVENT_WRITABLE);
	else
		vsock_conn_kill(conn);
}

uint32_t vsock_conn_readable(const struct vsock_conn *conn)
{
	uint32_t left, pace = UINT32_MAX;

	if (conn->state != VSOCK_CONN_OPEN || !conn->readable || (conn->out & VSOCK_OUT_RESPONSE) ||
	    (conn->host_shut & VSOCK_SHUTDOWN_SEND) || (conn->guest_shut & VSOCK_SHUTDOWN_RECEIVE))
		return 0;
	if (conn->type == VSOCK_TYPE_SEQPACKET && !conn->in_message &&
	    !vsock_window_is_open(&conn->window, &conn->credit))
		return 0;
	left = vsock_credit_left(&conn->credit);
	if (conn->paced)
		pace = vsock_pace_left(&conn->pace, conn->credit.sent);
	left = left < pace ? left : pace;
	return left < VSOCK_PAYLOAD_MAX ? left : VSOCK_PAYLOAD_MAX;
}

void vsock_conn_host_ended(struct vsock_conn *conn)
{
	unsigned flags = VSOCK_SHUTDOWN_SEND;

	if (conn->broken) {
		vsock_conn_reset(conn);
		return;
	}
	if (conn->end_told || conn->end.ops->deaf(conn->end.object))
		flags |= VSOCK_SHUTDOWN_RECEIVE;
	host_shut(conn, flags);
}

void vsock_conn_fill_header(struct vsock_conn *conn, unsigned op, struct vsock_header *ret)
{
	*ret = (struct vsock_header){
		.src_port = conn->host_port,
		.dst_port = conn->guest_port,
		.type = conn->type,
		.op = (uint16_t)op,
	};
	if (op != VSOCK_OP_RST) {
		vsock_credit_tell(&conn->credit, ret);
		conn->out &= ~(unsigned)VSOCK_OUT_CREDIT;
	}
}

bool vsock_conn_read(struct vsock_conn *conn, const struct iovec *iov, unsigned n,
		     struct vsock_header *ret)
{
	ssize_t r;

	if (conn->type == VSOCK_TYPE_SEQPACKET)
		return vsock_conn_read_message(conn, iov, n, ret);
	r = conn->end.ops->read(conn->end.object, iov, n);
	if (r > 0) {
		vsock_conn_fill_header(conn, VSOCK_OP_RW, ret);
		ret->len = (uint32_t)r;
		vsock_credit_sent(&conn->credit, ret->len);
		if (conn->end.ops->talks_back)
			flush(conn);
		return true;
	}
	conn->readable = false;
	if (r == 0)
		vsock_conn_host_ended(conn);
	else if (r != -EAGAIN)
		vsock_conn_reset(conn);
	return false;
}

bool vsock_conn_control(struct vsock_conn *conn, uint64_t now_ns, struct vsock_header *ret)
{
	if (conn->out & VSOCK_OUT_RST) {
		vsock_conn_fill_header(conn, VSOCK_OP_RST, ret);
		vsock_conn_kill(conn);
	} else if (conn->out & VSOCK_OUT_REQUEST) {
		vsock_conn_fill_header(conn, VSOCK_OP_REQUEST, ret);
		conn->out &= ~(unsigned)VSOCK_OUT_REQUEST;
	} else if (conn->out & VSOCK_OUT_RESPONSE) {
		vsock_conn_fill_header(conn, VSOCK_OP_RESPONSE, ret);
		conn->out &= ~(unsigned)VSOCK_OUT_RESPONSE;
	} else if (conn->out & VSOCK_OUT_SHUTDOWN) {
		vsock_conn_fill_header(conn, VSOCK_OP_SHUTDOWN, ret);
		ret->flags = conn->host_shut;
		conn->out &= ~(unsigned)VSOCK_OUT_SHUTDOWN;
		if (conn->host_shut == VSOCK_SHUTDOWN_BOTH)
			conn->deadline_ns = now_ns + VSOCK_LINGER_NS;
	} else if (conn->out & VSOCK_OUT_CREDIT) {
		vsock_conn_fill_header(conn, VSOCK_OP_CREDIT_UPDATE, ret);
	} else if (conn->out & VSOCK_OUT_ASK) {
		vsock_conn_fill_header(conn, VSOCK_OP_CREDIT_REQUEST, ret);
		conn->out &= ~(unsigned)VSOCK_OUT_ASK;
		vsock_pace_asked(&conn->pace, conn->credit.sent);
	} else {
		return false;
	}
	return true;
}
