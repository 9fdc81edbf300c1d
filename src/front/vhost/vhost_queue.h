/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One queue of the back end: what the VMM has said about it, and its ring while it runs.  It runs
 * whenever all that it needs is there; see vhost_queue_update().  All setters return -errno and
 * change nothing when the VMM asks for what cannot be.
 */
#ifndef VHOST_VHOST_QUEUE_H
#define VHOST_VHOST_QUEUE_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "base/cleanup.h"
#include "front/vhost/backend.h"
#include "front/vhost/kick.h"
#include "front/vhost/vhost_user.h"

struct vhost_queue {
	uv_loop_t *loop;
	const struct vhost_device_ops *ops;
	void *device;
	unsigned index;

	uint32_t size; /* descriptors; 0: not said yet */
	uint16_t base; /* where the ring begins, or began to be stopped */
	bool resumes;  /* it ran in another process, and base is less the used index */
	struct ledger *ledger;
	bool has_addr;
	bool enabled; /* by SET_VRING_ENABLE */
	struct vhost_user_addr addr;
	struct kick *kick;   /* NULL: not said yet */
	bool kick_is_polled; /* it has no fd */
	int call_fd, err_fd;

	bool cannot_run;    /* a start has failed; not tried again until something changes */
	bool is_short;      /* a start has failed for want of memory, and that has been told */
	struct vring *ring; /* NULL: does not run */
	struct {
		bool known; /* it has stopped, and its driver had kept the rules */
		uint16_t base;
		uint32_t size;
		struct vhost_user_addr addr;
		uint64_t features;
	} last;            /* how it stopped, or while it runs: what it has begun with */
	uint16_t kick_idx; /* the driver's avail index at the last kick */
	unsigned idle_kicks;
};

void vhost_queue_init(struct vhost_queue *queue, uv_loop_t *loop,
		      const struct vhost_device_ops *ops, void *device, unsigned index,
		      struct ledger *ledger);
/* Stops it, closes all. */
void vhost_queue_done(struct vhost_queue *queue);

/* -EBUSY, but for what is so already, while it runs: a ring's parameters are frozen. */
int vhost_queue_set_size(struct vhost_queue *queue, uint32_t size) _nodiscard_;
int vhost_queue_set_base(struct vhost_queue *queue, uint32_t base) _nodiscard_;
int vhost_queue_set_addr(struct vhost_queue *queue, const struct vhost_user_addr *addr) _nodiscard_;
int vhost_queue_set_enabled(struct vhost_queue *queue, uint32_t enabled) _nodiscard_;
/* fd -1: none.  Taken over, also on failure.  -EINVAL: not an eventfd. */
int vhost_queue_set_kick(struct vhost_queue *queue, int fd) _nodiscard_;
int vhost_queue_set_call(struct vhost_queue *queue, int fd) _nodiscard_;
int vhost_queue_set_err(struct vhost_queue *queue, int fd) _nodiscard_;

/* A new table, maybe NULL: a running ring is found in it again, or stops. */
void vhost_queue_set_memory(struct vhost_queue *queue, struct guest_memory *memory);

/* Starts the queue if it does not run and size, addresses, kick, memory and enabling are there.  -ENOMEM: not
 * now; another -errno: it cannot run, and the VMM has to set it up anew. */
int vhost_queue_update(struct vhost_queue *queue, uint64_t features, struct guest_memory *memory);

/* Ends the queue as GET_VRING_BASE does: it needs a new kick to run again.  Returns the base. */
uint16_t vhost_queue_end(struct vhost_queue *queue);

/* Where it stood in another process, by the ledger.  Before anything else is said about it. */
void vhost_queue_recall(struct vhost_queue *queue);

#endif
