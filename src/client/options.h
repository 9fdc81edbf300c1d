/* SPDX-License-Identifier: Apache-2.0 */
/* Structures of the caller that grow: `size` first, then what the caller's header knew. */
#ifndef TSK_CLIENT_OPTIONS_H
#define TSK_CLIENT_OPTIONS_H

#include <stddef.h>

#include <tensock/types.h>

#include "base/cleanup.h"

/* *ret (size bytes) is *given as far as both reach, zero beyond.  given may be NULL.
 * INVALID_ARGUMENT where its size is not set. */
int options_read(void *ret, size_t size, const void *given, struct tensock_error *reterr)
	_nodiscard_;

/* A reserved field is not 0. */
int options_reserved(struct tensock_error *reterr);

/* The same the other way: *ret begins with its size. */
void options_write(void *ret, const void *known, size_t size);

#endif
