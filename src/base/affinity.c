/* SPDX-License-Identifier: Apache-2.0 */
#include "base/affinity.h"

#include "base/clock.h"

/* A move costs some ten microseconds, and what is in the caches. */
#define REST_NS (5 * TSK_NS_PER_MS)

void affinity_init(struct affinity *affinity)
{
	*affinity = (struct affinity){ 0 };
	affinity->is_off = sched_getaffinity(0, sizeof(affinity->all), &affinity->all) < 0 ||
			   CPU_COUNT(&affinity->all) < 2;
}

static void change(struct affinity *a, uint32_t cpu)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	if (cpu)
		CPU_SET(cpu - 1, &one);
	if (sched_setaffinity(0, sizeof(one), cpu ? &one : &a->all) < 0)
		a->is_off = true;
	else
		a->cpu = cpu;
}

void affinity_bind(struct affinity *affinity, uint32_t cpu)
{
	struct affinity *a = affinity;
	uint64_t now_ns;

	if (cpu > CPU_SETSIZE || (cpu && !CPU_ISSET(cpu - 1, &a->all)))
		cpu = 0;
	if (a->is_off || cpu == a->cpu)
		return;
	if (cpu) {
		now_ns = tsk_now_ns();
		if (a->bound_ns && now_ns - a->bound_ns < REST_NS)
			return;
		a->bound_ns = now_ns;
	}
	change(a, cpu);
}

uint32_t affinity_here(void)
{
	int cpu = sched_getcpu();

	return cpu < 0 ? 0 : (uint32_t)cpu + 1;
}
