/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tensock-metrics: tells operators' programs what the fronts and the supervisor have counted, over HTTP on
 * the socket that the supervisor gives it.  It opens nothing.  It ends with its control socket.
 */
#ifndef METRICS_EXPORTER_H
#define METRICS_EXPORTER_H

#include "base/cleanup.h"

/*
 * Takes the control socket over.  seal: before the first connection; NULL, for tests: it is not sealed.
 * may_lack: of what seals it (sandbox/feature.h).  Returns 0 or -errno when all is done.
 */
struct tensock_error;
int exporter_serve(int control_fd, unsigned may_lack,
		   int (*seal)(unsigned may_lack, struct tensock_error *reterr)) _nodiscard_;

#endif
