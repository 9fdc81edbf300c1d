/* SPDX-License-Identifier: Apache-2.0 */
#include "front/worker_link.h"

#include <assert.h>
#include <string.h>

#include "base/clock.h"
#include "base/seqpacket.h"
#include "base/status.h"
#include "channel/worker_control.h"
#include "front/inputs.h"
#include "front/limit_hits.h"
#include "front/workers.h"

/* How long a worker that takes no message may go on. */
#define DEAF_MS 1000u

/* Of those that a worker can map (worker/buffers.h), with room for what is on its way. */
#define KNOWN_MAX 192u

/* Longer runs lose less by a wake-up than they would by waiting for a CPU that others want, too. */
#define BRIEF_NS (2 * TSK_NS_PER_MS)

void worker_link_forget(struct worker_link *link, const struct buffer *buffer)
{
	struct worker_msg msg = { .type = WORKER_BUFFER_DROP, .id = buffer->id };

	link->n_known--;
	/* A worker that does not take it keeps old memory mapped: its own loss. */
	if (link->socket >= 0)
		(void)!worker_control_send(link->socket, &msg, NULL, 0, NULL, 0);
}

/* Has the worker know the buffer.  -EAGAIN: it has too many messages to read. */
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
	(void)tsk_fail(reterr, TENSOCK_UNAVAILABLE, "the worker takes no buffer: %s", strerror(-r));
	return r;
}

/* A buffer that the worker knows of.  -EBUSY, -EDQUOT: no memory beside what is in use. */
static int share_buffer(struct worker_link *link, uint64_t size, struct buffer **ret,
			struct tensock_error *reterr)
{
	int r = workers_buffer(link->workers, link, size, ret);

	if (r == 0)
		return introduce(link, *ret, reterr);
	(void)tsk_fail(reterr, tsk_status_from_errno(-r),
		       "no room for %llu bytes of tensors beside what is in use (%s)",
		       (unsigned long long)size, buffer_pool_limit(r));
	return r;
}

/* The request's own buffer, or one of the pool. */
static int share_inputs(struct worker_link *link, struct worker_run *run, struct request *request,
			struct tensock_error *reterr)
{
	run->is_own_in = request->in != NULL;
	if (!run->is_own_in)
		return share_buffer(link, run->in_bytes, &run->in, reterr);
	if (run->in_bytes > request->in->map.size)
		return tsk_fail(reterr, TENSOCK_INTERNAL, "the inputs exceed their buffer");
	run->in = TAKE_PTR(request->in);
	return introduce(link, run->in, reterr);
}

/* As much as the request guesses, or as earlier ones have needed, and some more. */
static int share_outputs(struct worker_link *link, struct worker_run *run, uint64_t guess,
			 struct tensock_error *reterr)
{
	uint64_t max = link->workers->limits->request_bytes_max - run->in_bytes;
	uint64_t seen = link->outputs_seen;
	int r = -EBUSY;

	if (guess > max)
		guess = max;
	if (seen > guess && seen <= max)
		r = share_buffer(link, seen + seen / 8 < max ? seen + seen / 8 : max, &run->out,
				 reterr);
	return r == -EBUSY || r == -EDQUOT ? share_buffer(link, guess, &run->out, reterr) : r;
}

static void put_buffers(struct worker_link *link, struct worker_run *run)
{
	struct buffer_pool *pool = &link->workers->buffers;

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

static struct worker_run *run_at(struct worker_link *link, unsigned i)
{
	return &link->runs[(link->first + i) % WORKER_RUNS_MAX];
}

/* Not yet started: then it is the last. */
static bool is_filling(const struct worker_link *link)
{
	unsigned last = (link->first + link->n_runs - 1) % WORKER_RUNS_MAX;

	return link->n_runs && !link->runs[last].is_started;
}

bool worker_link_is_busy(const struct worker_link *link)
{
	return link->n_runs > 0;
}

bool worker_link_has_room(const struct worker_link *link, const struct request *request)
{
	if (link->n_runs && (request->runs_alone || link->runs[link->first].runs_alone))
		return false;
	return link->state == WORKER_SERVING && !link->is_gone && link->n_runs < WORKER_RUNS_MAX &&
	       !link->is_short && !is_filling(link);
}

/* The buffer that the worker was last told to write. */
static struct buffer **written(struct worker_run *run)
{
	return run->fetched ? &run->fetched : &run->out;
}

static void break_rules(struct worker_link *link, const char *how)
{
	worker_link_fail(link, true, TENSOCK_WORKER_DIED, "the worker broke the rules: %s", how);
}

/* Of all the guest's runs it is the only one, and those of this model were short of late. */
static bool is_brief_and_alone(const struct worker_link *link)
{
	const struct worker_link *other;

	if (link->n_runs != 1 || !link->run_ns || link->run_ns >= BRIEF_NS)
		return false;
	TAILQ_FOREACH(other, &link->workers->list, entry)
	{
		if (other != link && other->n_runs)
			return false;
	}
	return true;
}

static void push(struct worker_link *link, struct worker_run *run, uint32_t type)
{
	struct run_entry entry = {
		.type = type,
		.cpu = type == RUN_START
			       ? pairing_choose(&link->workers->pairing, is_brief_and_alone(link))
			       : 0,
		.request_id = run->id,
		.in_buffer = run->in->id,
		.out_buffer = (*written(run))->id,
		.in_bytes = run->in_bytes,
		.out_bytes = (*written(run))->map.size,
	};

	link->is_urgent |= type == RUN_CANCEL;
	if (!ring_push(&link->rings.out, &entry))
		break_rules(link, "the ring is full");
}

/* The head, if there is one: its deadline counts from now on. */
static void watch_head(struct worker_link *link)
{
	if (link->n_runs && run_at(link, 0)->is_started)
		worker_link_arm(link, link->workers->limits->run_deadline_ms);
	else
		worker_link_disarm(link);
}

/* The last of those that the worker can be at, if it has been started. */
static void begin_run(struct worker_link *link)
{
	struct worker_run *run = run_at(link, link->parallel - 1);

	if (link->n_runs >= link->parallel && run->is_started)
		run->begun_ns = tsk_now_ns();
}

static void answer(struct worker_link *link, struct worker_run *run,
		   struct request_outputs *outputs, const struct tensock_error *error)
{
	struct request *request = TAKE_PTR(run->request);
	struct buffer **buffer = written(run);

	if (!request)
		return;
	if (!outputs) {
		request_end(request, NULL, error);
		return;
	}
	outputs->buffer = *buffer;
	outputs->region = outputs->buffer->map.addr;
	outputs->compute_ns = tsk_now_ns() - run->begun_ns;
	outputs->queue_ns = run->begun_ns - request->queued_ns;
	link->run_ns = run_pace(link->run_ns, outputs->compute_ns, 4 * BRIEF_NS);
	(*buffer)->is_in_run = false;
	request_end(request, outputs, NULL);
	*buffer = outputs->buffer;
}

/* Ends the head: answers its request, if it has one still, and the next one is the head. */
static void finish(struct worker_link *link, struct request_outputs *outputs,
		   const struct tensock_error *error)
{
	struct worker_run *head = run_at(link, 0);

	answer(link, head, outputs, error);
	put_buffers(link, head);
	link->first = (link->first + 1) % WORKER_RUNS_MAX;
	link->n_runs--;
	link->is_short = false;
	worker_foreign_run_ended(link);
	watch_head(link);
	begin_run(link);
	link->ops->idle(link->user);
}

static void start(struct worker_link *link)
{
	struct worker_run *run = run_at(link, link->n_runs - 1);

	run->is_started = true;
	run->position = link->rings.out.position;
	if (link->n_runs == 1)
		watch_head(link);
	if (link->n_runs <= link->parallel)
		run->begun_ns = tsk_now_ns();
	push(link, run, RUN_START);
}

static bool fill_slice(struct work *work)
{
	struct worker_link *link =
		(struct worker_link *)(void *)((char *)work - offsetof(struct worker_link, fill));
	struct worker_run *run = run_at(link, link->n_runs - 1);

	if (run->request->ops->fill(run->request, run->in->map.addr))
		return true;
	start(link);
	return false;
}

static bool fill_later(struct work *work)
{
	struct worker_link *link =
		(struct worker_link *)(void *)((char *)work - offsetof(struct worker_link, fill));

	if (fill_slice(work))
		return true;
	/* Only now there is room for the next. */
	if (link->state == WORKER_SERVING)
		link->ops->idle(link->user);
	return false;
}

/* The sizes of both regions, within the limit of a request. */
static int sizes_of(struct worker_link *link, struct request *request,
		    const struct tsk_model_info *info, uint64_t *ret_in, uint64_t *ret_out,
		    struct tensock_error *reterr)
{
	int r;

	request->worker = link;
	request->places = NULL;
	request->n_places = 0;
	r = request->ops->prepare(request, info, ret_in, ret_out, reterr);
	if (r != 0)
		return r < 0 ? r : WORKER_RUN_UNWANTED;
	return inputs_check_size(link->workers->limits, *ret_in, reterr);
}

/*
 * It has died, and the news are still to come, or it hears nobody any more: then it is given up after a while.
 * The run is for the next one.
 */
static int wait_for_its_end(struct worker_link *link)
{
	link->is_short = true;
	if (!link->n_runs)
		worker_link_arm(link, DEAF_MS);
	return WORKER_RUN_NOT_NOW;
}

/* All that the run needs, known to the worker. */
static int share(struct worker_link *link, struct worker_run *run, struct request *request,
		 uint64_t out_bytes, struct tensock_error *reterr)
{
	int r = share_inputs(link, run, request, reterr);

	if (r == 0)
		r = share_outputs(link, run, out_bytes, reterr);
	if (r == 0)
		return 0;
	hand_back(run, request);
	put_buffers(link, run);
	if (tsk_seqpacket_has_hung_up(r))
		return wait_for_its_end(link);
	/* What the runs before it take comes back, and the worker reads its messages. */
	link->is_short = link->n_runs && (r == -EBUSY || r == -EDQUOT || r == -EAGAIN);
	return link->is_short ? WORKER_RUN_NOT_NOW : r;
}

int worker_link_run(struct worker_link *link, struct request *request,
		    const struct tsk_model_info *info, struct tensock_error *reterr)
{
	struct worker_run *run = run_at(link, link->n_runs);
	uint64_t out_bytes;
	int r;

	assert(worker_link_has_room(link, request));
	*run = (struct worker_run){ .id = link->last_run + 1, .runs_alone = request->runs_alone };
	r = sizes_of(link, request, info, &run->in_bytes, &out_bytes, reterr);
	if (r == 0)
		r = share(link, run, request, out_bytes, reterr);
	if (r != 0)
		return r;
	link->last_run++;
	link->n_runs++;
	run->request = request;
	link->fill = (struct work){ .step = fill_later };
	if (fill_slice(&link->fill))
		work_add(link->workers->work, &link->fill);
	return 0;
}

/* Not started: nobody knows of it. */
static void cancel_filling(struct worker_link *link, struct worker_run *run)
{
	work_remove(link->workers->work, &link->fill);
	put_buffers(link, run);
	link->n_runs--;
	worker_foreign_run_ended(link);
	link->ops->idle(link->user);
}

void worker_link_cancel(struct worker_link *link, struct request *request)
{
	struct worker_run *run = NULL;

	for (unsigned i = 0; i < link->n_runs && !run; i++) {
		if (run_at(link, i)->request == request)
			run = run_at(link, i);
	}
	assert(run);
	run->request = NULL;
	request->model = NULL;
	request->is_running = false;
	if (run->is_started)
		push(link, run, RUN_CANCEL);
	else
		cancel_filling(link, run);
}

/* With how many, from the head, the worker may have begun: by its own word. */
static unsigned count_taken(struct worker_link *link)
{
	struct ring *ring = &link->rings.out;
	uint32_t read;
	unsigned n = 0;

	if (!link->n_runs)
		return 0;
	read = ring->position - (RING_ENTRIES - ring_room(ring));
	while (n < link->n_runs && run_at(link, n)->is_started &&
	       (run_at(link, n)->fetched || (int32_t)(read - run_at(link, n)->position) > 0))
		n++;
	/* It takes more into its line than it begins with. */
	return link->parallel > 1 || n == 0 ? n : 1;
}

struct request *worker_run_drop(struct worker_link *link, bool is_late,
				struct request_queue *others)
{
	unsigned n_taken = count_taken(link);
	struct request *ran = NULL;

	link->is_blame_open = n_taken > 1 && !is_late;
	link->was_at_work = n_taken && !link->is_blame_open;
	work_remove(link->workers->work, &link->fill);
	/* The process may live on for a moment, and write. */
	buffer_pool_worker_gone(&link->workers->buffers, link->id);
	for (unsigned i = 0; i < link->n_runs; i++) {
		struct worker_run *run = run_at(link, i);
		struct request *request = TAKE_PTR(run->request);

		if (i == 0 && n_taken && !link->is_blame_open) {
			ran = request;
		} else if (request) {
			request->runs_alone |= link->is_blame_open && i < n_taken;
			hand_back(run, request);
			TAILQ_INSERT_TAIL(others, request, entry);
		}
		put_buffers(link, run);
	}
	link->n_runs = 0;
	return ran;
}

/* Where it was said to be written, if not in the region. */
static bool is_in_its_place(const struct request *request, const struct run_tensor *t)
{
	for (unsigned i = 0; i < request->n_places; i++) {
		const struct run_tensor *place = &request->places[i];

		if (place->index == t->index)
			return place->foreign == t->foreign && place->offset == t->offset &&
			       t->bytes <= place->bytes;
	}
	return false;
}

static bool outputs_fit(const struct worker_link *link, const struct request *request, unsigned n)
{
	const struct run_tensor *tensors = link->workers->tensors;

	if (n != link->n_outputs)
		return false;
	for (unsigned i = 0; i < n; i++) {
		if (tensors[i].index != i || tensors[i].dtype != link->output_dtypes[i])
			return false;
		if (tensors[i].foreign && !is_in_its_place(request, &tensors[i]))
			return false;
	}
	return true;
}

/* Grows at once, and shrinks slowly. */
static void remember_outputs(struct worker_link *link, uint64_t bytes)
{
	if (bytes > link->outputs_seen)
		link->outputs_seen = bytes;
	else
		link->outputs_seen -= (link->outputs_seen - bytes) / 64;
}

/* Whether so many bytes of outputs are within the limit, which is of inputs and outputs together. */
static bool outputs_are_allowed(const struct worker_link *link, const struct worker_run *run,
				uint64_t out_bytes, struct tensock_error *reterr)
{
	uint64_t max = link->workers->limits->request_bytes_max - run->in_bytes;

	if (out_bytes <= max)
		return true;
	(void)limit_fail(
		METRICS_LIMIT_REQUEST_SIZE, reterr, TENSOCK_TOO_LARGE,
		"outputs of %llu bytes, of which max-request-size leaves %llu beside the inputs",
		(unsigned long long)out_bytes, (unsigned long long)max);
	return false;
}

static void on_ok(struct worker_link *link, struct worker_run *head, uint64_t out_bytes)
{
	const struct buffer *buffer = *written(head);
	struct request_outputs outputs = { .tensors = link->workers->tensors };
	struct tensock_error error;

	if (out_bytes > buffer->map.size ||
	    run_read_foreign(buffer->map.addr, out_bytes, link->workers->tensors, RUN_TENSORS_MAX,
			     &outputs.n_tensors, NULL) < 0 ||
	    !outputs_fit(link, head->request, outputs.n_tensors)) {
		break_rules(link, "outputs that do not fit the model");
		return;
	}
	/* A buffer has room for more than was asked for. */
	if (!outputs_are_allowed(link, head, out_bytes, &error)) {
		finish(link, NULL, &error);
		return;
	}
	link->runs_ok++;
	remember_outputs(link, out_bytes);
	finish(link, &outputs, NULL);
}

static void on_error(struct worker_link *link, struct worker_run *head, enum tensock_status status)
{
	const char *text = (*written(head))->map.addr;
	char copy[sizeof(((struct tensock_error *)0)->message)];
	struct tensock_error error;

	memcpy(copy, text, sizeof(copy));
	copy[sizeof(copy) - 1] = '\0';
	(void)tsk_fail(&error, status, "%s", copy[0] ? copy : tsk_status(status)->text);
	finish(link, NULL, &error);
}

/* The outputs that the worker keeps are not fetched: it need not wait for that. */
static void leave_outputs(struct worker_link *link, struct worker_run *head,
			  const struct tensock_error *error)
{
	push(link, head, RUN_CANCEL);
	if (link->state == WORKER_SERVING)
		finish(link, NULL, error);
}

/*
 * The outputs wait in the worker for a larger buffer, and all other runs wait for them.  Where the
 * guest's memory has none, the request fails at once: the runs behind it give theirs back only after
 * it, and what other workers' runs hold may be waiting for ours in the same way.  By its failure it
 * gives back what it held, and the line goes on.
 */
static void on_needed(struct worker_link *link, struct worker_run *head, uint64_t needed)
{
	struct tensock_error error;

	if (head->fetched || needed <= head->out->map.size) {
		break_rules(link, "it asks for room that it has");
		return;
	}
	if (!head->request) {
		leave_outputs(link, head, NULL);
		return;
	}
	if (!outputs_are_allowed(link, head, needed, &error)) {
		leave_outputs(link, head, &error);
		return;
	}
	if (share_buffer(link, needed, &head->fetched, &error) < 0) {
		buffer_pool_put(&link->workers->buffers, TAKE_PTR(head->fetched));
		leave_outputs(link, head, &error);
		return;
	}
	push(link, head, RUN_FETCH);
}

static void on_entry(struct worker_link *link, const struct run_entry *entry)
{
	struct worker_run *head = run_at(link, 0);

	if (!link->n_runs || !head->is_started || entry->type != RUN_DONE ||
	    entry->request_id != head->id || entry->status >= TENSOCK_STATUS_MAX)
		break_rules(link, "an unexpected answer");
	else if (entry->status == TENSOCK_TOO_LARGE && entry->needed)
		on_needed(link, head, entry->needed);
	else if (!head->request)
		finish(link, NULL, NULL);
	else if (entry->status == TENSOCK_OK)
		on_ok(link, head, entry->out_bytes);
	else
		on_error(link, head, (enum tensock_status)entry->status);
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
