/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The vhost-user back end: the VMM's socket, its messages, the memory table and the rings, for one
 * device.  The device behind it (front/vhost/vsock_device.h) sees only started queues and kicks.
 * A VMM that breaks the protocol is disconnected; nothing of its session stays.
 */
#ifndef VHOST_BACKEND_H
#define VHOST_BACKEND_H

#include <stdint.h>
#include <uv.h>

#include "base/cleanup.h"
#include "front/vhost/vring.h"

#define VHOST_QUEUES_MAX 3u /* rx, tx, event; QEMU hands over the first two */

/* What the back end asks of its device.  All called from the loop. */
struct vhost_device_ops {
	uint64_t features; /* device-type feature bits offered, beside the transport's own */

	/* Copies the config space from offset; bytes beyond its end are zero. */
	void (*config)(void *device, uint32_t offset, void *ret, uint32_t len);

	/* The driver's feature bits, before any queue runs by them.  May be NULL. */
	void (*acknowledged)(void *device, uint64_t features);

	/* Queue q runs from now on; ring is valid until stopped(q). */
	void (*started)(void *device, unsigned q, struct vring *ring);
	/* The driver kicked q (perhaps for nothing), or the queue has just been started. */
	void (*kicked)(void *device, unsigned q);
	/* Queue q has ended; ring must not be touched any more.  It may start again there. */
	void (*stopped)(void *device, unsigned q);
	/* The VMM is gone; all queues are stopped already.  The back end is freed by its owner. */
	void (*disconnected)(void *device);
};

struct vhost_backend;

/* Takes fd over.  -errno leaves it closed, too. */
int vhost_backend_new(uv_loop_t *loop, int fd, const struct vhost_device_ops *ops, void *device,
		      struct vhost_backend **ret) _nodiscard_;
/* Stops every queue (stopped() is called), closes all.  Takes NULL; safe within any of the ops. */
void vhost_backend_free(struct vhost_backend *backend);

#endif
