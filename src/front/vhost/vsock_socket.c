/* SPDX-License-Identifier: Apache-2.0 */
#include "front/vhost/vsock_socket.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include "front/vhost/hybrid.h"

/*
 * So much a slow host program may have before it in its socket, which holds it without a copy more.
 * The kernel allows twice as much and counts its overhead in.
 */
#define SEND_BUFFER_BYTES (512 * 1024)

struct vsock_socket {
	int fd;
	int epoll_fd; /* the device's */
};

static ssize_t socket_write(void *end, const struct iovec *iov, unsigned n)
{
	struct vsock_socket *sock = end;
	/* sendmsg() only reads the pieces; its type cannot say so. */
	struct msghdr msg = { .msg_iov = (struct iovec *)(uintptr_t)iov, .msg_iovlen = n };
	ssize_t r;

	do
		r = sendmsg(sock->fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : r;
}

static ssize_t socket_read(void *end, const struct iovec *iov, unsigned n)
{
	struct vsock_socket *sock = end;
	struct msghdr msg = { .msg_iov = (struct iovec *)(uintptr_t)iov, .msg_iovlen = n };
	ssize_t r;

	do
		r = recvmsg(sock->fd, &msg, MSG_DONTWAIT);
	while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : r;
}

static bool socket_deaf(void *end)
{
	struct vsock_socket *sock = end;

	/* No poll event tells that the peer has shut down its reading; sending nothing does. */
	return send(sock->fd, "", 0, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 && errno == EPIPE;
}

static void socket_shutdown(void *end, unsigned flags)
{
	struct vsock_socket *sock = end;

	/* It fails only when the peer is gone, which reading and writing find out. */
	if (flags & VSOCK_SHUTDOWN_SEND)
		shutdown(sock->fd, SHUT_WR);
	if (flags & VSOCK_SHUTDOWN_RECEIVE)
		shutdown(sock->fd, SHUT_RD);
}

static int socket_greeting(void *end, uint32_t *ret_port)
{
	struct vsock_socket *sock = end;

	return hybrid_receive(sock->fd, ret_port);
}

static void socket_close(void *end)
{
	struct vsock_socket *sock = end;

	/* Closing alone would leave it watched while another process still holds the socket. */
	epoll_ctl(sock->epoll_fd, EPOLL_CTL_DEL, sock->fd, NULL);
	tsk_close(sock->fd);
	free(sock);
}

static const struct vsock_end_ops socket_ops = {
	.write = socket_write,
	.read = socket_read,
	.deaf = socket_deaf,
	.shutdown = socket_shutdown,
	.greeting = socket_greeting,
	.close = socket_close,
};

int vsock_socket_new(int epoll_fd, int fd, struct vsock_conn *conn, struct vsock_end *ret)
{
	struct epoll_event event = {
		.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
		.data.ptr = conn,
	};
	_cleanup_close_ int owned = fd;
	_cleanup_free_ struct vsock_socket *sock = malloc(sizeof(*sock));
	int size = SEND_BUFFER_BYTES;

	if (!sock)
		return -ENOMEM;
	/* Less will do, too. */
	(void)setsockopt(owned, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, owned, &event) < 0)
		return -errno;
	sock->epoll_fd = epoll_fd;
	sock->fd = TAKE_FD(owned);
	*ret = (struct vsock_end){ .ops = &socket_ops, .object = TAKE_PTR(sock) };
	return 0;
}

unsigned vsock_socket_events(uint32_t epoll_events)
{
	unsigned events = 0;

	if (epoll_events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		events |= VSOCK_EVENT_READABLE;
	if (epoll_events & (EPOLLOUT | EPOLLHUP | EPOLLERR))
		events |= VSOCK_EVENT_WRITABLE;
	return events;
}
