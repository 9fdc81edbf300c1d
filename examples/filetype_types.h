/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The types that magika's model knows, and what its answer means.  They come from a text file that
 * tools/deps makes of the package's configuration; a line for each number of the model's output,
 * in its order, of four words with tabs between:
 *
 *	markdown	0.75	markdown	txt
 *
 * the type; the least certainty with which it is believed; what it is then called; what it is called
 * when it is not believed.  A line that begins with # says something to people.
 */
#ifndef FILETYPE_TYPES_H
#define FILETYPE_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define FILETYPE_TYPES_MAX 4096u
#define FILETYPE_NAME_BYTES_MAX 40u

struct filetype_type {
	char name[FILETYPE_NAME_BYTES_MAX];
	char known_as[FILETYPE_NAME_BYTES_MAX];
	char otherwise[FILETYPE_NAME_BYTES_MAX];
	double threshold;
};

struct filetype_types {
	struct filetype_type *types;
	size_t n;
};

/* 0; -EINVAL with the number of the line that is none; or -errno.  Otherwise *ret_line is 0. */
int filetype_types_read(FILE *file, struct filetype_types *ret, unsigned *ret_line);
void filetype_types_done(struct filetype_types *types);

struct filetype_verdict {
	const char *name;  /* lives as long as the types */
	const char *guess; /* the model's, where it was not certain enough; else NULL */
	float certainty;   /* 0 to 1 */
};

/* scores: types->n of them.  False when they are no answer of the model: not all are numbers of 0 to 1. */
bool filetype_judge(const struct filetype_types *types, const float *scores,
		    struct filetype_verdict *ret);

#endif
