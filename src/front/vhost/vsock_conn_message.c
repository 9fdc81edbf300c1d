/* SPDX-License-Identifier: Apache-2.0 */
#include "front/vhost/vsock_conn_internal.h"

#define MESSAGES_A_TURN 16u /* written at an event; then other connections have their turn */

/* True: the end has taken it.  The state may be another one otherwise. */
static bool write_message(struct vsock_conn *conn, const struct iovec *iov, unsigned n)
{
	ssize_t r = conn->end.ops->write(conn->end.object, iov, n);

	if (r >= 0)
		return true;
	/* It is not cut, and nothing may be left out between others. */
	if (r == -EMSGSIZE)
		vsock_conn_reset(conn);
	else if (r != -EAGAIN)
		vsock_conn_write_failed(conn, (int)r);
	return false;
}

void vsock_conn_flush_messages(struct vsock_conn *conn)
{
	struct vsock_messages *messages = &conn->messages;

	for (unsigned i = 0; vsock_messages_ready(messages); i++) {
		struct iovec iov[VSOCK_BUFFER_PIECES];
		unsigned n = vsock_messages_first(messages, iov);

		if (i == MESSAGES_A_TURN) {
			conn->events |= VSOCK_EVENT_WRITABLE;
			return;
		}
		if (!write_message(conn, iov, n))
			return;
		vsock_credit_pass_on(&conn->credit, vsock_messages_take(messages));
		if (!vsock_messages_ready(messages))
			vsock_conn_flushed(conn);
	}
}

/* What cannot go to the end straight from the guest's memory is kept. */
static void keep(struct vsock_conn *conn, const struct iovec *iov, unsigned n, bool ends)
{
	bool others_wait = vsock_messages_ready(&conn->messages);

	if (vsock_messages_add(&conn->messages, iov, n, ends) < 0)
		vsock_conn_reset(conn);
	else if (!others_wait)
		vsock_conn_flush_messages(conn);
}

void vsock_conn_receive_message(struct vsock_conn *conn, const struct vsock_header *header,
				const struct iovec *iov, unsigned n)
{
	bool ends = header->flags & VSOCK_SEQ_EOM;
	bool taken = false;

	if (ends && vsock_messages_empty(&conn->messages) &&
	    !(conn->host_shut & VSOCK_SHUTDOWN_RECEIVE))
		taken = write_message(conn, iov, n);
	if (taken || (conn->host_shut & VSOCK_SHUTDOWN_RECEIVE))
		vsock_credit_pass_on(&conn->credit, header->len);
	else if (conn->state == VSOCK_CONN_OPEN)
		keep(conn, iov, n, ends);
	/* Not only when something was taken: a long message may need all of the window. */
	vsock_conn_look_at_credit(conn);
}

bool vsock_conn_read_message(struct vsock_conn *conn, const struct iovec *iov, unsigned n,
			     struct vsock_header *ret)
{
	bool ends = false;
	ssize_t r = conn->end.ops->read_message(conn->end.object, iov, n, conn->credit.peer_alloc,
						&ends);

	if (r >= 0) {
		vsock_conn_fill_header(conn, VSOCK_OP_RW, ret);
		ret->len = (uint32_t)r;
		ret->flags = ends ? VSOCK_SEQ_EOM : 0;
		vsock_credit_sent(&conn->credit, ret->len);
		conn->in_message = !ends;
		if (ends && vsock_window_sent(&conn->window, &conn->credit, r == 0) < 0) {
			vsock_conn_reset(conn);
			return false;
		}
		return true;
	}
	conn->readable = false;
	if (r == -ESHUTDOWN)
		vsock_conn_host_ended(conn);
	else if (r != -EAGAIN)
		vsock_conn_reset(conn);
	return false;
}
