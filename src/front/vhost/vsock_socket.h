/* SPDX-License-Identifier: Apache-2.0 */
/* A Unix stream socket as the host's end of a vsock connection. */
#ifndef VHOST_VSOCK_SOCKET_H
#define VHOST_VSOCK_SOCKET_H

#include <stdint.h>

#include "base/cleanup.h"
#include "front/vhost/vsock_conn.h"

/*
 * Takes fd over in any case, and watches it in the epoll set, edge-triggered: what epoll reports
 * goes with its data.ptr, conn, to vsock_socket_events().  *ret is conn's end.
 */
int vsock_socket_new(int epoll_fd, int fd, struct vsock_conn *conn, struct vsock_end *ret)
	_nodiscard_;

/* EPOLL* → VSOCK_EVENT_* */
unsigned vsock_socket_events(uint32_t epoll_events);

#endif
