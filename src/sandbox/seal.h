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

#include <tensock/types.h>

#include "sandbox/feature.h"
#include "sandbox/filter.h"
#include "sandbox/identity.h"

struct seal {
	unsigned may_lack; /* of enum sandbox_feature */
	struct identity identity;
};

/* Early in main(). */
int seal_begin(struct seal *seal, unsigned may_lack, struct tensock_error *reterr) _nodiscard_;

/*
 * No path can be opened any more, the identity is the process's own.  Threads that run already keep
 * their right to files, but the root is theirs, too, and the system calls will be.
 */
int seal_files(const struct seal *seal, struct tensock_error *reterr) _nodiscard_;

/* filter: NULL in a sanitized build, where this does nothing. */
int seal_calls(const struct seal *seal, const struct filter *filter, struct tensock_error *reterr)
	_nodiscard_;

#endif
