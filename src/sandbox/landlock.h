/* SPDX-License-Identifier: Apache-2.0 */
/* Landlock: access to files and the network given up, for ever. */
#ifndef SANDBOX_LANDLOCK_H
#define SANDBOX_LANDLOCK_H

#include "base/cleanup.h"

/* The version of this kernel's ABI, or -errno where there is none. */
int landlock_abi(void);

/*
 * From here on this thread, and those that it starts, can open no path, bind or connect no TCP socket,
 * reach no abstract socket and signal nobody, as far as this kernel knows these rights; what is open
 * stays so.  no_new_privs must be set, or the process privileged.
 */
int landlock_deny_all(void) _nodiscard_;

#endif
