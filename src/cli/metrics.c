/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/metrics.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/status.h"

union socket_address {
	struct sockaddr any;
	struct sockaddr_in in;
	struct sockaddr_un un;
};

static bool read_tcp(const char *text, struct sockaddr_in *ret)
{
	char host[INET_ADDRSTRLEN], more;
	unsigned port;

	if (sscanf(text, "%15[0-9.]:%5u%c", host, &port, &more) != 2 || port > UINT16_MAX)
		return false;
	ret->sin_family = AF_INET;
	ret->sin_port = htons((uint16_t)port);
	return inet_pton(AF_INET, host, &ret->sin_addr) == 1;
}

static bool read_address(const char *text, union socket_address *ret)
{
	*ret = (union socket_address){ 0 };
	if (strncmp(text, "tcp:", 4) == 0)
		return read_tcp(text + 4, &ret->in);
	if (strncmp(text, "unix:", 5) != 0 || strlen(text + 5) >= sizeof(ret->un.sun_path))
		return false;
	ret->un.sun_family = AF_UNIX;
	memcpy(ret->un.sun_path, text + 5, strlen(text + 5) + 1);
	return true;
}

static int fail(int error, struct tensock_error *reterr)
{
	bool is_late = error == EAGAIN || error == EINPROGRESS;

	return tsk_fail(reterr, error == EACCES ? TENSOCK_PERMISSION_DENIED : TENSOCK_UNAVAILABLE,
			"%s", is_late ? "no answer in time" : strerror(error));
}

static int connect_to(const union socket_address *address, int timeout_ms, int *ret_fd,
		      struct tensock_error *reterr)
{
	const struct timeval time = { .tv_sec = timeout_ms / 1000,
				      .tv_usec = timeout_ms % 1000 * 1000 };
	_cleanup_close_ int fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t n = address->any.sa_family == AF_INET ? sizeof(address->in) : sizeof(address->un);

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &time, sizeof(time)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof(time)) < 0 ||
	    connect(fd, &address->any, n) < 0)
		return fail(errno, reterr);
	*ret_fd = TAKE_FD(fd);
	return 0;
}

int metrics_ask(const char *address, int timeout_ms, struct tensock_error *reterr)
{
	static const char request[] = "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n";
	static const char good[] = "HTTP/1.1 200 ";
	char answer[sizeof(good) - 1];
	union socket_address to;
	_cleanup_close_ int fd = -1;
	ssize_t n;
	int r;

	if (!read_address(address, &to))
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
