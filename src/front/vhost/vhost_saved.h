/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a VMM has said in its session so far, beside fds, as it is kept for the next process: all but
 * what the ledger has.  And the numbers of the fds that are kept with it.
 */
#ifndef VHOST_VHOST_SAVED_H
#define VHOST_VHOST_SAVED_H

#include <stdint.h>

#include "base/cleanup.h"
#include "channel/device_control.h"
#include "front/vhost/backend.h"
#include "front/vhost/guest_memory.h"
#include "front/vhost/vhost_user.h"

/* The fd of region i has the number i, that of a queue's kick VHOST_FD_KICK + the queue ... */
enum {
	VHOST_FD_KICK = GUEST_MEMORY_REGIONS_MAX,
	VHOST_FD_CALL = VHOST_FD_KICK + VHOST_QUEUES_MAX,
	VHOST_FD_ERR = VHOST_FD_CALL + VHOST_QUEUES_MAX,
	VHOST_FD_END = VHOST_FD_ERR + VHOST_QUEUES_MAX
};

enum vhost_saved_kick {
	VHOST_SAVED_NO_KICK,
	VHOST_SAVED_KICK_FD,
	VHOST_SAVED_POLLED, /* the VMM has said that there is no fd */
};

struct vhost_saved_queue {
	uint32_t size;
	uint8_t has_addr, enabled, kick; /* kick: enum vhost_saved_kick */
	uint8_t reserved;
	struct vhost_user_addr addr;
};

struct vhost_saved {
	uint32_t
		version; /* VHOST_SAVED_VERSION; append only, below another version nothing is read */
	uint32_t features_known;
	uint64_t features;
	uint32_t regions_used; /* bit i: regions[i] is there */
	uint32_t reserved;
	struct guest_region regions[GUEST_MEMORY_REGIONS_MAX];
	struct vhost_saved_queue queues[VHOST_QUEUES_MAX];
};

#define VHOST_SAVED_VERSION 1u

/* Checks what was kept; -EPROTO: it is no such state. */
int vhost_saved_load(const void *bytes, uint32_t size, struct vhost_saved *ret) _nodiscard_;

/* The number of region, or a free one; -1: there is none. */
int vhost_saved_find(const struct vhost_saved *saved, const struct guest_region *region);
int vhost_saved_free_number(const struct vhost_saved *saved);

#endif
