/* SPDX-License-Identifier: Apache-2.0 */
/* Requests that bring their own buffers and take those of their outputs; many at one worker. */
#include "front/models.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/testing.h"
#include "front/rig.h"

static const float values[] = { 0.5f, 1 };

/* A request as a test submits it, and what became of it. */
struct probe {
	struct request request;
	struct rig *rig;
	uint64_t in_bytes, out_bytes;
	bool wants_no_run, takes_outputs;
	bool is_done, had_outputs;
	uint32_t status;
	char text[sizeof(((struct tensock_error *)0)->message)];
	struct buffer *taken;
	uint64_t queue_ns, compute_ns;
	unsigned n_prepared;
	unsigned slices; /* of its fill */
	unsigned *order; /* counts those that were done */
	unsigned rank;   /* of this one */
};

static struct probe *probe_of(struct request *request)
{
	return (struct probe *)(void *)((char *)request - offsetof(struct probe, request));
}

static int probe_prepare(struct request *request, const struct tsk_model_info *info,
			 uint64_t *ret_in_bytes, uint64_t *ret_out_bytes,
			 struct tensock_error *reterr)
{
	struct probe *probe = probe_of(request);

	(void)reterr;
	assert_int_equal(info->n_outputs, 1);
	probe->n_prepared++;
	if (probe->wants_no_run)
		return 1;
	*ret_in_bytes = probe->in_bytes;
	*ret_out_bytes = probe->out_bytes;
	return 0;
}

static bool probe_fill(struct request *request, void *region)
{
	struct probe *probe = probe_of(request);

	memcpy(region, "filled", 7);
	if (probe->slices)
		probe->slices--;
	return probe->slices > 0;
}

static void probe_done(struct request *request, struct request_outputs *outputs,
		       const struct tensock_error *error)
{
	struct probe *probe = probe_of(request);

	assert_false(probe->is_done);
	assert_null(request->in);
	probe->is_done = true;
	if (probe->order)
		probe->rank = ++*probe->order;
	probe->status = error ? error->status : TENSOCK_OK;
	snprintf(probe->text, sizeof(probe->text), "%s", error ? error->message : "");
	probe->had_outputs = outputs != NULL;
	if (!outputs)
		return;
	assert_int_equal(outputs->n_tensors, 1);
	assert_memory_equal((const char *)outputs->region + outputs->tensors[0].offset, values,
			    sizeof(values));
	assert_ptr_equal(outputs->region, outputs->buffer->map.addr);
	probe->queue_ns = outputs->queue_ns;
	probe->compute_ns = outputs->compute_ns;
	if (probe->takes_outputs)
		probe->taken = TAKE_PTR(outputs->buffer);
}

static const struct request_ops probe_ops = {
	.prepare = probe_prepare,
	.fill = probe_fill,
	.done = probe_done,
};

static struct probe probe_for(struct rig *rig)
{
	return (struct probe){
		.rig = rig, .request.ops = &probe_ops, .in_bytes = 4096, .out_bytes = 4096
	};
}

static void on_hashed(void *context)
{
	*(bool *)context = true;
}

static void submit(struct probe *probe, const char *model)
{
	struct guest *guest = probe->rig->guest;
	struct model_file *file;
	struct tensock_error error;
	bool is_hashed = false;

	assert_int_equal(model_file_new(&guest->account, strlen(model), &file, &error), 0);
	memcpy(model_file_room(file), model, strlen(model));
	assert_int_equal(model_file_freeze(file, &guest->work, on_hashed, &is_hashed, &error), 0);
	while (!is_hashed)
		rig_run(probe->rig, 0);
	models_submit(guest->models, file, &probe->request);
}

static void bring_buffer(struct probe *probe)
{
	struct models *models = probe->rig->guest->models;

	assert_int_equal(models_buffer(models, NULL, probe->in_bytes, &probe->request.in), 0);
	memcpy(probe->request.in->map.addr, "brought", 8);
}

static void put(struct probe *probe)
{
	buffer_pool_put(&probe->rig->guest->workers->buffers, TAKE_PTR(probe->taken));
}

static void run_ok(struct probe *probe, struct rig_worker *worker)
{
	struct run_entry start = rig_worker_expect(probe->rig, worker, RUN_START);

	rig_worker_done(worker, &start, values, 2);
	while (!probe->is_done)
		rig_run(probe->rig, 0);
	assert_int_equal(probe->status, TENSOCK_OK);
	assert_true(probe->had_outputs);
}

static void expect_input(struct rig_worker *worker, const struct run_entry *start, const char *text)
{
	assert_string_equal(rig_worker_region(worker, start->in_buffer, 0, start->in_bytes), text);
}

/* The buffer that a request brought is what the worker sees, and then the pool's. */
static void test_own_input(void **state)
{
	struct front_start limits = rig_limits();
	struct rig_worker *worker;
	struct probe probe;
	struct rig rig;
	uint32_t id = 0;

	(void)state;
	rig_init(&rig, &limits);
	for (int i = 0; i < 3; i++) {
		struct buffer *in;
		struct run_entry start;

		probe = probe_for(&rig);
		bring_buffer(&probe);
		in = probe.request.in;
		submit(&probe, "model");
		if (i == 0)
			worker = rig_worker_with(&rig, "model");
		start = rig_worker_expect(&rig, worker, RUN_START);
		assert_null(probe.request.in);
		assert_int_equal(in->id, start.in_buffer);
		expect_input(worker, &start, "filled");
		rig_worker_done(worker, &start, values, 2);
		while (!probe.is_done)
			rig_run(&rig, 0);
		assert_int_equal(probe.status, TENSOCK_OK);
		/* No third buffer is ever made known. */
		assert_true(start.in_buffer <= 2);
		id = start.in_buffer;
	}
	assert_true(id > 0);
	assert_true(rig.guest->account.used_bytes > 0);
	rig_worker_exit(&rig, worker, 0);
	rig_done(&rig);
}

/* Outputs that were taken stay as they are while others run, and can be put after the worker died. */
static void test_taken_outputs(void **state)
{
	struct front_start limits = rig_limits();
	struct probe probes[3];
	struct rig_worker *worker = NULL;
	struct rig rig;

	(void)state;
	rig_init(&rig, &limits);
	for (unsigned i = 0; i < ARRAY_SIZE(probes); i++) {
		probes[i] = probe_for(&rig);
		probes[i].takes_outputs = true;
		submit(&probes[i], "model");
		if (i == 0)
			worker = rig_worker_with(&rig, "model");
		usleep(1000);
		run_ok(&probes[i], worker);
		assert_non_null(probes[i].taken);
		for (unsigned k = 0; k < i; k++)
			assert_ptr_not_equal(probes[k].taken, probes[i].taken);
		assert_true(probes[i].compute_ns > 0);
		assert_true(i == 0 || probes[i].compute_ns >= UINT64_C(1000000));
	}
	assert_true(probes[0].queue_ns > 0);
	put(&probes[0]);
	assert_false(rig.guest->workers->buffers.n_idle == 0);
	rig_worker_exit(&rig, worker, SIGKILL);
	assert_int_equal(rig.guest->workers->buffers.n_idle, 0);
	assert_true(probes[1].taken->is_stale);
	put(&probes[1]);
	put(&probes[2]);
	assert_int_equal(rig.guest->workers->buffers.n_idle, 0);
	rig_done(&rig);
}

static void test_wants_no_run(void **state)
{
	struct front_start limits = rig_limits();
	struct rig_worker *worker;
	struct probe probe;
	struct rig rig;

	(void)state;
	rig_init(&rig, &limits);
	probe = probe_for(&rig);
	probe.wants_no_run = true;
	bring_buffer(&probe);
	submit(&probe, "model");
	worker = rig_worker_with(&rig, "model");
	while (!probe.is_done)
		rig_run(&rig, 0);
	assert_int_equal(probe.status, TENSOCK_OK);
	assert_false(probe.had_outputs);
	probe = probe_for(&rig);
	submit(&probe, "model");
	run_ok(&probe, worker);
	rig_worker_exit(&rig, worker, 0);
	rig_done(&rig);
}

/* It asks for more than it brought: that is our own mistake, and harms nothing. */
static void test_input_too_small(void **state)
{
	struct front_start limits = rig_limits();
	struct rig_worker *worker;
	struct probe probe;
	struct rig rig;

	(void)state;
	rig_init(&rig, &limits);
	probe = probe_for(&rig);
	bring_buffer(&probe);
	probe.in_bytes = probe.request.in->map.size + 1;
	submit(&probe, "model");
	worker = rig_worker_with(&rig, "model");
	while (!probe.is_done)
		rig_run(&rig, 0);
	assert_int_equal(probe.status, TENSOCK_INTERNAL);
	rig_worker_exit(&rig, worker, 0);
	rig_done(&rig);
}

/*
 * A worker dies before it took the request up: the second one has the same buffer, which nobody uses
 * afterwards.  A worker that had taken it up: the buffer goes with it.
 */
static void test_input_survives_a_death(void **state)
{
	struct front_start limits = rig_limits();
	struct rig_worker *worker;
	struct probe probe;
	struct buffer *in;
	struct rig rig;

	(void)state;
	rig_init(&rig, &limits);
	probe = probe_for(&rig);
	bring_buffer(&probe);
	in = probe.request.in;
	submit(&probe, "model");
	worker = rig_worker_with(&rig, "model");
	rig_run(&rig, 5);
	assert_null(probe.request.in); /* it has been started */
	rig_worker_exit(&rig, worker, SIGKILL);
	assert_ptr_equal(probe.request.in, in);
	assert_true(in->is_stale);
	worker = rig_worker_with(&rig, "model");
	run_ok(&probe, worker);
	assert_int_equal(probe.n_prepared, 2);
	assert_int_equal(rig.guest->workers->buffers.n_idle, 1); /* the outputs' */
	probe = probe_for(&rig);
	bring_buffer(&probe);
	submit(&probe, "model");
	(void)rig_worker_expect(&rig, worker, RUN_START);
	rig_worker_exit(&rig, worker, SIGKILL);
	assert_true(probe.is_done);
	assert_int_equal(probe.status, TENSOCK_WORKER_DIED);
	assert_int_equal(rig.guest->account.used_bytes, 0);
	rig_done(&rig);
}

/* Cancelled while it waits, its buffer is its own; while it runs, the pool's. */
static void test_cancel(void **state)
{
	struct front_start limits = rig_limits();
	struct rig_worker *worker;
	struct run_entry start;
	struct probe probe;
	struct rig rig;

	(void)state;
	rig_init(&rig, &limits);
	probe = probe_for(&rig);
	bring_buffer(&probe);
	submit(&probe, "model");
	worker = rig_worker_new(&rig);
	models_cancel(rig.guest->models, &probe.request);
	assert_non_null(probe.request.in);
	assert_null(probe.request.model);
	submit(&probe, "model");
	rig_worker_expect_load(&rig, worker, "model");
	rig_worker_loaded(worker, TENSOCK_FLOAT32);
	start = rig_worker_expect(&rig, worker, RUN_START);
	models_cancel(rig.guest->models, &probe.request);
	assert_null(probe.request.in);
	(void)rig_worker_expect(&rig, worker, RUN_CANCEL);
	rig_worker_error(worker, &start, TENSOCK_CANCELLED, "");
	rig_run(&rig, 5);
	assert_false(probe.is_done);
	assert_int_equal(rig.guest->workers->buffers.n_idle, 2);
	rig_worker_exit(&rig, worker, 0);
	rig_done(&rig);
}

/* However many buffers are in use elsewhere, a worker knows no more than it can map. */
static void test_known_buffers_are_bounded(void **state)
{
	enum {
		N = 300
	};
	struct front_start limits = rig_limits();
	struct probe *probes = calloc(N, sizeof(*probes));
	struct rig_worker *worker = NULL;
	unsigned n_known = 0;
	struct rig rig;

	(void)state;
	limits.memory_bytes_max = UINT64_C(64) << 20;
	rig_init(&rig, &limits);
	for (unsigned i = 0; i < N; i++) {
		probes[i] = probe_for(&rig);
		probes[i].takes_outputs = true;
		submit(&probes[i], "model");
		if (i == 0)
			worker = rig_worker_with(&rig, "model");
		run_ok(&probes[i], worker);
	}
	for (unsigned i = 0; i < RIG_BUFFERS_MAX; i++)
		n_known += worker->buffers[i].map.addr != NULL;
	assert_in_range(n_known, 150, 200);
	for (unsigned i = 0; i < N; i++)
		put(&probes[i]);
	assert_int_equal(rig.guest->workers->buffers.n_idle, BUFFER_POOL_IDLE_MAX);
	free(probes);
	rig_worker_exit(&rig, worker, 0);
	rig_done(&rig);
}

/* Many at one worker: `rig`, its worker, and n requests of one model, of which some are started. */
struct many {
	struct rig rig;
	struct rig_worker *worker;
	struct probe probes[40];
	struct run_entry starts[40];
	unsigned n, order;
};

static void many_begin(struct many *many, const struct front_start *limits, unsigned n)
{
	*many = (struct many){ .n = n };
	rig_init(&many->rig, limits);
	for (unsigned i = 0; i < n; i++) {
		many->probes[i] = probe_for(&many->rig);
		many->probes[i].order = &many->order;
		if (i % 2)
			bring_buffer(&many->probes[i]);
		submit(&many->probes[i], "model");
	}
	many->worker = rig_worker_with(&many->rig, "model");
}

static void many_take(struct many *many, unsigned from, unsigned to)
{
	for (unsigned i = from; i < to; i++)
		many->starts[i] = rig_worker_expect(&many->rig, many->worker, RUN_START);
}

static void expect_no_entry(struct many *many)
{
	struct run_entry entry;

	rig_run(&many->rig, 5);
	assert_false(ring_pop(&many->worker->rings.in, &entry));
}

static void many_done(struct many *many, unsigned i)
{
	rig_worker_done(many->worker, &many->starts[i], values, 2);
	rig_run(&many->rig, 2);
}

static void assert_done(const struct many *many, unsigned from, unsigned to, uint32_t status)
{
	for (unsigned i = from; i < to; i++) {
		assert_true(many->probes[i].is_done);
		assert_int_equal(many->probes[i].status, status);
	}
}

/* The worker is killed, or dead; a second one has all but the first `lost`, in their order. */
static void many_second_worker(struct many *many, unsigned lost)
{
	rig_worker_exit(&many->rig, many->worker, SIGKILL);
	many->worker = rig_worker_with(&many->rig, "model");
	for (unsigned i = lost; i < many->n; i++) {
		many_take(many, i, i + 1);
		expect_input(many->worker, &many->starts[i], "filled");
		many_done(many, i);
	}
	assert_done(many, lost, many->n, TENSOCK_OK);
	for (unsigned i = 0; i < many->n; i++)
		assert_int_equal(many->probes[i].rank, i + 1);
	rig_worker_exit(&many->rig, many->worker, 0);
	rig_done(&many->rig);
}

static void test_line(void **state)
{
	struct front_start limits = rig_limits();
	struct many many;
	uint32_t highest = 0;

	(void)state;
	many_begin(&many, &limits, 40);
	many_take(&many, 0, WORKER_RUNS_MAX);
	expect_no_entry(&many);
	for (unsigned i = 0; i < 40; i++) {
		const struct run_entry *start = &many.starts[i];

		for (unsigned k = i + 1; k < 40 && k < i + WORKER_RUNS_MAX; k++) {
			assert_int_not_equal(start->in_buffer, many.starts[k].in_buffer);
			assert_int_not_equal(start->out_buffer, many.starts[k].out_buffer);
		}
		many_done(&many, i);
		assert_true(many.probes[i].is_done);
		if (i + WORKER_RUNS_MAX < 40)
			many_take(&many, i + WORKER_RUNS_MAX, i + WORKER_RUNS_MAX + 1);
		else
			expect_no_entry(&many);
		highest = start->out_buffer > highest ? start->out_buffer : highest;
	}
	assert_done(&many, 0, 40, TENSOCK_OK);
	/* 20 that were brought, and the worker's two for each run in flight. */
	assert_true(highest <= 20 + 2 * WORKER_RUNS_MAX);
	rig_worker_exit(&many.rig, many.worker, 0);
	rig_done(&many.rig);
}

/* The head is to blame, and the others are served by the next worker, with what they brought. */
static void test_death_in_the_line(void **state)
{
	struct front_start limits = rig_limits();
	struct many many;

	(void)state;
	many_begin(&many, &limits, 6);
	many_take(&many, 0, 6);
	many_done(&many, 0);
	rig_worker_exit(&many.rig, many.worker, SIGSEGV);
	assert_done(&many, 0, 1, TENSOCK_OK);
	assert_done(&many, 1, 2, TENSOCK_WORKER_DIED);
	for (unsigned i = 2; i < 6; i++)
		assert_int_equal(many.probes[i].request.in != NULL, i % 2);
	many.worker = rig_worker_with(&many.rig, "model");
	for (unsigned i = 2; i < 6; i++) {
		many_take(&many, i, i + 1);
		many_done(&many, i);
		assert_int_equal(many.probes[i].rank, i + 1);
	}
	assert_done(&many, 2, 6, TENSOCK_OK);
	rig_worker_exit(&many.rig, many.worker, 0);
	rig_done(&many.rig);
}

static void test_death_of_an_idler(void **state)
{
	struct front_start limits = rig_limits();
	struct many many;

	(void)state;
	many_begin(&many, &limits, 6);
	rig_run(&many.rig, 5); /* all are started, the worker takes none */
	many_second_worker(&many, 0);
}

/* What fits one of the line but not its head breaks the rules. */
static void test_rules_in_the_line(void **state)
{
	struct front_start limits = rig_limits();

	(void)state;
	for (int what = 0; what < 6; what++) {
		struct run_entry done = { .type = RUN_DONE };
		struct many many;

		many_begin(&many, &limits, 3);
		many_take(&many, 0, 3);
		done.request_id = many.starts[0].request_id;
		switch (what) {
		case 0: /* the second before the first */
			done.request_id = many.starts[1].request_id;
			break;
		case 1:
			done.request_id = many.starts[2].request_id + 1;
			break;
		case 2:
			done.status = TENSOCK_TOO_LARGE;
			done.needed = 1;
			break;
		case 3:
			done.out_bytes = UINT64_MAX;
			break;
		case 4:
			done.status = TENSOCK_STATUS_MAX;
			break;
		case 5:
			done.type = RUN_FETCH;
			break;
		default:
			break;
		}
		rig_worker_push(many.worker, &done);
		assert_int_equal(rig_expect(&many.rig, FRONT_KILL).id, many.worker->id);
		assert_non_null(strstr(many.probes[0].text, "the worker broke the rules"));
		assert_done(&many, 0, 1, TENSOCK_WORKER_DIED);
		assert_false(many.probes[1].is_done);
		many_second_worker(&many, 1);
	}
}

static void test_answer_twice(void **state)
{
	struct front_start limits = rig_limits();
	struct many many;

	(void)state;
	many_begin(&many, &limits, 3);
	many_take(&many, 0, 3);
	many_done(&many, 0);
	rig_worker_done(many.worker, &many.starts[0], values, 2);
	assert_int_equal(rig_expect(&many.rig, FRONT_KILL).id, many.worker->id);
	assert_done(&many, 0, 1, TENSOCK_OK);
	assert_done(&many, 1, 2, TENSOCK_WORKER_DIED);
	many_second_worker(&many, 2);
}

/* Anyone in the line, in any order; the others do not notice. */
static void test_cancel_in_the_line(void **state)
{
	struct front_start limits = rig_limits();
	struct many many;

	(void)state;
	many_begin(&many, &limits, 4);
	many_take(&many, 0, 4);
	models_cancel(many.rig.guest->models, &many.probes[2].request);
	assert_null(many.probes[2].request.model);
	assert_int_equal(rig_worker_expect(&many.rig, many.worker, RUN_CANCEL).request_id,
			 many.starts[2].request_id);
	models_cancel(many.rig.guest->models, &many.probes[0].request);
	assert_int_equal(rig_worker_expect(&many.rig, many.worker, RUN_CANCEL).request_id,
			 many.starts[0].request_id);
	rig_worker_error(many.worker, &many.starts[0], TENSOCK_CANCELLED, "");
	many_done(&many, 1);
	assert_done(&many, 1, 2, TENSOCK_OK);
	/* It was faster than the cancel; that answers nobody. */
	many_done(&many, 2);
	many_done(&many, 3);
	assert_done(&many, 3, 4, TENSOCK_OK);
	assert_false(many.probes[0].is_done || many.probes[2].is_done);
	assert_int_equal(many.order, 2);
	rig_worker_exit(&many.rig, many.worker, 0);
	rig_done(&many.rig);
}

/* A cancelled head is answered for by nobody when the worker dies. */
static void test_death_after_cancel(void **state)
{
	struct front_start limits = rig_limits();
	struct many many;

	(void)state;
	many_begin(&many, &limits, 3);
	many_take(&many, 0, 3);
	models_cancel(many.rig.guest->models, &many.probes[0].request);
	models_cancel(many.rig.guest->models, &many.probes[1].request);
	rig_worker_exit(&many.rig, many.worker, SIGKILL);
	assert_int_equal(many.order, 0);
	many.worker = rig_worker_with(&many.rig, "model");
	many_take(&many, 2, 3);
	many_done(&many, 2);
	assert_done(&many, 2, 3, TENSOCK_OK);
	rig_worker_exit(&many.rig, many.worker, 0);
	rig_done(&many.rig);
}

/* Each has the whole time from when it is the head. */
static void test_deadline_in_the_line(void **state)
{
	struct front_start limits = rig_limits();
	struct many many;

	(void)state;
	limits.run_deadline_ms = 200;
	many_begin(&many, &limits, 4);
	many_take(&many, 0, 4);
	for (unsigned i = 0; i < 3; i++) {
		rig_run(&many.rig, 100);
		many_done(&many, i);
		assert_done(&many, i, i + 1, TENSOCK_OK);
		assert_true(many.probes[i].compute_ns >= UINT64_C(90000000));
		assert_true(many.probes[i].queue_ns >= i * UINT64_C(90000000));
	}
	assert_int_equal(rig_expect(&many.rig, FRONT_KILL).id, many.worker->id);
	assert_done(&many, 3, 4, TENSOCK_DEADLINE_EXCEEDED);
	rig_worker_exit(&many.rig, many.worker, SIGKILL);
	rig_done(&many.rig);
}

/* The head's outputs are fetched while others stand behind it; or left, when nobody wants them. */
static void test_fetch_in_the_line(void **state)
{
	struct front_start limits = rig_limits();
	struct run_entry needed, fetch;
	struct many many;

	(void)state;
	many_begin(&many, &limits, 5);
	many_take(&many, 0, 5);
	needed = (struct run_entry){ .type = RUN_DONE,
				     .request_id = many.starts[0].request_id,
				     .status = TENSOCK_TOO_LARGE,
				     .needed = 200000 };
	rig_worker_push(many.worker, &needed);
	fetch = rig_worker_expect(&many.rig, many.worker, RUN_FETCH);
	assert_int_equal(fetch.request_id, many.starts[0].request_id);
	rig_worker_done(many.worker, &fetch, values, 2);
	many_done(&many, 1);
	assert_done(&many, 0, 2, TENSOCK_OK);
	/* Cancelled before it says so. */
	models_cancel(many.rig.guest->models, &many.probes[2].request);
	(void)rig_worker_expect(&many.rig, many.worker, RUN_CANCEL);
	needed.request_id = many.starts[2].request_id;
	rig_worker_push(many.worker, &needed);
	assert_int_equal(rig_worker_expect(&many.rig, many.worker, RUN_CANCEL).request_id,
			 many.starts[2].request_id);
	/* Cancelled while it is fetched: one more answer. */
	needed.request_id = many.starts[3].request_id;
	rig_worker_push(many.worker, &needed);
	fetch = rig_worker_expect(&many.rig, many.worker, RUN_FETCH);
	models_cancel(many.rig.guest->models, &many.probes[3].request);
	(void)rig_worker_expect(&many.rig, many.worker, RUN_CANCEL);
	rig_worker_error(many.worker, &fetch, TENSOCK_CANCELLED, "");
	many_done(&many, 4);
	assert_done(&many, 4, 5, TENSOCK_OK);
	assert_int_equal(many.order, 3);
	rig_worker_exit(&many.rig, many.worker, 0);
	rig_done(&many.rig);
}

/* A death in FETCH: that one is to blame, whatever the ring says of it. */
static void test_death_in_fetch(void **state)
{
	struct front_start limits = rig_limits();
	struct run_entry needed = { .type = RUN_DONE,
				    .status = TENSOCK_TOO_LARGE,
				    .needed = 200000 };
	struct many many;

	(void)state;
	many_begin(&many, &limits, 3);
	many_take(&many, 0, 1);
	needed.request_id = many.starts[0].request_id;
	rig_worker_push(many.worker, &needed);
	rig_run(&many.rig, 5);
	rig_worker_hang_up(many.worker);
	rig_run(&many.rig, 5);
	assert_done(&many, 0, 1, TENSOCK_WORKER_DIED);
	many_second_worker(&many, 1);
}

/* The guest's memory holds one request: they take turns, and none fails. */
static void test_short_of_memory(void **state)
{
	struct front_start limits = rig_limits();
	struct many many;

	(void)state;
	limits.memory_bytes_max = (128 + 64) << 10;
	many = (struct many){ .n = 3 };
	rig_init(&many.rig, &limits);
	for (unsigned i = 0; i < 3; i++) {
		many.probes[i] = probe_for(&many.rig);
		many.probes[i].order = &many.order;
		submit(&many.probes[i], "model");
	}
	many.worker = rig_worker_with(&many.rig, "model");
	for (unsigned i = 0; i < 3; i++) {
		many_take(&many, i, i + 1);
		expect_no_entry(&many);
		many_done(&many, i);
		assert_done(&many, i, i + 1, TENSOCK_OK);
	}
	rig_worker_exit(&many.rig, many.worker, 0);
	rig_done(&many.rig);
}

/* What takes its time to be filled holds up the next, but no longer than that. */
static void test_slow_filling(void **state)
{
	struct front_start limits = rig_limits();
	struct rig_worker *worker;
	struct probe probes[4];
	struct rig rig;

	(void)state;
	rig_init(&rig, &limits);
	for (unsigned i = 0; i < 4; i++) {
		probes[i] = probe_for(&rig);
		probes[i].slices = 10;
		submit(&probes[i], "model");
	}
	worker = rig_worker_with(&rig, "model");
	for (unsigned i = 0; i < 1000 && !probes[1].request.is_running; i++)
		uv_run(&rig.loop, UV_RUN_NOWAIT);
	assert_true(probes[1].slices > 0);
	/* While it is being filled, nobody knows of it. */
	models_cancel(rig.guest->models, &probes[1].request);
	assert_null(probes[1].request.model);
	run_ok(&probes[0], worker);
	run_ok(&probes[2], worker);
	run_ok(&probes[3], worker);
	rig_run(&rig, 5);
	assert_int_equal(ring_room(&worker->rings.out), RING_ENTRIES);
	rig_worker_exit(&rig, worker, 0);
	rig_done(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TSK_TEST(test_own_input),
		TSK_TEST(test_taken_outputs),
		TSK_TEST(test_wants_no_run),
		TSK_TEST(test_input_too_small),
		TSK_TEST(test_input_survives_a_death),
		TSK_TEST(test_cancel),
		TSK_TEST(test_known_buffers_are_bounded),
		TSK_TEST(test_line),
		TSK_TEST(test_death_in_the_line),
		TSK_TEST(test_death_of_an_idler),
		TSK_TEST(test_rules_in_the_line),
		TSK_TEST(test_answer_twice),
		TSK_TEST(test_cancel_in_the_line),
		TSK_TEST(test_death_after_cancel),
		TSK_TEST(test_deadline_in_the_line),
		TSK_TEST(test_fetch_in_the_line),
		TSK_TEST(test_death_in_fetch),
		TSK_TEST(test_short_of_memory),
		TSK_TEST(test_slow_filling),
	};

	return cmocka_run_group_tests(tests, rig_warm_up, NULL);
}
