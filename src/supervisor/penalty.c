/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/penalty.h"

#include "base/clock.h"

#define PERIOD_NS (60 * TSK_NS_PER_SEC)

static uint64_t begin(struct penalty *penalty, uint64_t now_ns)
{
	uint64_t ms = PENALTY_FIRST_MS;

	if (now_ns - penalty->until_ns >= PENALTY_FORGET_MS * TSK_NS_PER_MS)
		penalty->in_a_row = 0;
	for (unsigned i = 0; i < penalty->in_a_row && ms < PENALTY_MOST_MS; i++)
		ms *= 2;
	if (ms > PENALTY_MOST_MS)
		ms = PENALTY_MOST_MS;
	penalty->in_a_row++;
	penalty->until_ns = now_ns + ms * TSK_NS_PER_MS;
	return ms;
}

uint64_t penalty_crash(struct penalty *penalty, unsigned weight, uint64_t max, uint64_t now_ns)
{
	bool is_free = true;

	if (!max)
		return 0;
	for (unsigned i = 0; i < weight && is_free; i++)
		is_free = rate_take(&penalty->crashes, max, PERIOD_NS, now_ns);
	/* What crashes during a penalty was started before it. */
	return is_free || now_ns < penalty->until_ns ? 0 : begin(penalty, now_ns);
}

uint64_t penalty_left_ms(const struct penalty *penalty, uint64_t now_ns)
{
	if (now_ns >= penalty->until_ns)
		return 0;
	return (penalty->until_ns - now_ns - 1) / TSK_NS_PER_MS + 1;
}
