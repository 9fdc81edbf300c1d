/* SPDX-License-Identifier: Apache-2.0 */
#include "front/vhost/vhost_saved.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

static_assert(VHOST_FD_END <= DEVICE_FDS_MAX, "more fds than numbers");
static_assert(sizeof(struct vhost_saved) <= DEVICE_STATE_MAX, "more state than is kept");
static_assert(sizeof(struct vhost_saved) ==
		      24 + GUEST_MEMORY_REGIONS_MAX * sizeof(struct guest_region) +
			      VHOST_QUEUES_MAX * sizeof(struct vhost_saved_queue),
	      "vhost_saved has padding, which would leak");

int vhost_saved_load(const void *bytes, uint32_t size, struct vhost_saved *ret)
{
	if (size != sizeof(*ret))
		return -EPROTO;
	memcpy(ret, bytes, sizeof(*ret));
	if (ret->version != VHOST_SAVED_VERSION)
		return -EPROTO;
	for (unsigned q = 0; q < VHOST_QUEUES_MAX; q++) {
		if (ret->queues[q].kick > VHOST_SAVED_POLLED || ret->queues[q].addr.index != q)
			return -EPROTO;
	}
	return 0;
}

static bool is_used(const struct vhost_saved *saved, unsigned i)
{
	return saved->regions_used & UINT32_C(1) << i;
}

int vhost_saved_find(const struct vhost_saved *saved, const struct guest_region *region)
{
	for (unsigned i = 0; i < GUEST_MEMORY_REGIONS_MAX; i++) {
		const struct guest_region *have = &saved->regions[i];

		if (is_used(saved, i) && have->guest_addr == region->guest_addr &&
		    have->size == region->size && have->user_addr == region->user_addr)
			return (int)i;
	}
	return -1;
}

int vhost_saved_free_number(const struct vhost_saved *saved)
{
	return ~saved->regions_used ? __builtin_ctz(~saved->regions_used) : -1;
}
