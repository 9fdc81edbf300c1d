/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Descriptors of shared memory that a guest's program passes itself, over a Unix socket of this host: what
 * it has open, no operator need let it use.
 */
#ifndef FRONT_REGION_FD_H
#define FRONT_REGION_FD_H

#include <tensock/types.h>

#include "base/cleanup.h"

/* The key that stands for it.  A region of this name is reached as "/fd:". */
#define REGION_FD_KEY "fd:"

/*
 * Whether it is what a region by name is, a plain file in memory, open for both reading and writing; -1: none was
 * passed.  INVALID_ARGUMENT.  A file of any other filesystem is refused: to read it could block as long as
 * its owner likes.
 */
int region_fd_check(int fd, struct tensock_error *reterr) _nodiscard_;

#endif
