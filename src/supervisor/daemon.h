/* SPDX-License-Identifier: Apache-2.0 */
/* tensockd at work: the listeners, the guests, the signals. */
#ifndef SUPERVISOR_DAEMON_H
#define SUPERVISOR_DAEMON_H

#include <tensock/types.h>

#include "base/cleanup.h"
#include "supervisor/config.h"

/*
 * Serves until SIGTERM or SIGINT, and all that was under way is finished: 0.  -errno with *reterr
 * when it cannot start; nothing is left over then.  Lowers limits
 * that the system does not allow, with a warning.
 */
int daemon_run(struct config *config, struct tensock_error *reterr) _nodiscard_;

#endif
