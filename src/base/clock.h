/* SPDX-License-Identifier: Apache-2.0 */
/* CLOCK_MONOTONIC, in nanoseconds.  Nothing in Tensock waits by the wall clock. */
#ifndef TSK_BASE_CLOCK_H
#define TSK_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

#define TSK_NS_PER_SEC UINT64_C(1000000000)
#define TSK_NS_PER_MS UINT64_C(1000000)

static inline uint64_t tsk_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * TSK_NS_PER_SEC + (uint64_t)ts.tv_nsec;
}

/* What people and clients are told of when something was: of the wall clock, by which nothing waits. */
static inline uint64_t tsk_wall_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / TSK_NS_PER_MS;
}

#endif
