/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The value of one key of the configuration, checked and put in its place.  All return 0, or -errno
 * with a sentence that names the key: for a value that does not fit, and for a second one.
 */
#ifndef SUPERVISOR_SETTING_H
#define SUPERVISOR_SETTING_H

#include <stddef.h>
#include <stdint.h>

#include <tensock/types.h>

#include "base/cleanup.h"

/* Not empty, at most size - 1 bytes.  *ret: empty until it is given. */
int setting_text(const char *key, const char *value, char *ret, size_t size,
		 struct tensock_error *reterr) _nodiscard_;

/* min is above 0.  *ret: 0 until it is given. */
int setting_number(const char *key, const char *value, uint64_t min, uint64_t max, uint64_t *ret,
		   struct tensock_error *reterr) _nodiscard_;

/* "yes" or "no": 1 or 0.  *ret: -1 until it is given. */
int setting_bool(const char *key, const char *value, int *ret, struct tensock_error *reterr)
	_nodiscard_;

/* Of a list: the next word of *text, which is moved behind it; its length, or 0 at the end. */
size_t setting_word(const char **text, const char **ret);

#endif
