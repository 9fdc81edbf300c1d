/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every tensor that run_read() passes can be touched from its first byte to its last; what run_read_foreign()
 * passes besides is foreign, or a place.
 */
#include <stdint.h>
#include <stdlib.h>

#include "channel/run.h"

#define MAX 8u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_foreign(const uint8_t *data, size_t size)
{
	struct run_tensor tensors[MAX];
	unsigned n, n_places;

	if (run_read_foreign(data, size, tensors, MAX, &n, &n_places) < 0)
		return;
	if (n > MAX || n_places > MAX - n)
		abort();
	for (unsigned i = 0; i < n + n_places; i++) {
		const struct run_tensor *t = &tensors[i];

		if (t->offset % RUN_ALIGN || (i >= n && !t->foreign) ||
		    (t->foreign && t->dtype == TENSOCK_BYTES) ||
		    (!t->foreign && (t->offset > size || t->bytes > size - t->offset)))
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct run_tensor tensors[MAX];
	volatile uint8_t touched;
	unsigned n;

	check_foreign(data, size);
	if (run_read(data, size, tensors, MAX, &n) < 0)
		return 0;
	if (n > MAX)
		abort();
	for (unsigned i = 0; i < n; i++) {
		const struct run_tensor *t = &tensors[i];

		if (t->offset < 8 + n * sizeof(*t) || t->offset % RUN_ALIGN)
			abort();
		if (t->bytes) {
			touched = data[t->offset];
			touched = data[t->offset + t->bytes - 1];
		}
	}
	(void)touched;
	return 0;
}
