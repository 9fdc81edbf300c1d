/* SPDX-License-Identifier: Apache-2.0 */
#include "front/work.h"

#include <assert.h>

#include "front/handle.h"

int work_queue_init(struct work_queue *queue, uv_loop_t *loop)
{
	TAILQ_INIT(&queue->waiting);
	queue->idle = handle_idle_new(loop, queue);
	return queue->idle ? 0 : -ENOMEM;
}

void work_queue_done(struct work_queue *queue)
{
	handle_free(queue->idle);
	queue->idle = NULL;
}

static void on_turn(uv_idle_t *idle)
{
	struct work_queue *queue = idle->data;
	struct work *work = TAILQ_FIRST(&queue->waiting);

	if (work) {
		work_remove(queue, work);
		if (work->step(work))
			work_add(queue, work);
	}
	if (TAILQ_EMPTY(&queue->waiting))
		uv_idle_stop(idle);
}

void work_add(struct work_queue *queue, struct work *work)
{
	assert(!work->is_queued);
	TAILQ_INSERT_TAIL(&queue->waiting, work, entry);
	work->is_queued = true;
	uv_idle_start(queue->idle, on_turn);
}

void work_remove(struct work_queue *queue, struct work *work)
{
	if (!work->is_queued)
		return;
	TAILQ_REMOVE(&queue->waiting, work, entry);
	work->is_queued = false;
}
