/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For tests: a virtio driver's side of one split queue, in memory shared with the code under
 * test.  Written from the specification, apart from vring.c: what both get wrong in the same
 * way would not be seen.
 */
#ifndef VHOST_TEST_DRIVER_H
#define VHOST_TEST_DRIVER_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define DRIVER_DESC 0x0000u /* places of the three parts in the memory: room for 1024 */
#define DRIVER_AVAIL 0x4000u
#define DRIVER_USED 0x5000u
#define DRIVER_DATA 0x8000u /* free for buffers */

enum {
	D_NEXT = 1,
	D_WRITE = 2,
	D_INDIRECT = 4
};

struct driver {
	unsigned char *mem;
	unsigned size;
	uint16_t avail_idx;
};

static inline void driver_put(struct driver *d, size_t at, uint64_t v, size_t width)
{
	memcpy(d->mem + at, &v, width);
}

static inline uint64_t driver_get(const struct driver *d, size_t at, size_t width)
{
	uint64_t v = 0;

	memcpy(&v, d->mem + at, width);
	return v;
}

/* A descriptor at any place: of the queue's own table, or of an indirect one. */
static inline void driver_desc_at(struct driver *d, size_t at, uint64_t addr, uint32_t len,
				  unsigned flags, unsigned next)
{
	driver_put(d, at, addr, 8);
	driver_put(d, at + 8, len, 4);
	driver_put(d, at + 12, flags, 2);
	driver_put(d, at + 14, next, 2);
}

static inline void driver_desc(struct driver *d, unsigned i, uint64_t addr, uint32_t len,
			       unsigned flags, unsigned next)
{
	driver_desc_at(d, DRIVER_DESC + 16u * i, addr, len, flags, next);
}

static inline void driver_set_avail_idx(struct driver *d, uint16_t idx)
{
	d->avail_idx = idx;
	__atomic_store_n((uint16_t *)(void *)(d->mem + DRIVER_AVAIL + 2), idx, __ATOMIC_SEQ_CST);
}

static inline void driver_offer(struct driver *d, unsigned head)
{
	driver_put(d, DRIVER_AVAIL + 4 + 2u * (d->avail_idx % d->size), head, 2);
	driver_set_avail_idx(d, (uint16_t)(d->avail_idx + 1));
}

static inline void driver_avail_flags(struct driver *d, unsigned flags)
{
	driver_put(d, DRIVER_AVAIL, flags, 2);
}

static inline void driver_used_event(struct driver *d, unsigned idx)
{
	driver_put(d, DRIVER_AVAIL + 4 + 2 * d->size, idx, 2);
}

static inline unsigned driver_used_flags(const struct driver *d)
{
	return (unsigned)driver_get(d, DRIVER_USED, 2);
}

static inline unsigned driver_used_idx(const struct driver *d)
{
	return (unsigned)driver_get(d, DRIVER_USED + 2, 2);
}

static inline unsigned driver_used_id(const struct driver *d, unsigned idx)
{
	return (unsigned)driver_get(d, DRIVER_USED + 4 + 8 * (idx % d->size), 4);
}

static inline unsigned driver_used_len(const struct driver *d, unsigned idx)
{
	return (unsigned)driver_get(d, DRIVER_USED + 8 + 8 * (idx % d->size), 4);
}

static inline unsigned driver_avail_event(const struct driver *d)
{
	return (unsigned)driver_get(d, DRIVER_USED + 4 + 8 * d->size, 2);
}

#endif
