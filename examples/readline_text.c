/* SPDX-License-Identifier: Apache-2.0 */
#include "readline_text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define NO_CHARACTER 0u
#define CERTAINTY_MAX 1.001f /* one, and what rounding adds to it */

/* Room for one more.  0 or -errno. */
static int make_room(struct readline_characters *characters, size_t *capacity)
{
	if (characters->n < *capacity)
		return 0;
	if (characters->n >= READLINE_CHARACTERS_MAX)
		return -E2BIG;

	size_t more = *capacity ? *capacity * 2 : 1024;
	void *grown = reallocarray(characters->characters, more, READLINE_CHARACTER_BYTES_MAX);
	if (!grown)
		return -ENOMEM;
	characters->characters = grown;
	*capacity = more;
	return 0;
}

/* 1 for a line, without its end; 0 at the end of the file; -EINVAL for one that is too long or empty. */
static int read_character(FILE *file, char ret[static READLINE_CHARACTER_BYTES_MAX])
{
	char line[READLINE_CHARACTER_BYTES_MAX + 1] = { 0 };

	if (!fgets(line, sizeof(line), file))
		return ferror(file) ? -EIO : 0;

	size_t length = strcspn(line, "\n");
	if (length == 0 || (line[length] != '\n' && !feof(file)))
		return -EINVAL;
	line[length] = '\0';
	memcpy(ret, line, READLINE_CHARACTER_BYTES_MAX);
	return 1;
}

int readline_characters_read(FILE *file, struct readline_characters *ret, unsigned *ret_line)
{
	struct readline_characters characters = { 0 };
	char character[READLINE_CHARACTER_BYTES_MAX];
	size_t capacity = 0;
	int r;

	while ((r = read_character(file, character)) > 0) {
		r = make_room(&characters, &capacity);
		if (r < 0)
			break;
		memcpy(characters.characters[characters.n++], character, sizeof(character));
	}
	if (r == 0 && characters.n == 0)
		r = -ENODATA;
	if (r < 0) {
		*ret_line = r == -EINVAL ? (unsigned)characters.n + 1 : 0;
		readline_characters_done(&characters);
		return r;
	}
	*ret = characters;
	return 0;
}

void readline_characters_done(struct readline_characters *characters)
{
	free(characters->characters);
	*characters = (struct readline_characters){ 0 };
}

size_t readline_scores(const struct readline_characters *characters)
{
	return characters->n + 2;
}

/* False when these are no scores. */
static bool best_of(const float *scores, size_t n, size_t *ret)
{
	size_t best = 0;

	for (size_t i = 0; i < n; i++) {
		if (!(scores[i] >= 0 && scores[i] <= CERTAINTY_MAX))
			return false;
		if (scores[i] > scores[best])
			best = i;
	}
	*ret = best;
	return true;
}

int readline_text(const struct readline_characters *characters, const float *scores,
		  size_t n_columns, char **ret_text, double *ret_certainty)
{
	size_t n_scores = readline_scores(characters);
	size_t before = NO_CHARACTER;
	size_t length = 0, n = 0;
	double sum = 0;
	char *text = reallocarray(NULL, n_columns + 1, READLINE_CHARACTER_BYTES_MAX);

	if (!text)
		return -ENOMEM;
	for (size_t column = 0; column < n_columns; column++, scores += n_scores) {
		size_t best;

		if (!best_of(scores, n_scores, &best)) {
			free(text);
			return -EDOM;
		}
		if (best != NO_CHARACTER && best != before) {
			const char *character =
				best <= characters->n ? characters->characters[best - 1] : " ";
			size_t bytes = strlen(character);

			memcpy(text + length, character, bytes);
			length += bytes;
			sum += (double)scores[best];
			n++;
		}
		before = best;
	}
	text[length] = '\0';
	*ret_text = text;
	*ret_certainty = n ? sum / (double)n : 0;
	return 0;
}
