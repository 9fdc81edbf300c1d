/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The vhost-user back end: the VMM's socket, its messages, the memory table and the rings, for one
 * device.  The device behind it (front/vhost/vsock_device.h) sees only started queues and kicks.
 * A VMM that breaks the protocol is disconnected; nothing of its session stays.
 *
 * A session may outlive the process: each message is taken in one step of a keeper
 * (channel/device_control.h), and a back end in another process goes on from what was kept.
 */
#ifndef VHOST_BACKEND_H
#define VHOST_BACKEND_H

#include <stdint.h>
#include <uv.h>

#include "base/cleanup.h"
#include "channel/device_control.h"
#include "front/vhost/ledger.h"
#include "front/vhost/vring.h"

#define VHOST_QUEUES_MAX 3u /* rx, tx, event; QEMU hands over the first two */

/* How a queue starts, seen from where it last stopped in this session and process. */
enum vhost_begin {
	VHOST_BEGINS_ANEW, /* it never stopped, or is another one now: the driver has begun anew */
	VHOST_BEGINS_UNUSED, /* as it stopped, but that was at 0, where a new one starts, too */
	VHOST_BEGINS_AGAIN,  /* as it stopped: same place, size, addresses and features */
};

/* What the back end asks of its device.  All called from the loop. */
struct vhost_device_ops {
	uint64_t features; /* device-type feature bits offered, beside the transport's own */

	/* Copies the config space from offset; bytes beyond its end are zero. */
	void (*config)(void *device, uint32_t offset, void *ret, uint32_t len);

	/* The driver's feature bits, before any queue runs by them.  May be NULL. */
	void (*acknowledged)(void *device, uint64_t features);

	/* Queue q runs from now on; ring is valid until stopped(q). */
	void (*started)(void *device, unsigned q, struct vring *ring, enum vhost_begin begin);
	/* The driver kicked q (perhaps for nothing), or the queue has just been started. */
	void (*kicked)(void *device, unsigned q);
	/* Queue q has ended; ring must not be touched any more.  It may start again there. */
	void (*stopped)(void *device, unsigned q);
	/* The VMM is gone; all queues are stopped already.  The back end is freed by its owner. */
	void (*disconnected)(void *device);
};

/* Who makes steps last. */
struct vhost_keeper {
	/*
	 * Keeps *step and the fds that go with it, which stay the caller's, and does
	 * device_step_answer().  1: done; 0: vhost_backend_stepped() will be called; or -errno.
	 */
	int (*step)(void *context, const struct device_msg *step, const int *fds);
	void *context;
};

/* A session of a VMM, from its beginning or from where another process left it. */
struct vhost_session {
	int fd;                   /* the VMM's socket */
	int kept[DEVICE_FDS_MAX]; /* by number, -1: none */
	const void *state;        /* as kept; hostile */
	uint32_t state_bytes;     /* 0: it begins */
	struct ledger *ledger;    /* stays the caller's; NULL: nobody goes on after us */
	struct vhost_keeper keeper;
};

/* Closes its fds; the ledger stays. */
void vhost_session_close(struct vhost_session *session);

struct vhost_backend;

/*
 * Takes the fds of *session over, also on failure; -EPROTO: its state makes no sense.  What was
 * running runs only from vhost_backend_resume() on.
 */
int vhost_backend_new(uv_loop_t *loop, struct vhost_session *session,
		      const struct vhost_device_ops *ops, void *device, struct vhost_backend **ret)
	_nodiscard_;
/* Starts the queues of a session that is gone on with.  Call it once.  -ENOMEM: some do not run. */
int vhost_backend_resume(struct vhost_backend *backend);
/* The keeper has done a step, or (-errno) the VMM cannot be answered. */
void vhost_backend_stepped(struct vhost_backend *backend, int result);
/* Stops every queue (stopped() is called), closes all.  Takes NULL; safe within any of the ops. */
void vhost_backend_free(struct vhost_backend *backend);

#endif
