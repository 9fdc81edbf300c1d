/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Long computations of the loop's own thread, cut into slices: one slice a turn of the loop, the
 * pieces of work taking turns, so that no connection waits longer than a slice.
 */
#ifndef FRONT_WORK_H
#define FRONT_WORK_H

#include <stdbool.h>
#include <sys/queue.h>
#include <uv.h>

#include "base/cleanup.h"

/* Embedded in what is computed.  Zeroed but for step until it is added. */
struct work {
	TAILQ_ENTRY(work) entry;
	bool is_queued;
	/*
	 * Computes for at most a few milliseconds.  True: again later.  False: the end; may free
	 * it.
	 */
	bool (*step)(struct work *work);
};

struct work_queue {
	TAILQ_HEAD(work_list, work) waiting;
	uv_idle_t *idle;
};

int work_queue_init(struct work_queue *queue, uv_loop_t *loop) _nodiscard_;
void work_queue_done(struct work_queue *queue);

void work_add(struct work_queue *queue, struct work *work);

/* Also of work that is not queued; never from its own step. */
void work_remove(struct work_queue *queue, struct work *work);

#endif
