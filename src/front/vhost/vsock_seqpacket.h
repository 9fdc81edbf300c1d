/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A Unix seqpacket socket as the host's end of a vsock connection.  Each message is one of the
 * guest's, whole; MSG_EOR is not carried: Unix sockets know of none.  An empty message is delivered
 * like any other, though it reads as the end; those right before the end are part of it.
 */
#ifndef VHOST_VSOCK_SEQPACKET_H
#define VHOST_VSOCK_SEQPACKET_H

#include "base/cleanup.h"
#include "front/vhost/vsock_conn.h"

/* As vsock_socket_new() does with a stream. */
int vsock_seqpacket_new(int epoll_fd, int fd, struct vsock_conn *conn, struct vsock_end *ret)
	_nodiscard_;

#endif
