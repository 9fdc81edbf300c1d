/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/relay.h"

#include <fcntl.h>
#include <sys/socket.h>

/* Pipes of bytes that one way moves before others have their turn. */
#define FILLS_A_TURN 4

void relay_init(struct relay *relay, int client)
{
	*relay = (struct relay){ .fds = { client, -1 } };
	for (unsigned i = 0; i < RELAY_SIDES; i++)
		relay->ways[i].pipe = PIPE_ENDS_NONE;
}

void relay_done(struct relay *relay)
{
	for (unsigned i = 0; i < RELAY_SIDES; i++) {
		pipe_ends_close(&relay->ways[i].pipe);
		relay->fds[i] = tsk_close(relay->fds[i]);
	}
}

static ssize_t splice_some(int from, int to, size_t n)
{
	ssize_t done;

	do
		done = splice(from, NULL, to, NULL, n, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
	while (done < 0 && errno == EINTR);
	return done;
}

/* The other side is told that nothing more comes. */
static void end_way(struct relay *relay, enum relay_side from)
{
	relay->ways[from].has_ended = true;
	(void)shutdown(relay->fds[!from], SHUT_WR);
}

/* The other side takes nothing any more, which this one is told. */
static void refuse_way(struct relay *relay, enum relay_side from)
{
	struct relay_way *way = &relay->ways[from];

	pipe_ends_close(&way->pipe);
	way->held = 0;
	way->has_ended = true;
	(void)shutdown(relay->fds[from], SHUT_RD);
}

/* Into the pipe, which is empty.  False: nothing is there. */
static bool fill(struct relay *relay, enum relay_side from)
{
	struct relay_way *way = &relay->ways[from];
	ssize_t n = splice_some(relay->fds[from], way->pipe.in, PIPE_POOL_PIPE_BYTES);

	if (n > 0) {
		way->held = (size_t)n;
		relay->is_asked = from == RELAY_CLIENT;
		relay->has_moved = true;
		return true;
	}
	if (n < 0 && errno == EAGAIN)
		return false;
	end_way(relay, from);
	return true;
}

/* Out of the pipe.  False: the other side has no room. */
static bool drain(struct relay *relay, enum relay_side from)
{
	struct relay_way *way = &relay->ways[from];

	while (way->held) {
		ssize_t n = splice_some(way->pipe.out, relay->fds[!from], way->held);

		if (n < 0 && errno == EAGAIN)
			return false;
		if (n <= 0) {
			refuse_way(relay, from);
			return true;
		}
		way->held -= (size_t)n;
		relay->has_moved = true;
	}
	return true;
}

/* False: one of the two has to wait. */
static bool move_once(struct relay *relay, enum relay_side from)
{
	struct relay_way *way = &relay->ways[from];

	if (!way->held && !fill(relay, from))
		return false;
	return drain(relay, from);
}

int relay_move(struct relay *relay, enum relay_side from, struct pipe_pool *pool)
{
	struct relay_way *way = &relay->ways[from];
	bool goes_on = true;
	int r;

	if (way->has_ended)
		return RELAY_WAITS;
	if (way->pipe.in < 0) {
		r = pipe_pool_take(pool, &way->pipe);
		if (r < 0)
			return r;
	}
	for (unsigned i = 0; i < FILLS_A_TURN && goes_on && !way->has_ended; i++)
		goes_on = move_once(relay, from);
	if (!way->held && way->pipe.in >= 0)
		pipe_pool_give(pool, &way->pipe);
	return goes_on && !way->has_ended ? RELAY_GOES_ON : RELAY_WAITS;
}

void relay_gone(struct relay *relay, enum relay_side side)
{
	if (!relay->ways[!side].has_ended)
		refuse_way(relay, !side);
}
