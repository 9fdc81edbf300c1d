/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/status.h"
#include "client/client.h"
#include "wire/session.h"

#define IOV_ENTRIES 32u

/* Calls in a row, before the other direction has its turn. */
#define SENDS_MAX 32u

/*
 * ---- Which frame is next
 */

static void set_small(struct sender *s, uint32_t type, uint32_t id, uint64_t size)
{
	const struct wire_header header = { .type = type, .id = id, .size = size };

	wire_header_write(s->small, &header);
	s->head = s->small;
	s->head_left = WIRE_HEADER_BYTES;
}

static void set_hello(struct sender *s, const char *program)
{
	const struct wire_hello hello = {
		.version_min = WIRE_VERSION,
		.version_max = WIRE_VERSION,
		.program = wire_string(program),
	};
	struct tsk_writer w =
		tsk_writer(s->small + WIRE_HEADER_BYTES, sizeof(s->small) - WIRE_HEADER_BYTES);

	wire_hello_write(&w, &hello);
	set_small(s, WIRE_HELLO, 0, tsk_writer_len(&w));
	s->head_left += tsk_writer_len(&w);
}

static void set_first(struct sender *s, struct tensock_request *request)
{
	s->request = request;
	s->head = request->head;
	s->head_left = request->head_bytes;
	s->payload_left = request->head_payload;
}

static void set_further(struct sender *s, struct tensock_request *request)
{
	uint64_t left = request->out.left;

	s->request = request;
	s->payload_left = left < WIRE_BODY_MAX ? left : WIRE_BODY_MAX;
	set_small(s, WIRE_CHUNK, request->id, s->payload_left);
}

/* The lists take turns, and so do those in each: a small request waits for one CHUNK at most, and
 * small ones do not keep a large one from going on. */
static bool take_request(struct sender *s, struct requests *requests)
{
	struct tensock_request *first = TAILQ_FIRST(&requests->turns[TURN_FIRST]);
	struct tensock_request *further = TAILQ_FIRST(&requests->turns[TURN_FURTHER]);

	if (!first && !further)
		return false;
	if (further && (!first || s->further_is_next)) {
		s->further_is_next = false;
		request_set_turn(further, TURN_NONE);
		set_further(s, further);
	} else {
		s->further_is_next = true;
		request_set_turn(first, TURN_NONE);
		set_first(s, first);
	}
	return true;
}

static bool take_cancel(struct sender *s, struct requests *requests)
{
	struct tensock_request *request = requests_take_cancel(requests);

	if (!request)
		return false;
	set_small(s, WIRE_CANCEL, request->id, 0);
	return true;
}

static void take_pong(struct sender *s)
{
	set_small(s, WIRE_PONG, s->pongs[0], 0);
	s->n_pongs--;
	memmove(s->pongs, s->pongs + 1, s->n_pongs * sizeof(s->pongs[0]));
}

/* What is short and urgent goes between all others. */
static bool next_frame(struct tensock_client *client)
{
	struct connection *c = &client->connection;
	struct sender *s = &c->sender;

	if (s->hello_is_due) {
		s->hello_is_due = false;
		set_hello(s, client->options.program);
		return true;
	}
	if (c->state == CONNECTION_GREETING)
		return false;
	if (s->n_pongs) {
		take_pong(s);
		return true;
	}
	if (c->heartbeat == HEARTBEAT_DUE && !s->is_ping) {
		s->is_ping = true;
		c->n_heartbeats++;
		set_small(s, WIRE_PING, c->heartbeat_id, 0);
		return true;
	}
	return take_cancel(s, &client->requests) || take_request(s, &client->requests);
}

static bool has_frame(const struct sender *s)
{
	return s->head_left || s->payload_left;
}

bool sender_is_wanted(const struct tensock_client *client)
{
	const struct connection *c = &client->connection;
	const struct sender *s = &c->sender;
	const struct requests *requests = &client->requests;

	if (has_frame(s) || s->hello_is_due)
		return true;
	if (c->state == CONNECTION_GREETING)
		return false;
	return s->n_pongs || c->heartbeat == HEARTBEAT_DUE || requests->n_cancels ||
	       !TAILQ_EMPTY(&requests->turns[TURN_FIRST]) ||
	       !TAILQ_EMPTY(&requests->turns[TURN_FURTHER]);
}

int sender_pong(struct sender *sender, uint32_t id)
{
	if (sender->n_pongs == PONGS_MAX)
		return -EPROTO;
	sender->pongs[sender->n_pongs++] = id;
	return 0;
}

/*
 * ---- Sending it
 */

static void frame_sent(struct tensock_client *client)
{
	struct connection *c = &client->connection;
	struct tensock_request *request = TAKE_PTR(c->sender.request);

	if (c->sender.is_ping) {
		c->sender.is_ping = false;
		if (c->heartbeat == HEARTBEAT_DUE) {
			c->heartbeat = HEARTBEAT_SENT;
			c->heartbeat_ns = tsk_now_ns();
		}
	}
	if (!request)
		return;
	request->head_is_sent = true;
	request->moved_ns = c->sender.moved_ns;
	request->progress_is_due = true;
	if (request->is_answered)
		request_end(request);
	else if (request->out.left && !request->cancel_is_wanted)
		request_set_turn(request, TURN_FURTHER);
}

static void sent(struct tensock_client *client, size_t n)
{
	struct sender *s = &client->connection.sender;
	size_t of_head = n < s->head_left ? n : s->head_left;

	s->moved_ns = tsk_now_ns();
	s->head += of_head;
	s->head_left -= of_head;
	n -= of_head;
	if (n) {
		pieces_advance(&s->request->out, n);
		s->payload_left -= n;
	}
	if (!has_frame(s))
		frame_sent(client);
}

/* What of the frame is left: the number of entries, and their bytes. */
static unsigned fill_iov(const struct sender *s, struct iovec iov[IOV_ENTRIES], uint64_t *ret_bytes)
{
	uint64_t payload = 0;
	unsigned n = 0;

	if (s->head_left) {
		iov[n].iov_base = (void *)(uintptr_t)s->head;
		iov[n++].iov_len = s->head_left;
	}
	if (s->payload_left)
		n += pieces_next(&s->request->out, true, s->payload_left, iov + n, IOV_ENTRIES - n,
				 &payload);
	*ret_bytes = s->head_left + payload;
	return n;
}

/* 1: there may be room for more. */
static int send_some(struct tensock_client *client, struct tensock_error *reterr)
{
	struct connection *c = &client->connection;
	struct iovec iov[IOV_ENTRIES];
	uint64_t bytes;
	struct msghdr msg = {
		.msg_iov = iov,
		.msg_iovlen = fill_iov(&c->sender, iov, &bytes),
	};
	ssize_t n = sendmsg(c->fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	/* The host may have said why before it closed: that is to be read first. */
	if (n < 0 && (errno == EPIPE || errno == ECONNRESET))
		return tsk_fail(reterr, TENSOCK_UNAVAILABLE, "the host closed the connection");
	if (n < 0 && errno == EFAULT)
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT,
				"memory that was to be sent cannot be read");
	if (n < 0)
		return tsk_fail(reterr, TENSOCK_UNAVAILABLE, "cannot send to the host: %s",
				strerrordesc_np(errno));
	sent(client, (size_t)n);
	return (uint64_t)n == bytes;
}

int sender_turn(struct tensock_client *client, struct tensock_error *reterr)
{
	for (unsigned i = 0; i < SENDS_MAX; i++) {
		int r;

		if (!has_frame(&client->connection.sender) && !next_frame(client))
			return 0;
		r = send_some(client, reterr);
		if (r <= 0)
			return r;
	}
	return 0;
}
