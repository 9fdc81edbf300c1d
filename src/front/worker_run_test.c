/* SPDX-License-Identifier: Apache-2.0 */
/* Requests that bring their own buffers and take those of their outputs. */
#include "front/models.h"

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
	struct buffer *taken;
	uint64_t queue_ns, compute_ns;
	unsigned n_prepared;
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
	(void)request;
	memcpy(region, "filled", 7);
	return false;
}

static void probe_done(struct request *request, struct request_outputs *outputs,
		       const struct tensock_error *error)
{
	struct probe *probe = probe_of(request);

	assert_false(probe->is_done);
	assert_null(request->in);
	probe->is_done = true;
	probe->status = error ? error->status : TENSOCK_OK;
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		TSK_TEST(test_own_input),
		TSK_TEST(test_taken_outputs),
		TSK_TEST(test_wants_no_run),
		TSK_TEST(test_input_too_small),
		TSK_TEST(test_input_survives_a_death),
		TSK_TEST(test_cancel),
	};

	return cmocka_run_group_tests(tests, rig_warm_up, NULL);
}
