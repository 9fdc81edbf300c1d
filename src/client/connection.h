/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A client's connection to its host: its life (connection.c), what goes (sender.c), what comes
 * (receiver.c).
 *
 *	NONE → CONNECTING → GREETING → OPEN → LEAVING → NONE
 */
#ifndef TSK_CLIENT_CONNECTION_H
#define TSK_CLIENT_CONNECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <tensock/types.h>

#include "base/cleanup.h"
#include "client/memory.h"
#include "wire/frame.h"

struct tensock_client;
struct tensock_request;

/* Headers, metadata and small tensors come through it. */
#define RECEIVE_BUFFER_BYTES (16u * 1024)

/* A host that asks for more signs of life than this before it takes one is a nuisance. */
#define PONGS_MAX 16u

enum connection_state {
	CONNECTION_NONE,
	CONNECTION_CONNECTING,
	CONNECTION_GREETING, /* WELCOME is awaited */
	CONNECTION_OPEN,
	CONNECTION_LEAVING /* after GOAWAY: what is under way is answered, nothing new is asked */
};

enum receive_stage {
	RECEIVE_HEADER,
	RECEIVE_META_BYTES, /* of a RESULT: how long its metadata is */
	RECEIVE_BODY,       /* a message, or a RESULT's metadata, as a whole */
	RECEIVE_GAP,        /* before the payload of a RESULT */
	RECEIVE_PAYLOAD
};

struct receiver {
	unsigned char *buffer; /* NULL before the first byte */
	size_t size, start, end;
	enum receive_stage stage;
	struct wire_header header;
	size_t need;           /* bytes of the stage that are to stand in the buffer as a whole */
	uint64_t gap;          /* left of it */
	uint64_t payload_left; /* of this frame */
};

struct sender {
	/* The frame that is being sent: bytes of its own, then a request's. */
	unsigned char small[2 * WIRE_HEADER_BYTES + 2 + WIRE_LABEL_MAX + 16];
	const unsigned char *head;
	size_t head_left;
	struct tensock_request *request; /* whose memory it uses, or NULL */
	uint64_t payload_left;
	bool is_ping;
	bool further_is_next; /* of the two lists of requests */
	bool hello_is_due;
	uint32_t pongs[PONGS_MAX];
	unsigned n_pongs;
	uint64_t moved_ns; /* when bytes last went */
};

/* The question for a sign of life. */
enum heartbeat {
	HEARTBEAT_NONE,
	HEARTBEAT_DUE, /* to be sent */
	HEARTBEAT_SENT
};

struct connection {
	enum connection_state state;
	int fd;
	uint64_t deadline_ns; /* for connection and welcome */
	uint64_t heard_ns;    /* when something last came */
	enum heartbeat heartbeat;
	uint64_t heartbeat_ns; /* when it became what it is */
	uint32_t heartbeat_id; /* of all of them on this connection; 0 before the first */
	unsigned n_heartbeats; /* that have no PONG yet */
	bool has_memory;       /* both sides have that feature */
	struct memory memory;
	struct receiver receiver;
	struct sender sender;
};

void connection_init(struct connection *connection);
void connection_close(struct connection *connection);

/*
 * Connects where that is wanted, receives, sends, looks at the clock.  A failure is the connection's
 * end, *reterr says why: UNAVAILABLE or DEADLINE_EXCEEDED where another one may do.
 */
int connection_turn(struct tensock_client *client, short revents, struct tensock_error *reterr)
	_nodiscard_;

/* POLLIN, POLLOUT: what is waited for. */
short connection_events(const struct tensock_client *client);

/* When a turn is needed though nothing happens; UINT64_MAX: never. */
uint64_t connection_wake_ns(const struct tensock_client *client);

/* Those that a host is offered, where this one is: features of HELLO. */
uint64_t connection_features(const struct tensock_client *client);

/* A frame of another kind than the host may send now, or one that says nonsense. */
int connection_protocol_error(struct tensock_error *reterr, const char *fmt, ...) _printf_(2, 3);

/* Whether there is something to send. */
bool sender_is_wanted(const struct tensock_client *client);
/* Sends what the socket takes. */
int sender_turn(struct tensock_client *client, struct tensock_error *reterr) _nodiscard_;
/* -EPROTO: there are too many already. */
int sender_pong(struct sender *sender, uint32_t id) _nodiscard_;

/* Receives what is there. */
int receiver_turn(struct tensock_client *client, struct tensock_error *reterr) _nodiscard_;
void receiver_done(struct receiver *receiver);

/* One whole message that is not about a request (greeting.c). */
int greeting_message(struct tensock_client *client, const struct wire_header *header,
		     const void *body, struct tensock_error *reterr) _nodiscard_;

/* A request has all of its answer. */
void connection_answered(struct tensock_client *client, struct tensock_request *request);

#endif
