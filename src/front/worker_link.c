/* SPDX-License-Identifier: Apache-2.0 */
#include "front/worker_link.h"

#include <assert.h>
#include <inttypes.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/seqpacket.h"
#include "base/status.h"
#include "front/handle.h"
#include "front/limit_hits.h"
#include "front/workers.h"

/* How long a worker may take to end by itself. */
#define END_GRACE_MS 2000u
/* How long its wait status may take, once it has hung up. */
#define STATUS_MS 25u
#define MESSAGES_A_TURN 16
/* Rings of the doorbell in a row with nothing in the ring: an honest race makes one or two. */
#define VAIN_RINGS_MAX 1000u

static const char *const state_names[] = {
	[WORKER_SPAWNING] = "spawning", [WORKER_SPARE] = "spare",   [WORKER_LOADING] = "loading",
	[WORKER_SERVING] = "serving",   [WORKER_CLOSED] = "closed",
};
static_assert(ARRAY_SIZE(state_names) == WORKER_STATE_MAX, "a state lacks its name");

void worker_link_set_state(struct worker_link *link, enum worker_state state)
{
	assert(link->state != WORKER_CLOSED);
	tsk_debug("worker %" PRIu64 ": %s, was %s", link->id, state_names[state],
		  state_names[link->state]);
	link->state = state;
}

static void kill_worker(struct worker_link *link)
{
	int r = supervisor_send(link->workers->supervisor, FRONT_KILL, link->id,
				link->is_rogue ? FRONT_KILL_ROGUE : 0);

	if (r < 0)
		tsk_error("worker %" PRIu64 " cannot be killed: %s", link->id, strerror(-r));
}

static void on_time(uv_timer_t *timer)
{
	struct worker_link *link = timer->data;
	const struct front_start *limits = link->workers->limits;

	if (link->state == WORKER_CLOSED) {
		kill_worker(link);
	} else if (link->is_gone) {
		worker_link_fail(link, false, TENSOCK_WORKER_DIED, "the worker process died");
	} else if (link->state == WORKER_LOADING) {
		limit_hit(METRICS_LIMIT_LOAD_DEADLINE);
		worker_link_fail(link, true, TENSOCK_DEADLINE_EXCEEDED,
				 "the model was not loaded within %u ms (load-deadline)",
				 limits->load_deadline_ms);
	} else {
		limit_hit(METRICS_LIMIT_RUN_DEADLINE);
		worker_link_fail(link, true, TENSOCK_DEADLINE_EXCEEDED,
				 "the run took more than %u ms (run-deadline)",
				 limits->run_deadline_ms);
	}
}

/* It is waited for its wait status, and for nothing else. */
static bool is_awaiting_end(const struct worker_link *link)
{
	return link->is_gone && link->state != WORKER_CLOSED;
}

void worker_link_arm(struct worker_link *link, uint64_t ms)
{
	if (!is_awaiting_end(link))
		uv_timer_start(link->timer, on_time, ms, 0);
}

void worker_link_disarm(struct worker_link *link)
{
	if (!is_awaiting_end(link))
		uv_timer_stop(link->timer);
}

/* Everything that is shared with the process goes; the process is told so by the socket's end. */
static void disconnect(struct worker_link *link)
{
	handle_free(TAKE_PTR(link->socket_poll));
	handle_free(TAKE_PTR(link->doorbell_poll));
	link->socket = tsk_close(link->socket);
	if (link->has_rings)
		ring_pair_done(&link->rings);
	link->has_rings = false;
	buffer_pool_worker_gone(&link->workers->buffers, link->id);
	free(TAKE_PTR(link->output_dtypes));
}

/* The end of all but the process: CLOSED. */
static void let_go(struct worker_link *link, bool kill)
{
	disconnect(link);
	worker_link_set_state(link, WORKER_CLOSED);
	workers_forget_spare(link->workers, link);
	worker_link_disarm(link);
	if (!link->is_process)
		return;
	if (kill)
		kill_worker(link);
	else
		worker_link_arm(link, END_GRACE_MS);
}

void worker_link_fail(struct worker_link *link, bool kill, enum tensock_status status,
		      const char *fmt, ...)
{
	const struct worker_user_ops *ops = TAKE_PTR(link->ops);
	struct tensock_error why;
	struct request_queue others = TAILQ_HEAD_INITIALIZER(others);
	struct request *ran;
	char text[sizeof(why.message)];
	va_list args;

	if (link->state == WORKER_CLOSED)
		return;
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	(void)tsk_fail(&why, status, "%s", text);
	ran = worker_run_drop(link, status == TENSOCK_DEADLINE_EXCEEDED, &others);
	link->is_killed = kill;
	link->is_rogue = kill && status == TENSOCK_WORKER_DIED;
	let_go(link, kill);
	if (ops)
		ops->lost(link->user, ran, &others, &why);
	else
		tsk_warning("a spare worker was lost: %s: %s", tsk_status(status)->name,
			    why.message);
}

static void break_rules(struct worker_link *link, const char *how)
{
	worker_link_fail(link, true, TENSOCK_WORKER_DIED, "the worker broke the rules: %s", how);
}

static void on_loaded(struct worker_link *link, const struct worker_received *received)
{
	struct tsk_model_info info;

	if (link->state != WORKER_LOADING) {
		break_rules(link, "loaded without a load");
		return;
	}
	if (tsk_model_info_decode(received->description, received->description_bytes, &info) < 0) {
		break_rules(link, "a description that cannot be read");
		return;
	}
	link->output_dtypes = calloc((size_t)info.n_outputs + 1, sizeof(*link->output_dtypes));
	if (!link->output_dtypes) {
		tsk_model_info_done(&info);
		worker_link_fail(link, true, TENSOCK_OUT_OF_MEMORY, "no memory");
		return;
	}
	link->n_outputs = info.n_outputs;
	if (received->msg.value > 1)
		link->parallel = received->msg.value < WORKER_RUNS_MAX
					 ? (unsigned)received->msg.value
					 : WORKER_RUNS_MAX;
	for (uint32_t i = 0; i < info.n_outputs; i++)
		link->output_dtypes[i] = info.outputs[i].dtype;
	worker_link_disarm(link);
	worker_link_set_state(link, WORKER_SERVING);
	link->ops->loaded(link->user, &info);
}

static void on_message(struct worker_link *link, const struct worker_received *received)
{
	const struct worker_msg *msg = &received->msg;
	bool has_no_model = link->state == WORKER_SPARE || link->state == WORKER_LOADING;

	if (msg->type == WORKER_READY && has_no_model && !link->is_ready) {
		link->is_ready = true;
		tsk_debug("worker %" PRIu64 ": ready, %s", link->id, msg->text);
	} else if (msg->type == WORKER_FAILED && has_no_model) {
		worker_link_fail(link, false, (enum tensock_status)msg->status, "%s", msg->text);
	} else if (msg->type == WORKER_LOADED) {
		on_loaded(link, received);
	} else if (msg->type == WORKER_FOREIGN_MAPPED) {
		if (worker_foreign_answered(link, msg->id, msg->value != 0) < 0)
			break_rules(link, "memory that it was not given");
	} else {
		break_rules(link, "an unexpected message");
	}
}

/*
 * Its process has hung up.  Where the kernel watches the guest's memory, its wait status says whether that
 * was why: it comes a moment later, and is waited for.
 */
static void hang_up(struct worker_link *link)
{
	if (!link->workers->limits->process_bytes_max) {
		worker_link_fail(link, false, TENSOCK_WORKER_DIED, "the worker process died");
		return;
	}
	workers_forget_spare(link->workers, link); /* no model comes to one that is gone */
	handle_free(TAKE_PTR(link->socket_poll));
	worker_link_arm(link, STATUS_MS);
	link->is_gone = true;
}

static void on_end(struct worker_link *link, int r)
{
	/* What it had answered before counts: the rings outlive it. */
	if (!worker_run_reap(link))
		return;
	if (r == 0 || tsk_seqpacket_has_hung_up(r))
		hang_up(link);
	else if (r == -EPROTO)
		break_rules(link, "a malformed message");
	else
		worker_link_fail(link, true, TENSOCK_WORKER_DIED, "the worker is lost: %s",
				 strerror(-r));
}

static void receive(struct worker_link *link)
{
	struct worker_received *received = &link->workers->received;

	for (int i = 0; i < MESSAGES_A_TURN && link->state != WORKER_CLOSED; i++) {
		int r = worker_control_recv(link->socket, received);

		if (r == -EAGAIN)
			return;
		if (r <= 0) {
			on_end(link, r);
			return;
		}
		on_message(link, received);
		worker_received_done(received);
	}
}

static void on_socket(uv_poll_t *poll, int status, int events)
{
	(void)status;
	(void)events;
	receive(poll->data);
}

void worker_link_exited(struct worker_link *link, uint64_t value)
{
	/* Its last words come first: they may give a better reason. */
	if (link->state != WORKER_CLOSED)
		receive(link);
	if (value & FRONT_EXITED_GUEST_MEMORY)
		worker_link_fail(
			link, false, TENSOCK_OUT_OF_MEMORY,
			"the model's process was ended for its memory: this guest's processes "
			"together reached %" PRIu64 " bytes (max-process-memory)",
			link->workers->limits->process_bytes_max);
	else if (value & FRONT_EXITED_HOST_MEMORY)
		worker_link_fail(
			link, false, TENSOCK_OUT_OF_MEMORY,
			"the model's process was ended for its memory: the host has no more");
	else
		worker_link_fail(link, false, TENSOCK_WORKER_DIED, "the worker process died");
}

/*
 * It does not take a message.  Where it has hung up, that is its end as any other, and not held against
 * it: its wait status says who ended it.
 */
static void on_send_failed(struct worker_link *link, enum tensock_status status, const char *what,
			   int r)
{
	if (tsk_seqpacket_has_hung_up(r))
		hang_up(link);
	else
		worker_link_fail(link, true, status, "%s: %s", what, strerror(-r));
}

/* The worker's end of the doorbell is closed, which would wake us for ever. */
static bool is_doorbell_dead(const struct worker_link *link)
{
	struct pollfd p = { .fd = link->rings.in.doorbell };

	return poll(&p, 1, 0) > 0 && (p.revents & (POLLHUP | POLLERR));
}

/* Only wakes the loop; the ring is looked at after every blocking. */
static void on_doorbell(uv_poll_t *handle, int status, int events)
{
	struct worker_link *link = handle->data;

	(void)status;
	(void)events;
	link->has_rung = true;
	if (link->vain_rings++ == 0)
		return;
	/* If it is the worker's end, its socket says so; if not, the deadline will. */
	if (is_doorbell_dead(link))
		handle_free(TAKE_PTR(link->doorbell_poll));
	else if (link->vain_rings > VAIN_RINGS_MAX)
		break_rules(link, "it rings for nothing");
}

/* Not for nothing: it would wake up for it. */
static void ring_worker(struct worker_link *link)
{
	struct ring *ring = &link->rings.out;

	if (ring->position == link->rung_position)
		return;
	if (link->is_urgent)
		ring_ring_urgently(ring);
	else
		ring_ring(ring);
	link->rung_position = ring->position;
	link->is_urgent = false;
}

bool worker_link_before_sleep(struct worker_link *link)
{
	if (!link->has_rings)
		return false;
	ring_worker(link);
	return !ring_sleep(&link->rings.in);
}

void worker_link_after_sleep(struct worker_link *link)
{
	if (!link->has_rings)
		return;
	if (link->has_rung)
		ring_awake(&link->rings.in);
	else
		ring_awake_unrung(&link->rings.in);
	link->has_rung = false;
}

/* Rings and doorbells: our ends are kept, the worker's are sent. */
static int attach(struct worker_link *link)
{
	struct worker_msg msg = { .type = WORKER_ATTACH };
	_cleanup_close_ int memfd = -1, out = -1, out_worker = -1, in = -1, in_worker = -1;
	int r = ring_memfd_new(&memfd);

	if (r == 0)
		r = ring_doorbell_new(&out, &out_worker);
	if (r == 0)
		r = ring_doorbell_new(&in_worker, &in);
	if (r < 0)
		return r;
	r = ring_pair_init(&link->rings, RING_FRONT, memfd, TAKE_FD(out), TAKE_FD(in));
	if (r < 0)
		return r;
	link->has_rings = true;
	link->doorbell_poll = handle_poll_new(link->workers->loop, link->rings.in.doorbell, link);
	if (!link->doorbell_poll)
		return -ENOMEM;
	uv_poll_start(link->doorbell_poll, UV_READABLE, on_doorbell);
	return worker_control_send(link->socket, &msg, NULL, 0,
				   (int[]){ memfd, out_worker, in_worker }, 3);
}

static void send_load(struct worker_link *link)
{
	struct worker_msg msg = { .type = WORKER_LOAD, .value = link->model.bytes };
	int r = worker_control_send(link->socket, &msg, NULL, 0, &link->model.fd, 1);

	if (r < 0) {
		on_send_failed(link, TENSOCK_WORKER_DIED, "the worker does not take the model", r);
		return;
	}
	worker_link_set_state(link, WORKER_LOADING);
	worker_link_arm(link, link->workers->limits->load_deadline_ms);
}

static int open_socket(struct worker_link *link, int fd)
{
	link->socket = fd;
	link->socket_poll = handle_poll_new(link->workers->loop, fd, link);
	if (!link->socket_poll)
		return -ENOMEM;
	uv_poll_start(link->socket_poll, UV_READABLE, on_socket);
	return attach(link);
}

static void fail_to_spawn(struct worker_link *link, int result, uint64_t wait_ms)
{
	if (result == -EAGAIN && wait_ms)
		worker_link_fail(link, false, TENSOCK_LIMIT_REACHED,
				 "this guest's processes have crashed too often (max-crashes): no "
				 "worker is started now; try again in %" PRIu64 " s",
				 (wait_ms - 1) / 1000 + 1);
	else
		worker_link_fail(link, false, TENSOCK_UNAVAILABLE, "no worker can be started: %s",
				 strerror(-result));
	workers_remove(link->workers, link);
}

void worker_link_spawned(struct worker_link *link, int result, uint64_t wait_ms, int fd)
{
	link->is_process = result == 0;
	if (link->state == WORKER_CLOSED) {
		tsk_close(fd);
		if (link->is_process)
			worker_link_arm(link, END_GRACE_MS);
		else
			workers_remove(link->workers, link);
		return;
	}
	if (result < 0) {
		fail_to_spawn(link, result, wait_ms);
		return;
	}
	result = open_socket(link, fd);
	if (result < 0) {
		on_send_failed(link, tsk_status_from_errno(-result),
			       "the worker cannot be attached", result);
		return;
	}
	worker_link_set_state(link, WORKER_SPARE);
	if (link->ops)
		send_load(link);
}

void worker_link_load(struct worker_link *link, const struct worker_model *model,
		      const struct worker_user_ops *ops, void *user)
{
	assert(!link->ops);
	workers_forget_spare(link->workers, link);
	link->model = *model;
	link->ops = ops;
	link->user = user;
	if (link->state == WORKER_SPARE)
		send_load(link);
}

void worker_link_close(struct worker_link *link)
{
	struct request_queue others = TAILQ_HEAD_INITIALIZER(others);
	struct request *ran;

	link->ops = NULL;
	ran = worker_run_drop(link, false, &others);
	assert(!ran && TAILQ_EMPTY(&others));
	(void)ran;
	let_go(link, false);
}

int worker_link_new(struct workers *workers, uint64_t id, struct worker_link **ret)
{
	struct worker_link *link = calloc(1, sizeof(*link));
	int r;

	if (!link)
		return -ENOMEM;
	*link = (struct worker_link){ .workers = workers, .id = id, .socket = -1, .parallel = 1 };
	link->timer = handle_timer_new(workers->loop, link);
	r = link->timer ? supervisor_send(workers->supervisor, FRONT_SPAWN, id, 0) : -ENOMEM;
	if (r < 0) {
		worker_link_free(link);
		return r;
	}
	*ret = link;
	return 0;
}

void worker_link_free(struct worker_link *link)
{
	struct request_queue others = TAILQ_HEAD_INITIALIZER(others);

	if (!link)
		return;
	if (link->state != WORKER_CLOSED)
		(void)worker_run_drop(link, false, &others);
	disconnect(link);
	handle_free(link->timer);
	free(link);
}
