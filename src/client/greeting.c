/* SPDX-License-Identifier: Apache-2.0 */
/* Messages about the connection itself. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/status.h"
#include "client/client.h"
#include "wire/session.h"

/* A host's words, as they may be shown. */
static void copy_label(char ret[WIRE_LABEL_MAX + 1], struct wire_string label)
{
	size_t n = label.len < WIRE_LABEL_MAX ? label.len : WIRE_LABEL_MAX;

	memcpy(ret, label.bytes, n);
	ret[n] = '\0';
	tsk_make_printable(ret);
}

static int welcome(struct tensock_client *client, const void *body, size_t size,
		   struct tensock_error *reterr)
{
	struct wire_welcome w;

	if (wire_welcome_read(body, size, &w) < 0)
		return connection_protocol_error(reterr, "a broken WELCOME");
	if (w.version != WIRE_VERSION)
		return tsk_fail(reterr, TENSOCK_UNSUPPORTED,
				"the host speaks version %u of the protocol, this library %u",
				w.version, WIRE_VERSION);
	if (w.features & ~connection_features(client))
		return connection_protocol_error(reterr, "a WELCOME with what was not offered");
	client->host.is_known = true;
	client->host.requests_max = w.requests_max;
	client->host.model_bytes_max = w.model_bytes_max;
	client->host.request_bytes_max = w.request_bytes_max;
	copy_label(client->host.program, w.program);
	copy_label(client->host.guest, w.guest);
	client->connection.has_memory = w.features & WIRE_FEATURE_MEMORY;
	client->connection.state = CONNECTION_OPEN;
	client->was_open = true;
	return 0;
}

static int goodbye(struct tensock_client *client, const void *body, size_t size,
		   struct tensock_error *reterr)
{
	struct tensock_error error;

	/* Its reason is for people who read the host's log. */
	if (wire_error_read(body, size, &error) < 0)
		return connection_protocol_error(reterr, "a broken GOAWAY");
	client->connection.state = CONNECTION_LEAVING;
	return 0;
}

static int refusal(const void *body, size_t size, struct tensock_error *reterr)
{
	struct tensock_error error;

	if (wire_error_read(body, size, &error) < 0)
		return connection_protocol_error(reterr, "a broken ERROR");
	return tsk_fail(reterr, error.status, "the host ended the connection: %.200s",
			error.message);
}

int greeting_message(struct tensock_client *client, const struct wire_header *header,
		     const void *body, struct tensock_error *reterr)
{
	size_t size = (size_t)header->size;

	switch (header->type) {
	case WIRE_WELCOME:
		return welcome(client, body, size, reterr);
	case WIRE_GOAWAY:
		return goodbye(client, body, size, reterr);
	case WIRE_PING:
		if (sender_pong(&client->connection.sender, header->id) < 0)
			return connection_protocol_error(reterr, "PING after PING");
		return 0;
	default:
		return refusal(body, size, reterr);
	}
}
