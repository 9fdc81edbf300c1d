/* SPDX-License-Identifier: Apache-2.0 */
#include "front/worker_link.h"

#include <assert.h>
#include <string.h>

#include "base/clock.h"
#include "base/status.h"
#include "channel/worker_control.h"
#include "front/workers.h"

/* Of those that a worker can map (worker/buffers.h), with room for what is on its way. */
#define KNOWN_MAX 192u

void worker_link_forget(struct worker_link *link, const struct buffer *buffer)
{
	struct worker_msg msg = { .type = WORKER_BUFFER_DROP, .id = buffer->id };

	link->n_known--;
	/* A worker that does not take it keeps old memory mapped: its own loss. */
	if (link->socket >= 0)
		(void)!worker_control_send(link->socket, &msg, NULL, 0, NULL, 0);
}

/* Has the worker know the buffer. */
static int introduce(struct worker_link *link, struct buffer *buffer, struct tensock_error *reterr)
{
	struct buffer_pool *pool = &link->workers->buffers;
	struct worker_msg msg = { .type = WORKER_BUFFER };
	int r;

	buffer->is_in_run = true;
	if (buffer->known_by == link->id)
		return 0;
	if (link->n_known >= KNOWN_MAX)
		(void)buffer_pool_forget_one(pool, link->id);
	buffer_pool_introduce(pool, buffer, link->id);
	link->n_known++;
	msg.id = buffer->id;
	msg.value = buffer->map.size;
	r = worker_control_send(link->socket, &msg, NULL, 0, &buffer->fd, 1);
	if (r == 0)
		return 0;
	/* It has not been told, so nobody is to make it forget. */
	link->n_known--;
	buffer->known_by = 0;
	return tsk_fail(reterr, TENSOCK_UNAVAILABLE, "the worker takes no buffer: %s",
			strerror(-r));
}

/* A buffer that the worker knows of. */
static int share_buffer(struct worker_link *link, uint64_t size, struct buffer **ret,
			struct tensock_error *reterr)
{
	int r = workers_buffer(link->workers, link, size, ret);

	if (r < 0)
		return tsk_fail(reterr, tsk_status_from_errno(-r),
				"no room for %llu bytes of tensors beside what is in use",
				(unsigned long long)size);
	return introduce(link, *ret, reterr);
}

/* The request's own buffer, or one of the pool. */
static int share_inputs(struct worker_link *link, struct request *request,
			struct tensock_error *reterr)
{
	struct worker_run *run = &link->run;

	run->is_own_in = request->in != NULL;
	if (!run->is_own_in)
		return share_buffer(link, run->in_bytes, &run->in, reterr);
	if (run->in_bytes > request->in->map.size)
		return tsk_fail(reterr, TENSOCK_INTERNAL, "the inputs exceed their buffer");
	run->in = TAKE_PTR(request->in);
	return introduce(link, run->in, reterr);
}

static void put_buffers(struct worker_link *link)
{
	struct buffer_pool *pool = &link->workers->buffers;
	struct worker_run *run = &link->run;

	buffer_pool_put(pool, TAKE_PTR(run->in));
	buffer_pool_put(pool, TAKE_PTR(run->out));
	buffer_pool_put(pool, TAKE_PTR(run->fetched));
}

/* What the request brought is its own again. */
static void hand_back(struct worker_run *run, struct request *request)
{
	if (!run->is_own_in || !run->in)
		return;
	run->in->is_in_run = false;
	request->in = TAKE_PTR(run->in);
}

/* The buffer that the worker was last told to write. */
static struct buffer **written(struct worker_run *run)
{
	return run->fetched ? &run->fetched : &run->out;
}

static void answer(struct worker_link *link, struct request_outputs *outputs,
		   const struct tensock_error *error)
{
	struct request *request = TAKE_PTR(link->run.request);
	struct buffer **buffer = written(&link->run);

	if (!request)
		return;
	request->model = NULL;
	request->is_running = false;
	if (!outputs) {
		request->ops->done(request, NULL, error);
		return;
	}
	outputs->buffer = *buffer;
	outputs->region = outputs->buffer->map.addr;
	outputs->compute_ns = tsk_now_ns() - link->run.start_ns;
	outputs->queue_ns = link->run.start_ns - request->queued_ns;
	(*buffer)->is_in_run = false;
	request->ops->done(request, outputs, NULL);
	*buffer = outputs->buffer;
}

/* Ends the run: answers its request, if it has one still, and the worker is IDLE. */
static void finish(struct worker_link *link, struct request_outputs *outputs,
		   const struct tensock_error *error)
{
	worker_link_disarm(link);
	answer(link, outputs, error);
	put_buffers(link);
	worker_link_set_state(link, WORKER_IDLE);
	link->ops->idle(link->user);
}

static void break_rules(struct worker_link *link, const char *how)
{
	worker_link_fail(link, true, TENSOCK_WORKER_DIED, "the worker broke the rules: %s", how);
}

static void push(struct worker_link *link, uint32_t type)
{
	struct worker_run *run = &link->run;
	struct run_entry entry = {
		.type = type,
		.request_id = run->id,
		.in_buffer = run->in->id,
		.out_buffer = (*written(run))->id,
		.in_bytes = run->in_bytes,
		.out_bytes = (*written(run))->map.size,
	};

	if (!ring_push(&link->rings.out, &entry))
		break_rules(link, "the ring is full");
}

static void start(struct worker_link *link)
{
	worker_link_set_state(link, WORKER_RUNNING);
	worker_link_arm(link, link->workers->limits->run_deadline_ms);
	link->run.start_ns = tsk_now_ns();
	push(link, RUN_START);
}

static bool fill_slice(struct work *work)
{
	struct worker_link *link =
		(struct worker_link *)(void *)((char *)work -
					       offsetof(struct worker_link, run.fill));
	struct request *request = link->run.request;

	if (request->ops->fill(request, link->run.in->map.addr))
		return true;
	start(link);
	return false;
}

/* The sizes of both regions, within the limit of a request. */
static int sizes_of(struct worker_link *link, struct request *request,
		    const struct tsk_model_info *info, uint64_t *ret_in, uint64_t *ret_out,
		    struct tensock_error *reterr)
{
	uint64_t max = link->workers->limits->request_bytes_max;
	int r = request->ops->prepare(request, info, ret_in, ret_out, reterr);

	if (r != 0)
		return r;
	if (*ret_in > max)
		return tsk_fail(reterr, TENSOCK_TOO_LARGE,
				"inputs of %llu bytes, the limit of a request is %llu",
				(unsigned long long)*ret_in, (unsigned long long)max);
	if (*ret_out > max - *ret_in)
		*ret_out = max - *ret_in;
	return 0;
}

int worker_link_run(struct worker_link *link, struct request *request,
		    const struct tsk_model_info *info, struct tensock_error *reterr)
{
	struct worker_run *run = &link->run;
	uint64_t out_bytes;
	int r;

	assert(link->state == WORKER_IDLE);
	r = sizes_of(link, request, info, &run->in_bytes, &out_bytes, reterr);
	if (r == 0)
		r = share_inputs(link, request, reterr);
	if (r == 0)
		r = share_buffer(link, out_bytes, &run->out, reterr);
	if (r != 0) {
		hand_back(run, request);
		put_buffers(link);
		return r;
	}
	run->id = ++link->last_run;
	run->request = request;
	run->fill = (struct work){ .step = fill_slice };
	worker_link_set_state(link, WORKER_FILLING);
	if (fill_slice(&run->fill))
		work_add(link->workers->work, &run->fill);
	return 0;
}

void worker_link_cancel(struct worker_link *link)
{
	struct request *request = TAKE_PTR(link->run.request);

	request->model = NULL;
	request->is_running = false;
	if (link->state == WORKER_FILLING) {
		work_remove(link->workers->work, &link->run.fill);
		finish(link, NULL, NULL);
	} else {
		push(link, RUN_CANCEL);
	}
}

bool worker_run_is_taken(struct worker_link *link)
{
	if (link->state == WORKER_FETCHING)
		return true;
	/* By its own word; a request is given to a second worker only once. */
	return link->state == WORKER_RUNNING && ring_room(&link->rings.out) == RING_ENTRIES;
}

struct request *worker_run_drop(struct worker_link *link)
{
	bool is_taken = worker_run_is_taken(link);
	struct worker_run *run = &link->run;
	struct request *request = TAKE_PTR(run->request);

	work_remove(link->workers->work, &run->fill);
	if (request && !is_taken)
		hand_back(run, request);
	/* The process may live on for a moment, and write. */
	buffer_pool_worker_gone(&link->workers->buffers, link->id);
	put_buffers(link);
	return request;
}

static bool outputs_fit(const struct worker_link *link, unsigned n)
{
	const struct run_tensor *tensors = link->workers->tensors;

	if (n != link->n_outputs)
		return false;
	for (unsigned i = 0; i < n; i++) {
		if (tensors[i].index != i || tensors[i].dtype != link->output_dtypes[i])
			return false;
	}
	return true;
}

static void on_ok(struct worker_link *link, uint64_t out_bytes)
{
	const struct buffer *buffer = *written(&link->run);
	struct request_outputs outputs = { .tensors = link->workers->tensors };

	if (out_bytes > buffer->map.size ||
	    run_read(buffer->map.addr, out_bytes, link->workers->tensors, RUN_TENSORS_MAX,
		     &outputs.n_tensors) < 0 ||
	    !outputs_fit(link, outputs.n_tensors)) {
		break_rules(link, "outputs that do not fit the model");
		return;
	}
	link->runs_ok++;
	finish(link, &outputs, NULL);
}

static void on_error(struct worker_link *link, enum tensock_status status)
{
	const char *text = (*written(&link->run))->map.addr;
	char copy[sizeof(((struct tensock_error *)0)->message)];
	struct tensock_error error;

	memcpy(copy, text, sizeof(copy));
	copy[sizeof(copy) - 1] = '\0';
	(void)tsk_fail(&error, status, "%s", copy[0] ? copy : tsk_status(status)->text);
	finish(link, NULL, &error);
}

/* The outputs wait in the worker for a larger buffer. */
static void on_needed(struct worker_link *link, uint64_t needed)
{
	struct worker_run *run = &link->run;
	uint64_t max = link->workers->limits->request_bytes_max - run->in_bytes;
	struct tensock_error error;

	if (run->fetched || needed <= run->out->map.size) {
		break_rules(link, "it asks for room that it has");
		return;
	}
	if (needed > max) {
		(void)tsk_fail(&error, TENSOCK_TOO_LARGE,
			       "outputs of %llu bytes, the limit of this request's is %llu",
			       (unsigned long long)needed, (unsigned long long)max);
		finish(link, NULL, &error);
		return;
	}
	if (share_buffer(link, needed, &run->fetched, &error) < 0) {
		finish(link, NULL, &error);
		return;
	}
	worker_link_set_state(link, WORKER_FETCHING);
	push(link, RUN_FETCH);
}

static void on_entry(struct worker_link *link, const struct run_entry *entry)
{
	if ((link->state != WORKER_RUNNING && link->state != WORKER_FETCHING) ||
	    entry->type != RUN_DONE || entry->request_id != link->run.id ||
	    entry->status >= TENSOCK_STATUS_MAX)
		break_rules(link, "an unexpected answer");
	else if (!link->run.request)
		finish(link, NULL, NULL);
	else if (entry->status == TENSOCK_OK)
		on_ok(link, entry->out_bytes);
	else if (entry->status == TENSOCK_TOO_LARGE && entry->needed)
		on_needed(link, entry->needed);
	else
		on_error(link, (enum tensock_status)entry->status);
}

bool worker_run_reap(struct worker_link *link)
{
	struct run_entry entry;

	/* Each entry ends what was awaited, or the link: this cannot go on for ever by itself. */
	for (unsigned i = 0; i < RING_ENTRIES && link->has_rings; i++) {
		if (!ring_pop(&link->rings.in, &entry))
			break;
		link->vain_rings = 0;
		on_entry(link, &entry);
	}
	if (link->has_rings && (link->rings.in.broken || link->rings.out.broken))
		break_rules(link, "a broken ring");
	return link->state != WORKER_CLOSED;
}
