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

#endif
