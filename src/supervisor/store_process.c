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

/* How long to wait before the nth start in a row. */
#define RESTARTS 5u
static const uint64_t restart_ms[RESTARTS] = { 0, 50, 200, 1000, 5000 };

/* One that has lived so long has not crashed in a row with the one before it. */
#define STEADY_MS 10000

struct forgotten {
	TAILQ_ENTRY(forgotten) entry;
	char guest[STORE_NAME_SIZE];
};

struct store_process {
	struct child child; /* the first member: it is told by it */
	struct launcher *launcher;
	struct store_process_config config;
	int fd; /* the control socket; -1 while there is no process */
	uv_timer_t restart;
	unsigned crashes; /* in a row */
	uint64_t started_ns;
	bool is_stopping;
	TAILQ_HEAD(, forgotten) forgotten; /* what no store has been told yet */
};

static void on_exited(struct child *child, int wait_status);

static int send_msg(struct store_process *store, const struct store_msg *msg, int fd)
{
	return store->fd < 0 ? -ENOTCONN : store_control_send(store->fd, msg, fd);
}

static void tell_forgotten(struct store_process *store)
{
	struct forgotten *first;

	while ((first = TAILQ_FIRST(&store->forgotten))) {
		struct store_msg msg = { .type = STORE_FORGET };

		memcpy(msg.name, first->guest, sizeof(msg.name));
		if (send_msg(store, &msg, -1) < 0)
			return;
		TAILQ_REMOVE(&store->forgotten, first, entry);
		free(first);
	}
}

static int start(struct store_process *store)
{
	struct store_msg msg = { .type = STORE_START,
				 .bytes = store->config.bytes,
				 .ms = store->config.keep_ms,
				 .value = store->launcher->log_level };
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
	store->started_ns = tsk_now_ns();
	store->child.exited = on_exited;
	children_add(&store->launcher->children, &store->child);
	r = send_msg(store, &msg, store->config.folder_fd);
	if (r < 0) {
		kill(store->child.pid, SIGKILL);
		return r;
	}
	tell_forgotten(store);
	return 0;
}

static void on_restart(uv_timer_t *timer);

static void start_later(struct store_process *store)
{
	unsigned i = store->crashes < RESTARTS ? store->crashes : RESTARTS - 1;

	uv_timer_start(&store->restart, on_restart, restart_ms[i], 0);
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
	if (store->fd < 0) { /* else its end brings us back here */
		store->crashes++;
		start_later(store);
	}
}

static void on_exited(struct child *child, int wait_status)
{
	struct store_process *store = (struct store_process *)child;
	uint64_t lived_ms = (tsk_now_ns() - store->started_ns) / TSK_NS_PER_MS;

	store->fd = tsk_close(store->fd);
	if (store->is_stopping)
		return;
	store->crashes = lived_ms >= STEADY_MS ? 1 : store->crashes + 1;
	tsk_warning(
		"the store %d %s %d: models are kept in memory only until the next one is there",
		(int)child->pid,
		WIFSIGNALED(wait_status) ? "was killed by signal" : "exited with status",
		WIFSIGNALED(wait_status) ? WTERMSIG(wait_status) : WEXITSTATUS(wait_status));
	start_later(store);
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
	TAILQ_INIT(&store->forgotten);
	uv_timer_init(launcher->loop, &store->restart);
	store->restart.data = store;
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
	r = send_msg(store, &msg, fds[1]);
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
	struct forgotten *forgotten = calloc(1, sizeof(*forgotten));

	if (!forgotten) {
		tsk_error("guest %s: no memory to have its stored models forgotten", guest);
		return;
	}
	memcpy(forgotten->guest, guest, strnlen(guest, sizeof(forgotten->guest) - 1));
	TAILQ_INSERT_TAIL(&store->forgotten, forgotten, entry);
	tell_forgotten(store);
}

void store_process_stop(struct store_process *store)
{
	store->is_stopping = true;
	uv_timer_stop(&store->restart);
	store->fd = tsk_close(store->fd);
}

static void on_closed(uv_handle_t *handle)
{
	free(handle->data);
}

void store_process_free(struct store_process *store)
{
	struct forgotten *first;

	if (!store)
		return;
	while ((first = TAILQ_FIRST(&store->forgotten))) {
		TAILQ_REMOVE(&store->forgotten, first, entry);
		free(first);
	}
	tsk_close(store->fd);
	tsk_close(store->config.folder_fd);
	uv_close((uv_handle_t *)&store->restart, on_closed);
}
