/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/worker.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/status.h"
#include "channel/ring.h"
#include "channel/run.h"
#include "channel/worker_control.h"
#include "worker/buffers.h"
#include "worker/inbox.h"
#include "worker/model.h"
#include "worker/runner.h"

/* Requests after which the control socket is looked at, though the worker did not wait for it. */
#define REQUESTS_A_TURN 32u

/* How long a refusal waits to be read. */
#define REFUSAL_MS 5000

struct worker {
	int control_fd;
	const struct engines *engines;
	struct inbox inbox;
	struct ring_pair rings;
	bool attached, loaded;
	bool has_message; /* the control socket may have one */
	struct buffers buffers;
	struct model model;
	struct runner runner;
	unsigned n_answered; /* since the last look at the control socket */
	struct worker_received received;
	unsigned char description[WORKER_DESCRIPTION_MAX];
};

/* Static: large, and the inbox's thread looks into it as long as the process lives. */
static struct worker the_worker;

static int attach(struct worker *w, struct worker_received *received)
{
	int r;

	if (w->attached)
		return -EPROTO;
	r = ring_pair_init(&w->rings, RING_WORKER, received->fds[0], TAKE_FD(received->fds[2]),
			   TAKE_FD(received->fds[1]));
	if (r < 0)
		return r;
	w->attached = true;
	return inbox_attach(&w->inbox, &w->rings.in);
}

static int tell(int control_fd, const struct worker_msg *msg)
{
	return worker_control_send(control_fd, msg, NULL, 0, NULL, 0);
}

static int tell_failed(int control_fd, const struct tensock_error *error)
{
	struct worker_msg msg = { .type = WORKER_FAILED, .status = error->status };

	memcpy(msg.text, error->message, sizeof(msg.text));
	return tell(control_fd, &msg);
}

/* Loads and describes; after a failure nothing is loaded. */
static int load_model(struct worker *w, const struct worker_received *received, size_t *ret_bytes,
		      struct tensock_error *reterr)
{
	int r = model_load(w->engines, received->fds[0], received->msg.value, &w->model, reterr);

	if (r < 0)
		return r;
	r = model_encode(&w->model, w->description, sizeof(w->description), ret_bytes, reterr);
	if (r == 0) {
		r = runner_init(&w->runner, &w->model, &w->buffers, &w->inbox);
		if (r < 0)
			tsk_fail(reterr, TENSOCK_OUT_OF_MEMORY, "not enough memory");
	}
	if (r < 0)
		model_unload(&w->model);
	return r;
}

static int load(struct worker *w, const struct worker_received *received)
{
	struct worker_msg loaded = { .type = WORKER_LOADED };
	struct tensock_error error = { 0 };
	size_t bytes = 0;
	int r;

	if (!w->attached || w->loaded)
		return -EPROTO;
	if (!inbox_enter(&w->inbox, 0, 0))
		return 0;
	r = load_model(w, received, &bytes, &error);
	inbox_leave(&w->inbox);
	if (r < 0)
		return tell_failed(w->control_fd, &error);
	w->loaded = true;
	inbox_set_model(&w->inbox, &w->model);
	return worker_control_send(w->control_fd, &loaded, w->description, bytes, NULL, 0);
}

static int handle_message(struct worker *w, struct worker_received *received)
{
	switch (received->msg.type) {
	case WORKER_ATTACH:
		return attach(w, received);
	case WORKER_LOAD:
		return load(w, received);
	case WORKER_BUFFER:
		return buffers_add(&w->buffers, received->msg.id, received->fds[0],
				   received->msg.value);
	case WORKER_BUFFER_DROP:
		buffers_drop(&w->buffers, received->msg.id);
		return 0;
	default:
		return -EPROTO;
	}
}

/* All messages there are.  1 when the front has hung up. */
static int handle_control(struct worker *w)
{
	w->has_message = false;
	w->n_answered = 0;
	for (;;) {
		int r = worker_control_recv(w->control_fd, &w->received);

		if (r == -EAGAIN)
			return 0;
		if (r == 0)
			return 1;
		if (r < 0)
			return r;
		r = handle_message(w, &w->received);
		worker_received_done(&w->received);
		if (r < 0)
			return r;
	}
}

/*
 * Publishes an answer.  The ring is full only while the front has more than RING_ENTRIES requests
 * under way and reads none of the answers: then this waits, until there is room or no front.
 */
static int push(struct worker *w, const struct run_entry *done)
{
	static const struct timespec ms = { .tv_nsec = 1000000 };
	struct pollfd fd = { .fd = w->control_fd };

	while (!ring_push(&w->rings.out, done)) {
		if (w->rings.out.broken || poll(&fd, 1, 0) > 0)
			return 1;
		nanosleep(&ms, NULL);
	}
	ring_ring(&w->rings.out);
	return 0;
}

/*
 * The buffers that an entry names were sent before it, but by the socket, which may not have been
 * read since.  1 when the front has hung up.
 */
static int meet_buffers(struct worker *w, const struct run_entry *entry)
{
	if (buffers_region(&w->buffers, entry->in_buffer, entry->in_offset, entry->in_bytes) &&
	    buffers_region(&w->buffers, entry->out_buffer, entry->out_offset, entry->out_bytes))
		return 0;
	return handle_control(w);
}

/* Answers what waits, up to a turn's worth.  1 when the front is gone. */
static int handle_requests(struct worker *w)
{
	struct run_entry entry, done;
	bool cancelled;
	int r;

	for (unsigned i = 0; i < REQUESTS_A_TURN; i++) {
		if (!inbox_take(&w->inbox, &entry, &cancelled))
			return w->rings.in.broken ? -EPROTO : 0;
		w->n_answered++;
		r = meet_buffers(w, &entry);
		if (r != 0)
			return r;
		if (!runner_answer(&w->runner, &entry, cancelled, &done))
			return 1;
		if (push(w, &done))
			return 1;
	}
	return 0;
}

/* Waits for either.  1 when the front is gone. */
static int wait_for_front(struct worker *w)
{
	struct pollfd fds[2] = { { .fd = w->control_fd, .events = POLLIN },
				 { .fd = w->loaded ? w->rings.in.doorbell : -1,
				   .events = POLLIN } };
	int n = 0;

	if (w->loaded && !inbox_sleep(&w->inbox))
		return 0;
	n = poll(fds, 2, -1);
	w->has_message = n < 0 || fds[0].revents;
	if (w->loaded)
		inbox_awake(&w->inbox, n > 0 && fds[1].revents);
	if (n < 0 && errno != EINTR)
		return -errno;
	return n > 0 && fds[1].revents & (POLLHUP | POLLERR) ? 1 : 0;
}

static int loop(struct worker *w)
{
	int r;

	do {
		r = w->has_message || w->n_answered >= REQUESTS_A_TURN ? handle_control(w) : 0;
		if (r == 0 && w->loaded)
			r = handle_requests(w);
		if (r == 0)
			r = wait_for_front(w);
	} while (r == 0);
	return r > 0 ? 0 : r;
}

static int say_ready(struct worker *w)
{
	struct worker_msg msg = { .type = WORKER_READY };

	engines_title(w->engines, msg.text, sizeof(msg.text));
	return tell(w->control_fd, &msg);
}

int worker_serve(int control_fd, const struct engines *engines)
{
	struct worker *w = &the_worker;
	int r;

	w->control_fd = control_fd;
	w->has_message = true;
	w->engines = engines;
	r = inbox_init(&w->inbox, control_fd);
	if (r < 0)
		return r;
	r = say_ready(w);
	if (r == 0)
		r = loop(w);
	inbox_set_model(&w->inbox, NULL);
	runner_done(&w->runner);
	model_unload(&w->model);
	/* It hung up before it was told something. */
	return r == -EPIPE || r == -ECONNRESET ? 0 : r;
}

/*
 * Stays until the front has read it and hangs up: to leave before, with messages of its unread, would
 * reset the connection, and it might see that first.
 */
void worker_refuse(int control_fd, const struct tensock_error *error)
{
	struct pollfd fd = { .fd = control_fd };

	/* When this fails, the front learns it from the end of the process. */
	if (tell_failed(control_fd, error) == 0)
		poll(&fd, 1, REFUSAL_MS);
}
