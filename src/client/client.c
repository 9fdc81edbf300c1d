/* SPDX-License-Identifier: Apache-2.0 */
#include "client/client.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/cmdline.h"
#include "base/status.h"
#include "client/options.h"

#define CONNECT_TIMEOUT_MS 10000u
#define TIMEOUT_MS 60000u
#define HEARTBEAT_MS 10000u
#define RECONNECTS_MAX 5u
#define PROGRAM_BYTES_MAX 40u

/* Before the second reconnect in a row; doubled with each. */
#define RETRY_NS (250 * TSK_NS_PER_MS)
#define RETRY_MAX_NS (4 * TSK_NS_PER_SEC)

/*
 * ---- Life
 */

static int read_options(const struct tensock_client_options *options,
			struct tensock_client_options *ret, struct tensock_error *reterr)
{
	int r = options_read(ret, sizeof(*ret), options, reterr);

	if (r < 0)
		return r;
	if (ret->reserved)
		return options_reserved(reterr);
	if (ret->program && strlen(ret->program) > PROGRAM_BYTES_MAX)
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT,
				"the program's name has more than %u bytes", PROGRAM_BYTES_MAX);
	return 0;
}

static uint64_t ms_or(uint32_t ms, uint32_t otherwise)
{
	return (ms ? ms : otherwise) * TSK_NS_PER_MS;
}

static void set_options(struct client_options *ret, const struct tensock_client_options *options)
{
	ret->connect_timeout_ns = ms_or(options->connect_timeout_ms, CONNECT_TIMEOUT_MS);
	ret->timeout_ns = ms_or(options->timeout_ms, TIMEOUT_MS);
	ret->heartbeat_ns = ms_or(options->heartbeat_ms, HEARTBEAT_MS);
	ret->reconnects_max = options->reconnects_max ? options->reconnects_max : RECONNECTS_MAX;
	if (options->reconnects_max == UINT32_MAX)
		ret->reconnects_max = 0;
	if (options->program)
		snprintf(ret->program, sizeof(ret->program), "%s (libtensock %s)", options->program,
			 TENSOCK_VERSION);
	else
		snprintf(ret->program, sizeof(ret->program), "libtensock %s", TENSOCK_VERSION);
}

int tensock_client_new(const char *address, const struct tensock_client_options *options,
		       struct tensock_client **ret, struct tensock_error *reterr)
{
	struct tensock_client_options given;
	struct tensock_error error;
	struct tensock_client *client;
	struct address parsed;
	char own[ADDRESS_TEXT_SIZE];

	if (!address)
		address = getenv("TENSOCK_HOST");
	if (!address || !*address)
		address = address_default(tsk_is_said_guest(), getenv("XDG_RUNTIME_DIR"),
					  ADDRESS_LOCAL_PATH, own);
	if (address_parse(address, &parsed, &error) < 0 ||
	    read_options(options, &given, &error) < 0)
		return client_failed(&error, reterr);
	client = calloc(1, sizeof(*client));
	if (!client) {
		(void)tsk_fail(&error, TENSOCK_OUT_OF_MEMORY, "no memory for a client");
		return client_failed(&error, reterr);
	}
	client->address = parsed;
	set_options(&client->options, &given);
	connection_init(&client->connection);
	requests_init(&client->requests);
	*ret = client;
	return TENSOCK_OK;
}

void tensock_client_free(struct tensock_client *client)
{
	if (!client)
		return;
	connection_close(&client->connection);
	for (unsigned state = 0; state < REQUEST_STATE_MAX; state++) {
		struct tensock_request *request;

		while ((request = TAILQ_FIRST(&client->requests.in[state])))
			request_drop(request);
	}
	while (!LIST_EMPTY(&client->blocks))
		block_free(LIST_FIRST(&client->blocks), &client->connection.memory);
	free(client);
}

int client_failed(const struct tensock_error *error, struct tensock_error *reterr)
{
	if (reterr)
		*reterr = *error;
	return (int)error->status;
}

uint32_t client_new_id(struct tensock_client *client)
{
	struct requests *requests = &client->requests;
	uint32_t id;

	do {
		id = ++requests->last_id;
	} while (!id || id == client->connection.heartbeat_id || request_find(requests, id));
	return id;
}

/*
 * ---- A turn
 */

void client_give_up(struct tensock_client *client, const struct tensock_error *error)
{
	connection_close(&client->connection);
	client->connect_is_wanted = false;
	client->was_open = false;
	client->breaks = 0;
	client->retry_ns = 0;
	requests_end_all(&client->requests, error);
}

static uint64_t retry_delay_ns(uint32_t breaks)
{
	uint64_t delay = 0;

	for (uint32_t i = 1; i < breaks && delay < RETRY_MAX_NS; i++)
		delay = delay ? 2 * delay : RETRY_NS;
	return delay;
}

/* Those that the host has heard of are asked again; they come before those that waited. */
static void repeat_requests(struct requests *requests)
{
	struct request_list again = TAILQ_HEAD_INITIALIZER(again);
	struct tensock_request *request;
	struct tensock_error error;

	TAILQ_CONCAT(&again, &requests->in[REQUEST_WAITING], entry);
	while ((request = TAILQ_FIRST(&requests->in[REQUEST_UNDER_WAY]))) {
		if (!request->cancel_is_wanted && !request->is_answered && !request->has_failed) {
			request_set_waiting_again(request);
			continue;
		}
		(void)tsk_fail(&error, TENSOCK_CANCELLED, "cancelled; the connection has broken");
		if (!request->is_answered)
			request_fail(request, &error);
		request_end(request);
	}
	TAILQ_CONCAT(&requests->in[REQUEST_WAITING], &again, entry);
}

void client_reconnect(struct tensock_client *client)
{
	connection_close(&client->connection);
	repeat_requests(&client->requests);
}

static bool may_pass(const struct tensock_error *error)
{
	return error->status == TENSOCK_UNAVAILABLE || error->status == TENSOCK_DEADLINE_EXCEEDED;
}

/* The connection is over.  Fails where that is the end of it. */
static int connection_over(struct tensock_client *client, const struct tensock_error *why,
			   struct tensock_error *reterr)
{
	struct tensock_error error = *why;

	if (may_pass(why)) {
		client_reconnect(client);
		if (!client->connect_is_wanted && !requests_are_wanted(&client->requests))
			return 0;
		client->breaks++;
		if (client->was_open && client->breaks <= client->options.reconnects_max) {
			client->retry_ns = tsk_now_ns() + retry_delay_ns(client->breaks);
			return 0;
		}
		if (client->was_open)
			(void)tsk_fail(&error, TENSOCK_UNAVAILABLE,
				       "given up after %u new connections: %.180s",
				       client->options.reconnects_max, why->message);
	}
	client_give_up(client, &error);
	*reterr = error;
	return -EIO;
}

/* A slice for each that works; those that have done so wait for the host. */
static void work(struct tensock_client *client)
{
	struct request_list *working = &client->requests.in[REQUEST_WORKING];
	struct tensock_request *request, *next;
	struct tensock_error error;

	for (request = TAILQ_FIRST(working); request; request = next) {
		int r = request->ops->work(request, &error);

		next = TAILQ_NEXT(request, entry);
		request->moved_ns = tsk_now_ns();
		if (r < 0) {
			request_fail(request, &error);
			request_end(request);
		} else if (r == 0) {
			request_set_waiting(request);
		}
	}
}

static void tell_progress(struct request_list *list)
{
	struct tensock_request *request, *next;

	for (request = TAILQ_FIRST(list); request; request = next) {
		next = TAILQ_NEXT(request, entry);
		if (!request->progress_is_due)
			continue;
		request->progress_is_due = false;
		if (request->ops->progress)
			request->ops->progress(request);
	}
}

static int client_is_in_turn(struct tensock_error *reterr)
{
	(void)tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT,
		       "called from within a done() of the same client");
	return TENSOCK_INVALID_ARGUMENT;
}

int client_turn(struct tensock_client *client, short revents, struct tensock_error *reterr)
{
	struct tensock_error error;
	int r = 0;

	if (client->is_in_turn)
		return -client_is_in_turn(reterr);
	client->is_in_turn = true;
	work(client);
	if (connection_turn(client, revents, &error) < 0)
		r = connection_over(client, &error, reterr);
	if (client->connection.state == CONNECTION_OPEN)
		client->connect_is_wanted = false;
	tell_progress(&client->requests.in[REQUEST_WORKING]);
	tell_progress(&client->requests.in[REQUEST_UNDER_WAY]);
	requests_deliver(&client->requests);
	client->is_in_turn = false;
	return r;
}

/*
 * ---- Waiting
 */

int tensock_client_get_fd(const struct tensock_client *client)
{
	return client->connection.fd;
}

short tensock_client_get_events(const struct tensock_client *client)
{
	return connection_events(client);
}

int tensock_client_get_timeout(const struct tensock_client *client)
{
	uint64_t wake = connection_wake_ns(client), now, ms;

	if (!TAILQ_EMPTY(&client->requests.in[REQUEST_WORKING]) ||
	    !TAILQ_EMPTY(&client->requests.in[REQUEST_ENDED]))
		return 0;
	if (wake == UINT64_MAX)
		return -1;
	now = tsk_now_ns();
	if (wake <= now)
		return 0;
	ms = (wake - now + TSK_NS_PER_MS - 1) / TSK_NS_PER_MS;
	return ms < INT32_MAX ? (int)ms : INT32_MAX;
}

int tensock_client_process(struct tensock_client *client, struct tensock_error *reterr)
{
	struct tensock_error error;

	if (client_turn(client, POLLIN | POLLOUT, &error) < 0)
		return client_failed(&error, reterr);
	return TENSOCK_OK;
}

/* Waits for at most timeout_ms (-1: as long as it takes) until a turn is needed, and makes it. */
static int wait_and_turn(struct tensock_client *client, int timeout_ms,
			 struct tensock_error *reterr)
{
	struct pollfd pollfd = {
		.fd = tensock_client_get_fd(client),
		.events = tensock_client_get_events(client),
	};
	int own_ms = tensock_client_get_timeout(client);

	if (own_ms >= 0 && (timeout_ms < 0 || own_ms < timeout_ms))
		timeout_ms = own_ms;
	if (poll(&pollfd, 1, timeout_ms) < 0 && errno != EINTR)
		return tsk_fail(reterr, TENSOCK_INTERNAL, "poll: %s", strerrordesc_np(errno));
	return client_turn(client, pollfd.revents, reterr);
}

int tensock_client_wait(struct tensock_client *client, int timeout_ms, struct tensock_error *reterr)
{
	struct tensock_error error;

	if (wait_and_turn(client, timeout_ms < 0 ? -1 : timeout_ms, &error) < 0)
		return client_failed(&error, reterr);
	return TENSOCK_OK;
}

/* What became of a request that somebody waits for. */
struct call {
	bool is_over;
	struct tensock_error error; /* status OK: it went well */
};

static void call_done(void *user, const struct tensock_error *error)
{
	struct call *call = user;

	call->is_over = true;
	if (error)
		call->error = *error;
}

/* Its time is up.  The host may still be about to read its memory: so that connection is over, too. */
static void abandon(struct tensock_client *client, struct tensock_request *request)
{
	bool is_under_way = request->state == REQUEST_UNDER_WAY;

	if (is_under_way)
		connection_close(&client->connection);
	request_drop(request);
	if (is_under_way)
		client_reconnect(client);
}

int client_call(struct tensock_client *client, struct tensock_request *request, bool is_working,
		uint64_t timeout_ns, struct tensock_error *reterr)
{
	struct call call = { .error.status = TENSOCK_OK };
	const struct tensock_completion completion = { call_done, &call };
	struct tensock_error error;
	short revents = POLLOUT;

	if (client->is_in_turn) {
		request_drop(request);
		return client_is_in_turn(reterr);
	}
	if (timeout_ns < client->options.timeout_ns)
		timeout_ns = client->options.timeout_ns;
	request_start(request, client, &completion, is_working);
	/* What can be done at once is; the first turn has nothing to receive. */
	(void)client_turn(client, revents, &error);
	while (!call.is_over) {
		uint64_t now = tsk_now_ns(), end = request->moved_ns + timeout_ns;

		if (now >= end) {
			abandon(client, request);
			(void)tsk_fail(&error, TENSOCK_DEADLINE_EXCEEDED,
				       "the host at %s did not answer within %llu ms",
				       client->address.text,
				       (unsigned long long)(timeout_ns / TSK_NS_PER_MS));
			return client_failed(&error, reterr);
		}
		(void)wait_and_turn(client, (int)((end - now) / TSK_NS_PER_MS + 1), &error);
	}
	return call.error.status == TENSOCK_OK ? TENSOCK_OK : client_failed(&call.error, reterr);
}

/*
 * ---- Connecting, and what is known of the host
 */

int tensock_client_connect(struct tensock_client *client, struct tensock_error *reterr)
{
	struct tensock_error error;
	int r;

	if (client->connection.state == CONNECTION_OPEN)
		return TENSOCK_OK;
	if (client->is_in_turn)
		return client_is_in_turn(reterr);
	client->connect_is_wanted = true;
	r = client_turn(client, POLLOUT, &error);
	while (r == 0 && client->connect_is_wanted)
		r = wait_and_turn(client, -1, &error);
	client->connect_is_wanted = false;
	return r == 0 ? TENSOCK_OK : client_failed(&error, reterr);
}

int tensock_client_host(struct tensock_client *client, struct tensock_host_info *ret,
			struct tensock_error *reterr)
{
	const struct tensock_host_info info = {
		.requests_max = client->host.requests_max,
		.model_bytes_max = client->host.model_bytes_max,
		.request_bytes_max = client->host.request_bytes_max,
		.program = client->host.program,
		.guest = client->host.guest,
		.address = client->address.text,
	};
	struct tensock_error error;

	if (!client->host.is_known) {
		(void)tsk_fail(&error, TENSOCK_UNAVAILABLE, "there has been no connection yet");
		return client_failed(&error, reterr);
	}
	options_write(ret, &info, sizeof(info));
	return TENSOCK_OK;
}
