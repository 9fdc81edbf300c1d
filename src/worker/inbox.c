/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/inbox.h"

#include <errno.h>
#include <sys/epoll.h>

static void cancel(struct inbox *inbox, uint64_t request_id)
{
	const struct tensock_engine *engine = inbox->model ? inbox->model->plugin->engine : NULL;

	if (inbox->run_id && inbox->request_id == request_id && TENSOCK_HAS(engine, cancel))
		engine->cancel(inbox->model->handle, inbox->run_id);
	for (unsigned i = 0; i < inbox->count; i++) {
		unsigned at = (inbox->head + i) % RING_ENTRIES;

		if (inbox->queue[at].entry.request_id == request_id) {
			inbox->queue[at].cancelled = true;
			return;
		}
	}
	/* No FETCH of what is kept has come, nor will one. */
	if (inbox->is_keeping && inbox->kept_id == request_id)
		inbox->is_keeping = false;
}

/* Takes from the ring what fits into the queue. */
static void drain(struct inbox *inbox)
{
	struct run_entry entry;

	while (inbox->ring && inbox->count < RING_ENTRIES && ring_pop(inbox->ring, &entry)) {
		unsigned at = (inbox->head + inbox->count) % RING_ENTRIES;

		if (entry.type == RUN_CANCEL) {
			cancel(inbox, entry.request_id);
			continue;
		}
		inbox->queue[at].entry = entry;
		inbox->queue[at].cancelled = false;
		inbox->count++;
	}
}

/*
 * The watcher wakes at the next ring of the doorbell if wanted, else not at all.  One shot also when
 * unwanted: a hang-up is always told, and would be for ever.
 */
static void arm(struct inbox *inbox, bool wanted)
{
	struct epoll_event event = { .events = EPOLLONESHOT | (wanted ? EPOLLIN : 0u),
				     .data.ptr = inbox->ring };

	if (wanted == inbox->is_armed)
		return;
	inbox->is_armed = wanted;
	/* It cannot fail for an fd that was added; and unarmed, all but cancelling works. */
	(void)epoll_ctl(inbox->epoll_fd, EPOLL_CTL_MOD, inbox->ring->doorbell, &event);
}

/*
 * Takes what has come and asks for the doorbell of the next cancel.  A full queue (the front has
 * more than RING_ENTRIES under way) stays deaf until the run ends: asking would spin.
 */
static void listen_for_more(struct inbox *inbox)
{
	do
		drain(inbox);
	while (inbox->count < RING_ENTRIES && !ring_listen(inbox->ring));
	arm(inbox, true);
}

static void on_doorbell(struct inbox *inbox)
{
	pthread_mutex_lock(&inbox->mutex);
	inbox->is_armed = false;
	/* The run may have ended between the ring and now: then the main thread listens again. */
	if (inbox->run_id) {
		ring_awake(inbox->ring);
		listen_for_more(inbox);
	}
	pthread_mutex_unlock(&inbox->mutex);
}

static void on_hang_up(struct inbox *inbox)
{
	struct epoll_event nothing = { 0 };

	pthread_mutex_lock(&inbox->mutex);
	if (inbox->busy)
		_exit(0);
	inbox->hung_up = true;
	pthread_mutex_unlock(&inbox->mutex);
	(void)epoll_ctl(inbox->epoll_fd, EPOLL_CTL_DEL, inbox->control_fd, &nothing);
}

static void *watch(void *arg)
{
	struct inbox *inbox = arg;
	struct epoll_event event;

	for (;;) {
		int n = epoll_wait(inbox->epoll_fd, &event, 1, -1);

		if (n < 0 && errno != EINTR)
			return NULL;
		if (n <= 0)
			continue;
		if (event.data.ptr == inbox)
			on_hang_up(inbox);
		else if (!(event.events & (EPOLLHUP | EPOLLERR)))
			on_doorbell(inbox);
	}
}

int inbox_init(struct inbox *inbox, int control_fd)
{
	struct epoll_event hang_up_only = { .events = 0, .data.ptr = inbox };
	pthread_t thread;
	int r;

	*inbox = (struct inbox){ .control_fd = control_fd,
				 .epoll_fd = epoll_create1(EPOLL_CLOEXEC) };
	if (inbox->epoll_fd < 0)
		return -errno;
	if (epoll_ctl(inbox->epoll_fd, EPOLL_CTL_ADD, control_fd, &hang_up_only) < 0)
		return -errno;
	r = pthread_mutex_init(&inbox->mutex, NULL);
	if (r)
		return -r;
	r = pthread_create(&thread, NULL, watch, inbox);
	if (r)
		return -r;
	pthread_detach(thread);
	return 0;
}

int inbox_attach(struct inbox *inbox, struct ring *ring)
{
	struct epoll_event nothing = { .events = EPOLLONESHOT, .data.ptr = ring };

	if (epoll_ctl(inbox->epoll_fd, EPOLL_CTL_ADD, ring->doorbell, &nothing) < 0)
		return -errno;
	pthread_mutex_lock(&inbox->mutex);
	inbox->ring = ring;
	pthread_mutex_unlock(&inbox->mutex);
	return 0;
}

void inbox_set_model(struct inbox *inbox, const struct model *model)
{
	pthread_mutex_lock(&inbox->mutex);
	inbox->model = model;
	pthread_mutex_unlock(&inbox->mutex);
}

/* How many stand before the next one to be taken; count: there is none. */
static unsigned next(const struct inbox *inbox)
{
	unsigned i = 0;

	if (!inbox->is_keeping)
		return 0;
	for (; i < inbox->count; i++) {
		const struct run_entry *entry =
			&inbox->queue[(inbox->head + i) % RING_ENTRIES].entry;

		if (entry->type == RUN_FETCH && entry->request_id == inbox->kept_id)
			break;
	}
	return i;
}

/* Takes the i-th out; those before it move up. */
static void take(struct inbox *inbox, unsigned i, struct run_entry *ret, bool *ret_cancelled)
{
	unsigned at = (inbox->head + i) % RING_ENTRIES;

	*ret = inbox->queue[at].entry;
	*ret_cancelled = inbox->queue[at].cancelled;
	for (; i > 0; i--) {
		unsigned before = (inbox->head + i - 1) % RING_ENTRIES;

		inbox->queue[at] = inbox->queue[before];
		at = before;
	}
	inbox->head = (inbox->head + 1) % RING_ENTRIES;
	inbox->count--;
}

bool inbox_take(struct inbox *inbox, struct run_entry *ret, bool *ret_cancelled)
{
	unsigned i;
	bool found;

	pthread_mutex_lock(&inbox->mutex);
	drain(inbox);
	i = next(inbox);
	found = i < inbox->count;
	if (found) {
		take(inbox, i, ret, ret_cancelled);
		inbox->is_keeping = false;
	}
	pthread_mutex_unlock(&inbox->mutex);
	return found;
}

void inbox_keep(struct inbox *inbox, uint64_t request_id)
{
	pthread_mutex_lock(&inbox->mutex);
	inbox->is_keeping = true;
	inbox->kept_id = request_id;
	pthread_mutex_unlock(&inbox->mutex);
}

bool inbox_sleep(struct inbox *inbox)
{
	bool asleep;

	pthread_mutex_lock(&inbox->mutex);
	drain(inbox);
	asleep = next(inbox) == inbox->count && ring_sleep(inbox->ring);
	if (asleep)
		arm(inbox, false);
	pthread_mutex_unlock(&inbox->mutex);
	return asleep;
}

void inbox_awake(struct inbox *inbox, bool rang)
{
	pthread_mutex_lock(&inbox->mutex);
	if (rang)
		ring_awake(inbox->ring);
	else
		ring_awake_unrung(inbox->ring);
	pthread_mutex_unlock(&inbox->mutex);
}

bool inbox_enter(struct inbox *inbox, uint64_t request_id, uint64_t run_id)
{
	bool present;

	pthread_mutex_lock(&inbox->mutex);
	present = !inbox->hung_up;
	inbox->busy = present;
	if (present && run_id) {
		inbox->request_id = request_id;
		inbox->run_id = run_id;
		listen_for_more(inbox);
	}
	pthread_mutex_unlock(&inbox->mutex);
	return present;
}

void inbox_leave(struct inbox *inbox)
{
	pthread_mutex_lock(&inbox->mutex);
	inbox->busy = false;
	if (inbox->run_id) {
		inbox->run_id = 0;
		/* Had it rung, the next blocking would end at once. */
		ring_awake_unrung(inbox->ring);
	}
	pthread_mutex_unlock(&inbox->mutex);
}
