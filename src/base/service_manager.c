/* SPDX-License-Identifier: Apache-2.0 */
#include "base/service_manager.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

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
