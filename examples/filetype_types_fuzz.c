/* SPDX-License-Identifier: Apache-2.0 */
/* The types' file, whatever is in it; and after a NUL byte, 4-byte scores that have a verdict or none. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "filetype_types.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void judge(const struct filetype_types *types, const uint8_t *data, size_t size)
{
	struct filetype_verdict verdict;
	float *scores = calloc(types->n, sizeof(*scores));
	size_t bytes = types->n * sizeof(*scores);

	if (!scores)
		return;
	if (size > 0)
		memcpy(scores, data, bytes < size ? bytes : size);
	if (filetype_judge(types, scores, &verdict) &&
	    (!verdict.name[0] || !(verdict.certainty >= 0)))
		abort();
	free(scores);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *end = memchr(data, '\0', size);
	size_t text = end ? (size_t)(end - data) : size;
	struct filetype_types types;
	unsigned line = 0;
	/* A stream of no bytes cannot be. */
	FILE *file = text ? fmemopen((void *)(uintptr_t)data, text, "r") : NULL;

	if (!file)
		return 0;
	if (filetype_types_read(file, &types, &line) == 0) {
		if (types.n == 0 || types.n > FILETYPE_TYPES_MAX)
			abort();
		if (end)
			judge(&types, end + 1, size - text - 1);
		filetype_types_done(&types);
	}
	fclose(file);
	return 0;
}
