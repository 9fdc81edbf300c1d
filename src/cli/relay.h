/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two connected sockets, and what comes from each carried to the other, unread: by splice(2) through a
 * pipe.  A side that sends no more (SHUT_WR) or reads no more (SHUT_RD) is told to the other one; a
 * connection that broke is told as one that ended, after all that came before.
 *
 * Neither blocks.  A way takes more from its socket only when the last of what it holds has gone: so what
 * waits in here for a slow reader is a pipe's content at most, and the rest waits at the sender's.
 */
#ifndef CLI_RELAY_H
#define CLI_RELAY_H

#include <stdbool.h>
#include <stddef.h>

#include "cli/pipe_pool.h"

enum relay_side {
	RELAY_CLIENT,
	RELAY_HOST,
	RELAY_SIDES
};

/* From one side to the other. */
struct relay_way {
	struct pipe_ends pipe;
	size_t held;    /* in the pipe */
	bool has_ended; /* nothing more will go this way */
};

struct relay {
	int fds[RELAY_SIDES];               /* of sockets that do not block; -1: none yet */
	struct relay_way ways[RELAY_SIDES]; /* by the side that the bytes come from */
	bool is_asked;                      /* the last that went through came from the client */
	bool has_moved; /* something went through; whoever wants to know sets it back */
};

/* client: becomes the relay's. */
void relay_init(struct relay *relay, int client);

/* Closes all, whatever is on its way. */
void relay_done(struct relay *relay);

enum relay_progress {
	RELAY_WAITS = 0, /* for the socket that it comes from; or, with bytes held, for the other */
	RELAY_GOES_ON = 1 /* it has had its turn, and there is more to do */
};

/*
 * Moves what is there, up to a turn's share.  An enum relay_progress; or -errno of a pipe that could not
 * be had: the relay is of no use then.
 */
int relay_move(struct relay *relay, enum relay_side from, struct pipe_pool *pool) _nodiscard_;

/* That side takes nothing any more: what is on its way to it is dropped. */
void relay_gone(struct relay *relay, enum relay_side side);

/* Whether something waits for that side to take it. */
static inline bool relay_waits_for(const struct relay *relay, enum relay_side side)
{
	return relay->ways[!side].held > 0;
}

/* Both ways have. */
static inline bool relay_has_ended(const struct relay *relay)
{
	return relay->ways[RELAY_CLIENT].has_ended && relay->ways[RELAY_HOST].has_ended;
}

#endif
