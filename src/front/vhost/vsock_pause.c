/* SPDX-License-Identifier: Apache-2.0 */
#include "front/vhost/vsock_pause.h"

void vsock_pause_begin(struct vsock_pause *pause, uint64_t clock_ns)
{
	if (pause->on)
		return;
	pause->on = true;
	pause->since_ns = clock_ns;
	pause->unused[0] = pause->unused[1] = false;
}

void vsock_pause_end(struct vsock_pause *pause, uint64_t clock_ns)
{
	if (!pause->on)
		return;
	pause->on = false;
	pause->skipped_ns += clock_ns - pause->since_ns;
}

enum vsock_pause_verdict vsock_pause_started(struct vsock_pause *pause, unsigned q,
					     enum vhost_begin begin, bool both)
{
	if (!pause->on)
		return VSOCK_PAUSE_OPEN;
	if (begin == VHOST_BEGINS_ANEW)
		return VSOCK_PAUSE_NEW;
	pause->unused[q] = begin == VHOST_BEGINS_UNUSED;
	if (!both)
		return VSOCK_PAUSE_OPEN;
	/* A new driver begins at 0 with both; an old one need not have used either. */
	return pause->unused[0] && pause->unused[1] ? VSOCK_PAUSE_NEW : VSOCK_PAUSE_OVER;
}

uint64_t vsock_pause_time_ns(const struct vsock_pause *pause, uint64_t clock_ns)
{
	return (pause->on ? pause->since_ns : clock_ns) - pause->skipped_ns;
}
