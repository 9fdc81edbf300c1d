/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The service manager that has started this process, where there is one: it is told how things stand by
 * datagrams to $NOTIFY_SOCKET (sd_notify(3)), and may have handed sockets over that listen
 * (sd_listen_fds(3)).  Nothing here blocks.
 */
#ifndef TSK_BASE_SERVICE_MANAGER_H
#define TSK_BASE_SERVICE_MANAGER_H

#include <sys/socket.h>
#include <sys/un.h>

#include <tensock/types.h>

#include "base/cleanup.h"

#define SERVICE_MANAGER_FDS_FIRST 3
#define SERVICE_MANAGER_FDS_MAX 4096u

struct service_manager {
	int fd; /* -1: there is nobody */
	struct sockaddr_un address;
	socklen_t address_bytes;
};

/*
 * From the environment.  -errno: there is one, and no socket to tell it anything; then it is as if
 * there were none.
 */
int service_manager_init(struct service_manager *manager) _nodiscard_;
void service_manager_done(struct service_manager *manager);

/*
 * How many sockets it has handed over to this process, from SERVICE_MANAGER_FDS_FIRST on; they are
 * close-on-exec from now on, and the variables are removed.  INVALID_ARGUMENT: LISTEN_FDS is no number up
 * to SERVICE_MANAGER_FDS_MAX, or one of them is no socket that listens: whoever started us meant something
 * else.
 */
int service_manager_sockets(unsigned *ret_n, struct tensock_error *reterr) _nodiscard_;

/* text: "READY=1\nSTATUS=...".  -EAGAIN: no room just now; or another -errno.  0 where there is nobody. */
int service_manager_tell(const struct service_manager *manager, const char *text) _nodiscard_;

#endif
