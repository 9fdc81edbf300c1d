/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/activation.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/vm_sockets.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/status.h"
#include "supervisor/quantity.h"

int activation_add(struct activation *activation, const struct listener_handed *handed)
{
	struct listener_handed *list =
		reallocarray(activation->list, activation->n + 1, sizeof(*list));

	if (!list)
		return -ENOMEM;
	activation->list = list;
	list[activation->n++] = *handed;
	return 0;
}

static int add_fd(struct activation *activation, int fd, struct tensock_error *reterr)
{
	struct listener_handed handed = { .fd = fd };
	socklen_t len = sizeof(int);
	int listens = 0;

	if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 ||
	    getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) < 0 || !listens)
		return tsk_fail(
			reterr, TENSOCK_INVALID_ARGUMENT,
			"LISTEN_FDS: fd %d is no socket that listens; a unit's socket needs "
			"Accept=no, and ListenStream= or ListenSequentialPacket=",
			fd);
	return activation_add(activation, &handed) == 0
		       ? 0
		       : tsk_fail(reterr, TENSOCK_OUT_OF_MEMORY, "not enough memory");
}

int activation_read(struct activation *activation, struct tensock_error *reterr)
{
	const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS");
	uint64_t number, n = 0;
	int r = 0;

	/* Of the process before us, they are none of ours. */
	if (pid && fds && quantity_number(pid, 1, INT32_MAX, &number) == 0 &&
	    number == (uint64_t)getpid() && quantity_number(fds, 0, ACTIVATION_FDS_MAX, &n) < 0)
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT,
				"LISTEN_FDS cannot be '%.40s': it is a number up to %u", fds,
				ACTIVATION_FDS_MAX);
	for (uint64_t i = 0; i < n && r == 0; i++)
		r = add_fd(activation, ACTIVATION_FDS_FIRST + (int)i, reterr);
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
	return r;
}

bool activation_take(struct activation *activation, const struct place *place,
		     struct listener_handed *ret)
{
	for (unsigned i = 0; i < activation->n; i++) {
		struct listener_handed *handed = &activation->list[i];

		if (handed->fd >= 0 && place_check(place, handed->fd) == 0) {
			*ret = *handed;
			handed->fd = -1;
			return true;
		}
	}
	return false;
}

static void describe(int fd, char *ret, size_t size)
{
	union {
		struct sockaddr any;
		struct sockaddr_un unix_;
		struct sockaddr_in in;
		struct sockaddr_vm vm;
	} name = { 0 };
	socklen_t len = sizeof(name);
	char text[INET_ADDRSTRLEN] = "";

	if (getsockname(fd, &name.any, &len) < 0)
		name.any.sa_family = AF_UNSPEC;
	if (name.any.sa_family == AF_UNIX)
		snprintf(ret, size, "the Unix socket %.107s", name.unix_.sun_path);
	else if (name.any.sa_family == AF_INET)
		snprintf(ret, size, "the TCP socket %s:%u",
			 inet_ntop(AF_INET, &name.in.sin_addr, text, sizeof(text)),
			 ntohs(name.in.sin_port));
	else if (name.any.sa_family == AF_VSOCK)
		snprintf(ret, size, "the socket vsock:%u", name.vm.svm_port);
	else
		snprintf(ret, size, "a socket of family %d", name.any.sa_family);
}

int activation_check_all_taken(const struct activation *activation, struct tensock_error *reterr)
{
	char text[160];

	for (unsigned i = 0; i < activation->n; i++) {
		if (activation->list[i].fd < 0 || activation->may_be_left)
			continue;
		describe(activation->list[i].fd, text, sizeof(text));
		return tsk_fail(
			reterr, TENSOCK_INVALID_ARGUMENT,
			"%s was handed over by the service manager, and is at none of the "
			"addresses to listen on; add it to them, or remove it from the unit",
			text);
	}
	return 0;
}

void activation_done(struct activation *activation)
{
	for (unsigned i = 0; i < activation->n; i++) {
		if (activation->list[i].fd < 0)
			continue;
		unix_socket_remove(&activation->list[i].file);
		tsk_close(activation->list[i].fd);
	}
	free(activation->list);
	*activation = (struct activation){ 0 };
}
