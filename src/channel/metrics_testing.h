/* SPDX-License-Identifier: Apache-2.0 */
/* For tests only: what the reader of a page would make of it. */
#ifndef CHANNEL_METRICS_TESTING_H
#define CHANNEL_METRICS_TESTING_H

#include "channel/metrics_page.h"

/* 0 where all samples of a copy may be read, or what metrics_read() says. */
static inline int metrics_check(const void *bytes, size_t n, bool is_daemons)
{
	struct metrics_sample before = { .id = METRICS_ID_MAX }, sample;
	struct tsk_reader r = tsk_reader(bytes, n);
	int result;

	do
		result = metrics_read(&r, is_daemons, &before, &sample);
	while (result > 0);
	return result;
}

#endif
