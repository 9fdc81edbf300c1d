/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Binds a thread to a CPU for a while, and lets it go again to wherever it might run before.  One
 * thread's; threads that it starts meanwhile are bound as it is.
 */
#ifndef TSK_AFFINITY_H
#define TSK_AFFINITY_H

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>

struct affinity {
	cpu_set_t all;     /* where the thread might run at its beginning */
	uint32_t cpu;      /* 1 + the one that it is bound to; 0: to none */
	uint64_t bound_ns; /* when that was last changed to another than 0 */
	bool is_off;       /* there is nothing to choose, or the kernel lets us not */
};

/* Of the calling thread, which is bound to none. */
void affinity_init(struct affinity *affinity);

/*
 * Binds the calling thread to CPU `cpu` - 1; 0, or one where it may not run: to none.  It is bound no
 * more often than every few milliseconds: in between nothing is done, but that 0 holds at once.
 */
void affinity_bind(struct affinity *affinity, uint32_t cpu);

/* 1 + the CPU that the caller runs on; 0: not known. */
uint32_t affinity_here(void);

#endif
