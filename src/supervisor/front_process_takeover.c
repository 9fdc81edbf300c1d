/* SPDX-License-Identifier: Apache-2.0 */
/* Fronts, and the workers that they have, go from one tensockd to the next. */
#include "supervisor/front_process_internal.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#include "base/clock.h"

static int save(const struct front_process *front, struct takeover *takeover)
{
	struct takeover_record *record = takeover_add(takeover, TAKEOVER_FRONT);
	const struct worker_process *worker = front->workers;
	const struct waiting_fd *waiting;

	if (!record)
		return -ENOMEM;
	record->front = (struct takeover_front){
		.pid = front->child.pid,
		.fd = front->fd,
		.workers_max = front->workers_max,
		.has_device = front->has_device,
		.run_deadline_ms = front->run_deadline_ms,
		.memory_bytes_max = front->memory_bytes_max,
		.n_sent = front->n_sent,
		.has_answer = front->has_answer,
		.answer_type = front->answer.type,
		.answer_result = front->answer.result,
		.answer_id = front->answer.id,
		.answer_value = front->answer.value,
		.answer_fd = front->has_answer ? front->answer_fd : -1,
	};
	memcpy(record->front.name, front->name, sizeof(front->name));
	for (; worker; worker = worker->next) {
		record = takeover_add(takeover, TAKEOVER_WORKER);
		if (!record)
			return -ENOMEM;
		record->worker = (struct takeover_worker){ .pid = worker->child.pid,
							   .id = worker->id,
							   .has_exited = worker->has_exited,
							   .wait_status = worker->wait_status };
	}
	STAILQ_FOREACH(waiting, &front->waiting, entry)
	{
		/* Anything else is this front's own, and the next one gets another. */
		if (waiting->type != FRONT_CONNECTION && waiting->type != FRONT_HOST_STREAM)
			continue;
		record = takeover_add(takeover, TAKEOVER_WAITING);
		if (!record)
			return -ENOMEM;
		record->waiting =
			(struct takeover_waiting){ .msg_type = waiting->type, .fd = waiting->fd };
	}
	return 0;
}

int front_process_save_all(const struct launcher *launcher, struct takeover *takeover)
{
	int r = 0;

	for (const struct child *child = launcher->children.first; child && r == 0;
	     child = child->next) {
		const struct front_process *front = (const struct front_process *)child;

		if (child->exited == front_process_exited && front->fd >= 0)
			r = save(front, takeover);
	}
	return r;
}

static int adopt_worker(struct front_process *front, const struct takeover_worker *saved)
{
	struct worker_process *worker = calloc(1, sizeof(*worker));

	if (!worker)
		return -ENOMEM;
	worker->child.pid = saved->pid;
	worker->child.exited = worker_process_exited;
	worker->front = front;
	worker->id = saved->id;
	worker->has_exited = saved->has_exited;
	worker->wait_status = saved->wait_status;
	worker->next = front->workers;
	front->workers = worker;
	front->n_workers++;
	if (!worker->has_exited)
		children_add(&front->launcher->children, &worker->child);
	return 0;
}

static struct front_process *restore(struct launcher *launcher, struct takeover_front *saved)
{
	struct front_process *front = calloc(1, sizeof(*front));

	if (!front)
		return NULL;
	STAILQ_INIT(&front->waiting);
	front->launcher = launcher;
	front->uds = "";
	front->workers_max = saved->workers_max;
	front->has_device = saved->has_device;
	front->run_deadline_ms = saved->run_deadline_ms;
	front->memory_bytes_max = saved->memory_bytes_max;
	front->started_ns = tsk_now_ns();
	front->n_sent = saved->n_sent;
	front->has_answer = saved->has_answer;
	front->answer = (struct front_msg){ .type = saved->answer_type,
					    .result = saved->answer_result,
					    .id = saved->answer_id,
					    .value = saved->answer_value };
	front->answer_fd = TAKE_FD(saved->answer_fd);
	front->fd = TAKE_FD(saved->fd);
	front->child.pid = saved->pid;
	front->child.exited = front_process_exited;
	memcpy(front->name, saved->name, sizeof(front->name));
	return front;
}

int front_process_adopt(struct launcher *launcher, struct takeover_record *record,
			unsigned n_workers, const struct front_process_ops *ops, void *context,
			struct front_process **ret)
{
	struct front_process *front = restore(launcher, &record->front);
	int r = front ? front_process_watch(front) : -ENOMEM;

	for (unsigned i = 1; i <= n_workers && r == 0; i++)
		r = adopt_worker(front, &record[i].worker);
	if (r < 0) {
		kill(record->front.pid, SIGKILL);
		if (front)
			front_process_free(front);
		return r;
	}
	front->ops = ops;
	front->context = context;
	front_process_watch_memory(front);
	children_add(&launcher->children, &front->child);
	front_process_send_waiting(front);
	*ret = front;
	return 0;
}
