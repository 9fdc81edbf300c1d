/* SPDX-License-Identifier: Apache-2.0 */
#include "front/vhost/vsock_hold.h"

#include <stddef.h>

/*
 * Until it is shown, a chain would be taken a second time by whoever takes the queue over when this
 * process dies.  With data that does not matter: its connection is lost then.
 */
static bool may_wait(const struct vsock_header *header)
{
	return !header || header->op == VSOCK_OP_RW || header->op == VSOCK_OP_CREDIT_UPDATE;
}

void vsock_hold_add(struct vsock_hold *hold, unsigned pieces, const struct vsock_header *header)
{
	hold->pieces += pieces;
	hold->urgent |= !may_wait(header);
}

bool vsock_hold_waits(struct vsock_hold *hold, bool given, uint64_t now_ns)
{
	bool wait = hold->pieces && !hold->urgent && !given &&
		    hold->pieces < VSOCK_HOLD_PIECES_MAX && hold->pause == 0 &&
		    (hold->deadline_ns == 0 || now_ns < hold->deadline_ns);

	if (wait) {
		if (hold->deadline_ns == 0)
			hold->deadline_ns = now_ns + VSOCK_HOLD_NS;
		return true;
	}
	if (hold->pieces && hold->pause)
		hold->pause--;
	hold->pieces = 0;
	hold->urgent = false;
	hold->deadline_ns = 0;
	return false;
}

uint64_t vsock_hold_deadline_ns(const struct vsock_hold *hold)
{
	return hold->deadline_ns ? hold->deadline_ns : UINT64_MAX;
}

void vsock_hold_expired(struct vsock_hold *hold)
{
	hold->pause = VSOCK_HOLD_PAUSE;
}

void vsock_hold_reset(struct vsock_hold *hold)
{
	*hold = (struct vsock_hold){ 0 };
}
