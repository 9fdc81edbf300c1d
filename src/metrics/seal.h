/* SPDX-License-Identifier: Apache-2.0 */
/* What tensock-metrics may do of the kernel's, for ever. */
#ifndef METRICS_SEAL_H
#define METRICS_SEAL_H

#include <tensock/types.h>

#include "base/cleanup.h"

/* Early in main(). */
void metrics_seal_begin(void);
/* Once it has the socket that it listens on.  may_lack: of enum sandbox_feature. */
int metrics_seal(unsigned may_lack, struct tensock_error *reterr) _nodiscard_;

#endif
