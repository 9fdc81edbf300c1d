/* SPDX-License-Identifier: Apache-2.0 */
/* The life of a queue, for the back end only; its device sees front/vhost/vring.h. */
#ifndef VHOST_VRING_INTERNAL_H
#define VHOST_VRING_INTERNAL_H

#include "front/vhost/vring.h"

/* All that a running queue depends on.  Copied: nothing of it changes until the queue is freed. */
struct vring_config {
	uint32_t size;              /* descriptors: a power of two, at most VRING_SIZE_MAX */
	bool event_idx, indirect;   /* negotiated features */
	bool resumes;               /* another process has run it up to here */
	uint16_t base;              /* the first avail index to pop; resumes: less the used index */
	uint64_t desc, avail, used; /* the VMM's addresses of the three parts */

	/* Told once when the driver breaks the rules; must not free the queue.  why: a literal. */
	void (*broke)(void *context, const char *why);
	void *context;
};

/*
 * call_fd: an eventfd that stays the caller's, or -1.  -EINVAL: size or alignment is impossible;
 * -EFAULT: a part does not lie in memory.
 */
int vring_new(const struct vring_config *config, struct guest_memory *memory, int call_fd,
	      struct vring **ret) _nodiscard_;
/* Publishes what was pushed.  NULL. */
struct vring *vring_free(struct vring *ring);

/* Finds the parts anew in another table.  -EFAULT as above: the queue is as it was. */
int vring_set_memory(struct vring *ring, struct guest_memory *memory) _nodiscard_;
void vring_set_call(struct vring *ring, int call_fd);

/* What vring_base() is ahead of the used index as the driver sees it; the same as long as it runs. */
uint16_t vring_offset(const struct vring *ring);
/* Signals the driver whether it asked for that or not: a signal may have been lost. */
void vring_signal(struct vring *ring);

/* Where a later queue has to go on: the first avail index whose chain has not been pushed. */
uint16_t vring_base(const struct vring *ring);

/* The driver's avail index as it stands, unchecked: only to see whether it moves. */
uint16_t vring_avail_idx(const struct vring *ring);

#endif
