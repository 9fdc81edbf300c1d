/* SPDX-License-Identifier: Apache-2.0 */
/* How the store is sealed: before it reads a byte of its folder, or of a front. */
#ifndef STORE_SEAL_H
#define STORE_SEAL_H

#include "base/cleanup.h"

/*
 * From here on it reaches nothing but that folder.  It must have one thread still.  What the kernel
 * does not have is done without: whether that may be, the supervisor has decided.
 */
int store_seal(int folder_fd) _nodiscard_;

#endif
