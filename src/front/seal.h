/* SPDX-License-Identifier: Apache-2.0 */
/* How a front is sealed: namespaces at its start, all the rest before it has a byte of its guest. */
#ifndef FRONT_SEAL_H
#define FRONT_SEAL_H

#include <tensock/types.h>

#include "base/cleanup.h"

/* Early in main(). */
void front_seal_begin(void);

/* All is open that is not passed to it later.  may_lack: see sandbox/seal.h. */
int front_seal(unsigned may_lack, struct tensock_error *reterr) _nodiscard_;

#endif
