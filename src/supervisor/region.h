/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Regions of POSIX shared memory that a guest names, for its front, which opens nothing.  Only where
 * the operator lets it, and of whom: whoever may use another user's region may read and write it.
 */
#ifndef SUPERVISOR_REGION_H
#define SUPERVISOR_REGION_H

#include "base/cleanup.h"
#include "channel/front_control.h"
#include "supervisor/rights.h"

/*
 * Opens the region, for reading and writing.  -EACCES: no user's regions may be used, or not this
 * one's; -ENOENT; -EINVAL for what is no plain file, or has another name as well.
 */
int region_open(const struct rights *rights, const char key[FRONT_REGION_KEY_SIZE], int *ret_fd)
	_nodiscard_;

#endif
