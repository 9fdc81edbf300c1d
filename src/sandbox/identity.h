/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who a process is, and what it sees: namespaces of its own, an own uid, no privileges.
 *
 * As root a process gets the uid and gid SANDBOX_FIRST_UID + its pid, which no other process has at
 * that time.  As another user it gets a user namespace of its own, in which it is nobody.
 */
#ifndef SANDBOX_IDENTITY_H
#define SANDBOX_IDENTITY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/cleanup.h"

struct identity {
	pid_t parent;    /* as it was at the start */
	bool own_ns;     /* it has namespaces of its own */
	bool may_be_own; /* it can have an own uid */
};

/*
 * Namespaces of its own: mounts, network, IPC, names of the host, and users where it is not root.  Early
 * in main(), with one thread.  -errno where the kernel or its settings have none; then the process
 * goes on as it was.
 */
int identity_begin(struct identity *ret) _nodiscard_;

/*
 * The working directory becomes the root, supplementary groups and all privileges go, the uid becomes
 * its own; no_new_privs is set.  The end of the parent is still this process's end.  Where one of these
 * fails, -errno, the others are done all the same: the operator may have allowed to go on.
 */
int identity_drop(const struct identity *identity) _nodiscard_;

/* Gives up all privileges and what could bring them back, but for the bits of `keep` (1 << CAP_*). */
int identity_drop_capabilities(uint64_t keep) _nodiscard_;

#endif
