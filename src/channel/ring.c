/* SPDX-License-Identifier: Apache-2.0 */
#include "channel/ring.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>

#include "base/bytes.h"

#define CACHE_LINE 64

enum sleep {
	AWAKE = 0,     /* looks at the ring by itself */
	ASLEEP = 1,    /* waits for the doorbell */
	LISTENING = 2, /* is at work, and hears the doorbell; but only what is urgent is to ring */
};

/* Each word on a line of its own, by who writes it. */
struct ring_shared {
	_Alignas(CACHE_LINE) _Atomic uint32_t written;  /* the producer's position */
	_Alignas(CACHE_LINE) _Atomic uint32_t read;     /* the consumer's position */
	_Alignas(CACHE_LINE) _Atomic uint32_t sleeping; /* enum sleep of the consumer */
	_Alignas(CACHE_LINE) unsigned char entries[RING_ENTRIES][RING_ENTRY_BYTES];
};

/* What the memfd holds: front to worker, worker to front. */
struct pair_shared {
	struct ring_shared to_worker, to_front;
};

static_assert((RING_ENTRIES & (RING_ENTRIES - 1)) == 0, "positions wrap by a mask");
static_assert(ATOMIC_INT_LOCK_FREE == 2, "atomics between processes must be lock-free");

int ring_memfd_new(int *ret_fd)
{
	return tsk_memfd_new("tensock-rings", sizeof(struct pair_shared), ret_fd);
}

int ring_doorbell_new(int *ret_producer, int *ret_consumer)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0)
		return -errno;
	*ret_consumer = fds[0];
	*ret_producer = fds[1];
	return 0;
}

static int map_pair(int memfd, struct tsk_map *ret)
{
	uint64_t size;
	int r = tsk_memfd_check(memfd, false, &size);

	if (r < 0)
		return r;
	if (size != sizeof(struct pair_shared))
		return -EPROTO;
	return tsk_map_new(memfd, size, true, ret);
}

int ring_pair_init(struct ring_pair *pair, enum ring_side side, int memfd, int out_doorbell,
		   int in_doorbell)
{
	bool front = side == RING_FRONT;
	struct pair_shared *shared;
	int r;

	*pair = (struct ring_pair){
		.out = { .doorbell = out_doorbell },
		.in = { .doorbell = in_doorbell },
	};
	r = map_pair(memfd, &pair->map);
	if (r < 0) {
		ring_pair_done(pair);
		return r;
	}
	shared = pair->map.addr;
	pair->out.shared = front ? &shared->to_worker : &shared->to_front;
	pair->in.shared = front ? &shared->to_front : &shared->to_worker;
	return 0;
}

void ring_pair_done(struct ring_pair *pair)
{
	if (!pair)
		return;
	tsk_close(pair->out.doorbell);
	tsk_close(pair->in.doorbell);
	tsk_map_done(&pair->map);
	*pair = (struct ring_pair){ .out = { .doorbell = -1 }, .in = { .doorbell = -1 } };
}

/* How far `ahead` is ahead of `behind`; more than there are entries breaks the ring, and is 0. */
static uint32_t distance(struct ring *ring, uint32_t ahead, uint32_t behind)
{
	uint32_t n = ahead - behind;

	if (n > RING_ENTRIES)
		ring->broken = true;
	return ring->broken ? 0 : n;
}

unsigned ring_room(struct ring *ring)
{
	uint32_t read = atomic_load_explicit(&ring->shared->read, memory_order_acquire);
	uint32_t used = distance(ring, ring->position, read);

	return ring->broken ? 0 : RING_ENTRIES - used;
}

bool ring_push(struct ring *ring, const void *entry)
{
	if (!ring_room(ring))
		return false;
	memcpy(ring->shared->entries[ring->position % RING_ENTRIES], entry, RING_ENTRY_BYTES);
	ring->position++;
	/* In one order with `sleeping`: see ring_ring(). */
	atomic_store(&ring->shared->written, ring->position);
	return true;
}

/*
 * A wake-up cannot be lost.  All accesses to `written` and `sleeping` here and in ring_sleep() stand
 * in one order (sequentially consistent): either the consumer's look at `written`, after it set
 * `sleeping`, sees the entry, or this look at `sleeping`, after the entry, sees that it sleeps.
 */
static void wake(struct ring *ring)
{
	static const unsigned char ring_once = 1;

	if (atomic_exchange(&ring->shared->sleeping, AWAKE) == AWAKE)
		return;
	/* EAGAIN: it is full of rings that the consumer has not heard yet, so it wakes anyway. */
	while (write(ring->doorbell, &ring_once, 1) < 0 && errno == EINTR)
		;
}

void ring_ring(struct ring *ring)
{
	if (atomic_load(&ring->shared->sleeping) == ASLEEP)
		wake(ring);
}

void ring_ring_urgently(struct ring *ring)
{
	if (atomic_load(&ring->shared->sleeping) != AWAKE)
		wake(ring);
}

static uint32_t entries_waiting(struct ring *ring)
{
	return distance(ring, atomic_load(&ring->shared->written), ring->position);
}

bool ring_pop(struct ring *ring, void *ret_entry)
{
	if (!entries_waiting(ring))
		return false;
	tsk_copy_once(ret_entry, ring->shared->entries[ring->position % RING_ENTRIES],
		      RING_ENTRY_BYTES);
	ring->position++;
	/* Release: the copy is complete before the producer may write there again. */
	atomic_store_explicit(&ring->shared->read, ring->position, memory_order_release);
	return true;
}

static bool fall_asleep(struct ring *ring, enum sleep how)
{
	atomic_store(&ring->shared->sleeping, how);
	if (!entries_waiting(ring))
		return true;
	atomic_store(&ring->shared->sleeping, AWAKE);
	return false;
}

bool ring_sleep(struct ring *ring)
{
	return fall_asleep(ring, ASLEEP);
}

bool ring_listen(struct ring *ring)
{
	return fall_asleep(ring, LISTENING);
}

void ring_awake_unrung(struct ring *ring)
{
	atomic_store(&ring->shared->sleeping, AWAKE);
}

void ring_awake(struct ring *ring)
{
	unsigned char rung[64];

	ring_awake_unrung(ring);
	/* Once: what a hostile peer rings beyond this only wakes us again. */
	while (read(ring->doorbell, rung, sizeof(rung)) < 0 && errno == EINTR)
		;
}
