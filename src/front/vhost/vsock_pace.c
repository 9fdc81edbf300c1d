/* SPDX-License-Identifier: Apache-2.0 */
#include "front/vhost/vsock_pace.h"

bool vsock_pace_ask_due(const struct vsock_pace *pace, uint32_t sent)
{
	return !pace->asking && sent - pace->passed >= VSOCK_PACE_ASK_BYTES;
}

void vsock_pace_asked(struct vsock_pace *pace, uint32_t sent)
{
	pace->asked = sent;
	pace->asking = true;
}

void vsock_pace_answered(struct vsock_pace *pace)
{
	if (!pace->asking)
		return;
	pace->passed = pace->asked;
	pace->asking = false;
	pace->answers = true;
}

uint32_t vsock_pace_left(const struct vsock_pace *pace, uint32_t sent)
{
	uint32_t under_way = sent - pace->passed;

	if (!pace->answers)
		return UINT32_MAX;
	return under_way < VSOCK_PACE_BYTES ? VSOCK_PACE_BYTES - under_way : 0;
}
