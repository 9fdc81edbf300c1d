/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Seed frames in pieces of hostile sizes: the first byte of the input chooses the sizes, the rest
 * is the stream.  Whatever comes, each byte lands in the header or in the announced body.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "front/protocol/seed.h"

#define MODEL_MAX 4096u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void react(struct seed_decoder *d, enum seed_state before, unsigned char **body)
{
	if (d->state == SEED_BODY && before == SEED_HEADER) {
		assert(d->size >= 1 && d->size <= MODEL_MAX);
		*body = malloc(d->size);
		if (!*body)
			abort();
		seed_body(d, *body);
	}
	if (d->state == SEED_WAITING) {
		assert(before == SEED_BODY && d->body_left == 0);
		free(*body);
		*body = NULL;
		seed_next(d);
		assert(seed_is_between(d));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tensock_error error = { 0 };
	unsigned char *body = NULL;
	struct seed_decoder d;
	size_t pace = size ? data[0] % 37u + 1 : 1;

	seed_decoder_init(&d, MODEL_MAX);
	for (size_t at = 1; at < size;) {
		enum seed_state before = d.state;
		void *buf = NULL;
		size_t n = seed_window(&d, &buf);

		if (n == 0)
			break;
		n = n < pace ? n : pace;
		n = n < size - at ? n : size - at;
		memcpy(buf, data + at, n);
		seed_received(&d, n, &error);
		at += n;
		react(&d, before, &body);
		pace = pace % 37 + 1;
	}
	assert((d.state == SEED_REFUSED) == (error.status != TENSOCK_OK));
	free(body);
	return 0;
}
