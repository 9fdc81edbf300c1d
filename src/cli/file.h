/* SPDX-License-Identifier: Apache-2.0 */
/* Whole files. */
#ifndef CLI_FILE_H
#define CLI_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include <tensock/types.h>

#include "base/cleanup.h"
#include "tensor/npy.h"

/* Whether it is a regular file that can be read and is not empty. */
int file_check(const char *path, struct tensock_error *reterr) _nodiscard_;

/* All of a regular file; *ret is the caller's to free().  NOT_FOUND, PERMISSION_DENIED, OUT_OF_MEMORY. */
int file_read(const char *path, unsigned char **ret, size_t *ret_size, struct tensock_error *reterr)
	_nodiscard_;

/* One of NumPy: *ret_npy points into *ret. */
int file_read_npy(const char *path, unsigned char **ret, struct tsk_npy *ret_npy,
		  struct tensock_error *reterr) _nodiscard_;

/*
 * Opens a file that is to replace `path` once it is whole: *ret_temporary is its name until then, the
 * caller's to free().  Where `path` is there and no regular file (/dev/stdout, a pipe) it is written
 * directly, and *ret_temporary is NULL.
 */
int file_create(const char *path, FILE **ret, char **ret_temporary, struct tensock_error *reterr)
	_nodiscard_;

/* Closes it; moves it to its place, or removes it where something went wrong (also by keep false). */
int file_finish(FILE *file, const char *path, const char *temporary, bool keep,
		struct tensock_error *reterr) _nodiscard_;

#endif
