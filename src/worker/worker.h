/* SPDX-License-Identifier: Apache-2.0 */
/* A worker's life, as channel/worker_control.h tells it, on its one loop. */
#ifndef WORKER_WORKER_H
#define WORKER_WORKER_H

#include "worker/engines.h"

/* What is taken before the process is sealed.  Once a process; *engines stays the caller's. */
int worker_prepare(int control_fd, const struct engines *engines) _nodiscard_;

/*
 * Says READY and serves the front at the control_fd of worker_prepare() until it hangs up: 0.
 * -EPROTO when it breaks the rules, or another -errno when nothing can be served any more.
 */
int worker_serve(void) _nodiscard_;

/* Tells the front that there will be no READY. */
void worker_refuse(int control_fd, const struct tensock_error *error);

#endif
