/* SPDX-License-Identifier: Apache-2.0 */
#include "front/vhost/vsock_seqpacket.h"

#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "front/vhost/hybrid.h"
#include "front/vhost/vsock_socket.h"

struct seqpacket {
	struct vsock_socket socket; /* first: the ops of both types share it */
	size_t given;               /* bytes of the message at the head of the queue */
	bool is_reset;              /* the socket has said so, which it does only once */
};

/* Notes what the socket says when its peer has gone without having read all; returns -errno. */
static int failed(struct seqpacket *sock, int error)
{
	if (error == ECONNRESET)
		sock->is_reset = true;
	return -error;
}

static ssize_t seqpacket_write(void *end, const struct iovec *iov, unsigned n)
{
	ssize_t r = vsock_socket_write(end, iov, n);

	return r < 0 ? failed(end, (int)-r) : r;
}

static ssize_t receive(struct seqpacket *sock, const struct iovec *iov, unsigned n, int flags)
{
	struct msghdr msg = { .msg_iov = (struct iovec *)(uintptr_t)iov, .msg_iovlen = n };

	for (;;) {
		bool was_reset = sock->is_reset;
		ssize_t r = recvmsg(sock->socket.fd, &msg, flags | MSG_DONTWAIT);

		if (r >= 0)
			return r;
		r = failed(sock, errno);
		/* What the peer had sent before it went is still there, behind the error. */
		if (r != -EINTR && (r != -ECONNRESET || was_reset))
			return r;
	}
}

/*
 * Copies bytes of the first message behind those given, and leaves it in the queue.  Returns how
 * many there are, which may be more than the pieces hold; 0: an empty message, or the end.
 */
static ssize_t peek(struct seqpacket *sock, const struct iovec *iov, unsigned n)
{
	return receive(sock, iov, n, MSG_PEEK | MSG_TRUNC);
}

/* Takes the first message out of the queue, and the place of the next peek() back to its start. */
static ssize_t drop(struct seqpacket *sock)
{
	sock->given = 0;
	return receive(sock, NULL, 0, 0);
}

/* After a peek() that gave nothing: whether the peer has shut down, and no byte of its is left. */
static bool has_ended(const struct seqpacket *sock)
{
	struct pollfd pollfd = { .fd = sock->socket.fd, .events = POLLRDHUP };
	int left = 0;

	return poll(&pollfd, 1, 0) == 1 && ioctl(sock->socket.fd, FIONREAD, &left) == 0 &&
	       left == 0;
}

static ssize_t seqpacket_read(void *end, const struct iovec *iov, unsigned n, size_t max_bytes,
			      bool *ret_ends)
{
	struct seqpacket *sock = end;
	size_t room = 0;
	ssize_t left = peek(sock, iov, n), r;

	if (left < 0)
		return left;
	if (left == 0 && has_ended(sock))
		return sock->is_reset ? -ECONNRESET : -ESHUTDOWN;
	if (sock->given > max_bytes || (size_t)left > max_bytes - sock->given)
		return -EMSGSIZE;
	for (unsigned i = 0; i < n; i++)
		room += iov[i].iov_len;
	*ret_ends = (size_t)left <= room;
	if (!*ret_ends) {
		sock->given += room;
		return (ssize_t)room;
	}
	r = drop(sock);
	return r < 0 ? r : left;
}

static bool seqpacket_deaf(void *end)
{
	struct seqpacket *sock = end;
	int r = 0;

	/*
	 * An empty message would be one.  The bytes of this one cannot be read, which the kernel
	 * finds out only after it has looked whether the peer still takes any.
	 */
	if (send(sock->socket.fd, NULL, 1, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		r = failed(sock, errno);
	return r == -EPIPE || r == -ECONNRESET;
}

static int seqpacket_greeting(void *end, uint32_t *ret_port)
{
	struct seqpacket *sock = end;

	return hybrid_receive_message(sock->socket.fd, ret_port);
}

static void seqpacket_close(void *end)
{
	struct seqpacket *sock = end;

	vsock_socket_done(&sock->socket);
	free(sock);
}

static const struct vsock_end_ops seqpacket_ops = {
	.write = seqpacket_write,
	.read_message = seqpacket_read,
	.deaf = seqpacket_deaf,
	.shutdown = vsock_socket_shutdown,
	.greeting = seqpacket_greeting,
	.close = seqpacket_close,
};

int vsock_seqpacket_new(int epoll_fd, int fd, struct vsock_conn *conn, struct vsock_end *ret)
{
	static const int from_start = 0, longest = VSOCK_MESSAGE_MAX;
	_cleanup_close_ int owned = fd;
	_cleanup_free_ struct seqpacket *sock = calloc(1, sizeof(*sock));
	int r;

	if (!sock)
		return -ENOMEM;
	/* A message must fit whole; one that does not, because the host's limit is low, is refused. */
	(void)setsockopt(owned, SOL_SOCKET, SO_SNDBUF, &longest, sizeof(longest));
	/* Each peek goes on behind the one before: a message need not be taken in one piece. */
	if (setsockopt(owned, SOL_SOCKET, SO_PEEK_OFF, &from_start, sizeof(from_start)) < 0)
		return -errno;
	r = vsock_socket_watch(epoll_fd, owned, conn, &sock->socket);
	if (r < 0)
		return r;
	(void)TAKE_FD(owned);
	*ret = (struct vsock_end){ .ops = &seqpacket_ops, .object = TAKE_PTR(sock) };
	return 0;
}
