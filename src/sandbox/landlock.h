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

/*
 * The same but for the folder that is open as folder_fd, which stays the caller's, and what is in it:
 * folders and files may be made, read, written, renamed and removed there, and nothing executed.
 */
int landlock_only(int folder_fd) _nodiscard_;

#endif
