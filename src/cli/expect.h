/* SPDX-License-Identifier: Apache-2.0 */
/* Outputs of a run, held against files and written to files. */
#ifndef CLI_EXPECT_H
#define CLI_EXPECT_H

#include <stdbool.h>

#include <tensock/tensock.h>

#include "base/cleanup.h"
#include "cli/compare.h"

struct expectation {
	uint32_t index; /* of the output */
	bool is_met;
	bool is_comparable; /* the same shape, and so `comparison` counts */
	struct comparison comparison;
	char why[256]; /* where it is not comparable */
};

/* Compares an output with a .npy file.  Fails where the file cannot be read. */
int expect_file(const struct tensock_output *output, const char *path, double tolerance,
		struct expectation *ret, struct tensock_error *reterr) _nodiscard_;

/* Writes an output to path.npy, or raw to @path. */
int expect_save(const struct tensock_output *output, const char *path, struct tensock_error *reterr)
	_nodiscard_;

#endif
