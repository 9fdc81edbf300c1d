/* SPDX-License-Identifier: Apache-2.0 */
/* What is read of a page can be written again, and comes out as the same bytes. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "channel/metrics_page.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_as(const uint8_t *data, size_t size, bool is_daemons)
{
	struct metrics_sample before = { .id = METRICS_ID_MAX }, sample;
	struct tsk_reader r = tsk_reader(data, size);
	unsigned char *bytes = malloc(size + 1);
	struct tsk_writer w = tsk_writer(bytes, size);
	int result;

	if (!bytes)
		return;
	while ((result = metrics_read(&r, is_daemons, &before, &sample)) > 0)
		metrics_write(&w, &sample);
	if (w.bad || memcmp(bytes, data, tsk_writer_len(&w)) != 0)
		abort();
	if (result == 0 && tsk_writer_len(&w) != size)
		abort();
	free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	read_as(data, size, false);
	read_as(data, size, true);
	return 0;
}
