/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A queue over hostile memory.  Input: 4 bytes of parameters, 4 of what the driver does between our
 * steps, then the guest's memory from its start, the available ring and the descriptors in front.
 */
#include <stdint.h>
#include <string.h>

#include "base/memfd.h"
#include "front/vhost/vring.h"
#include "front/vhost/vring_internal.h"

#define MEMORY 0x10000u
#define SPLIT 0xa000u /* two adjoining regions */
#define USER UINT64_C(0x7f0000000000)

#define AVAIL 0x0u /* the parts of the ring; they overlap for the largest sizes */
#define DESC 0x120u
#define USED 0x6000u

static struct tsk_map map;
static struct guest_memory *memory;
static const unsigned char *low, *high;

static void on_broke(void *context, const char *why)
{
	unsigned *broke = context;

	(void)why;
	if (++*broke > 1)
		abort();
}

/* Once for all inputs.  The guest's addresses begin at 0, where small numbers hit. */
static void init(void)
{
	struct guest_region regions[] = { { 0, SPLIT, USER, 0 },
					  { SPLIT, MEMORY - SPLIT, USER + MEMORY, SPLIT } };
	int fds[2];

	if (tsk_memfd_new("guest", MEMORY, &fds[0]) < 0 ||
	    tsk_map_new(fds[0], MEMORY, true, &map) < 0)
		abort();
	fds[1] = fds[0];
	if (guest_memory_new(regions, fds, 2, &memory) < 0)
		abort();
	low = guest_memory_user(memory, USER, SPLIT);
	high = guest_memory_user(memory, USER + MEMORY, MEMORY - SPLIT);
	tsk_close(fds[0]);
}

/* Every piece lies in a region, and they add up. */
static void check(const struct vring_chain *chain, unsigned size)
{
	size_t sums[2] = { 0, 0 };

	if (chain->head >= size || chain->n_out + chain->n_in > VRING_IOV_MAX)
		abort();
	for (unsigned i = 0; i < chain->n_out + chain->n_in; i++) {
		size_t at_low = (size_t)((const unsigned char *)chain->iov[i].iov_base - low);
		size_t at_high = (size_t)((const unsigned char *)chain->iov[i].iov_base - high);
		size_t len = chain->iov[i].iov_len;

		if (!(at_low < SPLIT && len <= SPLIT - at_low) &&
		    !(at_high < MEMORY - SPLIT && len <= MEMORY - SPLIT - at_high))
			abort();
		sums[i >= chain->n_out] += len;
	}
	if (sums[0] != chain->out_bytes || sums[1] != chain->in_bytes)
		abort();
}

static void put16(size_t at, unsigned v)
{
	uint16_t word = (uint16_t)v;

	memcpy((char *)map.addr + at, &word, sizeof(word));
}

/* One step of the device, then one of the driver, both as `what` says. */
static void step(struct vring *ring, unsigned size, unsigned what)
{
	static struct vring_chain chain;

	if (vring_pop(ring, &chain) == 1) {
		check(&chain, size);
		if (what & 1)
			vring_unpop(ring, 1);
		else
			vring_push(ring, chain.head, what);
	}
	if (what & 2)
		vring_flush(ring);
	if (what & 4)
		vring_want_kicks(ring, what & 8);
	if (vring_pending(ring) > size)
		abort();
	if (what & 16)
		put16(AVAIL + 2, vring_avail_idx(ring) + (what >> 5));
	if (what & 32)
		put16(AVAIL + 4 + 2 * size, what);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const unsigned sizes[] = { 1, 2, 4, 8, 128, 1024, 3, 0 };
	unsigned broke = 0, n;
	struct vring_config config = { .desc = USER + DESC,
				       .avail = USER + AVAIL,
				       .used = USER + USED,
				       .broke = on_broke,
				       .context = &broke };
	struct vring *ring;

	if (size < 8)
		return 0;
	if (!memory)
		init();
	n = size - 8 < MEMORY ? (unsigned)(size - 8) : MEMORY;
	memset(map.addr, 0, MEMORY);
	memcpy(map.addr, data + 8, n);
	config.size = sizes[data[0] & 7];
	config.event_idx = data[0] & 8;
	config.indirect = data[0] & 16;
	config.base = (uint16_t)(data[1] | data[2] << 8);
	put16(AVAIL + 2, config.base + (unsigned)data[3]);
	if (vring_new(&config, memory, -1, &ring) < 0)
		return 0;
	for (unsigned i = 0; i < 32; i++)
		step(ring, config.size, data[4 + i % 4] ^ (i & 0xf0));
	vring_free(ring);
	return 0;
}
