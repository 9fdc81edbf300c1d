/* SPDX-License-Identifier: Apache-2.0 */
#include "client/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <linux/vm_sockets.h>

#include "base/status.h"

/* A large tensor goes into the socket in few pieces; on a Unix socket it is the sender's buffer that
 * counts. */
#define UNIX_SEND_BUFFER (4 * 1024 * 1024)

/* Digits only, no more than max. */
static bool number(const char *text, size_t len, uint32_t max, uint32_t *ret)
{
	uint64_t value = 0;

	if (!len || len > 10)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9')
			return false;
		value = value * 10 + (uint64_t)(text[i] - '0');
	}
	*ret = (uint32_t)value;
	return value <= max;
}

static int parse_vsock(const char *rest, struct address *ret, struct tensock_error *reterr)
{
	const char *colon = strchr(rest, ':');
	struct sockaddr_vm vm = { .svm_family = AF_VSOCK };

	/* The last number of each means "any". */
	if (!colon || !number(rest, (size_t)(colon - rest), VMADDR_CID_ANY - 1, &vm.svm_cid) ||
	    !number(colon + 1, strlen(colon + 1), VMADDR_PORT_ANY - 1, &vm.svm_port))
		return tsk_fail(
			reterr, TENSOCK_INVALID_ARGUMENT,
			"'vsock:%.80s' is no address; write vsock:CID:PORT, as vsock:2:9999", rest);
	memcpy(&ret->socket, &vm, sizeof(vm));
	ret->socket_bytes = sizeof(vm);
	return 0;
}

static int parse_unix(const char *rest, struct address *ret, struct tensock_error *reterr)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	size_t len = strlen(rest);

	if (!len || len >= sizeof(un.sun_path))
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT,
				"a Unix socket's path has 1 to %zu bytes, '%.80s' has %zu",
				sizeof(un.sun_path) - 1, rest, len);
	memcpy(un.sun_path, rest, len);
	memcpy(&ret->socket, &un, sizeof(un));
	ret->socket_bytes = sizeof(un);
	return 0;
}

/* The port behind the colon, and what is before it, without the brackets of an IPv6 address. */
static bool split_tcp(const char *rest, char host[INET6_ADDRSTRLEN], uint32_t *ret_port)
{
	const char *colon = strrchr(rest, ':');
	size_t len = colon ? (size_t)(colon - rest) : 0;

	if (!colon || !number(colon + 1, strlen(colon + 1), 65535, ret_port))
		return false;
	if (len >= 2 && rest[0] == '[' && rest[len - 1] == ']') {
		rest++;
		len -= 2;
	}
	if (len >= INET6_ADDRSTRLEN)
		return false;
	memcpy(host, rest, len);
	host[len] = '\0';
	return true;
}

static int parse_tcp(const char *rest, struct address *ret, struct tensock_error *reterr)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };
	char host[INET6_ADDRSTRLEN];
	uint32_t port;

	if (split_tcp(rest, host, &port) && inet_pton(AF_INET, host, &in.sin_addr) == 1) {
		in.sin_port = htons((uint16_t)port);
		memcpy(&ret->socket, &in, sizeof(in));
		ret->socket_bytes = sizeof(in);
		return 0;
	}
	if (split_tcp(rest, host, &port) && inet_pton(AF_INET6, host, &in6.sin6_addr) == 1) {
		in6.sin6_port = htons((uint16_t)port);
		memcpy(&ret->socket, &in6, sizeof(in6));
		ret->socket_bytes = sizeof(in6);
		return 0;
	}
	return tsk_fail(
		reterr, TENSOCK_INVALID_ARGUMENT,
		"'tcp:%.80s' is no address and port; names are not looked up; write tcp:127.0.0.1:9999",
		rest);
}

static const struct {
	const char *prefix;
	int (*parse)(const char *rest, struct address *ret, struct tensock_error *reterr);
} kinds[] = {
	{ "vsock:", parse_vsock },
	{ "unix:", parse_unix },
	{ "tcp:", parse_tcp },
};

int address_parse(const char *text, struct address *ret, struct tensock_error *reterr)
{
	for (unsigned i = 0; i < ARRAY_SIZE(kinds); i++) {
		struct address address = { 0 };
		size_t len = strlen(kinds[i].prefix);
		int r;

		if (strncmp(text, kinds[i].prefix, len) != 0)
			continue;
		r = kinds[i].parse(text + len, &address, reterr);
		if (r < 0)
			return r;
		snprintf(address.text, sizeof(address.text), "%s", text);
		*ret = address;
		return 0;
	}
	return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT,
			"'%.80s' is no address; write vsock:CID:PORT, unix:PATH or tcp:HOST:PORT",
			text);
}

const char *address_default(bool is_guest, const char *runtime_folder, const char *socket_path,
			    char buf[static ADDRESS_TEXT_SIZE])
{
	static const char prefix[] = "unix:";

	if (runtime_folder && *runtime_folder) {
		int n = snprintf(buf, ADDRESS_TEXT_SIZE, "%s%s/tensock/tensock.sock", prefix,
				 runtime_folder);

		if (n > 0 && n < (int)ADDRESS_TEXT_SIZE && access(buf + strlen(prefix), F_OK) == 0)
			return buf;
	}
	if (access(socket_path, F_OK) < 0 && is_guest)
		return ADDRESS_DEFAULT_GUEST;
	return ADDRESS_DEFAULT_LOCAL;
}

static const struct {
	int errno_value;
	enum tensock_status status;
	const char *text;
} refusals[] = {
	{ ECONNREFUSED, TENSOCK_UNAVAILABLE, "nobody listens there" },
	{ ENOENT, TENSOCK_UNAVAILABLE, "there is no such socket" },
	{ ECONNRESET, TENSOCK_UNAVAILABLE, "nobody listens there" }, /* as vsock says it */
	{ EAGAIN, TENSOCK_UNAVAILABLE, "its queue is full" },
	{ ENODEV, TENSOCK_UNAVAILABLE, "this machine has no vsock device" },
	{ EADDRNOTAVAIL, TENSOCK_UNAVAILABLE, "this machine has no vsock device" },
	{ EAFNOSUPPORT, TENSOCK_UNAVAILABLE, "this kernel lacks that kind of socket" },
	{ EACCES, TENSOCK_PERMISSION_DENIED, "this user may not use that socket" },
	{ EPERM, TENSOCK_PERMISSION_DENIED, "this user may not use that socket" },
	{ ETIMEDOUT, TENSOCK_DEADLINE_EXCEEDED, "it does not answer" },
	{ EMFILE, TENSOCK_LIMIT_REACHED, "this program has too many files open" },
	{ ENFILE, TENSOCK_LIMIT_REACHED, "this machine has too many files open" },
	{ ENOMEM, TENSOCK_OUT_OF_MEMORY, "there is no memory" },
	{ ENOBUFS, TENSOCK_OUT_OF_MEMORY, "there is no memory" },
};

static int refuse(const struct address *address, int error, struct tensock_error *reterr)
{
	for (unsigned i = 0; i < ARRAY_SIZE(refusals); i++) {
		if (refusals[i].errno_value == error)
			return tsk_fail(reterr, refusals[i].status, "cannot connect to %s: %s",
					address->text, refusals[i].text);
	}
	return tsk_fail(reterr, TENSOCK_UNAVAILABLE, "cannot connect to %s: %s", address->text,
			strerrordesc_np(error));
}

/* Neither is needed, both make it faster. */
static void tune(int fd, sa_family_t family)
{
	int bytes = UNIX_SEND_BUFFER, on = 1;

	if (family == AF_UNIX)
		(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
	else if (family != AF_VSOCK)
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

int address_connect(const struct address *address, int *ret_fd, struct tensock_error *reterr)
{
	sa_family_t family = address->socket.ss_family;
	_cleanup_close_ int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int r;

	if (fd < 0)
		return refuse(address, errno, reterr);
	tune(fd, family);
	if (connect(fd, (const struct sockaddr *)&address->socket, address->socket_bytes) == 0) {
		*ret_fd = TAKE_FD(fd);
		return ADDRESS_CONNECTED;
	}
	if (errno == EINPROGRESS || errno == EINTR) {
		*ret_fd = TAKE_FD(fd);
		return ADDRESS_CONNECTING;
	}
	r = errno;
	(void)refuse(address, r, reterr);
	return r == EAGAIN ? ADDRESS_BUSY : -r;
}

int address_connected(const struct address *address, int fd, struct tensock_error *reterr)
{
	int error = 0;
	socklen_t len = sizeof(error);

	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		error = errno;
	return error ? refuse(address, error, reterr) : 0;
}
