/* SPDX-License-Identifier: Apache-2.0 */
/* What the daemon itself tells in the metrics, and the process that tells them, where they are wanted. */
#ifndef SUPERVISOR_DAEMON_METRICS_H
#define SUPERVISOR_DAEMON_METRICS_H

#include <tensock/types.h>

#include "base/cleanup.h"

struct daemon;

/* As the configuration has it.  Sockets that were handed over are known by now. */
int daemon_metrics_open(struct daemon *d, struct tensock_error *reterr) _nodiscard_;

#endif
