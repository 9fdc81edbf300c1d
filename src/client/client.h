/* SPDX-License-Identifier: Apache-2.0 */
/* A client: what its files share.  One turn does what can be done now; all else waits for the next. */
#ifndef TSK_CLIENT_CLIENT_H
#define TSK_CLIENT_CLIENT_H

#include <tensock/tensock.h>

#include "client/address.h"
#include "client/blocks.h"
#include "client/connection.h"
#include "client/request.h"

struct client_options {
	uint64_t connect_timeout_ns;
	uint64_t timeout_ns;
	uint64_t heartbeat_ns;
	uint32_t reconnects_max;
	char program[WIRE_LABEL_MAX + 1];
};

/* What the host said of itself, last. */
struct client_host {
	bool is_known;
	uint32_t requests_max;
	uint64_t model_bytes_max, request_bytes_max;
	char program[WIRE_LABEL_MAX + 1];
	char guest[WIRE_LABEL_MAX + 1];
};

struct tensock_client {
	struct client_options options;
	struct address address;
	struct client_host host;
	struct connection connection;
	struct requests requests;
	struct blocks blocks;
	bool connect_is_wanted; /* though there is no request */
	bool is_in_turn;
	bool has_asked_much; /* once: worth a slice of shared memory */

	/* Connections that broke in a row, without an answer between. */
	uint32_t breaks;
	bool was_open; /* since the requests last ended for want of a connection */
	uint64_t retry_ns;
};

/* Not 0, and not that of another request. */
uint32_t client_new_id(struct tensock_client *client);

/*
 * All that can be done without blocking, given what poll() said of the connection.  Fails as
 * tensock_client_process().
 */
int client_turn(struct tensock_client *client, short revents, struct tensock_error *reterr);

/* *error to the caller; its status. */
int client_failed(const struct tensock_error *error, struct tensock_error *reterr);

/* A new connection for what has no answer yet. */
void client_reconnect(struct tensock_client *client);

/* What is wrong with all requests: they end, the connection is closed. */
void client_give_up(struct tensock_client *client, const struct tensock_error *error);

/*
 * Starts the request, and turns until it has ended: enum tensock_status.  timeout_ns: the longest
 * without anything of it coming or going, where that is more than the client's.
 */
int client_call(struct tensock_client *client, struct tensock_request *request, bool is_working,
		uint64_t timeout_ns, struct tensock_error *reterr);

#endif
