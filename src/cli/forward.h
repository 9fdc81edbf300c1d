/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where `tensock proxy` listens, and where what comes there goes: "tcp:127.0.0.1:8000=vsock:2:9999".
 */
#ifndef CLI_FORWARD_H
#define CLI_FORWARD_H

#include <stdbool.h>

#include <tensock/types.h>

#include "base/cleanup.h"
#include "base/unix_socket.h"
#include "client/address.h"

struct forward {
	struct address local, host;
	int fd; /* that listens, and does not block; -1: not yet */
	struct unix_socket_file file;
	bool is_unreachable; /* the host, when it was last tried; and that has been told */
};

/*
 * text: LOCAL or LOCAL=HOST.  host: where it says none; may be NULL where it does.  may_be_remote: LOCAL may be
 * an address that other machines can reach.  INVALID_ARGUMENT: one of them is no address, LOCAL cannot be
 * listened on, or it leads to itself.
 */
int forward_parse(const char *text, const char *host, bool may_be_remote, struct forward *ret,
		  struct tensock_error *reterr) _nodiscard_;

/* Whether text has a host of its own. */
bool forward_has_host(const char *text);

/* Whether it is on the loopback interface, and that is down: nobody can connect until it is up. */
bool forward_is_down(const struct forward *forward);

/* Listens.  A port 0 has become another one in local.text. */
int forward_open(struct forward *forward, struct tensock_error *reterr) _nodiscard_;

/*
 * Listens on fd, which somebody else has opened, if that is just where: true, and it is the forward's.  Its
 * file is not removed.
 */
bool forward_take(struct forward *forward, int fd);

/* Listens no more, and removes the file that was made. */
void forward_close(struct forward *forward);

#endif
