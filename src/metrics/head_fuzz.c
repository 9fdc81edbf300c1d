/* SPDX-License-Identifier: Apache-2.0 */
/* However a head is cut, it comes to the same; it ends within its bound. */
#include <stdint.h>
#include <stdlib.h>

#include "metrics/head.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned receive(const uint8_t *data, size_t size, size_t piece)
{
	struct head head;
	unsigned status = 0;

	head_init(&head);
	for (size_t i = 0; i < size && !status; i += piece)
		status = head_received(&head, data + i, size - i < piece ? size - i : piece);
	if (!status && head.bytes > HEAD_BYTES_MAX)
		abort();
	return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size > HEAD_BYTES_MAX)
		size = HEAD_BYTES_MAX;
	if (receive(data, size, size ? size : 1) != receive(data, size, 1))
		abort();
	return 0;
}
