/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/activation.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/vm_sockets.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/service_manager.h"
#include "base/status.h"

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

int activation_read(struct activation *activation, struct tensock_error *reterr)
{
	unsigned n;
	int r = service_manager_sockets(&n, reterr);

	for (unsigned i = 0; r == 0 && i < n; i++) {
		struct listener_handed handed = { .fd = SERVICE_MANAGER_FDS_FIRST + (int)i };

		if (activation_add(activation, &handed) < 0)
			r = tsk_fail(reterr, TENSOCK_OUT_OF_MEMORY, "not enough memory");
	}
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
