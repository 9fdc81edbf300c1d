/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/forward.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/status.h"

#define BACKLOG 511
/* For all users of this guest: to the host they are one. */
#define SOCKET_MODE 0666

/* The '=' between the two addresses: a path may have one, too. */
static const char *find_host(const char *text)
{
	static const char *const kinds[] = { "vsock:", "unix:", "tcp:" };

	for (text = strchr(text, '='); text; text = strchr(text + 1, '=')) {
		for (unsigned i = 0; i < ARRAY_SIZE(kinds); i++) {
			if (strncmp(text + 1, kinds[i], strlen(kinds[i])) == 0)
				return text + 1;
		}
	}
	return NULL;
}

bool forward_has_host(const char *text)
{
	return find_host(text) != NULL;
}

static const struct sockaddr_in *as_ipv4(const struct address *address)
{
	return (const struct sockaddr_in *)&address->socket;
}

static const struct sockaddr_in6 *as_ipv6(const struct address *address)
{
	return (const struct sockaddr_in6 *)&address->socket;
}

static bool is_loopback(const struct address *address)
{
	if (address->socket.ss_family == AF_INET)
		return ntohl(as_ipv4(address)->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
	return IN6_IS_ADDR_LOOPBACK(&as_ipv6(address)->sin6_addr);
}

static int check_local(const struct address *local, bool may_be_remote,
		       struct tensock_error *reterr)
{
	sa_family_t family = local->socket.ss_family;

	if (family == AF_VSOCK)
		return tsk_fail(
			reterr, TENSOCK_INVALID_ARGUMENT,
			"%s cannot be listened on here; write tcp:127.0.0.1:8000 or unix:PATH",
			local->text);
	if (family != AF_UNIX && !may_be_remote && !is_loopback(local))
		return tsk_fail(
			reterr, TENSOCK_INVALID_ARGUMENT,
			"%s may be reached from other machines, which would be this guest to "
			"its host; write tcp:127.0.0.1:PORT, or add --allow-remote",
			local->text);
	return 0;
}

static bool is_same(const struct address *a, const struct address *b)
{
	return a->socket_bytes == b->socket_bytes &&
	       memcmp(&a->socket, &b->socket, a->socket_bytes) == 0;
}

int forward_parse(const char *text, const char *host, bool may_be_remote, struct forward *ret,
		  struct tensock_error *reterr)
{
	const char *own_host = find_host(text);
	struct forward forward = { .fd = -1 };
	char local[ADDRESS_TEXT_SIZE] = "";
	size_t len = own_host ? (size_t)(own_host - 1 - text) : strlen(text);
	int r;

	if (len >= sizeof(local))
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT, "'%.80s' is too long", text);
	memcpy(local, text, len);
	r = address_parse(local, &forward.local, reterr);
	if (r == 0)
		r = check_local(&forward.local, may_be_remote, reterr);
	if (r == 0)
		r = address_parse(own_host ? own_host : host, &forward.host, reterr);
	if (r == 0 && is_same(&forward.local, &forward.host))
		r = tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT,
			     "%s would lead to itself; give its host by --host or --listen "
			     "LOCAL=HOST",
			     forward.local.text);
	if (r < 0)
		return r;
	*ret = forward;
	return 0;
}

/* Port 0 has become another one. */
static int tell_port(struct forward *forward)
{
	union {
		struct sockaddr any;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
	} name = { 0 };
	socklen_t len = sizeof(name);
	char *colon = strrchr(forward->local.text, ':');

	if (getsockname(forward->fd, &name.any, &len) < 0)
		return -errno;
	/* The port of both is at the same place. */
	snprintf(colon, sizeof(forward->local.text) - (size_t)(colon - forward->local.text), ":%u",
		 ntohs(name.in.sin_port));
	return 0;
}

bool forward_is_down(const struct forward *forward)
{
	struct ifreq request = { .ifr_name = "lo" };

	if (forward->local.socket.ss_family == AF_UNIX || !is_loopback(&forward->local))
		return false;
	return ioctl(forward->fd, SIOCGIFFLAGS, &request) == 0 && !(request.ifr_flags & IFF_UP);
}

static const char *advice(int error)
{
	switch (error) {
	case EADDRINUSE:
		return "; another program listens there: end it, or give --listen another address";
	case EADDRNOTAVAIL:
		return "; this machine has no such address, or its interface is down: ip link set lo up";
	case EACCES:
		return "; ports below 1024 are root's";
	default:
		return "";
	}
}

static int open_tcp(struct forward *forward, struct tensock_error *reterr)
{
	const struct address *local = &forward->local;
	int on = 1, error;
	int fd = socket(local->socket.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	forward->fd = fd;
	/* The second is inherited by what is accepted. */
	if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
	    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) == 0 &&
	    bind(fd, (const struct sockaddr *)&local->socket, local->socket_bytes) == 0 &&
	    listen(fd, BACKLOG) == 0 && tell_port(forward) == 0)
		return 0;
	error = errno;
	forward->fd = tsk_close(fd);
	return tsk_fail(reterr, TENSOCK_INTERNAL, "cannot listen on %s: %s%s", local->text,
			strerror(error), advice(error));
}

int forward_open(struct forward *forward, struct tensock_error *reterr)
{
	const struct sockaddr_un *path = (const struct sockaddr_un *)&forward->local.socket;

	if (path->sun_family != AF_UNIX)
		return open_tcp(forward, reterr);
	return unix_socket_listen(path->sun_path, SOCK_STREAM, SOCKET_MODE, &forward->fd,
				  &forward->file, reterr);
}

bool forward_take(struct forward *forward, int fd)
{
	struct address there = { .socket_bytes = sizeof(there.socket) };
	int on = 1, type = 0, flags = fcntl(fd, F_GETFL);
	socklen_t len = sizeof(type);

	if (forward->fd >= 0 || flags < 0 || getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) < 0 ||
	    type != SOCK_STREAM ||
	    getsockname(fd, (struct sockaddr *)&there.socket, &there.socket_bytes) < 0)
		return false;
	/* The length of a Unix socket's is that of its path, perhaps; behind it all is zeros. */
	if (there.socket.ss_family == AF_UNIX)
		there.socket_bytes = forward->local.socket_bytes;
	if (!is_same(&there, &forward->local) || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return false;
	if (there.socket.ss_family != AF_UNIX)
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	forward->fd = fd;
	return true;
}

void forward_close(struct forward *forward)
{
	unix_socket_remove(&forward->file);
	forward->fd = tsk_close(forward->fd);
}
