/* SPDX-License-Identifier: Apache-2.0 */
/* A Unix socket as the host's end of a vsock connection: what both types share, and the stream. */
#ifndef VHOST_VSOCK_SOCKET_H
#define VHOST_VSOCK_SOCKET_H

#include <stdint.h>

#include "base/cleanup.h"
#include "front/vhost/vsock_conn.h"

struct vsock_socket {
	int fd;
	int epoll_fd; /* the device's */
};

/*
 * Watches fd in the epoll set, edge-triggered: what epoll reports goes with its data.ptr, conn, to
 * vsock_socket_events().  *ret has fd from then on.
 */
int vsock_socket_watch(int epoll_fd, int fd, struct vsock_conn *conn, struct vsock_socket *ret)
	_nodiscard_;
/* Ends that, and closes fd. */
void vsock_socket_done(struct vsock_socket *sock);

/* Ops that are the same at each type's end, which begins with its struct vsock_socket. */
ssize_t vsock_socket_write(void *end, const struct iovec *iov, unsigned n);
void vsock_socket_shutdown(void *end, unsigned flags);

/* Takes fd, a stream, over in any case, and watches it.  *ret is conn's end. */
int vsock_socket_new(int epoll_fd, int fd, struct vsock_conn *conn, struct vsock_end *ret)
	_nodiscard_;

/* EPOLL* → VSOCK_EVENT_* */
unsigned vsock_socket_events(uint32_t epoll_events);

#endif
