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

/* True when the words of a kernel's command line have vsguest=1. */
bool host_words_say_guest(const char *line);

/* Whether the machine's owner has said that it is a guest: /proc/cmdline has vsguest=1. */
bool host_is_guest(void);

/*
 * The local socket that is there: $XDG_RUNTIME_DIR/tensock/tensock.sock (a user's own tensockd), then
 * HOST_LOCAL_SOCKET.  False: none, and the buffer holds the path of the latter.
 */
bool host_local_socket(char *ret, size_t size);

/*
 * What is given, else TENSOCK_HOST, else the local socket that is there, else the host of this guest.
 *
 * CID 2 is the host of the machine that this runs on.  On a host that is itself a virtual machine, as
 * most are that one rents, this is the provider's, who has not asked for our bytes.  So nothing
 * goes there by default unless somebody has said that this is a guest: UNAVAILABLE, and how to say it.
 */
int host_address(const char *given, bool is_surely_guest, char ret[static HOST_ADDRESS_BYTES],
		 struct tensock_error *reterr) _nodiscard_;

#endif
