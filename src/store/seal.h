/* SPDX-License-Identifier: Apache-2.0 */
/* How the store is sealed: before it reads a byte of its folder, or of a front. */
#ifndef STORE_SEAL_H
#define STORE_SEAL_H

#include <tensock/types.h>

#include "base/cleanup.h"

/*
 * From here on it reaches nothing but that folder, and has no privilege.  It must have one thread still.
 * may_lack: as in sandbox/seal.h.
 */
int store_seal(int folder_fd, unsigned may_lack, struct tensock_error *reterr) _nodiscard_;

#endif
