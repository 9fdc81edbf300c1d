/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/status.h"
#include "client/client.h"
#include "wire/session.h"

#define IOV_ENTRIES 32u

/* Frames in one call, where nothing else waits: a call for each would wake the host for each. */
#define FRAMES_AHEAD_MAX 4u

/* In a row, before the other direction has its turn, and whoever wants to start something. */
#define TURN_CALLS 32u
#define TURN_BYTES (UINT64_C(4) << 20)

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

static void set_hello(struct sender *s, const char *program, uint64_t features)
{
	const struct wire_hello hello = {
		.version_min = WIRE_VERSION,
		.version_max = WIRE_VERSION,
		.features = features,
		.program = wire_string(program),
	};
	struct tsk_writer w =
		tsk_writer(s->small + WIRE_HEADER_BYTES, sizeof(s->small) - WIRE_HEADER_BYTES);

	wire_hello_write(&w, &hello);
	set_small(s, WIRE_HELLO, 0, tsk_writer_len(&w));
	s->head_left += tsk_writer_len(&w);
}

static void set_memory(struct sender *s, struct memory *memory)
{
	struct tsk_writer w =
		tsk_writer(s->small + WIRE_HEADER_BYTES, sizeof(s->small) - WIRE_HEADER_BYTES);

	wire_memory_write(&w, memory->bytes);
	set_small(s, WIRE_MEMORY, 0, tsk_writer_len(&w));
	s->head_left += tsk_writer_len(&w);
	memory->state = MEMORY_GOING;
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
		set_hello(s, client->options.program, connection_features(client));
		return true;
	}
	if (c->state == CONNECTION_GREETING)
		return false;
	/* Before those that use it. */
	if (c->memory.state == MEMORY_NEW) {
		set_memory(s, &c->memory);
		return true;
	}
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

/* Whether a frame waits for its turn, beside the one that is being sent. */
static bool others_are_due(const struct tensock_client *client)
{
	const struct connection *c = &client->connection;
	const struct requests *requests = &client->requests;

	return c->memory.state == MEMORY_NEW || c->sender.n_pongs ||
	       c->heartbeat == HEARTBEAT_DUE || requests->n_cancels ||
	       !TAILQ_EMPTY(&requests->turns[TURN_FIRST]) ||
	       !TAILQ_EMPTY(&requests->turns[TURN_FURTHER]);
}

bool sender_is_wanted(const struct tensock_client *client)
{
	const struct connection *c = &client->connection;
	const struct sender *s = &c->sender;

	if (has_frame(s) || s->hello_is_due)
		return true;
	if (c->state == CONNECTION_GREETING)
		return false;
	return others_are_due(client);
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
	else if (request->is_left && request->cancel_is_wanted)
		request_end_cancelled(request);
	else if (request->is_left)
		request_set_waiting_again(request);
	else if (request->out.left && !request->cancel_is_wanted)
		request_set_turn(request, TURN_FURTHER);
}

/* Returns how many of the n bytes belong to the frame. */
static size_t sent_of_frame(struct tensock_client *client, size_t n)
{
	struct sender *s = &client->connection.sender;
	size_t head = n < s->head_left ? n : s->head_left;
	size_t payload = n - head < s->payload_left ? n - head : (size_t)s->payload_left;

	s->head += head;
	s->head_left -= head;
	if (payload) {
		pieces_advance(&s->request->out, payload);
		s->payload_left -= payload;
	}
	if (!has_frame(s))
		frame_sent(client);
	return head + payload;
}

static void sent(struct tensock_client *client, size_t n)
{
	struct sender *s = &client->connection.sender;

	s->moved_ns = tsk_now_ns();
	/* Who is next here was next when these bytes were gathered: nothing has changed in between. */
	while (n && (has_frame(s) || next_frame(client)))
		n -= sent_of_frame(client, n);
}

/* Whether nothing else will be sent before the rest of this request, as long as nothing new comes. */
static bool is_alone(const struct tensock_client *client)
{
	const struct tensock_request *request = client->connection.sender.request;

	return request && !request->cancel_is_wanted && !request->is_answered &&
	       !request->is_left && !others_are_due(client);
}

/* What is to be sent in one call. */
struct gathered {
	struct iovec iov[IOV_ENTRIES];
	unsigned n;
	uint64_t bytes;
	unsigned char heads[FRAMES_AHEAD_MAX][WIRE_HEADER_BYTES];
};

static void add_head(struct gathered *g, const unsigned char *head, size_t bytes)
{
	g->iov[g->n].iov_base = (void *)(uintptr_t)head;
	g->iov[g->n++].iov_len = bytes;
	g->bytes += bytes;
}

/* False where it does not fit whole. */
static bool add_payload(struct gathered *g, struct pieces *out, uint64_t bytes)
{
	uint64_t added = 0;

	if (bytes)
		g->n += pieces_next(out, true, bytes, g->iov + g->n, IOV_ENTRIES - g->n, &added);
	pieces_advance(out, added);
	g->bytes += added;
	return added == bytes;
}

/* What of the frame is left, and the frames that follow it where they can go along. */
static void gather(const struct tensock_client *client, struct gathered *g)
{
	const struct sender *s = &client->connection.sender;
	struct pieces out = { 0 }; /* a copy to go on with; the pieces are the request's */

	g->n = 0;
	g->bytes = 0;
	if (s->request)
		out = s->request->out;
	if (s->head_left)
		add_head(g, s->head, s->head_left);
	if (!add_payload(g, &out, s->payload_left) || !is_alone(client))
		return;
	for (unsigned i = 0; i < FRAMES_AHEAD_MAX && out.left && IOV_ENTRIES - g->n >= 2; i++) {
		const struct wire_header header = {
			.type = WIRE_CHUNK,
			.id = s->request->id,
			.size = out.left < WIRE_BODY_MAX ? out.left : WIRE_BODY_MAX,
		};

		wire_header_write(g->heads[i], &header);
		add_head(g, g->heads[i], WIRE_HEADER_BYTES);
		if (!add_payload(g, &out, header.size))
			return;
	}
}

/* The descriptor goes with the first byte of its frame, once. */
static ssize_t send_gathered(struct connection *c, struct gathered *g)
{
	bool has_descriptor = c->memory.state == MEMORY_GOING;
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr header;
	} control = { .header = {
			      .cmsg_len = CMSG_LEN(sizeof(int)),
			      .cmsg_level = SOL_SOCKET,
			      .cmsg_type = SCM_RIGHTS,
		      } };
	struct msghdr msg = { .msg_iov = g->iov, .msg_iovlen = g->n };
	ssize_t n;

	if (has_descriptor) {
		memcpy(CMSG_DATA(&control.header), &c->memory.fd, sizeof(int));
		msg.msg_control = &control;
		msg.msg_controllen = sizeof(control.bytes);
	}
	n = sendmsg(c->fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
	/* Too many of them are on their way, or it is not allowed: then it goes without, and the host
	 * says INLINE. */
	if (has_descriptor && n < 0 &&
	    (errno == ETOOMANYREFS || errno == EPERM || errno == EACCES)) {
		msg.msg_control = NULL;
		msg.msg_controllen = 0;
		n = sendmsg(c->fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
	}
	if (has_descriptor && n > 0)
		c->memory.state = MEMORY_SHARED;
	return n;
}

/* 1: there may be room for more.  *turn_bytes grows by what was sent. */
static int send_some(struct tensock_client *client, uint64_t *turn_bytes,
		     struct tensock_error *reterr)
{
	struct connection *c = &client->connection;
	struct gathered g;
	ssize_t n;

	gather(client, &g);
	n = send_gathered(c, &g);
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
	*turn_bytes += (uint64_t)n;
	return (uint64_t)n == g.bytes;
}

int sender_turn(struct tensock_client *client, struct tensock_error *reterr)
{
	uint64_t bytes = 0;

	for (unsigned i = 0; i < TURN_CALLS && bytes < TURN_BYTES; i++) {
		int r;

		if (!has_frame(&client->connection.sender) && !next_frame(client))
			return 0;
		r = send_some(client, &bytes, reterr);
		if (r <= 0)
			return r;
	}
	return 0;
}
