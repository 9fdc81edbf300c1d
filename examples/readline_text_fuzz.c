/* SPDX-License-Identifier: Apache-2.0 */
/* The characters' file, whatever is in it; and after a NUL byte, 4-byte scores that are a text or none. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "readline_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void decode(const struct readline_characters *characters, const uint8_t *data, size_t size)
{
	size_t n_columns = size / sizeof(float) / readline_scores(characters);
	size_t bytes = n_columns * readline_scores(characters) * sizeof(float);
	float *scores = malloc(bytes + 1); /* exactly sized, but not empty */
	double certainty;
	char *text;

	if (!scores)
		return;
	memcpy(scores, data, bytes);
	if (readline_text(characters, scores, n_columns, &text, &certainty) == 0) {
		if (strlen(text) > n_columns * READLINE_CHARACTER_BYTES_MAX || !(certainty >= 0))
			abort();
		free(text);
	}
	free(scores);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *end = memchr(data, '\0', size);
	size_t text = end ? (size_t)(end - data) : size;
	struct readline_characters characters;
	unsigned line = 0;
	/* A stream of no bytes cannot be. */
	FILE *file = text ? fmemopen((void *)(uintptr_t)data, text, "r") : NULL;

	if (!file)
		return 0;
	if (readline_characters_read(file, &characters, &line) == 0) {
		for (size_t i = 0; i < characters.n; i++)
			if (characters.characters[i][0] == '\0')
				abort();
		if (end)
			decode(&characters, end + 1, size - text - 1);
		readline_characters_done(&characters);
	}
	fclose(file);
	return 0;
}
