/* SPDX-License-Identifier: Apache-2.0 */
/* A host program's line, as it grows: each prefix agrees with those before it. */
#include "front/vhost/hybrid.h"

#include <stdbool.h>
#include <string.h>

static void check(bool ok)
{
	if (!ok)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint32_t port = 0, first_port = 0;
	int first = 0;

	if (size > HYBRID_LINE_MAX)
		size = HYBRID_LINE_MAX;
	for (size_t len = 0; len <= size; len++) {
		/* Exactly sized, so that a sanitizer sees the first byte read too far. */
		char *bytes = malloc(len ? len : 1);
		int r;

		check(bytes);
		memcpy(bytes, data, len);
		r = hybrid_parse(bytes, len, &port);
		free(bytes);
		check(r == 0 || r == -EBADMSG || (size_t)r <= len);
		if (first) {
			check(r == first && port == first_port);
			continue;
		}
		first = r;
		first_port = port;
		check(r <= 0 || (data[r - 1] == '\n' && port != UINT32_MAX));
		/* What is still unfinished must have a chance to end within the bound. */
		check(r != 0 || len < HYBRID_LINE_MAX);
	}
	return 0;
}
