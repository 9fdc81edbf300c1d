/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/inbox.h"

#include <errno.h>
#include <poll.h>
#include <sys/epoll.h>

#include "base/clock.h"

/* From here on a run is worth a helper: what calling it takes is a tenth to a quarter of this. */
#define LONG_RUN_NS UINT64_C(150000)
#define RUN_NS_MAX (4 * LONG_RUN_NS)

/* When the front has gone, unloading the model and closing the engines may take so long. */
#define END_MS 5000

static void cancel(struct inbox *inbox, uint64_t request_id)
{
	const struct tensock_engine *engine = inbox->model ? inbox->model->plugin->engine : NULL;
	uint64_t run_id = line_cancel(&inbox->line, request_id);

	if (run_id && TENSOCK_HAS(engine, cancel))
		engine->cancel(inbox->model->handle, run_id);
}

/* Takes from the ring what fits into the line. */
static void drain(struct inbox *inbox)
{
	struct run_entry entry;

	while (inbox->in && line_has_room(&inbox->line) && ring_pop(inbox->in, &entry)) {
		if (entry.type == RUN_CANCEL)
			cancel(inbox, entry.request_id);
		else
			line_add(&inbox->line, &entry);
	}
}

/*
 * Sends the answers whose turn it is.  True: the front is to be rung for, which may be done without
 * the mutex.  The ring is full only while the front has more than RING_ENTRIES requests under way
 * and reads none of the answers: then is_stuck() holds until a later call.
 */
static bool publish(struct inbox *inbox)
{
	struct job *job;
	bool rings = false;

	while ((job = line_answered(&inbox->line)) && ring_push(inbox->out, &job->done)) {
		line_tell(&inbox->line);
		rings = true;
	}
	if (inbox->out && inbox->out->broken)
		inbox->hung_up = true;
	return rings;
}

static bool is_stuck(struct inbox *inbox)
{
	return line_answered(&inbox->line) && !inbox->hung_up;
}

/* The mutex is held before and after. */
static void wait_for_room(struct inbox *inbox)
{
	bool rings;

	pthread_mutex_unlock(&inbox->mutex);
	/* A millisecond, by a call that a sealed worker has. */
	poll(NULL, 0, 1);
	pthread_mutex_lock(&inbox->mutex);
	rings = publish(inbox);
	if (rings)
		ring_ring(inbox->out);
}

static void unlock(struct inbox *inbox, bool rings)
{
	struct ring *out = inbox->out;

	pthread_mutex_unlock(&inbox->mutex);
	if (rings)
		ring_ring(out);
}

/*
 * The watcher wakes at the next ring of the doorbell if wanted, else not at all.  One shot also when
 * unwanted: a hang-up is always told, and would be for ever.
 */
static void arm(struct inbox *inbox, bool wanted)
{
	struct epoll_event event = { .events = EPOLLONESHOT | (wanted ? EPOLLIN : 0u),
				     .data.ptr = inbox->in };

	if (wanted == inbox->is_armed)
		return;
	inbox->is_armed = wanted;
	/* It cannot fail for an fd that was added; and unarmed, all but cancelling works. */
	(void)epoll_ctl(inbox->epoll_fd, EPOLL_CTL_MOD, inbox->in->doorbell, &event);
}

/* Whether a helper waits that is worth its call. */
static bool wants_helper(const struct inbox *inbox)
{
	bool is_long = !inbox->run_ns || inbox->run_ns >= LONG_RUN_NS;

	return inbox->n_idle && (is_long || inbox->line.n_kept);
}

/*
 * Takes what has come and asks for the doorbell of what comes next: of the next cancel, or of
 * anything where a helper waits.  A full line (the front has more than RING_ENTRIES under way) stays
 * deaf until a run ends: asking would spin.
 */
static void listen_for_more(struct inbox *inbox)
{
	do
		drain(inbox);
	while (line_has_room(&inbox->line) &&
	       !(wants_helper(inbox) ? ring_sleep(inbox->in) : ring_listen(inbox->in)));
	arm(inbox, true);
}

static void call_helper(struct inbox *inbox)
{
	if (wants_helper(inbox) && line_next(&inbox->line))
		pthread_cond_signal(&inbox->work);
}

static void on_doorbell(struct inbox *inbox)
{
	pthread_mutex_lock(&inbox->mutex);
	inbox->is_armed = false;
	/* The run may have ended between the ring and now: then the main thread listens again. */
	if (inbox->is_main_inside) {
		ring_awake(inbox->in);
		listen_for_more(inbox);
		call_helper(inbox);
	}
	unlock(inbox, publish(inbox));
}

static void on_hang_up(struct inbox *inbox)
{
	struct epoll_event nothing = { 0 };

	pthread_mutex_lock(&inbox->mutex);
	if (inbox->n_busy)
		_exit(0);
	inbox->hung_up = true;
	pthread_mutex_unlock(&inbox->mutex);
	(void)epoll_ctl(inbox->epoll_fd, EPOLL_CTL_DEL, inbox->control_fd, &nothing);
}

static void *watch(void *arg)
{
	struct inbox *inbox = arg;
	struct epoll_event event;
	int timeout_ms = -1;

	for (;;) {
		int n = epoll_wait(inbox->epoll_fd, &event, 1, timeout_ms);

		if (n < 0 && errno != EINTR)
			return NULL;
		if (n == 0)
			_exit(0); /* the engine hangs in its end */
		if (n < 0)
			continue;
		if (event.data.ptr == inbox) {
			on_hang_up(inbox);
			timeout_ms = END_MS;
		} else if (!(event.events & (EPOLLHUP | EPOLLERR))) {
			on_doorbell(inbox);
		}
	}
}

int inbox_init(struct inbox *inbox, int control_fd)
{
	struct epoll_event hang_up_only = { .events = 0, .data.ptr = inbox };
	int r;

	*inbox = (struct inbox){ .control_fd = control_fd,
				 .epoll_fd = epoll_create1(EPOLL_CLOEXEC) };
	if (inbox->epoll_fd < 0)
		return -errno;
	if (epoll_ctl(inbox->epoll_fd, EPOLL_CTL_ADD, control_fd, &hang_up_only) < 0)
		return -errno;
	r = pthread_mutex_init(&inbox->mutex, NULL);
	if (r == 0)
		r = pthread_cond_init(&inbox->work, NULL);
	return -r;
}

int inbox_start(struct inbox *inbox)
{
	pthread_t thread;
	int r = pthread_create(&thread, NULL, watch, inbox);

	if (r)
		return -r;
	pthread_detach(thread);
	return 0;
}

int inbox_attach(struct inbox *inbox, struct ring_pair *rings)
{
	struct epoll_event nothing = { .events = EPOLLONESHOT, .data.ptr = &rings->in };

	if (epoll_ctl(inbox->epoll_fd, EPOLL_CTL_ADD, rings->in.doorbell, &nothing) < 0)
		return -errno;
	pthread_mutex_lock(&inbox->mutex);
	inbox->in = &rings->in;
	inbox->out = &rings->out;
	pthread_mutex_unlock(&inbox->mutex);
	return 0;
}

void inbox_set_model(struct inbox *inbox, const struct model *model, unsigned n_helpers)
{
	pthread_mutex_lock(&inbox->mutex);
	inbox->model = model;
	inbox->n_helpers = n_helpers;
	pthread_mutex_unlock(&inbox->mutex);
}

/* The next job becomes this thread's; NULL: none. */
static struct job *begin_next(struct inbox *inbox)
{
	struct job *job = line_next(&inbox->line);

	if (!job)
		return NULL;
	line_begin(&inbox->line, job);
	inbox->n_busy++;
	if (job->run_id && inbox->n_helpers)
		job->begun_ns = tsk_now_ns();
	return job;
}

int inbox_take(struct inbox *inbox, struct job **ret)
{
	struct job *job = NULL;
	int r;

	pthread_mutex_lock(&inbox->mutex);
	drain(inbox);
	if (!inbox->hung_up)
		job = begin_next(inbox);
	if (job && job->run_id) {
		inbox->is_main_inside = true;
		listen_for_more(inbox);
		call_helper(inbox);
	}
	r = job ? 1 : inbox->hung_up ? -EPIPE : inbox->in->broken ? -EPROTO : 0;
	unlock(inbox, publish(inbox));
	if (job)
		*ret = job;
	return r;
}

/* Nothing to do: what comes is heard from now on.  True when something has come meanwhile. */
static bool look_again(struct inbox *inbox)
{
	if (inbox->is_main_inside)
		listen_for_more(inbox);
	return line_next(&inbox->line) || line_answered(&inbox->line);
}

struct job *inbox_wait(struct inbox *inbox)
{
	struct job *job = NULL;

	pthread_mutex_lock(&inbox->mutex);
	while (!job) {
		if (!inbox->hung_up) {
			drain(inbox);
			job = begin_next(inbox);
		}
		if (job)
			break;
		if (publish(inbox))
			ring_ring(inbox->out);
		if (is_stuck(inbox)) {
			wait_for_room(inbox);
			continue;
		}
		inbox->n_idle++;
		if (inbox->hung_up || !look_again(inbox))
			pthread_cond_wait(&inbox->work, &inbox->mutex);
		inbox->n_idle--;
	}
	call_helper(inbox);
	unlock(inbox, publish(inbox));
	return job;
}

/*
 * A core that all want makes a run of 50 µs last 200, and there a helper is no help (identity of
 * 602,112 B, eight connections on two cores: 0.8 of the requests/s with helpers).
 */
static void measure(struct inbox *inbox, const struct job *job)
{
	if (job->begun_ns)
		inbox->run_ns = run_pace(inbox->run_ns, tsk_now_ns() - job->begun_ns, RUN_NS_MAX);
}

void inbox_finish(struct inbox *inbox, struct job *job, bool is_main)
{
	pthread_mutex_lock(&inbox->mutex);
	measure(inbox, job);
	line_finish(&inbox->line, job);
	inbox->n_busy--;
	if (is_main && inbox->is_main_inside) {
		inbox->is_main_inside = false;
		/* Had it rung, the next blocking would end at once. */
		ring_awake_unrung(inbox->in);
	}
	unlock(inbox, publish(inbox));
}

bool inbox_sleep(struct inbox *inbox)
{
	bool asleep = false;

	pthread_mutex_lock(&inbox->mutex);
	drain(inbox);
	if (publish(inbox))
		ring_ring(inbox->out);
	if (is_stuck(inbox))
		wait_for_room(inbox);
	else
		asleep = !line_next(&inbox->line) && ring_sleep(inbox->in);
	if (asleep)
		arm(inbox, false);
	pthread_mutex_unlock(&inbox->mutex);
	return asleep;
}

void inbox_awake(struct inbox *inbox, bool rang)
{
	pthread_mutex_lock(&inbox->mutex);
	if (rang)
		ring_awake(inbox->in);
	else
		ring_awake_unrung(inbox->in);
	pthread_mutex_unlock(&inbox->mutex);
}

bool inbox_enter(struct inbox *inbox)
{
	bool present;

	pthread_mutex_lock(&inbox->mutex);
	present = !inbox->hung_up;
	inbox->n_busy += present;
	pthread_mutex_unlock(&inbox->mutex);
	return present;
}

void inbox_leave(struct inbox *inbox)
{
	pthread_mutex_lock(&inbox->mutex);
	inbox->n_busy--;
	pthread_mutex_unlock(&inbox->mutex);
}

bool inbox_close(struct inbox *inbox)
{
	bool busy;

	pthread_mutex_lock(&inbox->mutex);
	inbox->hung_up = true;
	busy = inbox->n_busy > 0;
	if (!busy) {
		inbox->model = NULL;
		line_done(&inbox->line);
	}
	pthread_mutex_unlock(&inbox->mutex);
	return !busy;
}
