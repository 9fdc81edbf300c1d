/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics/exporter.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <uv.h>

#include <tensock/types.h>

#include "base/clock.h"
#include "base/log.h"
#include "metrics/pages.h"
#include "metrics/scrape.h"

#define LOG_LINES_PER_SEC 10u
#define MESSAGES_A_TURN 64
#define ACCEPTS_A_TURN 32
#define SHORTAGE_MS 100u /* of fds or memory */
#define FRESH_MS 250u    /* a text so young is given to the next one, too */

struct exporter {
	uv_loop_t loop;
	int control_fd, listen_fd; /* -1: none */
	uv_poll_t control, listener;
	uv_timer_t pause; /* while nothing can be accepted */
	struct pages pages;
	struct scrapes scrapes;
	struct scrape_body *body; /* the last one; NULL: none */
	uint64_t made_ns;
	unsigned may_lack;
	int (*seal)(unsigned may_lack, struct tensock_error *reterr);
	int result;
};

/* The text */

static struct scrape_body *body_new(struct pages *pages)
{
	struct scrape_body *body = calloc(1, sizeof(*body));

	if (!body)
		return NULL;
	body->n_users = 1;
	body->text = pages_text(pages, &body->len);
	if (body->text)
		return body;
	free(body);
	return NULL;
}

static struct scrape_body *on_body_wanted(void *context)
{
	struct exporter *exporter = context;
	uint64_t now_ns = tsk_now_ns();

	if (!exporter->body || now_ns - exporter->made_ns > FRESH_MS * TSK_NS_PER_MS) {
		scrape_body_put(TAKE_PTR(exporter->body));
		exporter->body = body_new(&exporter->pages);
		exporter->made_ns = now_ns;
	}
	if (exporter->body)
		exporter->body->n_users++;
	return exporter->body;
}

/* Connections */

static void on_connection(uv_poll_t *poll, int status, int events);

static void on_pause_over(uv_timer_t *timer)
{
	struct exporter *exporter = timer->data;

	uv_poll_start(&exporter->listener, UV_READABLE, on_connection);
}

static void on_connection(uv_poll_t *poll, int status, int events)
{
	struct exporter *exporter = poll->data;

	(void)status; /* accept4() tells */
	(void)events;
	for (int i = 0; i < ACCEPTS_A_TURN; i++) {
		int fd = accept4(exporter->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd >= 0) {
			scrapes_add(&exporter->scrapes, fd);
			continue;
		}
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
			uv_poll_stop(poll);
			uv_timer_start(&exporter->pause, on_pause_over, SHORTAGE_MS, 0);
		}
		return;
	}
}

/* The supervisor */

static void end(struct exporter *exporter, int result)
{
	if (result < 0)
		tsk_error("the control socket fails: %s", strerror(-result));
	exporter->result = result;
	scrapes_done(&exporter->scrapes);
	uv_close((uv_handle_t *)&exporter->control, NULL);
	uv_close((uv_handle_t *)&exporter->pause, NULL);
	if (exporter->listen_fd >= 0)
		uv_close((uv_handle_t *)&exporter->listener, NULL);
	exporter->control_fd = tsk_close(exporter->control_fd);
	exporter->listen_fd = tsk_close(exporter->listen_fd);
}

/* fd: taken over. */
static int on_start(struct exporter *exporter, const struct metrics_msg *msg, int fd)
{
	enum tsk_log_level level = tsk_log_level_of(msg->value);
	struct tensock_error error;
	int r = uv_poll_init(&exporter->loop, &exporter->listener, fd);

	tsk_log_init("tensock-metrics", NULL, level, level < TSK_LOG_DEBUG ? LOG_LINES_PER_SEC : 0);
	tsk_log_set_json(msg->value & TSK_LOG_JSON);
	if (r < 0) {
		tsk_close(fd);
		return r;
	}
	exporter->listen_fd = fd;
	exporter->listener.data = exporter;
	r = exporter->seal ? exporter->seal(exporter->may_lack, &error) : 0;
	if (r < 0) {
		tsk_error("the metrics cannot be sealed: %s", error.message);
		return r;
	}
	return uv_poll_start(&exporter->listener, UV_READABLE, on_connection);
}

static int dispatch(struct exporter *exporter, const struct metrics_msg *msg, int fd)
{
	if (msg->type == METRICS_START && exporter->listen_fd < 0)
		return on_start(exporter, msg, fd);
	if (msg->type == METRICS_START || exporter->listen_fd < 0)
		return -EPROTO;
	if (msg->type == METRICS_LOST)
		pages_lost(&exporter->pages, msg->name);
	else if (msg->type == METRICS_FORGET)
		pages_forget(&exporter->pages, msg->name);
	else
		return pages_set(&exporter->pages, msg->name, fd);
	return 0;
}

/* True while there may be more. */
static bool receive_one(struct exporter *exporter)
{
	struct metrics_msg msg;
	int fd = -1;
	int r = metrics_control_recv(exporter->control_fd, &msg, &fd);

	if (r == -EAGAIN)
		return false;
	if (r == 0 || r == -ECONNRESET) {
		end(exporter, 0);
		return false;
	}
	if (r > 0) {
		r = dispatch(exporter, &msg, fd);
		if (msg.type != METRICS_START)
			tsk_close(fd);
	}
	if (r < 0)
		end(exporter, r);
	return r >= 0;
}

static void on_control(uv_poll_t *poll, int status, int events)
{
	struct exporter *exporter = poll->data;

	(void)status; /* receiving tells */
	(void)events;
	for (int i = 0; i < MESSAGES_A_TURN && receive_one(exporter); i++)
		;
}

/* Its life */

static int run(struct exporter *exporter)
{
	int r = uv_poll_init(&exporter->loop, &exporter->control, exporter->control_fd);

	if (r < 0)
		return r;
	uv_timer_init(&exporter->loop, &exporter->pause);
	exporter->control.data = exporter->pause.data = exporter;
	scrapes_init(&exporter->scrapes, &exporter->loop, on_body_wanted, exporter);
	uv_poll_start(&exporter->control, UV_READABLE, on_control);
	uv_run(&exporter->loop, UV_RUN_DEFAULT);
	return exporter->result;
}

int exporter_serve(int control_fd, unsigned may_lack,
		   int (*seal)(unsigned may_lack, struct tensock_error *reterr))
{
	struct exporter exporter = {
		.control_fd = control_fd, .listen_fd = -1, .may_lack = may_lack, .seal = seal
	};
	int r = uv_loop_init(&exporter.loop);

	if (r < 0)
		return r;
	r = pages_init(&exporter.pages);
	if (r == 0)
		r = run(&exporter);
	scrape_body_put(exporter.body);
	pages_done(&exporter.pages);
	uv_loop_close(&exporter.loop);
	tsk_close(exporter.control_fd);
	return r;
}
