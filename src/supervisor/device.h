/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A guest's built-in device, as far as it outlives the front that serves it: the VMM's session, by the
 * steps of channel/device_control.h.  Nothing here looks at what a VMM or a guest has written.
 */
#ifndef SUPERVISOR_DEVICE_H
#define SUPERVISOR_DEVICE_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "base/cleanup.h"
#include "supervisor/takeover.h"

struct device;

/* name: the guest's, for the log, outlives the device.  broke: the front breaks the rules. */
int device_new(uv_loop_t *loop, const char *name, uint64_t connections_max,
	       void (*broke)(void *context), void *context, struct device **ret) _nodiscard_;
void device_free(struct device *device); /* NULL */

/* Its fronts may have so many connections from now on.  A session that has begun stays as it is. */
void device_allow_connections(struct device *device, uint64_t connections_max);

/*
 * A VMM has connected; fd is taken over.  It is turned away while another one is there, but for one
 * that has hung up already: then it waits until the front has found that out.
 */
void device_vmm(struct device *device, int fd);

/* Whether a VMM is connected that has not hung up. */
bool device_has_vmm(const struct device *device);

/*
 * A channel for a front that has just been started, which gets the session there is.  The channel of
 * the front before must be closed.
 */
int device_open_channel(struct device *device, int *ret_front_fd) _nodiscard_;
/* The front's process has ended: takes in what it had sent. */
void device_close_channel(struct device *device);

/* Fills in what the next tensockd needs of it: all but the names. */
void device_save(const struct device *device, struct takeover_device *ret);

/* Goes on with the session, and the front's channel, of the tensockd before, whose fds are taken over. */
int device_adopt(struct device *device, struct takeover_device *saved) _nodiscard_;

#endif
