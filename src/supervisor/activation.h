/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sockets that listened before this program was started: a service manager's (LISTEN_FDS, as
 * sd_listen_fds(3) has it), or those of the tensockd whose place this one takes.  Each is known by
 * where it listens, not by its name or number.
 */
#ifndef SUPERVISOR_ACTIVATION_H
#define SUPERVISOR_ACTIVATION_H

#include <stdbool.h>

#include <tensock/types.h>

#include "base/cleanup.h"
#include "supervisor/listener.h"

struct activation {
	struct listener_handed *list; /* fd -1: taken */
	unsigned n;
	bool may_be_left; /* whoever wanted what nobody takes has changed its mind */
};

/*
 * Takes the fds of LISTEN_FDS in, where LISTEN_PID is this process, and removes these variables.  Fails
 * for what is no listening socket: whoever started us meant something else.
 */
int activation_read(struct activation *activation, struct tensock_error *reterr) _nodiscard_;

/* Adds one; -ENOMEM, and it stays the caller's. */
int activation_add(struct activation *activation, const struct listener_handed *handed) _nodiscard_;

/* The socket of that place, which is the caller's from then on.  False when there is none. */
bool activation_take(struct activation *activation, const struct place *place,
		     struct listener_handed *ret);

/* Fails where one was not taken, which nobody would ever accept on, and which may not be. */
int activation_check_all_taken(const struct activation *activation, struct tensock_error *reterr)
	_nodiscard_;

/* Closes what was not taken, and removes the files that are ours. */
void activation_done(struct activation *activation);

#endif
