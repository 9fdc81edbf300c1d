/* SPDX-License-Identifier: Apache-2.0 */
/* What the programs that are compared have in common: how they count, and what they check. */
#ifndef BENCH_LATENCIES_H
#define BENCH_LATENCIES_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Requests of n bytes that do not count, on each connection. */
static inline unsigned warm_up(uint64_t n)
{
	return n < UINT64_C(4) << 20 ? 20 : 3;
}

static inline uint64_t bench_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * UINT64_C(1000000000) + (uint64_t)ts.tv_nsec;
}

struct latencies {
	uint64_t *ns;
	size_t n, room;
};

static inline void latencies_add(struct latencies *latencies, uint64_t ns)
{
	if (latencies->n == latencies->room) {
		latencies->room = latencies->room ? 2 * latencies->room : 1u << 16;
		latencies->ns = reallocarray(latencies->ns, latencies->room, sizeof(uint64_t));
		if (!latencies->ns)
			abort();
	}
	latencies->ns[latencies->n++] = ns;
}

/* Adds all of *from, which is empty then. */
static inline void latencies_take(struct latencies *latencies, struct latencies *from)
{
	for (size_t i = 0; i < from->n; i++)
		latencies_add(latencies, from->ns[i]);
	free(from->ns);
	*from = (struct latencies){ 0 };
}

static inline int latencies_compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* "p50_us p99_us requests_per_s requests" */
static inline void latencies_print(struct latencies *latencies, uint64_t wall_ns)
{
	size_t n = latencies->n;

	if (!n)
		abort();
	qsort(latencies->ns, n, sizeof(uint64_t), latencies_compare);
	printf("%.2f %.2f %.1f %zu\n", (double)latencies->ns[n / 2] / 1e3,
	       (double)latencies->ns[n - 1 - n / 100] / 1e3, (double)n * 1e9 / (double)wall_ns, n);
	free(latencies->ns);
	*latencies = (struct latencies){ 0 };
}

/* Bytes that are no other request's: all of them differ, and the ends tell which one it is. */

static inline void fill(void *bytes, size_t n)
{
	uint32_t x = 1;

	for (size_t i = 0; i < n; i++) {
		x = x * 1664525u + 1013904223u;
		((unsigned char *)bytes)[i] = (unsigned char)(x >> 24);
	}
}

static inline void stamp(void *bytes, size_t n, uint64_t count)
{
	memcpy(bytes, &count, sizeof(count));
	memcpy((unsigned char *)bytes + n - sizeof(count), &count, sizeof(count));
}

static inline int is_stamped(const void *bytes, size_t n, uint64_t count)
{
	return memcmp(bytes, &count, sizeof(count)) == 0 &&
	       memcmp((const unsigned char *)bytes + n - sizeof(count), &count, sizeof(count)) == 0;
}

#endif
