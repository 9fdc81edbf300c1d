/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/metrics_process.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/seqpacket.h"
#include "supervisor/own_page.h"
#include "supervisor/restarts.h"

struct metrics_process {
	struct child child; /* the first member: it is told by it */
	struct launcher *launcher;
	struct metrics_process_config config;
	int fd;          /* the control socket; -1 while there is no process */
	uv_poll_t *poll; /* while a message found no room; else NULL */
	struct own_page *page;
	uv_timer_t restart;
	struct restarts restarts;
	bool is_stopping;
};

static void on_exited(struct child *child, int wait_status);

static int send_msg(struct metrics_process *metrics, const struct metrics_msg *msg, int fd)
{
	return metrics->fd < 0 ? -EAGAIN : metrics_control_send(metrics->fd, msg, fd);
}

static int introduce(struct metrics_process *metrics)
{
	const struct metrics_msg start = { .type = METRICS_START,
					   .value = metrics->launcher->log_level |
						    metrics->launcher->log_bits },
				 page = { .type = METRICS_DAEMON };
	int r = send_msg(metrics, &start, metrics->config.listener->fd);

	return r < 0 ? r : send_msg(metrics, &page, own_page_fd(metrics->page));
}

static int start(struct metrics_process *metrics)
{
	int fds[2];
	int r = tsk_seqpacket_pair(fds);

	if (r < 0)
		return r;
	r = launcher_start_metrics(metrics->launcher, fds[1], &metrics->child.pid);
	tsk_close(fds[1]);
	if (r < 0) {
		tsk_close(fds[0]);
		return r;
	}
	metrics->fd = fds[0];
	restarts_began(&metrics->restarts, tsk_now_ns());
	metrics->child.exited = on_exited;
	children_add(&metrics->launcher->children, &metrics->child);
	r = introduce(metrics);
	if (r < 0)
		kill(metrics->child.pid, SIGKILL);
	return r;
}

static void on_restart(uv_timer_t *timer)
{
	struct metrics_process *metrics = timer->data;
	int r = start(metrics);

	if (r == 0) {
		metrics->config.may_tell(metrics->config.context, true);
		return;
	}
	tsk_error("the metrics cannot be started again: %s", strerror(-r));
	if (metrics->fd < 0) /* else its end brings us back here */
		uv_timer_start(timer, on_restart, restarts_failed(&metrics->restarts), 0);
}

/* Room in the socket */

static void on_poll_closed(uv_handle_t *handle)
{
	free(handle);
}

static void stop_waiting(struct metrics_process *metrics)
{
	if (metrics->poll)
		uv_close((uv_handle_t *)TAKE_PTR(metrics->poll), on_poll_closed);
}

static void on_writable(uv_poll_t *poll, int status, int events)
{
	struct metrics_process *metrics = poll->data;

	(void)status; /* sending tells */
	(void)events;
	stop_waiting(metrics);
	metrics->config.may_tell(metrics->config.context, false);
}

static void wait_for_room(struct metrics_process *metrics)
{
	uv_poll_t *poll;

	if (metrics->poll || metrics->fd < 0)
		return;
	poll = calloc(1, sizeof(*poll));
	if (!poll || uv_poll_init(metrics->launcher->loop, poll, metrics->fd) < 0) {
		free(poll);
		kill(metrics->child.pid, SIGKILL); /* the next one is told all */
		return;
	}
	poll->data = metrics;
	metrics->poll = poll;
	uv_poll_start(poll, UV_WRITABLE, on_writable);
}

int metrics_process_tell(struct metrics_process *metrics, enum metrics_msg_type type,
			 const char *guest, int fd)
{
	struct metrics_msg msg = { .type = type };
	int r;

	memcpy(msg.name, guest, strnlen(guest, sizeof(msg.name) - 1));
	r = metrics->poll ? -EAGAIN : send_msg(metrics, &msg, fd);
	/* There is nobody to be told of it again. */
	if (r < 0 && type == METRICS_FORGET && metrics->fd >= 0)
		kill(metrics->child.pid, SIGKILL);
	else if (r == -EAGAIN)
		wait_for_room(metrics);
	/* Another error: it is on its way out, and the next one is told all. */
	return r < 0 ? -EAGAIN : 0;
}

/* Its life */

static void on_exited(struct child *child, int wait_status)
{
	struct metrics_process *metrics = (struct metrics_process *)child;

	stop_waiting(metrics);
	metrics->fd = tsk_close(metrics->fd);
	if (metrics->is_stopping)
		return;
	tsk_warning("the metrics' process %d %s %d; the next one is started", (int)child->pid,
		    WIFSIGNALED(wait_status) ? "was killed by signal" : "exited with status",
		    WIFSIGNALED(wait_status) ? WTERMSIG(wait_status) : WEXITSTATUS(wait_status));
	uv_timer_start(&metrics->restart, on_restart,
		       restarts_ended(&metrics->restarts, tsk_now_ns()), 0);
}

int metrics_process_new(struct launcher *launcher, const struct metrics_process_config *config,
			struct metrics_process **ret)
{
	struct metrics_process *metrics = calloc(1, sizeof(*metrics));
	int r;

	if (!metrics) {
		listener_close(config->listener);
		return -ENOMEM;
	}
	metrics->launcher = launcher;
	metrics->config = *config;
	metrics->fd = -1;
	uv_timer_init(launcher->loop, &metrics->restart);
	metrics->restart.data = metrics;
	r = own_page_new(launcher->loop, config->write, config->context, &metrics->page);
	if (r == 0)
		r = start(metrics);
	if (r < 0 && metrics->fd < 0) {
		metrics_process_free(metrics);
		return r;
	}
	*ret = metrics;
	return 0;
}

const struct listener *metrics_process_listener(const struct metrics_process *metrics)
{
	return metrics->config.listener;
}

void metrics_process_stop(struct metrics_process *metrics)
{
	metrics->is_stopping = true;
	uv_timer_stop(&metrics->restart);
	stop_waiting(metrics);
	metrics->fd = tsk_close(metrics->fd);
	own_page_free(TAKE_PTR(metrics->page));
	listener_close(TAKE_PTR(metrics->config.listener));
}

static void on_closed(uv_handle_t *handle)
{
	free(handle->data);
}

void metrics_process_free(struct metrics_process *metrics)
{
	if (!metrics)
		return;
	metrics_process_stop(metrics);
	uv_close((uv_handle_t *)&metrics->restart, on_closed);
}
