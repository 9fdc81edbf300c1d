/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A command line taken apart: "--name VALUE", "--name=VALUE", "-n VALUE", "-nVALUE"; options and other
 * words in any order; after "--" all are words.  Names are not shortened.
 */
#ifndef CLI_ARGS_H
#define CLI_ARGS_H

#include <stdbool.h>
#include <stdint.h>

#include <tensock/types.h>

#include "base/cleanup.h"

struct arg_option {
	const char *name; /* without dashes; the list ends with NULL */
	char letter;      /* '\0': none */
	bool has_value;
	int id; /* above 0 */
};

struct args {
	char **words; /* that are left */
	int n;
	bool options_end;    /* "--" was seen */
	const char *letters; /* what is left of "-abc" */
	const char *program; /* for sentences: "tensock run" */
};

static inline struct args args_of(const char *program, int n, char **words)
{
	return (struct args){ .words = words, .n = n, .program = program };
}

#define ARG_END 0
#define ARG_WORD (-1)

/*
 * The next: an option's id with *ret_value (NULL where it has none), ARG_WORD with the word, ARG_END; or
 * INVALID_ARGUMENT's -errno (below ARG_WORD) with a sentence.
 */
int args_next(struct args *args, const struct arg_option *options, const char **ret_value,
	      struct tensock_error *reterr) _nodiscard_;

/* A whole number in decimal, min to max.  option: for the sentence, as "--repeat". */
int args_number(const char *option, const char *text, uint64_t min, uint64_t max, uint64_t *ret,
		struct tensock_error *reterr) _nodiscard_;

/* "250ms", "2.5s", "2m", or a number of seconds; at most a day. */
int args_duration(const char *option, const char *text, uint64_t *ret_ns,
		  struct tensock_error *reterr) _nodiscard_;

/* "1e-3": 0 or more, finite. */
int args_fraction(const char *option, const char *text, double *ret, struct tensock_error *reterr)
	_nodiscard_;

/* "1,3,224,224"; "" is a scalar's. */
int args_shape(const char *option, const char *text, int64_t ret_dims[TENSOCK_RANK_MAX],
	       uint32_t *ret_rank, struct tensock_error *reterr) _nodiscard_;

#endif
