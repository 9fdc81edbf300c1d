/* SPDX-License-Identifier: Apache-2.0 */
/* Where the daemon listens: the sockets of its configuration, opened and closed. */
#ifndef SUPERVISOR_LISTEN_H
#define SUPERVISOR_LISTEN_H

#include <tensock/types.h>

#include "base/cleanup.h"
#include "supervisor/daemon.h"

/* All that the configuration has: listeners, the control socket, the fronts of guests with a device. */
int listen_all(struct daemon *d, struct tensock_error *reterr) _nodiscard_;

/* The sockets of one guest of the configuration, and its front where it has the built-in device. */
int listen_guest(struct daemon *d, const struct config_guest *config, struct tensock_error *reterr)
	_nodiscard_;

/* Sees to it that a guest of the configuration that has the built-in device has a front. */
int listen_device(struct daemon *d, const char *name, struct tensock_error *reterr) _nodiscard_;

/*
 * Opens the sockets that *config has and the daemon has not, then closes those that it has not: all of
 * that or, with an error, none.  Fronts are left alone.
 */
int listen_change(struct daemon *d, const struct config *config, struct tensock_error *reterr)
	_nodiscard_;

/* One line of all addresses. */
void listen_tell(const struct daemon *d);

/*
 * None of ours is at a path of that guest already.  To try it, as is done with sockets of other programs,
 * would look like a guest or a VMM that connects.
 */
int listen_check_paths(const struct daemon *d, const struct config_guest *guest,
		       struct tensock_error *reterr) _nodiscard_;

/* Closes those of one guest; all of them. */
void listen_stop_for(struct daemon *d, const char *guest);
void listen_stop(struct daemon *d);

#endif
