/* SPDX-License-Identifier: Apache-2.0 */
#include "front/vhost/hybrid.h"

#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

static const char command[] = "CONNECT ";
#define COMMAND_LEN (sizeof(command) - 1)

static size_t smaller(size_t a, size_t b)
{
	return a < b ? a : b;
}

int hybrid_parse(const char *bytes, size_t len, uint32_t *ret_port)
{
	uint64_t port = 0;
	size_t i;

	/* Firecracker takes the word in any case. */
	if (strncasecmp(bytes, command, smaller(len, COMMAND_LEN)) != 0)
		return -EBADMSG;
	for (i = COMMAND_LEN; i < len && bytes[i] >= '0' && bytes[i] <= '9'; i++) {
		port = port * 10 + (uint64_t)(bytes[i] - '0');
		if (port >= UINT32_MAX) /* the last one means "any" */
			return -EBADMSG;
		if (i + 1 == HYBRID_LINE_MAX)
			return -EBADMSG;
	}
	if (i >= len)
		return 0;
	if (bytes[i] != '\n' || i == COMMAND_LEN)
		return -EBADMSG;
	*ret_port = (uint32_t)port;
	return (int)i + 1;
}

/* Whether what the socket holds is all that will ever come. */
static bool has_ended(int fd)
{
	struct pollfd poll_fd = { .fd = fd, .events = POLLRDHUP };

	return poll(&poll_fd, 1, 0) > 0;
}

int hybrid_receive(int fd, uint32_t *ret_port)
{
	char line[HYBRID_LINE_MAX];
	bool ended = has_ended(fd); /* before the look at the bytes: none can come in between */
	uint32_t port = 0;
	ssize_t n;
	int len;

	do
		n = recv(fd, line, sizeof(line), MSG_PEEK | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN ? 0 : -errno;
	if (n == 0)
		return -ECONNRESET;
	len = hybrid_parse(line, (size_t)n, &port);
	if (len <= 0)
		return len == 0 && ended ? -ECONNRESET : len;
	if (recv(fd, line, (size_t)len, MSG_DONTWAIT) != len)
		return -ECONNRESET;
	*ret_port = port;
	return 1;
}

int hybrid_receive_message(int fd, uint32_t *ret_port)
{
	char line[HYBRID_LINE_MAX + 1];
	uint32_t port;
	ssize_t n;

	do
		n = recv(fd, line, HYBRID_LINE_MAX, MSG_TRUNC | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN ? 0 : -errno;
	if (n == 0)
		return -ECONNRESET;
	if (n > (ssize_t)HYBRID_LINE_MAX)
		return -EBADMSG;
	if (line[n - 1] != '\n')
		line[n++] = '\n';
	if (hybrid_parse(line, (size_t)n, &port) != n)
		return -EBADMSG;
	*ret_port = port;
	return 1;
}

size_t hybrid_answer(uint32_t host_port, char ret[HYBRID_LINE_MAX])
{
	return (size_t)snprintf(ret, HYBRID_LINE_MAX, "OK %u\n", host_port);
}
