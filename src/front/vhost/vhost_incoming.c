/* SPDX-License-Identifier: Apache-2.0 */
#include "front/vhost/vhost_incoming.h"

#include <string.h>
#include <sys/socket.h>

#define KERNEL_FDS_MAX 253u /* in one recvmsg(): room for all, so that none is left open unseen */

void vhost_incoming_reset(struct vhost_incoming *in)
{
	for (unsigned i = 0; i < in->n_fds; i++)
		tsk_close(in->fds[i]);
	in->n_fds = 0;
	in->got = 0;
	in->looks = 0;
}

/* Appends the fds of m to the message.  False when there are more than any message has. */
static bool take_fds(struct vhost_incoming *in, struct msghdr *m)
{
	bool fit = true;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		size_t bytes = c->cmsg_len - CMSG_LEN(0);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i + sizeof(int) <= bytes; i += sizeof(int)) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i, sizeof(fd));
			if (in->n_fds < VHOST_USER_FDS_MAX) {
				in->fds[in->n_fds++] = fd;
			} else {
				tsk_close(fd);
				fit = false;
			}
		}
	}
	return fit;
}

/* Looks at the socket from `offset` bytes on.  The bytes, 0 at its end, or -errno. */
static ssize_t peek(int socket_fd, size_t offset, struct msghdr *m)
{
	int at = (int)offset;
	ssize_t n;

	if (setsockopt(socket_fd, SOL_SOCKET, SO_PEEK_OFF, &at, sizeof(at)) < 0)
		return -errno;
	do
		n = recvmsg(socket_fd, m, MSG_PEEK | MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

/* Peeks until `whole` bytes are there.  As vhost_incoming_peek(). */
static int peek_up_to(struct vhost_incoming *in, int socket_fd, size_t whole)
{
	while (in->got < whole) {
		struct iovec iov = { .iov_base = in->bytes + in->got, .iov_len = whole - in->got };
		struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
		ssize_t n = peek(socket_fd, in->got, &m);

		if (n <= 0)
			return (int)n;
		in->got += (size_t)n;
		in->looks = 0;
	}
	return 1;
}

/*
 * Gets the fds of the first byte.  Only where some are due: Linux gives a peek the next fds that it
 * finds, be they those of a later byte.
 */
static int peek_fds(struct vhost_incoming *in, int socket_fd)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int) * KERNEL_FDS_MAX)];
		struct cmsghdr align;
	} control;
	char byte;
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr m = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = control.bytes,
			    .msg_controllen = sizeof(control.bytes) };
	ssize_t n = peek(socket_fd, 0, &m);

	if (n <= 0)
		return n < 0 ? (int)n : -EPROTO;
	/* MSG_CTRUNC: fds were lost, and which ones is unknown. */
	return take_fds(in, &m) && !(m.msg_flags & MSG_CTRUNC) ? 1 : -EMFILE;
}

int vhost_incoming_peek(struct vhost_incoming *in, int socket_fd)
{
	int r = peek_up_to(in, socket_fd, VHOST_USER_HEADER_SIZE);

	if (r <= 0)
		return r;
	if (vhost_user_decode_header(in->bytes, &in->header) < 0)
		return -EPROTO;
	r = peek_up_to(in, socket_fd, VHOST_USER_HEADER_SIZE + in->header.size);
	if (r <= 0 || !vhost_user_wants_fds(&in->header, in->bytes + VHOST_USER_HEADER_SIZE))
		return r;
	return peek_fds(in, socket_fd);
}
