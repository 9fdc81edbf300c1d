/* SPDX-License-Identifier: Apache-2.0 */
#include "front/vhost/vsock_hold.h"

void vsock_hold_add(struct vsock_hold *hold, unsigned pieces)
{
	hold->pieces += pieces;
}

static void forget(struct vsock_hold *hold)
{
	hold->pieces = 0;
	hold->deadline_ns = 0;
}

static void waited_for(struct vsock_hold *hold)
{
	if (++hold->vain < VSOCK_HOLD_VAIN)
		return;
	hold->vain = 0;
	hold->pause = VSOCK_HOLD_PAUSE;
}

bool vsock_hold_waits(struct vsock_hold *hold, uint64_t now_ns)
{
	if (hold->pause) {
		hold->pause--;
	} else if (hold->deadline_ns && now_ns >= hold->deadline_ns) {
		waited_for(hold);
	} else if (hold->pieces < VSOCK_HOLD_PIECES_MAX) {
		if (hold->deadline_ns == 0)
			hold->deadline_ns = now_ns + VSOCK_HOLD_NS;
		return true;
	}
	forget(hold);
	return false;
}

void vsock_hold_drop(struct vsock_hold *hold)
{
	if (hold->deadline_ns)
		hold->vain = 0;
	forget(hold);
}

uint64_t vsock_hold_deadline_ns(const struct vsock_hold *hold)
{
	return hold->deadline_ns ? hold->deadline_ns : UINT64_MAX;
}
