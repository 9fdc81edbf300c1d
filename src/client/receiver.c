/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/status.h"
#include "client/client.h"
#include "wire/infer.h"
#include "wire/session.h"

#define IOV_ENTRIES 16u

/* Less payload than this is received together with what follows it. */
#define DIRECT_MIN (RECEIVE_BUFFER_BYTES / 2)

/* Calls in a row, before the other direction has its turn. */
#define RECEIVES_MAX 32u

void receiver_done(struct receiver *receiver)
{
	free(receiver->buffer);
	*receiver = (struct receiver){ 0 };
}

static size_t held(const struct receiver *rx)
{
	return rx->end - rx->start;
}

static void set_stage(struct receiver *rx, enum receive_stage stage, size_t need)
{
	rx->stage = stage;
	rx->need = need;
}

static void await_header(struct receiver *rx)
{
	set_stage(rx, RECEIVE_HEADER, WIRE_HEADER_BYTES);
}

/*
 * ---- Frames
 */

static bool is_about_connection(const struct wire_header *header)
{
	switch (header->type) {
	case WIRE_WELCOME:
	case WIRE_GOAWAY:
	case WIRE_PING:
		return true;
	case WIRE_ERROR:
		return header->id == 0;
	default:
		return false;
	}
}

/* The sign of life that was asked for. */
static bool is_heartbeat(const struct tensock_client *client, const struct wire_header *header)
{
	return header->type == WIRE_PONG && client->connection.n_heartbeats &&
	       header->id == client->connection.heartbeat_id;
}

static bool is_from_host(uint32_t type)
{
	return type >= WIRE_CHUNK;
}

/* Whether the host has what it needs to say no: that is the metadata, which precedes payload. */
static bool may_be_refused(const struct sender *s, const struct tensock_request *request)
{
	return request->head_is_sent || (s->request == request && !s->head_left);
}

/* Why this frame cannot be about this request now (NULL: nobody's), or NULL. */
static const char *fault(const struct sender *s, const struct tensock_request *request,
			 const struct wire_header *header)
{
	if (!request || request->is_answered || request->is_left || !may_be_refused(s, request))
		return "for a request that awaits none";
	/* What is being sent has not been read: nothing else can be said of it. */
	if (!request->head_is_sent && header->type != WIRE_ERROR)
		return "for a request that awaits none";
	if (header->type == WIRE_CHUNK)
		return request->has_result && header->size && header->size <= request->in.left
			       ? NULL
			       : "of more bytes than are awaited";
	if (request->has_result && header->type != WIRE_ERROR)
		return "within a RESULT";
	if (header->type == WIRE_RESULT && request->out.left)
		return "before all inputs were sent";
	return NULL;
}

static int begin_about_request(struct tensock_client *client, struct tensock_error *reterr)
{
	struct receiver *rx = &client->connection.receiver;
	const struct wire_header *header = &rx->header;
	struct tensock_request *request = request_find(&client->requests, header->id);
	const char *what = fault(&client->connection.sender, request, header);

	if (what)
		return connection_protocol_error(reterr, "%s %s", wire_type_name(header->type),
						 what);
	request->moved_ns = tsk_now_ns();
	if (header->type == WIRE_CHUNK) {
		rx->payload_left = header->size;
		set_stage(rx, RECEIVE_PAYLOAD, 1);
	} else if (header->type == WIRE_RESULT) {
		set_stage(rx, RECEIVE_META_BYTES, 4);
	} else {
		set_stage(rx, RECEIVE_BODY, (size_t)header->size);
	}
	return 0;
}

static int begin_frame(struct tensock_client *client, struct tensock_error *reterr)
{
	struct receiver *rx = &client->connection.receiver;
	const struct wire_header *header = &rx->header;
	bool is_early = client->connection.state == CONNECTION_GREETING;

	if (wire_header_read(rx->buffer + rx->start, &rx->header) < 0 ||
	    !is_from_host(header->type))
		return connection_protocol_error(reterr,
						 is_early ? "it does not speak Tensock's protocol"
							  : "a frame that is none");
	rx->start += WIRE_HEADER_BYTES;
	if (is_early != (header->type == WIRE_WELCOME) &&
	    !(is_early && header->type == WIRE_ERROR && header->id == 0))
		return connection_protocol_error(reterr, "%s at the wrong time",
						 wire_type_name(header->type));
	if (is_about_connection(header) || is_heartbeat(client, header)) {
		set_stage(rx, RECEIVE_BODY, (size_t)header->size);
		return 0;
	}
	return begin_about_request(client, reterr);
}

static int begin_result(struct receiver *rx, struct tensock_error *reterr)
{
	uint32_t meta_bytes;

	if (rx->header.size < 4 ||
	    wire_meta_bytes(rx->buffer + rx->start, rx->header.size, &meta_bytes) < 0)
		return connection_protocol_error(reterr, "a RESULT with a broken beginning");
	set_stage(rx, RECEIVE_BODY, meta_bytes);
	return 0;
}

/* The payload that stands in the first frame of a RESULT. */
static int begin_payload(struct receiver *rx, struct tensock_request *request, size_t meta_bytes,
			 struct tensock_error *reterr)
{
	uint64_t offset, n;

	if (wire_body_payload(rx->header.size, (uint32_t)meta_bytes, request->in.left, &offset,
			      &n) < 0)
		return connection_protocol_error(reterr, "a RESULT of a wrong length");
	rx->gap = offset - meta_bytes;
	rx->payload_left = n;
	request->has_result = true;
	set_stage(rx, RECEIVE_GAP, 1);
	return 0;
}

static bool may_be_repeated(const struct tensock_client *client,
			    const struct tensock_request *request)
{
	return client->connection.state == CONNECTION_LEAVING && !request->cancel_is_wanted;
}

/* A frame that has begun is ended before. */
static void leave_to_next(struct tensock_client *client, struct tensock_request *request)
{
	if (client->connection.sender.request != request) {
		request_set_waiting_again(request);
		return;
	}
	request->is_left = true;
	request_set_turn(request, TURN_NONE);
}

static int answer_with_error(struct tensock_client *client, struct tensock_request *request,
			     const void *body, size_t size, struct tensock_error *reterr)
{
	struct tensock_error error;

	if (wire_error_read(body, size, &error) < 0)
		return connection_protocol_error(reterr, "a broken ERROR");
	/* It crossed the GOAWAY: the next connection gets it. */
	if (error.status == TENSOCK_UNAVAILABLE && may_be_repeated(client, request)) {
		leave_to_next(client, request);
		return 0;
	}
	if (!request->may_be_gone || !request->is_repeated || error.status != TENSOCK_NOT_FOUND)
		request_fail(request, &error);
	connection_answered(client, request);
	return 0;
}

static int answer(struct tensock_client *client, const unsigned char *body, size_t size,
		  struct tensock_error *reterr)
{
	struct receiver *rx = &client->connection.receiver;
	struct tensock_request *request = request_find(&client->requests, rx->header.id);
	int r;

	if (rx->header.type == WIRE_ERROR)
		return answer_with_error(client, request, body, size, reterr);
	r = request->ops->answer(request, rx->header.type, body, size, reterr);
	if (r < 0)
		return r;
	if (rx->header.type == WIRE_RESULT)
		return begin_payload(rx, request, size, reterr);
	if (r > 0)
		connection_answered(client, request);
	return 0;
}

static int end_body(struct tensock_client *client, struct tensock_error *reterr)
{
	struct receiver *rx = &client->connection.receiver;
	const unsigned char *body = rx->buffer + rx->start;
	size_t size = rx->need;

	rx->start += size;
	await_header(rx);
	if (is_about_connection(&rx->header))
		return greeting_message(client, &rx->header, body, reterr);
	if (is_heartbeat(client, &rx->header)) {
		client->connection.n_heartbeats--;
		return 0;
	}
	return answer(client, body, size, reterr);
}

static void end_payload(struct tensock_client *client, struct tensock_request *request)
{
	await_header(&client->connection.receiver);
	if (!request->in.left)
		connection_answered(client, request);
}

/* Payload that came through the buffer. */
static void take_payload(struct tensock_client *client)
{
	struct receiver *rx = &client->connection.receiver;
	struct tensock_request *request = request_find(&client->requests, rx->header.id);
	size_t n = held(rx);

	if (n > rx->payload_left)
		n = (size_t)rx->payload_left;
	pieces_put(&request->in, rx->buffer + rx->start, n);
	rx->start += n;
	rx->payload_left -= n;
	if (!rx->payload_left)
		end_payload(client, request);
}

static void take_gap(struct receiver *rx)
{
	size_t n = held(rx);

	if (n > rx->gap)
		n = (size_t)rx->gap;
	rx->start += n;
	rx->gap -= n;
	if (!rx->gap)
		set_stage(rx, RECEIVE_PAYLOAD, 1);
}

/* True where the stage can go on without another byte. */
static bool can_go_on(const struct receiver *rx)
{
	if (rx->stage == RECEIVE_GAP && !rx->gap)
		return true;
	if (rx->stage == RECEIVE_PAYLOAD && !rx->payload_left)
		return true;
	return held(rx) >= rx->need;
}

/* All that the buffer allows. */
static int take_held(struct tensock_client *client, struct tensock_error *reterr)
{
	struct receiver *rx = &client->connection.receiver;
	int r = 0;

	while (r == 0 && can_go_on(rx)) {
		switch (rx->stage) {
		case RECEIVE_HEADER:
			r = begin_frame(client, reterr);
			break;
		case RECEIVE_META_BYTES:
			r = begin_result(rx, reterr);
			break;
		case RECEIVE_BODY:
			r = end_body(client, reterr);
			break;
		case RECEIVE_GAP:
			take_gap(rx);
			break;
		case RECEIVE_PAYLOAD:
			take_payload(client);
			break;
		}
	}
	return r;
}

/*
 * ---- Bytes
 */

/* Room for what the stage needs as a whole; the usual size again, when that is over. */
static int make_room(struct receiver *rx)
{
	size_t n = held(rx);
	size_t size = rx->need > RECEIVE_BUFFER_BYTES ? rx->need : RECEIVE_BUFFER_BYTES;

	if (rx->start) {
		memmove(rx->buffer, rx->buffer + rx->start, n);
		rx->start = 0;
		rx->end = n;
	}
	if (size != rx->size && n < size) {
		unsigned char *buffer = realloc(rx->buffer, size);

		if (!buffer)
			return -ENOMEM;
		rx->buffer = buffer;
		rx->size = size;
	}
	return 0;
}

/* Where the next bytes go: the memory that payload is wanted in, then the buffer. */
static unsigned fill_iov(struct tensock_client *client, struct iovec iov[IOV_ENTRIES],
			 uint64_t *ret_direct, uint64_t *ret_bytes)
{
	struct receiver *rx = &client->connection.receiver;
	const struct tensock_request *request = NULL;
	uint64_t direct = 0;
	size_t room;
	unsigned n = 0;

	if (rx->stage == RECEIVE_PAYLOAD) {
		request = request_find(&client->requests, rx->header.id);
		n = pieces_next(&request->in, false, rx->payload_left, iov, IOV_ENTRIES - 1,
				&direct);
	}
	room = rx->size - rx->end;
	/* Where payload goes on in another frame its header alone is wanted here: what is behind it
	 * would be copied twice. */
	if (direct && direct == rx->payload_left && request->in.left - direct >= DIRECT_MIN)
		room = WIRE_HEADER_BYTES;
	iov[n].iov_base = rx->buffer + rx->end;
	iov[n++].iov_len = room;
	*ret_direct = direct;
	*ret_bytes = direct + room;
	return n;
}

static void received(struct tensock_client *client, uint64_t n, uint64_t direct)
{
	struct connection *c = &client->connection;
	struct receiver *rx = &c->receiver;
	struct tensock_request *request;
	uint64_t part = n < direct ? n : direct;

	c->heard_ns = tsk_now_ns();
	c->heartbeat = HEARTBEAT_NONE;
	rx->end += (size_t)(n - part);
	if (!part)
		return;
	request = request_find(&client->requests, rx->header.id);
	request->moved_ns = c->heard_ns;
	pieces_advance(&request->in, part);
	rx->payload_left -= part;
	if (!rx->payload_left)
		end_payload(client, request);
}

/* 1: there may be more. */
static int receive_some(struct tensock_client *client, struct tensock_error *reterr)
{
	struct receiver *rx = &client->connection.receiver;
	struct iovec iov[IOV_ENTRIES];
	uint64_t direct, bytes;
	struct msghdr msg = { .msg_iov = iov };
	ssize_t n;
	int r;

	if (make_room(rx) < 0)
		return tsk_fail(reterr, TENSOCK_OUT_OF_MEMORY, "no memory for an answer");
	msg.msg_iovlen = fill_iov(client, iov, &direct, &bytes);
	n = recvmsg(client->connection.fd, &msg, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n < 0)
		return tsk_fail(reterr, TENSOCK_UNAVAILABLE, "the connection broke: %s",
				strerrordesc_np(errno));
	if (n == 0)
		return tsk_fail(reterr, TENSOCK_UNAVAILABLE, "the host closed the connection%s",
				client->connection.state == CONNECTION_GREETING
					? " without a greeting"
					: "");
	received(client, (uint64_t)n, direct);
	r = take_held(client, reterr);
	if (r < 0)
		return r;
	return (uint64_t)n == bytes;
}

int receiver_turn(struct tensock_client *client, struct tensock_error *reterr)
{
	struct receiver *rx = &client->connection.receiver;

	if (!rx->buffer)
		await_header(rx);
	for (unsigned i = 0; i < RECEIVES_MAX; i++) {
		int r = receive_some(client, reterr);

		if (r <= 0)
			return r;
	}
	return 0;
}
