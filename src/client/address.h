/* SPDX-License-Identifier: Apache-2.0 */
/* Where a host listens, as it is written: "vsock:2:9999", "unix:PATH", "tcp:127.0.0.1:9999". */
#ifndef TSK_CLIENT_ADDRESS_H
#define TSK_CLIENT_ADDRESS_H

#include <stdbool.h>
#include <sys/socket.h>

#include <tensock/types.h>

#include "base/cleanup.h"

#define ADDRESS_DEFAULT_GUEST "vsock:2:9999"
#define ADDRESS_LOCAL_PATH "/run/tensock/tensock.sock"
#define ADDRESS_DEFAULT_LOCAL "unix:" ADDRESS_LOCAL_PATH

#define ADDRESS_TEXT_SIZE 128u /* of any address, with the NUL */

struct address {
	struct sockaddr_storage socket;
	socklen_t socket_bytes;
	char text[ADDRESS_TEXT_SIZE]; /* as it was written */
};

/* INVALID_ARGUMENT. */
int address_parse(const char *text, struct address *ret, struct tensock_error *reterr) _nodiscard_;

/*
 * Where to go when nobody has said so: the socket of the user's own tensockd, where it is there (in
 * runtime_folder, which may be NULL; buf is for its address), else the local socket where it is there
 * or this is not said to be a guest (base/cmdline.h), else the guest's host.
 */
const char *address_default(bool is_guest, const char *runtime_folder, const char *socket_path,
			    char buf[static ADDRESS_TEXT_SIZE]);

enum address_progress {
	ADDRESS_CONNECTED = 0,
	ADDRESS_CONNECTING = 1, /* POLLOUT tells the end */
	ADDRESS_BUSY = 2        /* no fd; the host's queue is full just now, says *reterr */
};

/* Begins to connect a socket that does not block.  An address_progress, or -errno and *reterr. */
int address_connect(const struct address *address, int *ret_fd, struct tensock_error *reterr)
	_nodiscard_;

/* After POLLOUT.  0, or *reterr says what is wrong. */
int address_connected(const struct address *address, int fd, struct tensock_error *reterr)
	_nodiscard_;

#endif
