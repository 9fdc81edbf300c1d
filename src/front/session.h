/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stream to a guest's port: tells by its first bytes which protocol it speaks, then leaves it to that
 * protocol, and ends it when the peer falls silent where it must not.
 */
#ifndef FRONT_SESSION_H
#define FRONT_SESSION_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include <tensock/types.h>

#include "base/cleanup.h"
#include "front/stream.h"

struct guest;
struct session;

#define PROTOCOL_FIRST_BYTES 4u

/* One row a protocol.  All functions but takes_fd() are mandatory. */
struct protocol {
	const char *name;

	/* Whether a stream with these first bytes speaks it. */
	bool (*begins)(const unsigned char first[PROTOCOL_FIRST_BYTES]);

	/*
	 * What it speaks with; its open() is given the first bytes by received(), like all others.
	 */
	const struct stream_ops *stream;
	void *(*open)(struct guest *guest, struct stream_host *host); /* NULL: no memory */
	/* A descriptor that comes with its peer's next bytes is of use to it (stream_host's take_fd()). */
	bool (*takes_fd)(const void *stream);

	/* True while the peer is to send (the rest of something) or to take bytes. */
	bool (*is_waiting)(void *stream);
	/* It has been waiting too long: to be finished(), without output. */
	void (*timed_out)(void *stream);
	/* No new work is to be taken; finished() once what is under way has been answered. */
	void (*stop)(void *stream);
	/* At once after open(): it says the error, and no more, and is finished(). */
	void (*refuse)(void *stream, const struct tensock_error *error);
	/* After stop(): what is still under way is answered by UNAVAILABLE now. */
	void (*give_up)(void *stream);
};

struct sessions {
	struct guest *guest;
	void (*closed)(struct guest *guest); /* one of them has been */
	TAILQ_HEAD(session_list, session) list;
	unsigned n;
	unsigned n_beyond; /* above connections_max, which are told so; not in n */
	uint64_t refused;  /* above connections_max */
};

void sessions_init(struct sessions *sessions, struct guest *guest,
		   void (*closed)(struct guest *guest));

/* For the carriers. */
struct stream_service sessions_service(struct sessions *sessions);

/* Takes no new work any more; each session finishes in its time. */
void sessions_stop(struct sessions *sessions);
/* Later: there is no more time. */
void sessions_give_up(struct sessions *sessions);

#endif
