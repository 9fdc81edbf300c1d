/* SPDX-License-Identifier: Apache-2.0 */
/* Whether the metrics of this host's tensockd can be had. */
#ifndef CLI_METRICS_H
#define CLI_METRICS_H

#include <tensock/types.h>

#include "base/cleanup.h"

/*
 * Gets /metrics at the address that the daemon has told, "tcp:A.B.C.D:PORT" or "unix:PATH".  timeout_ms: for
 * the connection, for each send, and for each receive.  PERMISSION_DENIED; UNAVAILABLE, PROTOCOL: nobody is
 * there, or it is not tensock-metrics.
 */
int metrics_ask(const char *address, int timeout_ms, struct tensock_error *reterr) _nodiscard_;

#endif
