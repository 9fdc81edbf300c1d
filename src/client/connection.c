/* SPDX-License-Identifier: Apache-2.0 */
#include "client/connection.h"

#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/status.h"
#include "client/client.h"
#include "wire/session.h"

/* How long a host whose queue is full is left alone. */
#define BUSY_NS (20 * TSK_NS_PER_MS)

/* Of payload in one turn, which may have to be copied: some milliseconds. */
#define ADMIT_BYTES ((uint64_t)16 << 20)

void connection_init(struct connection *connection)
{
	*connection = (struct connection){ .fd = -1 };
	memory_init(&connection->memory);
}

void connection_close(struct connection *connection)
{
	tsk_close(connection->fd);
	receiver_done(&connection->receiver);
	memory_done(&connection->memory);
	connection_init(connection);
}

/* Descriptors pass through Unix sockets alone. */
uint64_t connection_features(const struct tensock_client *client)
{
	return client->address.socket.ss_family == AF_UNIX ? WIRE_FEATURES
							   : WIRE_FEATURES & ~WIRE_FEATURE_MEMORY;
}

int connection_protocol_error(struct tensock_error *reterr, const char *fmt, ...)
{
	char text[200] = "";
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	return tsk_fail(reterr, TENSOCK_PROTOCOL, "the host broke the protocol: %s", text);
}

void connection_answered(struct tensock_client *client, struct tensock_request *request)
{
	client->breaks = 0;
	request->is_answered = true;
	request_set_turn(request, TURN_NONE);
	/* A frame that has begun is ended, and with it the use of the caller's memory. */
	if (client->connection.sender.request != request)
		request_end(request);
}

/*
 * ---- From nothing to greeting
 */

static bool is_wanted(const struct tensock_client *client)
{
	return client->connect_is_wanted || requests_are_wanted(&client->requests);
}

static void greet(struct connection *c)
{
	c->state = CONNECTION_GREETING;
	c->sender.hello_is_due = true;
}

static int open_socket(struct tensock_client *client, uint64_t now, struct tensock_error *reterr)
{
	struct connection *c = &client->connection;
	int r;

	if (!c->deadline_ns)
		c->deadline_ns = now + client->options.connect_timeout_ns;
	r = address_connect(&client->address, &c->fd, reterr);
	if (r < 0)
		return r;
	switch ((enum address_progress)r) {
	case ADDRESS_CONNECTED:
		greet(c);
		break;
	case ADDRESS_CONNECTING:
		c->state = CONNECTION_CONNECTING;
		break;
	case ADDRESS_BUSY:
		if (now >= c->deadline_ns)
			return tsk_fail(reterr, TENSOCK_UNAVAILABLE,
					"cannot connect to %s: its queue stays full",
					client->address.text);
		client->retry_ns = now + BUSY_NS;
		break;
	}
	return 0;
}

/* A socket's error says nothing while it is still connecting: so it is asked first. */
static int end_connecting(struct tensock_client *client, struct tensock_error *reterr)
{
	struct connection *c = &client->connection;
	struct pollfd pollfd = { .fd = c->fd, .events = POLLOUT };
	int r;

	if (poll(&pollfd, 1, 0) <= 0)
		return 0;
	r = address_connected(&client->address, c->fd, reterr);
	if (r == 0)
		greet(c);
	return r;
}

/*
 * ---- Open
 */

/* As many requests as the host takes at once, and a turn's worth; more wait here. */
static void admit(struct tensock_client *client)
{
	struct requests *requests = &client->requests;
	struct tensock_request *request;
	uint64_t bytes = 0;

	while (requests->n_under_way < client->host.requests_max && bytes < ADMIT_BYTES &&
	       (request = TAILQ_FIRST(&requests->in[REQUEST_WAITING]))) {
		bytes += request->out.left;
		request_set_under_way(request);
	}
}

static void set_heartbeat(struct connection *c, enum heartbeat heartbeat, uint64_t now)
{
	c->heartbeat = heartbeat;
	c->heartbeat_ns = now;
}

/* From when on silence is counted. */
static uint64_t silent_since(const struct tensock_client *client)
{
	const struct connection *c = &client->connection;
	const struct tensock_request *oldest;
	uint64_t since = c->heard_ns;

	switch (c->heartbeat) {
	case HEARTBEAT_NONE:
		/* Nobody listened to it while nothing was awaited. */
		oldest = TAILQ_FIRST(&client->requests.in[REQUEST_UNDER_WAY]);
		if (oldest && oldest->moved_ns > since)
			since = oldest->moved_ns;
		return since;
	case HEARTBEAT_DUE:
		return c->sender.moved_ns > c->heartbeat_ns ? c->sender.moved_ns : c->heartbeat_ns;
	case HEARTBEAT_SENT:
		break;
	}
	return c->heartbeat_ns;
}

static int look_for_life(struct tensock_client *client, uint64_t now, struct tensock_error *reterr)
{
	struct connection *c = &client->connection;

	if (!client->requests.n_under_way ||
	    now < silent_since(client) + client->options.heartbeat_ns)
		return 0;
	if (c->heartbeat != HEARTBEAT_NONE)
		return tsk_fail(reterr, TENSOCK_UNAVAILABLE, "the host at %s gives no sign of life",
				client->address.text);
	if (!c->heartbeat_id)
		c->heartbeat_id = client_new_id(client);
	set_heartbeat(c, HEARTBEAT_DUE, now);
	return 0;
}

static int turn_open(struct tensock_client *client, short revents, struct tensock_error *reterr)
{
	struct connection *c = &client->connection;
	int r = 0;

	if (revents & (POLLIN | POLLHUP | POLLERR))
		r = receiver_turn(client, reterr);
	if (r < 0)
		return r;
	requests_deliver(&client->requests);
	if (c->state == CONNECTION_OPEN)
		admit(client);
	r = look_for_life(client, tsk_now_ns(), reterr);
	if (r < 0)
		return r;
	r = sender_turn(client, reterr);
	/* What the host said before it closed tells more. */
	if (r < 0 && receiver_turn(client, reterr) < 0)
		return r;
	return r;
}

/* Nothing new goes on this one.  A host that says so before it has answered anything counts as one
 * whose connection broke: else it could have us come back for ever. */
static int leave(struct tensock_client *client, struct tensock_error *reterr)
{
	if (client->connection.state != CONNECTION_LEAVING || client->requests.n_under_way)
		return 0;
	if (is_wanted(client))
		return tsk_fail(reterr, TENSOCK_UNAVAILABLE, "the host at %s takes nothing new",
				client->address.text);
	connection_close(&client->connection);
	return 0;
}

static int check_deadline(const struct tensock_client *client, uint64_t now,
			  struct tensock_error *reterr)
{
	const struct connection *c = &client->connection;

	if (c->state == CONNECTION_CONNECTING && now >= c->deadline_ns)
		return tsk_fail(reterr, TENSOCK_DEADLINE_EXCEEDED, "cannot connect to %s in time",
				client->address.text);
	if (c->state == CONNECTION_GREETING && now >= c->deadline_ns)
		return tsk_fail(reterr, TENSOCK_DEADLINE_EXCEEDED,
				"the host at %s does not answer the greeting in time",
				client->address.text);
	return 0;
}

int connection_turn(struct tensock_client *client, short revents, struct tensock_error *reterr)
{
	struct connection *c = &client->connection;
	uint64_t now;
	int r;

	r = leave(client, reterr);
	now = tsk_now_ns();
	if (r == 0 && c->state == CONNECTION_NONE && is_wanted(client) && now >= client->retry_ns)
		r = open_socket(client, now, reterr);
	if (r == 0 && c->state == CONNECTION_CONNECTING)
		r = end_connecting(client, reterr);
	if (r == 0 && c->state >= CONNECTION_GREETING)
		r = turn_open(client, revents, reterr);
	if (r == 0)
		r = check_deadline(client, now, reterr);
	return r == 0 ? leave(client, reterr) : r;
}

short connection_events(const struct tensock_client *client)
{
	switch (client->connection.state) {
	case CONNECTION_NONE:
		return 0;
	case CONNECTION_CONNECTING:
		return POLLOUT;
	default:
		return sender_is_wanted(client) ? POLLIN | POLLOUT : POLLIN;
	}
}

uint64_t connection_wake_ns(const struct tensock_client *client)
{
	const struct connection *c = &client->connection;
	const struct requests *requests = &client->requests;

	switch (c->state) {
	case CONNECTION_NONE:
		return is_wanted(client) ? client->retry_ns : UINT64_MAX;
	case CONNECTION_CONNECTING:
	case CONNECTION_GREETING:
		return c->deadline_ns;
	case CONNECTION_OPEN:
		/* Those that a done() or a caller has started meanwhile. */
		if (!TAILQ_EMPTY(&requests->in[REQUEST_WAITING]) &&
		    requests->n_under_way < client->host.requests_max)
			return 0;
		break;
	case CONNECTION_LEAVING:
		if (!requests->n_under_way)
			return 0;
		break;
	}
	if (!requests->n_under_way)
		return UINT64_MAX;
	return silent_since(client) + client->options.heartbeat_ns;
}
