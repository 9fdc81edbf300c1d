/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One split virtqueue, from the device's side (VIRTIO 1.2 §2.7), with EVENT_IDX and indirect
 * descriptors.  Every descriptor is copied once and then checked.  A queue whose driver breaks the
 * rules is broken: it pops nothing more until it is started anew.
 */
#ifndef VHOST_VRING_H
#define VHOST_VRING_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/cleanup.h"
#include "front/vhost/guest_memory.h"

#define VRING_SIZE_MAX 1024u
#define VRING_IOV_MAX 128u /* pieces of guest memory a chain; a longer one breaks the queue */

/*
 * A descriptor chain: first what the device reads, then what it writes.  The guest may write all of
 * it at any time.  iov is good until the device returns to the event loop, and no longer: a new
 * memory table may come in between.  Hence no chain is kept from one callback to the next.
 */
struct vring_chain {
	uint16_t head;
	unsigned n_out, n_in; /* pieces in iov: n_out to read, then n_in to write */
	size_t out_bytes, in_bytes;
	struct iovec iov[VRING_IOV_MAX];
};

struct vring;

/*
 * The next chain.  1 and *ret is filled; 0 when the driver offers none; -EPROTO when the queue is
 * (or now becomes) broken.  Popped chains are given back by vring_push(), in their order; the last
 * n of them, not pushed yet, may instead be offered again by vring_unpop().
 */
int vring_pop(struct vring *ring, struct vring_chain *ret) _nodiscard_;
void vring_unpop(struct vring *ring, unsigned n);

/* Gives a chain back with `written` bytes in its writable part.  Seen after vring_show(). */
void vring_push(struct vring *ring, uint16_t head, uint32_t written);

/* Publishes what was pushed.  vring_flush() is to follow, in a while, unless no signal is owed. */
void vring_show(struct vring *ring);
/* Whether the driver asks to be signalled for what it was shown; it may have looked meanwhile. */
bool vring_owes_signal(struct vring *ring);
/* Publishes what was pushed and signals the driver if it asked to be. */
void vring_flush(struct vring *ring);

/*
 * Whether the driver is to kick when it offers chains; a queue starts with true.  Turning on gives
 * true when chains are there: pop again instead of waiting.  While it is on, a vring_pop() that
 * gives 0 has asked for the next kick; who stops earlier must come back without one.
 */
bool vring_want_kicks(struct vring *ring, bool on);

/* Offered chains that have not been popped (copied index; never above the queue's size). */
unsigned vring_pending(struct vring *ring);

bool vring_is_broken(const struct vring *ring);

#endif
