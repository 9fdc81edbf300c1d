/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/store_process.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/queue.h>

#include "base/log.h"
#include "base/seqpacket.h"
#include "supervisor/helper.h"

/* How soon to try again what the store had no room for. */
#define RETRY_MS 20

/* GUEST or FORGET; of a guest one of each at most, in the order in which they came. */
struct waiting {
	TAILQ_ENTRY(waiting) entry;
	struct store_msg msg;
	int fd; /* -1: none */
};

struct store_process {
	struct helper helper; /* the first member: it is told by it */
	struct store_process_config config;
	uv_timer_t retry;
	unsigned n_handles;            /* not yet closed */
	TAILQ_HEAD(, waiting) waiting; /* what no store has taken yet */
};

static int send_msg(struct store_process *store, const struct store_msg *msg, int fd)
{
	return store->helper.fd < 0 ? -ENOTCONN : store_control_send(store->helper.fd, msg, fd);
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
	if (store->helper.is_stopping)
		store->helper.fd = tsk_close(store->helper.fd);
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

static int introduce(struct helper *helper)
{
	struct store_process *store = (struct store_process *)helper;
	struct launcher *launcher = helper->launcher;
	struct store_msg msg = { .type = STORE_START,
				 .bytes = store->config.bytes,
				 .ms = store->config.keep_ms,
				 .value = launcher->log_level | launcher->log_bits };
	int r = send_msg(store, &msg, store->config.folder_fd);

	if (r == 0)
		send_waiting(store);
	return r;
}

static void on_restarted(struct helper *helper)
{
	struct store_process *store = (struct store_process *)helper;

	store->config.restarted(store->config.context);
}

/* The fronts ask the next one for other channels. */
static void on_ended(struct helper *helper)
{
	drop_all((struct store_process *)helper, STORE_GUEST, NULL);
}

static const struct helper_kind kind = {
	.name = "the store",
	.loss = ": models are kept in memory only until the next one is there",
	.launch = launcher_start_store,
	.introduce = introduce,
	.restarted = on_restarted,
	.ended = on_ended,
};

int store_process_new(struct launcher *launcher, const struct store_process_config *config,
		      struct store_process **ret)
{
	struct store_process *store = calloc(1, sizeof(*store));
	int r;

	if (!store) {
		tsk_close(config->folder_fd);
		return -ENOMEM;
	}
	helper_init(&store->helper, launcher, &kind);
	store->config = *config;
	TAILQ_INIT(&store->waiting);
	uv_timer_init(launcher->loop, &store->retry);
	store->retry.data = store;
	store->n_handles = 2;
	r = helper_start(&store->helper);
	if (r < 0 && store->helper.fd < 0) {
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
	r = store->helper.fd < 0 ? -ENOTCONN : 0;
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
	helper_stop(&store->helper);
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
	tsk_close(store->config.folder_fd);
	helper_close(&store->helper, on_closed);
	uv_close((uv_handle_t *)&store->retry, on_closed);
}
