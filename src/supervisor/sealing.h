/* SPDX-License-Identifier: Apache-2.0 */
/* Whether fronts and workers can be sealed here, before any is started. */
#ifndef SUPERVISOR_SEALING_H
#define SUPERVISOR_SEALING_H

#include <tensock/types.h>

#include "base/cleanup.h"

/*
 * may_lack: of enum sandbox_feature, what the operator allows this kernel to lack; that is warned of.
 * What else is missing is an error that says what to do.
 */
int sealing_check(unsigned may_lack, struct tensock_error *reterr) _nodiscard_;

/*
 * Gives up what this process and its children need no privilege for; as another user than root only
 * what an exec could bring.
 */
int sealing_drop(struct tensock_error *reterr) _nodiscard_;

#endif
