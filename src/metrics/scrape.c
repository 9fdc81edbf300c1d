/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics/scrape.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "metrics/head.h"

#define ANSWER_HEAD_SIZE 256u
#define DRAIN_BYTES_MAX (1u << 20) /* of a body that nobody has asked for */

struct scrape {
	TAILQ_ENTRY(scrape) entry;
	struct scrapes *scrapes;
	int fd;
	uv_poll_t poll;
	uv_timer_t timer;
	unsigned n_handles;
	struct head head;
	char answer[ANSWER_HEAD_SIZE];
	size_t answer_bytes, sent; /* of the answer's head, then the body */
	struct scrape_body *body;  /* NULL: none */
	bool is_answered;          /* all has been sent: what the peer may still say is dropped */
	size_t drained;
};

void scrape_body_put(struct scrape_body *body)
{
	if (!body || --body->n_users)
		return;
	free(body->text);
	free(body);
}

static void on_closed(uv_handle_t *handle)
{
	struct scrape *scrape = handle->data;

	if (--scrape->n_handles == 0)
		free(scrape);
}

static void end(struct scrape *scrape)
{
	struct scrapes *scrapes = scrape->scrapes;

	TAILQ_REMOVE(&scrapes->list, scrape, entry);
	scrapes->n--;
	uv_close((uv_handle_t *)&scrape->poll, on_closed);
	uv_close((uv_handle_t *)&scrape->timer, on_closed);
	scrape->fd = tsk_close(scrape->fd);
	scrape_body_put(TAKE_PTR(scrape->body));
}

static void on_time(uv_timer_t *timer)
{
	end(timer->data);
}

/* The answer */

static const char *reason_of(unsigned status)
{
	switch (status) {
	case 200:
		return "OK";
	case 404:
		return "Not Found";
	case 405:
		return "Method Not Allowed";
	case 431:
		return "Request Header Fields Too Large";
	case 503:
		return "Service Unavailable";
	default:
		return "Bad Request";
	}
}

static void make_answer(struct scrape *scrape, unsigned status)
{
	if (status == 200)
		scrape->body = scrape->scrapes->body(scrape->scrapes->context);
	if (status == 200 && !scrape->body)
		status = 503;
	scrape->answer_bytes = (size_t)snprintf(
		scrape->answer, sizeof(scrape->answer),
		"HTTP/1.1 %u %s\r\n%s%sContent-Length: %zu\r\nConnection: close\r\n\r\n", status,
		reason_of(status),
		status == 200 ? "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n" : "",
		status == 405 ? "Allow: GET, HEAD\r\n" : "", scrape->body ? scrape->body->len : 0);
	if (head_is_bodiless(&scrape->head))
		scrape_body_put(TAKE_PTR(scrape->body));
}

/* True when all has been sent; false with *ret_failed when it never will be. */
static bool send_answer(struct scrape *scrape, bool *ret_failed)
{
	size_t body_bytes = scrape->body ? scrape->body->len : 0;

	while (scrape->sent < scrape->answer_bytes + body_bytes) {
		bool is_head = scrape->sent < scrape->answer_bytes;
		const char *from =
			is_head ? scrape->answer + scrape->sent
				: scrape->body->text + (scrape->sent - scrape->answer_bytes);
		size_t n = (is_head ? scrape->answer_bytes : scrape->answer_bytes + body_bytes) -
			   scrape->sent;
		ssize_t r = send(scrape->fd, from, n, MSG_NOSIGNAL | (is_head ? MSG_MORE : 0));

		if (r < 0) {
			*ret_failed = errno != EAGAIN && errno != EINTR;
			return false;
		}
		scrape->sent += (size_t)r;
	}
	return true;
}

static void on_ready(uv_poll_t *poll, int status, int events);

static void go_on(struct scrape *scrape)
{
	bool has_failed = false;

	if (!send_answer(scrape, &has_failed)) {
		if (has_failed)
			end(scrape);
		else
			uv_poll_start(&scrape->poll, UV_WRITABLE, on_ready);
		return;
	}
	/* Closed with bytes unread it would be a reset, which may overtake the answer. */
	scrape->is_answered = true;
	scrape_body_put(TAKE_PTR(scrape->body));
	shutdown(scrape->fd, SHUT_WR);
	uv_poll_start(&scrape->poll, UV_READABLE, on_ready);
}

static void begin_answer(struct scrape *scrape, unsigned status)
{
	uv_timer_start(&scrape->timer, on_time, SCRAPE_ANSWER_MS, 0);
	make_answer(scrape, status);
	go_on(scrape);
}

/* The question */

static void receive(struct scrape *scrape)
{
	char bytes[4096];
	ssize_t n = recv(scrape->fd, bytes, sizeof(bytes), 0);
	unsigned status;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		end(scrape);
		return;
	}
	if (scrape->is_answered) {
		scrape->drained += (size_t)n;
		if (scrape->drained > DRAIN_BYTES_MAX)
			end(scrape);
		return;
	}
	status = head_received(&scrape->head, bytes, (size_t)n);
	if (status)
		begin_answer(scrape, status);
}

static void on_ready(uv_poll_t *poll, int status, int events)
{
	struct scrape *scrape = poll->data;

	if (status < 0)
		end(scrape);
	else if (events & UV_WRITABLE)
		go_on(scrape);
	else
		receive(scrape);
}

void scrapes_add(struct scrapes *scrapes, int fd)
{
	struct scrape *scrape = calloc(1, sizeof(*scrape));

	if (!scrape || uv_poll_init(scrapes->loop, &scrape->poll, fd) < 0) {
		free(scrape);
		tsk_close(fd);
		return;
	}
	uv_timer_init(scrapes->loop, &scrape->timer);
	scrape->poll.data = scrape->timer.data = scrape;
	scrape->n_handles = 2;
	scrape->scrapes = scrapes;
	scrape->fd = fd;
	head_init(&scrape->head);
	if (scrapes->n == SCRAPES_MAX)
		end(TAILQ_FIRST(&scrapes->list));
	TAILQ_INSERT_TAIL(&scrapes->list, scrape, entry);
	scrapes->n++;
	uv_timer_start(&scrape->timer, on_time, SCRAPE_HEAD_MS, 0);
	uv_poll_start(&scrape->poll, UV_READABLE, on_ready);
}

void scrapes_init(struct scrapes *scrapes, uv_loop_t *loop,
		  struct scrape_body *(*body)(void *context), void *context)
{
	*scrapes = (struct scrapes){ .loop = loop, .body = body, .context = context };
	TAILQ_INIT(&scrapes->list);
}

void scrapes_done(struct scrapes *scrapes)
{
	while (scrapes->n)
		end(TAILQ_FIRST(&scrapes->list));
}
