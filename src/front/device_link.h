/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The front's end of the channel by which its device outlives it (channel/device_control.h): brings
 * sessions to the device, and the device's steps to the supervisor.
 */
#ifndef FRONT_DEVICE_LINK_H
#define FRONT_DEVICE_LINK_H

#include <uv.h>

#include "base/cleanup.h"
#include "front/vhost/vsock_device.h"

struct device_link;

/*
 * Takes the socket over, also when this fails.  failed: the supervisor cannot be reached any more
 * (-errno, or 0: it has hung up); the last call, from the loop.
 */
int device_link_new(uv_loop_t *loop, int fd, struct vsock_device *device,
		    void (*failed)(void *context, int result), void *context,
		    struct device_link **ret) _nodiscard_;
void device_link_free(struct device_link *link); /* NULL */

/* The device's session is over. */
void device_link_end(struct device_link *link);

#endif
