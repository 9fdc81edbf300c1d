/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/metrics.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/status.h"
#include "client/address.h"

static int fail(int error, struct tensock_error *reterr)
{
	bool is_late = error == EAGAIN || error == EINPROGRESS;

	return tsk_fail(reterr, error == EACCES ? TENSOCK_PERMISSION_DENIED : TENSOCK_UNAVAILABLE,
			"%s", is_late ? "no answer in time" : strerror(error));
}

static int connect_to(const struct address *address, int timeout_ms, int *ret_fd,
		      struct tensock_error *reterr)
{
	const struct timeval time = { .tv_sec = timeout_ms / 1000,
				      .tv_usec = timeout_ms % 1000 * 1000 };
	_cleanup_close_ int fd = socket(address->socket.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &time, sizeof(time)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof(time)) < 0 ||
	    connect(fd, (const struct sockaddr *)&address->socket, address->socket_bytes) < 0)
		return fail(errno, reterr);
	*ret_fd = TAKE_FD(fd);
	return 0;
}

int metrics_ask(const char *address, int timeout_ms, struct tensock_error *reterr)
{
	static const char request[] = "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n";
	static const char good[] = "HTTP/1.1 200 ";
	char answer[sizeof(good) - 1];
	struct address to;
	_cleanup_close_ int fd = -1;
	ssize_t n;
	int r;

	if (address_parse(address, &to, reterr) < 0 || to.socket.ss_family == AF_VSOCK)
		return tsk_fail(reterr, TENSOCK_PROTOCOL, "that is no address of metrics");
	r = connect_to(&to, timeout_ms, &fd, reterr);
	if (r < 0)
		return r;
	if (send(fd, request, sizeof(request) - 1, MSG_NOSIGNAL) < 0)
		return fail(errno, reterr);
	n = recv(fd, answer, sizeof(answer), MSG_WAITALL);
	if (n < 0)
		return fail(errno, reterr);
	if (n != sizeof(answer) || memcmp(answer, good, sizeof(answer)) != 0)
		return tsk_fail(reterr, TENSOCK_PROTOCOL, "what answers there has no metrics");
	return 0;
}
