/* SPDX-License-Identifier: Apache-2.0 */
#include "base/seqpacket.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

/* The kernel's own bound on fds a message: received whole, so that none is left open unseen. */
#define KERNEL_FDS_MAX 253

int tsk_seqpacket_pair(int ret_fds[2])
{
	int r = socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ret_fds);

	return r < 0 ? -errno : 0;
}

int tsk_seqpacket_send(int fd, const void *msg, size_t len, const int *fds, unsigned n_fds)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int) * TSK_SEQPACKET_FDS_MAX)];
		struct cmsghdr align;
	} control;
	struct iovec iov = { .iov_base = (void *)(uintptr_t)msg, .iov_len = len };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *c;

	if (n_fds > TSK_SEQPACKET_FDS_MAX)
		return -EINVAL;
	if (n_fds) {
		memset(&control, 0, sizeof(control));
		m.msg_control = control.bytes;
		m.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
		c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
		memcpy(CMSG_DATA(c), fds, sizeof(int) * n_fds);
	}
	while (sendmsg(fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
		if (errno != EINTR)
			return -errno;
	}
	return 0;
}

void tsk_close_all(int *fds, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		fds[i] = tsk_close(fds[i]);
}

/* Takes the fds out of m: the first ones to ret_fds, the rest are closed.  Returns their number. */
static unsigned take_fds(struct msghdr *m, int ret_fds[TSK_SEQPACKET_FDS_MAX])
{
	unsigned n = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		size_t bytes = c->cmsg_len - CMSG_LEN(0);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i + sizeof(int) <= bytes; i += sizeof(int), n++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i, sizeof(fd));
			if (n < TSK_SEQPACKET_FDS_MAX)
				ret_fds[n] = fd;
			else
				tsk_close(fd);
		}
	}
	return n;
}

ssize_t tsk_seqpacket_recv(int fd, void *msg, size_t size, int ret_fds[TSK_SEQPACKET_FDS_MAX],
			   unsigned *ret_n_fds)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int) * KERNEL_FDS_MAX)];
		struct cmsghdr align;
	} control;
	struct iovec iov = { .iov_base = msg, .iov_len = size };
	struct msghdr m = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = control.bytes,
			    .msg_controllen = sizeof(control.bytes) };
	ssize_t len;
	unsigned n;

	for (unsigned i = 0; i < TSK_SEQPACKET_FDS_MAX; i++)
		ret_fds[i] = -1;
	do
		len = recvmsg(fd, &m, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	while (len < 0 && errno == EINTR);
	if (len < 0)
		return -errno;
	n = take_fds(&m, ret_fds);
	if (n > TSK_SEQPACKET_FDS_MAX || (m.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) ||
	    (len == 0 && n > 0)) {
		tsk_close_all(ret_fds, TSK_SEQPACKET_FDS_MAX);
		/* There was room for all that the kernel carries: what lacked is numbers for them. */
		return m.msg_flags & MSG_CTRUNC ? -EMFILE : -EMSGSIZE;
	}
	*ret_n_fds = n;
	return len;
}

bool tsk_seqpacket_has_hung_up(ssize_t error)
{
	return error == -EPIPE || error == -ECONNRESET;
}
