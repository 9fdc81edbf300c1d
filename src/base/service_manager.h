/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The service manager that has started this process, where there is one: it is told how things stand by
 * datagrams to $NOTIFY_SOCKET (sd_notify(3)).  Nothing here blocks.
 */
#ifndef TSK_BASE_SERVICE_MANAGER_H
#define TSK_BASE_SERVICE_MANAGER_H

#include <sys/socket.h>
#include <sys/un.h>

#include "base/cleanup.h"

struct service_manager {
	int fd; /* -1: there is nobody */
	struct sockaddr_un address;
	socklen_t address_bytes;
};

/* From the environment.  -errno: there is one, and no socket to tell it anything; then it is as if there were none. */
int service_manager_init(struct service_manager *manager) _nodiscard_;
void service_manager_done(struct service_manager *manager);

/* text: "READY=1\nSTATUS=...".  -EAGAIN: no room just now; or another -errno.  0 where there is nobody. */
int service_manager_tell(const struct service_manager *manager, const char *text) _nodiscard_;

#endif
