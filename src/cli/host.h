/* SPDX-License-Identifier: Apache-2.0 */
/* Where the host is, when nobody has said so. */
#ifndef CLI_HOST_H
#define CLI_HOST_H

#include <stdbool.h>
#include <stddef.h>

#include <tensock/types.h>

#include "base/cleanup.h"

#define HOST_ADDRESS_BYTES 256u
#define HOST_LOCAL_SOCKET "/run/tensock/tensock.sock"
#define HOST_OF_GUEST "vsock:2:9999"

/*
 * The local socket that is there: $XDG_RUNTIME_DIR/tensock/tensock.sock (a user's own tensockd), then
 * HOST_LOCAL_SOCKET.  False: none, and the buffer holds the path of the latter.
 */
bool host_local_socket(char *ret, size_t size);

/*
 * What is given, else TENSOCK_HOST, else the local socket that is there, else the host of this guest,
 * where somebody has said that it is one (base/cmdline.h); if not, UNAVAILABLE, and how to say it.
 */
int host_address(const char *given, bool is_surely_guest, char ret[static HOST_ADDRESS_BYTES],
		 struct tensock_error *reterr) _nodiscard_;

#endif
