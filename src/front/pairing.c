/* SPDX-License-Identifier: Apache-2.0 */
#include "front/pairing.h"

#include <errno.h>

#include "front/handle.h"

/* How long they stay before the kernel is asked again. */
#define STAY_MS 20u

int pairing_init(struct pairing *pairing, uv_loop_t *loop)
{
	affinity_init(&pairing->affinity);
	pairing->timer = handle_timer_new(loop, pairing);
	return pairing->timer ? 0 : -ENOMEM;
}

void pairing_done(struct pairing *pairing)
{
	handle_free(TAKE_PTR(pairing->timer));
}

static void on_time(uv_timer_t *timer)
{
	struct pairing *pairing = timer->data;

	affinity_bind(&pairing->affinity, 0);
}

uint32_t pairing_choose(struct pairing *pairing, bool is_wanted)
{
	struct affinity *own = &pairing->affinity;

	if (is_wanted == (own->cpu > 0))
		return own->cpu;
	affinity_bind(own, is_wanted ? affinity_here() : 0);
	if (own->cpu)
		uv_timer_start(pairing->timer, on_time, STAY_MS, 0);
	else
		uv_timer_stop(pairing->timer);
	return own->cpu;
}
