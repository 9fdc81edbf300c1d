/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control socket, where an operator's program asks things of the running daemon
 * (wire/operator.h).  Only root and the daemon's own user are answered.
 */
#ifndef SUPERVISOR_CONTROL_SOCKET_H
#define SUPERVISOR_CONTROL_SOCKET_H

#include <sys/socket.h>
#include <uv.h>

#include <tensock/types.h>

#include "base/cleanup.h"
#include "supervisor/listener.h"
#include "wire/operator.h"

#define CONTROL_PEERS_MAX 8u /* more of them wait */
#define CONTROL_IDLE_MS 10000u

struct control_socket;

/* One that asks: one request at a time. */
struct control_peer;

struct control_socket_ops {
	/*
	 * A request.  It is answered by control_answer(), now or later; the peer may have gone by then,
	 * so that one to be answered later is found again by control_answer_detached().
	 */
	void (*request)(void *context, struct control_peer *peer,
			const struct operator_request *request);
};

/*
 * A peer that neither asks nor takes its answers is closed after idle_ms.  handed: as listener_open() has
 * it.
 */
int control_socket_new(uv_loop_t *loop, const char *path, const struct listener_handed *handed,
		       unsigned idle_ms, const struct control_socket_ops *ops, void *context,
		       struct control_socket **ret, struct tensock_error *reterr) _nodiscard_;

/* Removes the file and closes all; NULL.  Memory goes with the loop's next turns. */
void control_socket_free(struct control_socket *control);

/* "control:PATH" */
const char *control_socket_text(const struct control_socket *control);
const struct listener *control_socket_listener(const struct control_socket *control);

/* The next answer to the request of this peer: a RESULT is the last one. */
void control_answer(struct control_peer *peer, const struct operator_answer *answer);

/* Answers those who wait for the end of a DETACH of that name. */
void control_answer_detached(struct control_socket *control, const char *name,
			     const struct operator_answer *answer);

struct ucred control_peer_cred(const struct control_peer *peer);

#endif
