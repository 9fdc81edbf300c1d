/* SPDX-License-Identifier: Apache-2.0 */
/* Every tensor that run_read() passes can be touched from its first byte to its last. */
#include <stdint.h>
#include <stdlib.h>

#include "channel/run.h"

#define MAX 8u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct run_tensor tensors[MAX];
	volatile uint8_t touched;
	unsigned n;

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
