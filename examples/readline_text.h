/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The characters that the recognition model of PP-OCR knows, and the text that its answer stands for.
 * They are in the model's metadata, from where tools/deps puts them into a text file: a line a character,
 * UTF-8.
 */
#ifndef READLINE_TEXT_H
#define READLINE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define READLINE_CHARACTERS_MAX 65536u
#define READLINE_CHARACTER_BYTES_MAX 32u /* some are letters with marks: several code points */

struct readline_characters {
	char (*characters)[READLINE_CHARACTER_BYTES_MAX];
	size_t n;
};

/* 0; -EINVAL with the number of the line that is none; or -errno.  Otherwise *ret_line is 0. */
int readline_characters_read(FILE *file, struct readline_characters *ret, unsigned *ret_line);
void readline_characters_done(struct readline_characters *characters);

/* How many scores the model gives a column: two more, for no character at all and for the space. */
size_t readline_scores(const struct readline_characters *characters);

/*
 * scores: n_columns times readline_scores().  The best of each column; those that repeat the one before are
 * the same character, those that say "none" stand between characters.  *ret_text is the caller's to
 * free; *ret_certainty the mean of its characters', 0 for an empty text.
 * 0; -EDOM when the scores are none, not numbers of 0 to 1; -ENOMEM.
 */
int readline_text(const struct readline_characters *characters, const float *scores,
		  size_t n_columns, char **ret_text, double *ret_certainty);

#endif
