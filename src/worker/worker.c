/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/worker.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/affinity.h"
#include "base/status.h"
#include "channel/ring.h"
#include "channel/run.h"
#include "channel/worker_control.h"
#include "worker/buffers.h"
#include "worker/host.h"
#include "worker/inbox.h"
#include "worker/model.h"
#include "worker/runner.h"
#include "worker/seal.h"

/* Requests after which the control socket is looked at, though the worker did not wait for it. */
#define REQUESTS_A_TURN 32u

/* How long a refusal waits to be read. */
#define REFUSAL_MS 5000

struct worker {
	int control_fd;
	const struct engines *engines;
	struct inbox inbox; /* has a mutex of its own; never both at once, but for a load */
	struct affinity affinity; /* the main thread's */
	struct ring_pair rings;
	bool attached, loaded;
	bool has_message; /* the control socket may have one */
	struct model model;
	/* The main thread's, then those of the helpers. */
	struct runner runners[PLUGIN_PARALLEL_MAX];
	unsigned n_runners;
	unsigned n_answered; /* since the last look at the control socket */
	unsigned char description[WORKER_DESCRIPTION_MAX];

	pthread_mutex_t mutex; /* of reading the control socket, and of the rest */
	struct buffers buffers, foreign;
	struct worker_received received;
};

/* Static: large, and the inbox's thread looks into it as long as the process lives. */
static struct worker the_worker = { .mutex = PTHREAD_MUTEX_INITIALIZER };

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
	return inbox_attach(&w->inbox, &w->rings);
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

static void free_runners(struct worker *w)
{
	while (w->n_runners)
		runner_done(&w->runners[--w->n_runners]);
}

/* A runner's, on any thread. */
static void *find_foreign(uint32_t id, uint64_t offset, uint64_t bytes)
{
	struct worker *w = &the_worker;
	void *at;

	pthread_mutex_lock(&w->mutex);
	at = buffers_region(&w->foreign, id, offset, bytes);
	pthread_mutex_unlock(&w->mutex);
	return at;
}

/* One for each run that may be under way at once. */
static int make_runners(struct worker *w)
{
	unsigned n = model_parallel(&w->model);
	int r = 0;

	while (w->n_runners < n && r == 0) {
		r = runner_init(&w->runners[w->n_runners], &w->model, find_foreign);
		w->n_runners += r == 0;
	}
	if (r < 0)
		free_runners(w);
	return r;
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
		r = make_runners(w);
		if (r < 0)
			tsk_fail(reterr, TENSOCK_OUT_OF_MEMORY, "not enough memory");
	}
	if (r < 0)
		model_unload(&w->model);
	return r;
}

static void *help(void *arg);

/*
 * Returns how many there are: with fewer, or none, all the same runs.  Here, and not when they are
 * first needed: once the model is loaded no thread can be started any more.
 */
static unsigned start_helpers(struct worker *w)
{
	unsigned n = 0;

	while (n + 1 < w->n_runners) {
		pthread_t thread;

		if (pthread_create(&thread, NULL, help, &w->runners[n + 1]) != 0) {
			host_log(TENSOCK_LOG_WARNING,
				 "no thread can be started for more runs at once");
			break;
		}
		pthread_detach(thread);
		n++;
	}
	return n;
}

static int load(struct worker *w, const struct worker_received *received)
{
	struct worker_msg loaded = { .type = WORKER_LOADED };
	struct tensock_error error = { 0 };
	size_t bytes = 0;
	int r;

	if (!w->attached || w->loaded)
		return -EPROTO;
	if (!inbox_enter(&w->inbox))
		return 0;
	r = load_model(w, received, &bytes, &error);
	inbox_leave(&w->inbox);
	if (r < 0)
		return tell_failed(w->control_fd, &error);
	w->loaded = true;
	loaded.value = 1 + start_helpers(w);
	if (worker_seal_loaded(&error) < 0) {
		host_log(TENSOCK_LOG_ERROR, error.message);
		return -EPERM;
	}
	inbox_set_model(&w->inbox, &w->model, (unsigned)loaded.value - 1);
	return worker_control_send(w->control_fd, &loaded, w->description, bytes, NULL, 0);
}

/* Where it cannot be had, the front copies. */
static int add_foreign(struct worker *w, const struct worker_received *received)
{
	struct worker_msg mapped = { .type = WORKER_FOREIGN_MAPPED, .id = received->msg.id };

	mapped.value = buffers_add_foreign(&w->foreign, received->msg.id, received->fds[0],
					   received->msg.value) == 0;
	return tell(w->control_fd, &mapped);
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
	case WORKER_FOREIGN:
		return add_foreign(w, received);
	case WORKER_FOREIGN_DROP:
		buffers_drop(&w->foreign, received->msg.id);
		return 0;
	default:
		return -EPROTO;
	}
}

/* All messages there are, under the mutex.  1 when the front has hung up. */
static int read_control(struct worker *w)
{
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

static int handle_control(struct worker *w)
{
	int r;

	w->has_message = false;
	w->n_answered = 0;
	pthread_mutex_lock(&w->mutex);
	r = read_control(w);
	pthread_mutex_unlock(&w->mutex);
	return r;
}

static bool find_regions(const struct worker *w, const struct run_entry *entry, struct region *in,
			 struct region *out)
{
	in->bytes = entry->in_bytes;
	in->start = buffers_region(&w->buffers, entry->in_buffer, entry->in_offset, in->bytes);
	out->bytes = entry->out_bytes;
	out->start = buffers_region(&w->buffers, entry->out_buffer, entry->out_offset, out->bytes);
	return in->start && out->start;
}

/*
 * Any thread: the job is this one's.  The buffers that its entry names were sent before it, but by the
 * socket, which may not have been read since.  1 when the front has hung up.
 */
static int answer(struct worker *w, struct runner *runner, struct job *job)
{
	struct region in, out;
	int r = 0;

	pthread_mutex_lock(&w->mutex);
	if (!find_regions(w, &job->entry, &in, &out)) {
		r = read_control(w);
		(void)find_regions(w, &job->entry, &in, &out);
	}
	pthread_mutex_unlock(&w->mutex);
	if (r == 0)
		runner_answer(runner, job, &in, &out);
	return r;
}

/*
 * A helper, which lives as long as the process.  It may be the one that learns that the front has gone
 * or breaks the rules: then nobody wants what the others run.
 */
static void *help(void *arg)
{
	struct worker *w = &the_worker;
	struct runner *runner = arg;

	for (;;) {
		struct job *job = inbox_wait(&w->inbox);
		int r = answer(w, runner, job);

		if (r < 0)
			host_log(TENSOCK_LOG_ERROR, "the front breaks the rules");
		if (r != 0)
			_exit(r < 0 ? 1 : 0);
		inbox_finish(&w->inbox, job, false);
	}
}

/* Answers what waits, up to a turn's worth.  1 when the front is gone. */
static int handle_requests(struct worker *w)
{
	struct job *job;
	int r;

	for (unsigned i = 0; i < REQUESTS_A_TURN; i++) {
		r = inbox_take(&w->inbox, &job);
		if (r <= 0)
			return r == -EPIPE ? 1 : r;
		w->n_answered++;
		if (job->entry.type == RUN_START)
			affinity_bind(&w->affinity, job->entry.cpu);
		r = answer(w, &w->runners[0], job);
		if (r != 0) {
			inbox_leave(&w->inbox);
			return r;
		}
		inbox_finish(&w->inbox, job, true);
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

int worker_prepare(int control_fd, const struct engines *engines)
{
	struct worker *w = &the_worker;

	w->control_fd = control_fd;
	w->has_message = true;
	w->engines = engines;
	affinity_init(&w->affinity);
	return inbox_init(&w->inbox, control_fd);
}

int worker_serve(void)
{
	struct worker *w = &the_worker;
	int r = inbox_start(&w->inbox);

	if (r < 0)
		return r;
	r = say_ready(w);
	if (r == 0)
		r = loop(w);
	/* What a helper runs nobody wants any more; and the engine's end would be pulled from under it. */
	if (!inbox_close(&w->inbox)) {
		if (r < 0)
			host_log(TENSOCK_LOG_ERROR, "the front breaks the rules");
		_exit(r < 0 ? 1 : 0);
	}
	free_runners(w);
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
