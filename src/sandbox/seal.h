/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A process seals itself, in three steps: namespaces when it starts, while it has one thread and may
 * do all; then, when it holds what it needs, its files, identity and privileges; and its system
 * calls last.  After the third it is good for what its table says, and for nothing else.
 *
 * What the kernel lacks is an error, but for the features in may_lack, which the operator has allowed
 * to be missing.  Where they are there, they are used all the same.
 */
#ifndef SANDBOX_SEAL_H
#define SANDBOX_SEAL_H

#include <stdint.h>

#include <tensock/types.h>

#include "sandbox/feature.h"
#include "sandbox/filter.h"
#include "sandbox/identity.h"

struct seal {
	struct identity identity;
	int begun; /* what seal_begin() came to */
};

/* Early in main().  What it lacks is an error of seal_files(). */
void seal_begin(struct seal *seal);

/*
 * No path can be opened any more, the identity is the process's own.  Threads that run already keep
 * their right to files, but the root is theirs, too, and the system calls will be.
 */
int seal_files(const struct seal *seal, unsigned may_lack, struct tensock_error *reterr)
	_nodiscard_;

/*
 * The same for who needs the files beneath a folder, by the daemon's user, whose they are: all other paths
 * and all privileges go.  It has one thread.
 */
int seal_files_but(int folder_fd, unsigned may_lack, struct tensock_error *reterr) _nodiscard_;

/* filter_build(), which needs the kernel's word on what it knows; nothing in a sanitized build. */
int seal_build(const struct filter_call *list, unsigned n, unsigned may_lack, struct filter *ret)
	_nodiscard_;
/* filter: seal_build()'s. */
int seal_calls(const struct filter *filter, unsigned may_lack, struct tensock_error *reterr)
	_nodiscard_;

/* Second and third step for who starts neither processes nor threads, and makes the n calls of the list. */
int seal_alone(const struct seal *seal, const struct filter_call *list, unsigned n,
	       unsigned may_lack, struct tensock_error *reterr) _nodiscard_;

/* A resource limit (RLIMIT_*), never raised. */
int seal_limit(int resource, uint64_t most) _nodiscard_;

#endif
