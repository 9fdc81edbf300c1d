/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/metrics_process.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#include "supervisor/helper.h"
#include "supervisor/own_page.h"

struct metrics_process {
	struct helper helper; /* the first member: it is told by it */
	struct metrics_process_config config;
	uv_poll_t *poll; /* while a message found no room; else NULL */
	struct own_page *page;
};

static int send_msg(struct metrics_process *metrics, const struct metrics_msg *msg, int fd)
{
	return metrics->helper.fd < 0 ? -EAGAIN : metrics_control_send(metrics->helper.fd, msg, fd);
}

static int introduce(struct helper *helper)
{
	struct metrics_process *metrics = (struct metrics_process *)helper;
	struct launcher *launcher = helper->launcher;
	const struct metrics_msg start = { .type = METRICS_START,
					   .value = launcher->log_level | launcher->log_bits },
				 page = { .type = METRICS_DAEMON };
	int r = send_msg(metrics, &start, metrics->config.listener->fd);

	return r < 0 ? r : send_msg(metrics, &page, own_page_fd(metrics->page));
}

static void on_restarted(struct helper *helper)
{
	struct metrics_process *metrics = (struct metrics_process *)helper;

	metrics->config.may_tell(metrics->config.context, true);
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

	if (metrics->poll || metrics->helper.fd < 0)
		return;
	poll = calloc(1, sizeof(*poll));
	if (!poll || uv_poll_init(metrics->helper.launcher->loop, poll, metrics->helper.fd) < 0) {
		free(poll);
		kill(metrics->helper.child.pid, SIGKILL); /* the next one is told all */
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
	if (r < 0 && type == METRICS_FORGET && metrics->helper.fd >= 0)
		kill(metrics->helper.child.pid, SIGKILL);
	else if (r == -EAGAIN)
		wait_for_room(metrics);
	/* Another error: it is on its way out, and the next one is told all. */
	return r < 0 ? -EAGAIN : 0;
}

/* Its life */

static void on_ended(struct helper *helper)
{
	stop_waiting((struct metrics_process *)helper);
}

static const struct helper_kind kind = {
	.name = "the metrics' process",
	.loss = "; the next one is started",
	.launch = launcher_start_metrics,
	.introduce = introduce,
	.restarted = on_restarted,
	.ended = on_ended,
};

int metrics_process_new(struct launcher *launcher, const struct metrics_process_config *config,
			struct metrics_process **ret)
{
	struct metrics_process *metrics = calloc(1, sizeof(*metrics));
	int r;

	if (!metrics) {
		listener_close(config->listener);
		return -ENOMEM;
	}
	helper_init(&metrics->helper, launcher, &kind);
	metrics->config = *config;
	r = own_page_new(launcher->loop, config->write, config->context, &metrics->page);
	if (r == 0)
		r = helper_start(&metrics->helper);
	if (r < 0 && metrics->helper.fd < 0) {
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
	helper_stop(&metrics->helper);
	stop_waiting(metrics);
	metrics->helper.fd = tsk_close(metrics->helper.fd);
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
	helper_close(&metrics->helper, on_closed);
}
