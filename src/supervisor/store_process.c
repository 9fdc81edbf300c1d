/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/store_process.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/seqpacket.h"
#include "supervisor/restarts.h"

/* How soon to try again what the store had no room for. */
#define RETRY_MS 20

/* GUEST or FORGET; of a guest one of each at most, in the order in which they came. */
struct waiting {
	TAILQ_ENTRY(waiting) entry;
	struct store_msg msg;
	int fd; /* -1: none */
};

struct store_process {
	struct child child; /* the first member: it is told by it */
	struct launcher *launcher;
	struct store_process_config config;
	int fd; /* the control socket; -1 while there is no process */
	uv_timer_t restart, retry;
	unsigned n_handles; /* not yet closed */
	struct restarts restarts;
	bool is_stopping;
	TAILQ_HEAD(, waiting) waiting; /* what no store has taken yet */
};

static void on_exited(struct child *child, int wait_status);

static int send_msg(struct store_process *store, const struct store_msg *msg, int fd)
{
	return store->fd < 0 ? -ENOTCONN : store_control_send(store->fd, msg, fd);
}

static void drop(struct store_process *store, struct waiting *waiting)
{
	TAILQ_REMOVE(&store->waiting, waiting, entry);
	tsk_close(waiting->fd);
	free(waiting);
}

/* Those of a type, of a guest or (NULL) of all: who has the other end of a channel sees its end. */
static void drop_all(struct store_process *store, enum store_msg_type type, const char *guest)
{
	struct waiting *waiting = TAILQ_FIRST(&store->waiting), *next;

	for (; waiting; waiting = next) {
		next = TAILQ_NEXT(waiting, entry);
		if (waiting->msg.type == type && (!guest || strcmp(waiting->msg.name, guest) == 0))
			drop(store, waiting);
	}
}

static void on_retry(uv_timer_t *timer);

static void send_waiting(struct store_process *store)
{
	struct waiting *first;

	while ((first = TAILQ_FIRST(&store->waiting))) {
		int r = send_msg(store, &first->msg, first->fd);

		if (r == -EAGAIN)
			uv_timer_start(&store->retry, on_retry, RETRY_MS, 0);
		if (r < 0)
			return; /* if it is gone, the next one gets it */
		drop(store, first);
	}
	if (store->is_stopping)
		store->fd = tsk_close(store->fd);
}

static void on_retry(uv_timer_t *timer)
{
	send_waiting(timer->data);
}

/* As soon as the store takes it.  fd is taken over, also on failure. */
static int send_later(struct store_process *store, const struct store_msg *msg, int fd)
{
	struct waiting *waiting = calloc(1, sizeof(*waiting));

	if (!waiting) {
		tsk_close(fd);
		return -ENOMEM;
	}
	/* The front of an earlier channel is gone, and so is what a channel was for that is to be forgotten. */
	drop_all(store, STORE_GUEST, msg->name);
	if (msg->type == STORE_FORGET)
		drop_all(store, STORE_FORGET, msg->name);
	waiting->msg = *msg;
	waiting->fd = fd;
	TAILQ_INSERT_TAIL(&store->waiting, waiting, entry);
	send_waiting(store);
	return 0;
}

static int start(struct store_process *store)
{
	struct store_msg msg = { .type = STORE_START,
				 .bytes = store->config.bytes,
				 .ms = store->config.keep_ms,
				 .value = store->launcher->log_level | store->launcher->log_bits };
	int fds[2];
	int r = tsk_seqpacket_pair(fds);

	if (r < 0)
		return r;
	r = launcher_start_store(store->launcher, fds[1], &store->child.pid);
	tsk_close(fds[1]);
	if (r < 0) {
		tsk_close(fds[0]);
		return r;
	}
	store->fd = fds[0];
	restarts_began(&store->restarts, tsk_now_ns());
	store->child.exited = on_exited;
	children_add(&store->launcher->children, &store->child);
	r = send_msg(store, &msg, store->config.folder_fd);
	if (r < 0) {
		kill(store->child.pid, SIGKILL);
		return r;
	}
	send_waiting(store);
	return 0;
}

static void on_restart(uv_timer_t *timer)
{
	struct store_process *store = timer->data;
	int r = start(store);

	if (r == 0) {
		store->config.restarted(store->config.context);
		return;
	}
	tsk_error("the store cannot be started again: %s", strerror(-r));
	if (store->fd < 0) /* else its end brings us back here */
		uv_timer_start(timer, on_restart, restarts_failed(&store->restarts), 0);
}

static void on_exited(struct child *child, int wait_status)
{
	struct store_process *store = (struct store_process *)child;

	store->fd = tsk_close(store->fd);
	drop_all(store, STORE_GUEST, NULL); /* the fronts ask the next one for another */
	if (store->is_stopping)
		return;
	tsk_warning(
		"the store %d %s %d: models are kept in memory only until the next one is there",
		(int)child->pid,
		WIFSIGNALED(wait_status) ? "was killed by signal" : "exited with status",
		WIFSIGNALED(wait_status) ? WTERMSIG(wait_status) : WEXITSTATUS(wait_status));
	uv_timer_start(&store->restart, on_restart, restarts_ended(&store->restarts, tsk_now_ns()),
		       0);
}

int store_process_new(struct launcher *launcher, const struct store_process_config *config,
		      struct store_process **ret)
{
	struct store_process *store = calloc(1, sizeof(*store));
	int r;

	if (!store) {
		tsk_close(config->folder_fd);
		return -ENOMEM;
	}
	store->launcher = launcher;
	store->config = *config;
	store->fd = -1;
	TAILQ_INIT(&store->waiting);
	uv_timer_init(launcher->loop, &store->restart);
	uv_timer_init(launcher->loop, &store->retry);
	store->restart.data = store->retry.data = store;
	store->n_handles = 2;
	r = start(store);
	if (r < 0 && store->fd < 0) {
		store_process_free(store);
		return r;
	}
	*ret = store;
	return 0;
}

int store_process_open(struct store_process *store, const char *guest, uint64_t bytes, int *ret_fd)
{
	struct store_msg msg = { .type = STORE_GUEST, .bytes = bytes };
	int fds[2], r = tsk_seqpacket_pair(fds);

	if (r < 0)
		return r;
	memcpy(msg.name, guest, strnlen(guest, sizeof(msg.name) - 1));
	r = store->fd < 0 ? -ENOTCONN : 0;
	if (r == 0)
		r = send_later(store, &msg, TAKE_FD(fds[1]));
	tsk_close(fds[1]);
	if (r < 0) {
		tsk_close(fds[0]);
		return r;
	}
	*ret_fd = fds[0];
	return 0;
}

void store_process_forget(struct store_process *store, const char *guest)
{
	struct store_msg msg = { .type = STORE_FORGET };

	memcpy(msg.name, guest, strnlen(guest, sizeof(msg.name) - 1));
	if (send_later(store, &msg, -1) < 0)
		tsk_error("guest %s: no memory to have its stored models forgotten", guest);
}

void store_process_stop(struct store_process *store)
{
	store->is_stopping = true;
	uv_timer_stop(&store->restart);
	drop_all(store, STORE_GUEST, NULL);
	send_waiting(store);
}

static void on_closed(uv_handle_t *handle)
{
	struct store_process *store = handle->data;

	if (--store->n_handles == 0)
		free(store);
}

void store_process_free(struct store_process *store)
{
	if (!store)
		return;
	while (!TAILQ_EMPTY(&store->waiting))
		drop(store, TAILQ_FIRST(&store->waiting));
	tsk_close(store->fd);
	tsk_close(store->config.folder_fd);
	uv_close((uv_handle_t *)&store->restart, on_closed);
	uv_close((uv_handle_t *)&store->retry, on_closed);
}
