/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two rings of 64-byte entries in shared memory, one each way between a front and a worker, each with
 * one producer and one consumer, a pipe as doorbell and a word that says whether the consumer
 * sleeps.  The figures that chose this: docs/benchmarks.md.
 *
 * The other side is not trusted.  Positions that it owns are read once, and one that claims more
 * than RING_ENTRIES marks the ring broken for good; entries are copied out before anyone looks at
 * them; our own positions are kept in private memory.
 */
#ifndef CHANNEL_RING_H
#define CHANNEL_RING_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/memfd.h"

#define RING_ENTRIES 256u /* a power of two */
#define RING_ENTRY_BYTES 64u

enum ring_side {
	RING_FRONT,
	RING_WORKER
};

/* One direction, as one side sees it. */
struct ring {
	struct ring_shared *shared;
	uint32_t position; /* ours: the next entry to write, or to read */
	int doorbell;      /* of `out` to write, of `in` to read; the pair's */
	bool broken;
};

/* Both directions, as one side sees them. */
struct ring_pair {
	struct tsk_map map;
	struct ring out, in;
};

/* A memfd for a pair, zeroed.  The caller closes it. */
int ring_memfd_new(int *ret_fd) _nodiscard_;

/*
 * A doorbell for one direction: its producer's end and its consumer's, each with its own
 * O_NONBLOCK.  (An eventfd has one for all who hold it: a hostile peer could clear it, fill the
 * counter and so stop our next write for ever.)  Who rings ignores SIGPIPE: the consumer may be dead.
 */
int ring_doorbell_new(int *ret_producer, int *ret_consumer) _nodiscard_;

/*
 * Maps a pair.  out_doorbell, in_doorbell: ours to write and ours to read; the pair owns them from
 * here on, also when this fails.  The memfd stays the caller's, and may be closed.  -EPROTO for a
 * memfd that is not a pair's.
 */
int ring_pair_init(struct ring_pair *pair, enum ring_side side, int memfd, int out_doorbell,
		   int in_doorbell) _nodiscard_;
void ring_pair_done(struct ring_pair *pair);

/* Publishes one entry.  False when the ring is full or broken.  Rings no doorbell. */
bool ring_push(struct ring *ring, const void *entry);

/* How many entries can be pushed now. */
unsigned ring_room(struct ring *ring);

/* After a batch of pushes: wakes the consumer if it sleeps. */
void ring_ring(struct ring *ring);
/* The same for what also a consumer at work is to hear of at once (ring_listen). */
void ring_ring_urgently(struct ring *ring);

/* Copies the next entry out.  False when there is none, or the ring is broken. */
bool ring_pop(struct ring *ring, void *ret_entry);

/*
 * Before blocking: says that this consumer sleeps.  False (and nothing said) when an entry has come
 * meanwhile: pop first.  After waking: ring_awake(), which also empties the doorbell.  The doorbell
 * may ring for nothing.  A ring that is broken, which pop first told, always lets its consumer
 * sleep, so that no one spins on it.
 *
 * ring_listen(): like ring_sleep(), before long work: only what is urgent is to ring.
 */
bool ring_sleep(struct ring *ring);
bool ring_listen(struct ring *ring);
void ring_awake(struct ring *ring);
/* Without emptying the doorbell: it is known not to have rung, or is emptied later. */
void ring_awake_unrung(struct ring *ring);

#endif
