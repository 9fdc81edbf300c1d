/* SPDX-License-Identifier: Apache-2.0 */
#include "front/vhost/vsock_socket.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include "front/vhost/hybrid.h"

ssize_t vsock_socket_write(void *end, const struct iovec *iov, unsigned n)
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

/*
 * Nothing more can come: what is there is dropped.  As long as it fills the socket, a host program
 * that waits with poll() until it may write would not be woken to learn that nobody reads.
 */
static void drop_unread(int fd)
{
	char bytes[4096];
	ssize_t n;

	do
		n = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);
	while (n > 0 || (n < 0 && errno == EINTR));
}

void vsock_socket_shutdown(void *end, unsigned flags)
{
	struct vsock_socket *sock = end;

	/* It fails only when the peer is gone, which reading and writing find out. */
	if (flags & VSOCK_SHUTDOWN_SEND)
		shutdown(sock->fd, SHUT_WR);
	if (flags & VSOCK_SHUTDOWN_RECEIVE && shutdown(sock->fd, SHUT_RD) == 0)
		drop_unread(sock->fd);
}

static int socket_greeting(void *end, uint32_t *ret_port)
{
	struct vsock_socket *sock = end;

	return hybrid_receive(sock->fd, ret_port);
}

void vsock_socket_done(struct vsock_socket *sock)
{
	/* Closing alone would leave it watched while another process still holds the socket. */
	epoll_ctl(sock->epoll_fd, EPOLL_CTL_DEL, sock->fd, NULL);
	sock->fd = tsk_close(sock->fd);
}

static void socket_close(void *end)
{
	vsock_socket_done(end);
	free(end);
}

static const struct vsock_end_ops socket_ops = {
	.write = vsock_socket_write,
	.read = socket_read,
	.deaf = socket_deaf,
	.shutdown = vsock_socket_shutdown,
	.greeting = socket_greeting,
	.close = socket_close,
};

int vsock_socket_watch(int epoll_fd, int fd, struct vsock_conn *conn, struct vsock_socket *ret)
{
	struct epoll_event event = {
		.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
		.data.ptr = conn,
	};

	if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
		return -errno;
	*ret = (struct vsock_socket){ .fd = fd, .epoll_fd = epoll_fd };
	return 0;
}

int vsock_socket_new(int epoll_fd, int fd, struct vsock_conn *conn, struct vsock_end *ret)
{
	_cleanup_close_ int owned = fd;
	_cleanup_free_ struct vsock_socket *sock = malloc(sizeof(*sock));
	int r;

	if (!sock)
		return -ENOMEM;
	r = vsock_socket_watch(epoll_fd, owned, conn, sock);
	if (r < 0)
		return r;
	(void)TAKE_FD(owned);
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
