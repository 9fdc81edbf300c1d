/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a guest's built-in device outlives its front.  Over a SOCK_SEQPACKET pair of its own, which the
 * front gets by FRONT_DEVICE, the front hands the supervisor whatever its successor will need to go on
 * where it stood: fds by number, and a state that the supervisor keeps without looking at it.
 *
 * A message of the VMM is taken in one step, which happens whole or not at all whenever the front
 * dies: the front only peeks at the message, does what it asks, and sends STEP.  The supervisor then
 * keeps the fds and the state, takes the message off the VMM's socket and sends the reply; it reads
 * none of these bytes.  A message whose STEP was not sent is found again by the next front, so what a
 * message asks must bear being done twice.
 *
 * What changes with each packet lies in memory that both fronts map: the ledger
 * (front/vhost/ledger.h), a memfd that is the supervisor's and is made anew for each VMM.
 */
#ifndef CHANNEL_DEVICE_CONTROL_H
#define CHANNEL_DEVICE_CONTROL_H

#include <stdint.h>

#include "base/cleanup.h"

#define DEVICE_FDS_MAX 41u /* numbered fds of a session; what each is for is the front's to say */
#define DEVICE_STATE_MAX 1536u
#define DEVICE_REPLY_MAX 288u
#define DEVICE_CONSUME_MAX 4096u /* the longest message of a VMM */

/* Bytes of a ledger for so many connections; the front counts how many entries fit. */
#define DEVICE_LEDGER_BYTES(connections_max) (4096u + 16u * ((uint64_t)(connections_max) + 256u))

enum device_msg_type {
	/* supervisor → front */
	DEVICE_SESSION =
		1, /* a VMM's session.  fds: the VMM's socket, the ledger, then the kept ones
			     * by rising number; state: none when the VMM has just connected */
	DEVICE_STEPPED = 2, /* answers STEP; result -errno: the VMM cannot be answered */

	/* front → supervisor */
	DEVICE_STEP = 64, /* fds: those that `kept` says; at most one is unanswered */
	DEVICE_END = 65,  /* the session is over: let all go */
};

struct device_msg {
	uint32_t type; /* enum device_msg_type */
	int32_t result;
	uint64_t kept;    /* SESSION, STEP: bit n: the fd of number n comes with it */
	uint64_t dropped; /* STEP: bit n: the fd of number n is let go, before a new one is kept */
	uint32_t consume; /* STEP: bytes of the VMM's socket that have been dealt with */
	uint32_t reply_bytes, state_bytes;
	uint32_t reserved;                     /* 0 */
	unsigned char reply[DEVICE_REPLY_MAX]; /* STEP: what the VMM is to be sent after that */
	unsigned char state[DEVICE_STATE_MAX]; /* SESSION, STEP */
};

#define DEVICE_MSG_FDS_MAX (2u + DEVICE_FDS_MAX)

/* How many fds go with *msg, a message that is valid. */
unsigned device_msg_fds(const struct device_msg *msg);

/* Sends *msg with its device_msg_fds() fds, which stay the caller's.  -EINVAL: not valid. */
int device_control_send(int socket_fd, const struct device_msg *msg, const int *fds) _nodiscard_;

/*
 * Receives one message; its fds are then the caller's, the other entries of ret_fds are -1.  1, 0 at
 * the end of the connection, -EAGAIN when there is none now, -EPROTO for one that is malformed, or
 * another -errno.  A type that only the other side may send passes.
 */
int device_control_recv(int socket_fd, struct device_msg *ret, int ret_fds[DEVICE_MSG_FDS_MAX])
	_nodiscard_;

/*
 * Does to the VMM's socket what *step says: takes the message off and sends the reply.  -EPROTO: it
 * has less than that; -EPIPE: it takes no reply.
 */
int device_step_answer(int vmm_fd, const struct device_msg *step) _nodiscard_;

#endif
