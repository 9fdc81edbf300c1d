/* SPDX-License-Identifier: Apache-2.0 */
#include "front/workers.h"

#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "base/log.h"
#include "front/handle.h"

/* How long a spare waits at least, however soon an idle model has to go. */
#define SPARE_IDLE_MIN_MS 500u

static void reap_all(struct workers *workers)
{
	struct worker_link *link;

	TAILQ_FOREACH(link, &workers->list, entry)
	(void)worker_run_reap(link);
}

static void on_turn(uv_idle_t *idle)
{
	uv_idle_stop(idle);
}

/*
 * Before the loop blocks.  First every answer is handled, which may put requests into any ring;
 * only then the doorbells, once a turn, and the word that we sleep.
 */
static void on_prepare(uv_prepare_t *prepare)
{
	struct workers *workers = prepare->data;
	struct worker_link *link;
	bool must_not_block = false;

	reap_all(workers);
	TAILQ_FOREACH(link, &workers->list, entry)
	must_not_block |= worker_link_before_sleep(link);
	if (must_not_block)
		uv_idle_start(workers->idle, on_turn);
}

static void on_check(uv_check_t *check)
{
	struct workers *workers = check->data;
	struct worker_link *link;

	TAILQ_FOREACH(link, &workers->list, entry)
	worker_link_after_sleep(link);
	reap_all(workers);
}

static int start_handles(struct workers *workers)
{
	workers->prepare = handle_prepare_new(workers->loop, workers);
	workers->check = handle_check_new(workers->loop, workers);
	workers->idle = handle_idle_new(workers->loop, workers);
	workers->spare_timer = handle_timer_new(workers->loop, workers);
	workers->look_timer = handle_timer_new(workers->loop, workers);
	if (!workers->prepare || !workers->check || !workers->idle || !workers->spare_timer ||
	    !workers->look_timer)
		return -ENOMEM;
	uv_prepare_start(workers->prepare, on_prepare);
	uv_check_start(workers->check, on_check);
	return 0;
}

static struct worker_link *find(struct workers *workers, uint64_t id)
{
	struct worker_link *link;

	TAILQ_FOREACH(link, &workers->list, entry)
	{
		if (link->id == id)
			return link;
	}
	return NULL;
}

static void forget_buffer(void *context, const struct buffer *buffer)
{
	struct worker_link *link = find(context, buffer->known_by);

	if (link)
		worker_link_forget(link, buffer);
}

void workers_forget_region(void *context, uint32_t number)
{
	struct workers *workers = context;
	struct worker_link *link;

	TAILQ_FOREACH(link, &workers->list, entry)
	worker_foreign_forget(link, number);
}

static void want_look(void *context);

static void on_look(uv_timer_t *timer)
{
	struct workers *workers = timer->data;

	if (buffer_pool_look(&workers->buffers))
		want_look(workers);
}

static void want_look(void *context)
{
	struct workers *workers = context;

	uv_timer_start(workers->look_timer, on_look, BUFFER_POOL_LOOK_MS, 0);
}

int workers_buffer(struct workers *workers, const struct worker_link *link, uint64_t bytes,
		   struct buffer **ret)
{
	return buffer_pool_take(&workers->buffers, link ? link->id : 0, bytes, ret);
}

int workers_new(uv_loop_t *loop, struct supervisor_link *supervisor, struct work_queue *work,
		struct account *account, const struct front_start *limits, struct workers **ret)
{
	struct workers *workers = calloc(1, sizeof(*workers));

	if (!workers)
		return -ENOMEM;
	workers->loop = loop;
	workers->supervisor = supervisor;
	workers->work = work;
	workers->account = account;
	workers->limits = limits;
	TAILQ_INIT(&workers->list);
	buffer_pool_init(&workers->buffers, account, forget_buffer, workers);
	workers->buffers.want_look = want_look;
	if (limits->flight_bytes_max)
		workers->buffers.used_bytes_max = limits->flight_bytes_max;
	if (pairing_init(&workers->pairing, loop) < 0 || start_handles(workers) < 0) {
		workers_free(workers);
		return -ENOMEM;
	}
	*ret = workers;
	return 0;
}

void workers_free(struct workers *workers)
{
	struct worker_link *link;

	if (!workers)
		return;
	while ((link = TAILQ_FIRST(&workers->list))) {
		TAILQ_REMOVE(&workers->list, link, entry);
		worker_link_free(link);
	}
	buffer_pool_done(&workers->buffers);
	handle_free(workers->look_timer);
	pairing_done(&workers->pairing);
	handle_free(workers->prepare);
	handle_free(workers->check);
	handle_free(workers->idle);
	handle_free(workers->spare_timer);
	free(workers);
}

static int add(struct workers *workers, struct worker_link **ret)
{
	struct worker_link *link;
	int r;

	if (workers->n >= workers->limits->workers_max)
		return -EBUSY;
	r = worker_link_new(workers, workers->last_id + 1, &link);
	if (r < 0)
		return r;
	workers->last_id++;
	workers->n++;
	TAILQ_INSERT_TAIL(&workers->list, link, entry);
	*ret = link;
	return 0;
}

void workers_forget_spare(struct workers *workers, struct worker_link *link)
{
	if (workers->spare != link)
		return;
	workers->spare = NULL;
	uv_timer_stop(workers->spare_timer);
}

/* No model came for it. */
static void on_spare_idle(uv_timer_t *timer)
{
	struct workers *workers = timer->data;

	if (workers->spare)
		worker_link_close(workers->spare);
}

void workers_expect(struct workers *workers)
{
	uint64_t idle_ms = workers->limits->model_idle_ms;
	struct worker_link *link;

	/* What fails here fails again, with someone to tell, when the model is to be loaded. */
	if (workers->spare || add(workers, &link) < 0)
		return;
	workers->spare = link;
	uv_timer_start(workers->spare_timer, on_spare_idle,
		       idle_ms > SPARE_IDLE_MIN_MS ? idle_ms : SPARE_IDLE_MIN_MS, 0);
}

int workers_load(struct workers *workers, const struct worker_model *model,
		 const struct worker_user_ops *ops, void *user, struct worker_link **ret)
{
	struct worker_link *link = workers->spare;
	int r = link ? 0 : add(workers, &link);

	if (r < 0)
		return r;
	*ret = link;
	worker_link_load(link, model, ops, user);
	return 0;
}

void workers_remove(struct workers *workers, struct worker_link *link)
{
	TAILQ_REMOVE(&workers->list, link, entry);
	workers->n--;
	worker_link_free(link);
	if (workers->room)
		workers->room(workers->room_context);
}

bool workers_are_there(const struct workers *workers, const void *user, uint64_t up_to_id)
{
	const struct worker_link *link;

	TAILQ_FOREACH(link, &workers->list, entry)
	{
		if (link->user == user && link->id <= up_to_id)
			return true;
	}
	return false;
}

void workers_spawned(struct workers *workers, uint64_t id, int result, uint64_t wait_ms, int fd)
{
	struct worker_link *link = find(workers, id);

	if (!link || link->is_process) {
		tsk_close(fd);
		return;
	}
	worker_link_spawned(link, result, wait_ms, fd);
}

/*
 * Whether it ended by what it did.  SIGKILL, and what is sent to ask a process to end, come from
 * outside: from an operator, the kernel that is out of memory, or us, and then the reason is known.
 */
static bool has_died_by_itself(int wait_status)
{
	if (!WIFSIGNALED(wait_status))
		return true;
	switch (WTERMSIG(wait_status)) {
	case SIGKILL:
	case SIGTERM:
	case SIGINT:
	case SIGHUP:
	case SIGQUIT:
		return false;
	default:
		return true;
	}
}

void workers_exited(struct workers *workers, uint64_t id, uint64_t value)
{
	struct worker_link *link = find(workers, id);
	int wait_status = (int)(uint32_t)value;

	if (!link || !link->is_process)
		return;
	if (WIFSIGNALED(wait_status) && WTERMSIG(wait_status) == SIGSYS)
		tsk_warning("worker %" PRIu64 " made a call that no worker makes, and was ended "
			    "(%" PRIu64 " so far)",
			    id, ++workers->n_attacks);
	else if (WIFSIGNALED(wait_status))
		tsk_info("worker %" PRIu64 " was ended by signal %d (%s)", id,
			 WTERMSIG(wait_status), strsignal(WTERMSIG(wait_status)));
	else
		tsk_debug("worker %" PRIu64 " exited with %d", id, WEXITSTATUS(wait_status));
	worker_link_exited(link, value);
	if (link->is_blame_due && has_died_by_itself(wait_status) && workers->died)
		workers->died(workers->room_context, link->blamed);
	/* An exit that looks well is a crash as well, in the middle of its work: only we know that. */
	if (link->is_blame_due && wait_status == 0)
		(void)!supervisor_send(workers->supervisor, FRONT_KILL, id, FRONT_KILL_ROGUE);
	workers_remove(workers, link);
}
