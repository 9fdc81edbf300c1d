/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The vhost-user message that comes next on a socket, peeked at: whoever has dealt with it takes it
 * off (device_step_answer()), so that no message is lost with the process that was about to.
 */
#ifndef VHOST_VHOST_INCOMING_H
#define VHOST_VHOST_INCOMING_H

#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"
#include "front/vhost/vhost_user.h"

struct vhost_incoming {
	size_t got;     /* bytes */
	unsigned looks; /* that found no more, one after the other */
	unsigned n_fds; /* ours; whoever keeps one sets it to -1 */
	int fds[VHOST_USER_FDS_MAX];
	struct vhost_user_header header; /* once its bytes are there */
	unsigned char bytes[VHOST_USER_HEADER_SIZE + VHOST_USER_PAYLOAD_MAX];
};

/*
 * Peeks at a Unix stream socket.  1: a message is there, whole, with the fds that came with its first
 * byte if its request has any (others, which nobody asked for, go with the message); 0: the socket has
 * ended; -EAGAIN: no whole one is there now; -EPROTO: it is none; -EMFILE: more fds than any has; or
 * another -errno.
 */
int vhost_incoming_peek(struct vhost_incoming *in, int socket_fd) _nodiscard_;

/* Forgets the message and closes its fds. */
void vhost_incoming_reset(struct vhost_incoming *in);

#endif
