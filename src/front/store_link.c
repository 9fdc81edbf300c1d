/* SPDX-License-Identifier: Apache-2.0 */
#include "front/store_link.h"

#include <poll.h>
#include <stdbool.h>

#include "front/handle.h"

#define MESSAGES_A_TURN 16

struct store_link {
	int fd;
	uv_poll_t *poll;
	const struct store_link_ops *ops;
	void *context;
	bool is_full;
	bool *is_freed; /* of the callback that is under way */
};

static void on_ready(uv_poll_t *poll, int status, int events);

static void watch(struct store_link *link)
{
	uv_poll_start(link->poll, UV_READABLE | (link->is_full ? UV_WRITABLE : 0), on_ready);
}

int store_link_new(uv_loop_t *loop, int fd, const struct store_link_ops *ops, void *context,
		   struct store_link **ret)
{
	struct store_link *link = calloc(1, sizeof(*link));

	if (!link) {
		tsk_close(fd);
		return -ENOMEM;
	}
	*link = (struct store_link){ .fd = fd, .ops = ops, .context = context };
	link->poll = handle_poll_new(loop, fd, link);
	if (!link->poll) {
		store_link_free(link);
		return -ENOMEM;
	}
	watch(link);
	*ret = link;
	return 0;
}

void store_link_free(struct store_link *link)
{
	if (!link)
		return;
	if (link->is_freed)
		*link->is_freed = true;
	handle_free(link->poll);
	tsk_close(link->fd);
	free(link);
}

int store_link_send(struct store_link *link, const struct store_msg *msg, int fd)
{
	int r = store_control_send(link->fd, msg, fd);

	if (r == -EAGAIN && !link->is_full) {
		link->is_full = true;
		watch(link);
	}
	return r;
}

/* False: no more now, or none at all and the link is gone. */
static bool receive_one(struct store_link *link)
{
	struct store_msg msg;
	bool is_freed = false;
	int fd = -1;
	int r = store_control_recv(link->fd, &msg, &fd);

	if (r == -EAGAIN)
		return false;
	if (r <= 0) {
		uv_poll_stop(link->poll);
		link->ops->ended(link->context, r);
		return false;
	}
	link->is_freed = &is_freed;
	link->ops->message(link->context, &msg, fd);
	if (!is_freed)
		link->is_freed = NULL;
	return !is_freed;
}

static void on_ready(uv_poll_t *poll, int status, int events)
{
	struct store_link *link = poll->data;

	if (status < 0) {
		uv_poll_stop(poll);
		link->ops->ended(link->context, status);
		return;
	}
	if (events & UV_WRITABLE) {
		link->is_full = false;
		watch(link);
		link->ops->writable(link->context);
	}
	if (!(events & UV_READABLE))
		return;
	for (int i = 0; i < MESSAGES_A_TURN && receive_one(link); i++)
		;
}

void store_link_await(struct store_link *link, unsigned ms)
{
	struct pollfd p = { .fd = link->fd, .events = POLLIN };

	if (poll(&p, 1, (int)ms) > 0)
		(void)receive_one(link);
}
