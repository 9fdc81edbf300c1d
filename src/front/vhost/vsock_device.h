/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The built-in vsock device of one VM: VIRTIO 1.2 §5.10 over front/vhost/backend.h.
 *
 *   guest → CID 2, its ports    a stream of the front's service, in this process
 *   guest → CID 2, other port   the Unix socket PATH_PORT, connected by the supervisor
 *   host  → PATH, "CONNECT n\n" the guest's port n; answered "OK m\n" when the guest accepts
 *
 * The latter two also with seqpacket sockets, for a driver that knows of them.
 */
#ifndef VHOST_VSOCK_DEVICE_H
#define VHOST_VSOCK_DEVICE_H

#include <stdint.h>
#include <uv.h>

#include "base/cleanup.h"
#include "channel/front_control.h"
#include "front/stream.h"
#include "front/vhost/backend.h"

struct vsock_device;

struct vsock_device_config {
	uint64_t guest_cid;
	uint32_t connections_max;
	uint64_t window_bytes_max;     /* see struct vsock_table_config */
	uint32_t pause_ms;             /* how long a driver that has stopped is waited for */
	struct stream_service service;
	uint32_t ports[FRONT_PORTS_MAX]; /* of the service; zeros behind them */
	/*
	 * Asks for a connection to PATH_port, of this SOCK_ type; answered by vsock_device_connected()
	 * with the same id, later, from the loop.  -errno: no way to ask now, the guest gets RST.
	 */
	int (*connect)(void *context, uint64_t id, uint32_t port, int type);
	void *connect_context;
	/* The VMM's session is over, and another may begin. */
	void (*ended)(void *context);
	void *ended_context;
};

int vsock_device_new(uv_loop_t *loop, const struct vsock_device_config *config,
		     struct vsock_device **ret) _nodiscard_;
void vsock_device_free(struct vsock_device *device);

/*
 * A VMM has connected, or the session of one is gone on with: then its guest hears at once that its
 * connections are lost.  The session's fds and its ledger are taken over, also on failure; -EBUSY
 * while there is one.  After -ENOMEM the session may stand half: this front is not to go on with it.
 */
int vsock_device_attach(struct vsock_device *device, struct vhost_session *session) _nodiscard_;
/* See vhost_backend_stepped(). */
void vsock_device_stepped(struct vsock_device *device, int result);

/* A host program has connected to PATH or PATH.seqpacket; fd, of either type, is taken over. */
void vsock_device_host_stream(struct vsock_device *device, int fd);

/* The answer to config->connect: fd (taken over) or -1 and result -errno. */
void vsock_device_connected(struct vsock_device *device, uint64_t id, int result, int fd);

/* Connections that are open or being opened. */
unsigned vsock_device_connections(const struct vsock_device *device);

/* Packets that were dropped because of their addresses. */
uint64_t vsock_device_forged(const struct vsock_device *device);

#endif
