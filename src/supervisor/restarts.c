/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/restarts.h"

#include "base/clock.h"

/* After the nth crash in a row. */
static const uint64_t wait_ms[] = { 50, 200, 1000, 5000 };

void restarts_began(struct restarts *restarts, uint64_t now_ns)
{
	restarts->started_ns = now_ns;
}

uint64_t restarts_failed(struct restarts *restarts)
{
	unsigned n = restarts->crashes++;

	return n < ARRAY_SIZE(wait_ms) ? wait_ms[n] : wait_ms[ARRAY_SIZE(wait_ms) - 1];
}

uint64_t restarts_ended(struct restarts *restarts, uint64_t now_ns)
{
	if (now_ns - restarts->started_ns >= RESTARTS_STEADY_MS * TSK_NS_PER_MS)
		restarts->crashes = 0;
	return restarts_failed(restarts);
}
