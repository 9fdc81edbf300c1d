/* SPDX-License-Identifier: Apache-2.0 */
#include "front/vhost/vsock_window.h"

#define BYTES_A_MESSAGE 1024u /* of the guest's buffer: well above what Linux counts */

static uint32_t limit(const struct vsock_credit *credit)
{
	uint32_t messages = credit->peer_alloc / BYTES_A_MESSAGE;

	if (messages == 0)
		return 1;
	return messages < VSOCK_WINDOW_MAX ? messages : VSOCK_WINDOW_MAX;
}

bool vsock_window_is_open(const struct vsock_window *window, const struct vsock_credit *credit)
{
	return (uint32_t)window->older + window->newer < limit(credit);
}

int vsock_window_sent(struct vsock_window *window, const struct vsock_credit *credit, bool empty)
{
	window->empties = empty ? window->empties + 1 : 0;
	if (window->empties > VSOCK_WINDOW_EMPTIES_MAX)
		return -ENOBUFS;
	/* In two halves, so that there is room for one while the other is being read. */
	if (window->newer == 0 && window->older < (limit(credit) + 1) / 2) {
		window->older++;
		window->older_end = credit->sent;
	} else {
		window->newer++;
	}
	return 0;
}

static bool has_passed(const struct vsock_credit *credit, uint32_t end)
{
	/* Both counters wrap; they are never further apart than the guest's buffer. */
	return (int32_t)(credit->peer_fwd - end) >= 0;
}

void vsock_window_hear(struct vsock_window *window, const struct vsock_credit *credit)
{
	if (has_passed(credit, window->older_end)) {
		window->older = window->newer;
		window->older_end = credit->sent;
		window->newer = 0;
	}
	if (has_passed(credit, credit->sent))
		window->older = 0;
}
