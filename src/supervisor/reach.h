/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a guest reaches at the ports of its built-in device that are not Tensock's: PATH_PORT, with the daemon's own
 * rights.  No socket of the daemon's own, another guest's for example, may be there.
 */
#ifndef SUPERVISOR_REACH_H
#define SUPERVISOR_REACH_H

#include "base/cleanup.h"
#include "supervisor/config.h"

/* None of the configuration's sockets is one of the guest's ports. */
int reach_check(const struct config *config, const struct config_guest *guest,
		struct tensock_error *reterr) _nodiscard_;

/* Nor is one of the guest's, which is new, another guest's port. */
int reach_check_both(const struct config *config, const struct config_guest *guest,
		     struct tensock_error *reterr) _nodiscard_;

#endif
