/* SPDX-License-Identifier: Apache-2.0 */
/* What the two halves of a connection, bytes (vsock_conn.c) and messages, have of each other. */
#ifndef VHOST_VSOCK_CONN_INTERNAL_H
#define VHOST_VSOCK_CONN_INTERNAL_H

#include "front/vhost/vsock_conn.h"

/* All that the guest has sent has been taken or dropped, but for a message that lacks its end. */
void vsock_conn_flushed(struct vsock_conn *conn);
/* The end has said -errno, neither -EAGAIN nor -EMSGSIZE.  What was to be written may be gone. */
void vsock_conn_write_failed(struct vsock_conn *conn, int error);
/* The end sends no more. */
void vsock_conn_host_ended(struct vsock_conn *conn);
/* Has the guest told of freed room, if it should hear of it by now. */
void vsock_conn_look_at_credit(struct vsock_conn *conn);
void vsock_conn_fill_header(struct vsock_conn *conn, unsigned op, struct vsock_header *ret);

/* An RW packet that may come, of a seqpacket connection; credit has been asked already. */
void vsock_conn_receive_message(struct vsock_conn *conn, const struct vsock_header *header,
				const struct iovec *iov, unsigned n);
/* The end may take messages again. */
void vsock_conn_flush_messages(struct vsock_conn *conn);
/* vsock_conn_read() of a seqpacket connection. */
bool vsock_conn_read_message(struct vsock_conn *conn, const struct iovec *iov, unsigned n,
			     struct vsock_header *ret);

#endif
