/* SPDX-License-Identifier: Apache-2.0 */
#include "base/service_manager.h"

#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "base/status.h"

/* "/PATH", or "@NAME" of the abstract namespace; false for anything else. */
static bool set_address(struct service_manager *manager, const char *socket_name)
{
	size_t len = strlen(socket_name);

	if (len < 2 || len >= sizeof(manager->address.sun_path) ||
	    (socket_name[0] != '/' && socket_name[0] != '@'))
		return false;
	manager->address.sun_family = AF_UNIX;
	memcpy(manager->address.sun_path, socket_name, len + 1);
	manager->address_bytes = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
	if (socket_name[0] == '@')
		manager->address.sun_path[0] = '\0';
	else
		manager->address_bytes++;
	return true;
}

int service_manager_init(struct service_manager *manager)
{
	const char *name = getenv("NOTIFY_SOCKET");

	*manager = (struct service_manager){ .fd = -1 };
	if (!name || !set_address(manager, name))
		return 0;
	manager->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	return manager->fd < 0 ? -errno : 0;
}

void service_manager_done(struct service_manager *manager)
{
	manager->fd = tsk_close(manager->fd);
}

int service_manager_tell(const struct service_manager *manager, const char *text)
{
	ssize_t n;

	if (manager->fd < 0)
		return 0;
	n = sendto(manager->fd, text, strlen(text), MSG_DONTWAIT | MSG_NOSIGNAL,
		   (const struct sockaddr *)&manager->address, manager->address_bytes);
	if (n < 0 && errno == ENOBUFS)
		return -EAGAIN;
	return n < 0 ? -errno : 0;
}

/* Digits only; false for what is no number from min to max. */
static bool read_number(const char *text, unsigned long min, unsigned long max, unsigned long *ret)
{
	char *end;

	errno = 0;
	*ret = strtoul(text, &end, 10);
	return *text >= '0' && *text <= '9' && !*end && !errno && *ret >= min && *ret <= max;
}

static int check_socket(int fd, struct tensock_error *reterr)
{
	socklen_t len = sizeof(int);
	int listens = 0;

	if (fcntl(fd, F_SETFD, FD_CLOEXEC) == 0 &&
	    getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) == 0 && listens)
		return 0;
	return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT,
			"LISTEN_FDS: fd %d is no socket that listens; a unit's socket needs "
			"Accept=no, and ListenStream= or ListenSequentialPacket=",
			fd);
}

int service_manager_sockets(unsigned *ret_n, struct tensock_error *reterr)
{
	const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS");
	unsigned long number, n = 0;
	int r = 0;

	/* Of the process before us, they are none of ours. */
	if (pid && fds && read_number(pid, 1, INT_MAX, &number) &&
	    number == (unsigned long)getpid() && !read_number(fds, 0, SERVICE_MANAGER_FDS_MAX, &n))
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT,
				"LISTEN_FDS cannot be '%.40s': it is a number up to %u", fds,
				SERVICE_MANAGER_FDS_MAX);
	for (unsigned long i = 0; i < n && r == 0; i++)
		r = check_socket(SERVICE_MANAGER_FDS_FIRST + (int)i, reterr);
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
	if (r == 0)
		*ret_n = (unsigned)n;
	return r;
}
