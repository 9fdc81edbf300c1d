/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Descriptors of shared memory that a guest's program passes itself, over a Unix socket of this host: what
 * it has open, no operator need let it use.
 */
#ifndef FRONT_REGION_FD_H
#define FRONT_REGION_FD_H

#include <stdbool.h>

#include <tensock/types.h>

#include "base/cleanup.h"

/* The key that stands for it.  A region of this name is reached as "/fd:". */
#define REGION_FD_KEY "fd:"

/*
 * Whether it is a plain file in memory, as a region by name is.  Nothing else is kept: to read another
 * filesystem's file could block as long as its owner likes, and a socket could be our own connection's other
 * end, which would never end then.
 */
bool region_fd_is_memory(int fd) _nodiscard_;

/* Whether one of these can be a region, or has been passed at all (-1).  INVALID_ARGUMENT. */
int region_fd_check(int fd, struct tensock_error *reterr) _nodiscard_;

#endif
