/* SPDX-License-Identifier: Apache-2.0 */
#include "front/supervisor_link.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/queue.h>

#include "base/seqpacket.h"
#include "front/handle.h"

#define MESSAGES_A_TURN 64

struct waiting {
	TAILQ_ENTRY(waiting) entry;
	struct front_msg msg;
};

struct supervisor_link {
	int fd;
	uv_poll_t *poll;
	const struct supervisor_link_ops *ops;
	void *context;
	uint64_t received;
	bool has_ended;
	TAILQ_HEAD(, waiting) waiting; /* for room in the socket */
	unsigned n_waiting;
};

static void on_ready(uv_poll_t *poll, int status, int events);

static void watch(struct supervisor_link *link)
{
	int events = UV_READABLE | (link->n_waiting ? UV_WRITABLE : 0);

	uv_poll_start(link->poll, events, on_ready);
}

static void drop_first(struct supervisor_link *link)
{
	struct waiting *first = TAILQ_FIRST(&link->waiting);

	TAILQ_REMOVE(&link->waiting, first, entry);
	link->n_waiting--;
	free(first);
}

static void end(struct supervisor_link *link, int result)
{
	link->has_ended = true;
	uv_poll_stop(link->poll);
	link->ops->ended(link->context, result);
}

static void send_waiting(struct supervisor_link *link)
{
	struct waiting *first;

	while ((first = TAILQ_FIRST(&link->waiting))) {
		/* Another failure than a full socket shows when receiving, too. */
		if (front_control_send(link->fd, &first->msg, -1) == -EAGAIN)
			return;
		drop_first(link);
	}
	watch(link);
}

static void receive(struct supervisor_link *link)
{
	for (int i = 0; i < MESSAGES_A_TURN && !link->has_ended; i++) {
		struct front_msg msg;
		int fd = -1;
		int r = front_control_recv(link->fd, &msg, &fd);

		if (r == -EAGAIN)
			return;
		if (r <= 0) {
			/* An error, where it closed its end with messages of ours unread. */
			end(link, tsk_seqpacket_has_hung_up(r) ? 0 : r);
			return;
		}
		link->received++;
		link->ops->message(link->context, &msg, fd);
	}
}

static void on_ready(uv_poll_t *poll, int status, int events)
{
	struct supervisor_link *link = poll->data;

	/* libuv's word for an error that waits on the socket is the same for all: receive() asks which. */
	if (status < 0)
		events = UV_READABLE;
	if (events & UV_WRITABLE)
		send_waiting(link);
	if (events & UV_READABLE)
		receive(link);
	if (status < 0 && !link->has_ended)
		end(link, status);
}

int supervisor_link_new(uv_loop_t *loop, int fd, const struct supervisor_link_ops *ops,
			void *context, struct supervisor_link **ret)
{
	struct supervisor_link *link = calloc(1, sizeof(*link));

	if (!link) {
		tsk_close(fd);
		return -ENOMEM;
	}
	*link = (struct supervisor_link){ .fd = fd, .ops = ops, .context = context };
	TAILQ_INIT(&link->waiting);
	link->poll = handle_poll_new(loop, fd, link);
	if (!link->poll) {
		supervisor_link_free(link);
		return -ENOMEM;
	}
	watch(link);
	*ret = link;
	return 0;
}

void supervisor_link_free(struct supervisor_link *link)
{
	if (!link)
		return;
	while (!TAILQ_EMPTY(&link->waiting))
		drop_first(link);
	handle_free(link->poll);
	tsk_close(link->fd);
	free(link);
}

static int send_msg(struct supervisor_link *link, const struct front_msg *msg)
{
	struct waiting *waiting;
	int r = link->n_waiting ? -EAGAIN : front_control_send(link->fd, msg, -1);

	if (r != -EAGAIN)
		return tsk_seqpacket_has_hung_up(r) ? 0 : r;
	if (link->n_waiting >= SUPERVISOR_LINK_WAITING_MAX)
		return -EBUSY;
	waiting = calloc(1, sizeof(*waiting));
	if (!waiting)
		return -ENOMEM;
	waiting->msg = *msg;
	TAILQ_INSERT_TAIL(&link->waiting, waiting, entry);
	link->n_waiting++;
	watch(link);
	return 0;
}

int supervisor_send(struct supervisor_link *link, enum front_msg_type type, uint64_t id,
		    uint64_t value)
{
	struct front_msg msg = { .type = type, .id = id, .value = value };

	return send_msg(link, &msg);
}

int supervisor_send_region(struct supervisor_link *link, uint64_t id,
			   const char key[FRONT_REGION_KEY_SIZE])
{
	struct front_msg msg = { .type = FRONT_REGION, .id = id };

	memcpy(msg.key, key, sizeof(msg.key));
	return send_msg(link, &msg);
}

uint64_t supervisor_link_received(const struct supervisor_link *link)
{
	return link->received;
}
