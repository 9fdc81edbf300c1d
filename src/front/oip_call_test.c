/* SPDX-License-Identifier: Apache-2.0 */
/* Inferences as HTTP and gRPC submit them, on a rig whose workers the test plays. */
#include "front/oip_call.h"

#include <string.h>

#include "base/testing.h"
#include "front/models_asked.h"
#include "front/oip_models.h"

/* A call, and what became of it. */
struct inferred {
	struct oip_call call;
	struct oip_infer infer; /* to be submitted */
	struct oip_input inputs[2];
	struct oip_output outputs[2];
	struct tensock_error error;
	unsigned n_done;
	char model[64], version[16], id[16], name[16];
	uint32_t n_results;
	struct oip_result result; /* the first */
	unsigned char bytes[64];
	struct buffer *buffer;
	bool wants_buffer, ends_when_done;
};

static void on_done(struct oip_call *call, const struct oip_answer *answer, struct buffer **buffer,
		    const struct tensock_error *error)
{
	struct inferred *i = (struct inferred *)(void *)call;

	i->n_done++;
	i->error = error ? *error : (struct tensock_error){ 0 };
	if (answer) {
		snprintf(i->model, sizeof(i->model), "%s", answer->model);
		snprintf(i->version, sizeof(i->version), "%s", answer->version);
		snprintf(i->id, sizeof(i->id), "%.*s", answer->id.len, answer->id.bytes);
		i->n_results = answer->n_results;
		i->result = answer->results[0];
		snprintf(i->name, sizeof(i->name), "%.*s", i->result.name.len,
			 i->result.name.bytes);
		assert_true(i->result.bytes <= sizeof(i->bytes));
		memcpy(i->bytes, i->result.data, i->result.bytes);
		if (i->wants_buffer)
			i->buffer = TAKE_PTR(*buffer);
	}
	if (i->ends_when_done)
		oip_call_end(call);
}

static const struct oip_call_ops ops = { .done = on_done };

/* One input "x", FP32 [1,3]. */
static void make(struct inferred *i)
{
	*i = (struct inferred){ 0 };
	i->infer.id = wire_string("one");
	i->infer.n_inputs = 1;
	i->infer.inputs = i->inputs;
	i->inputs[0].tensor = (struct wire_tensor){ .name = wire_string("x"),
						    .index = WIRE_INDEX_NONE,
						    .dtype = TENSOCK_FLOAT32,
						    .rank = 2,
						    .dims = { 1, 3 },
						    .bytes = 12 };
}

static void begin(struct rig *rig, struct inferred *i)
{
	struct tensock_error error;

	assert_int_equal(oip_call_begin(&i->call, rig->guest, &ops, &error), 0);
}

static const float inputs[3] = { 1, 2, 3 };

static void submit(struct rig *rig, struct inferred *i, const char *name, const char *version)
{
	struct tensock_error error;
	unsigned char *room;

	begin(rig, i);
	assert_int_equal(oip_call_take(&i->call, wire_string(name), 1, 12, &room, &error), 0);
	assert_int_equal((uintptr_t)room % RUN_ALIGN, 0);
	memcpy(room, inputs, sizeof(inputs));
	oip_call_submit(&i->call, &i->infer, wire_string(name), wire_string(version));
}

static void expect_error(const struct inferred *i, enum tensock_status status, const char *text)
{
	assert_int_equal(i->n_done, 1);
	if (!strstr(i->error.message, text))
		fail_msg("%s", i->error.message);
	assert_int_equal(i->error.status, status);
}

static void expect_done(struct rig *rig, struct inferred *i)
{
	for (int n = 0; n < 2000 && !i->n_done; n++)
		rig_run(rig, 1);
	assert_int_equal(i->n_done, 1);
}

static void test_inference(void **state)
{
	struct front_start limits = rig_limits();
	struct rig_worker *worker;
	struct inferred i;
	struct run_entry start;
	struct run_tensor t;
	struct rig rig;
	unsigned n;
	char *region;

	(void)state;
	rig_init(&rig, &limits);
	worker = push_loaded(&rig, "model", "name", "");
	make(&i);
	submit(&rig, &i, "name", "");
	start = rig_worker_expect(&rig, worker, RUN_START);
	region = rig_worker_region(worker, start.in_buffer, start.in_offset, start.in_bytes);
	assert_int_equal(run_read(region, start.in_bytes, &t, 1, &n), 0);
	assert_memory_equal(region + t.offset, inputs, sizeof(inputs));
	rig_worker_done(worker, &start, values, 2);
	expect_done(&rig, &i);
	assert_int_equal(i.error.status, TENSOCK_OK);
	assert_string_equal(i.model, "name");
	assert_string_equal(i.version, "1");
	assert_string_equal(i.id, "one");
	assert_string_equal(i.name, "y");
	assert_int_equal(i.n_results, 1);
	assert_int_equal(i.result.dtype, TENSOCK_FLOAT32);
	assert_memory_equal(i.bytes, values, sizeof(values));
	assert_int_equal(rig.guest->n_calls, 1);
	oip_call_end(&i.call);
	oip_call_end(&i.call);
	assert_int_equal(rig.guest->n_calls, 0);
	assert_int_equal(rig.guest->counters.ok, 1);
	rig_worker_exit(&rig, worker, 0);
	rig_done(&rig);
}

/* The buffer may be taken, and the call may end within its answer. */
static void test_hand_over(void **state)
{
	struct front_start limits = rig_limits();
	struct rig_worker *worker;
	struct inferred i;
	struct rig rig;

	(void)state;
	rig_init(&rig, &limits);
	worker = push_loaded(&rig, "model", "name", "3");
	make(&i);
	i.wants_buffer = i.ends_when_done = true;
	submit(&rig, &i, "name", "3");
	answer_run(&rig, worker);
	expect_done(&rig, &i);
	assert_string_equal(i.version, "3");
	assert_int_equal(rig.guest->n_calls, 0);
	assert_memory_equal(i.result.data, values, sizeof(values));
	buffer_pool_put(&rig.guest->workers->buffers, i.buffer);
	rig_worker_exit(&rig, worker, 0);
	rig_done(&rig);
}

static void test_refused(void **state)
{
	struct front_start limits = rig_limits();
	struct rig_worker *worker;
	struct tensock_error error;
	unsigned char *room;
	struct inferred i;
	struct rig rig;

	(void)state;
	rig_init(&rig, &limits);
	worker = push_loaded(&rig, "model", "name", "3");
	make(&i);
	submit(&rig, &i, "nome", "");
	expect_error(&i, TENSOCK_NOT_FOUND, "Request for unknown model: 'nome' is not found");
	oip_call_end(&i.call);
	make(&i);
	submit(&rig, &i, "name", "2");
	expect_error(&i, TENSOCK_NOT_FOUND, "'name' version 2 is not found");
	oip_call_end(&i.call);
	make(&i);
	i.inputs[0].tensor.name = wire_string("z");
	submit(&rig, &i, "name", "");
	expect_error(&i, TENSOCK_INVALID_ARGUMENT, "no input \"z\"");
	oip_call_end(&i.call);
	make(&i);
	i.inputs[0].source = OIP_REGION;
	i.inputs[0].region = (struct oip_region){ .name = wire_string("shm"), .bytes = 12 };
	submit(&rig, &i, "name", "");
	expect_error(&i, TENSOCK_NOT_FOUND, "Unable to find shared memory region: 'shm'");
	oip_call_end(&i.call);
	/* What the session has laid out is checked as if it came from outside. */
	make(&i);
	i.inputs[0].tensor.bytes = 1000;
	submit(&rig, &i, "name", "");
	expect_error(&i, TENSOCK_INTERNAL, "outside of its room");
	oip_call_end(&i.call);
	make(&i);
	i.inputs[0].tensor.offset = 4;
	i.inputs[0].tensor.bytes = 0;
	submit(&rig, &i, "name", "");
	expect_error(&i, TENSOCK_INTERNAL, "outside of its room");
	oip_call_end(&i.call);
	make(&i);
	begin(&rig, &i);
	assert_true(oip_call_take(&i.call, wire_string("name"), 1, limits.request_bytes_max, &room,
				  &error) < 0);
	assert_int_equal(error.status, TENSOCK_TOO_LARGE);
	assert_non_null(strstr(error.message, "max-request-size"));
	assert_true(oip_call_take(&i.call, wire_string("name"), 1, UINT64_MAX - 100, &room,
				  &error) < 0);
	assert_true(oip_call_take(&i.call, wire_string("name"), OIP_TENSORS_MAX + 1, 12, &room,
				  &error) < 0);
	oip_call_fail(&i.call, &error);
	oip_call_end(&i.call);
	assert_int_equal(rig.guest->counters.error, 7);
	rig_worker_exit(&rig, worker, 0);
	rig_done(&rig);
}

static void test_limit(void **state)
{
	struct front_start limits = rig_limits();
	struct tensock_error error;
	struct inferred a, b;
	struct rig rig;

	(void)state;
	limits.requests_max = 1;
	rig_init(&rig, &limits);
	make(&a);
	make(&b);
	begin(&rig, &a);
	assert_true(oip_call_begin(&b.call, rig.guest, &ops, &error) < 0);
	assert_int_equal(error.status, TENSOCK_LIMIT_REACHED);
	assert_non_null(strstr(error.message, "max-requests"));
	oip_call_end(&a.call);
	assert_int_equal(rig.guest->counters.reset, 1);
	begin(&rig, &b);
	oip_call_end(&b.call);
	rig_done(&rig);
}

/* Before submission, in the queue, in the worker's hands. */
static void test_deadline_and_cancel(void **state)
{
	struct front_start limits = rig_limits();
	struct rig_worker *worker;
	struct run_entry start;
	struct inferred i;
	struct rig rig;

	(void)state;
	rig_init(&rig, &limits);
	worker = push_loaded(&rig, "model", "name", "");
	make(&i);
	begin(&rig, &i);
	oip_call_set_deadline(&i.call, 5);
	oip_call_set_deadline(&i.call, 60000);
	expect_done(&rig, &i);
	expect_error(&i, TENSOCK_DEADLINE_EXCEEDED, "deadline");
	oip_call_end(&i.call);
	make(&i);
	i.infer.timeout_us = 1500;
	submit(&rig, &i, "name", "");
	start = rig_worker_expect(&rig, worker, RUN_START);
	expect_done(&rig, &i);
	expect_error(&i, TENSOCK_DEADLINE_EXCEEDED, "deadline");
	oip_call_end(&i.call);
	rig_worker_expect(&rig, worker, RUN_CANCEL);
	rig_worker_done(worker, &start, values, 2);
	make(&i);
	submit(&rig, &i, "name", "");
	start = rig_worker_expect(&rig, worker, RUN_START);
	oip_call_end(&i.call);
	rig_worker_expect(&rig, worker, RUN_CANCEL);
	rig_worker_done(worker, &start, values, 2);
	rig_run(&rig, 2);
	assert_int_equal(i.n_done, 0);
	assert_int_equal(rig.guest->counters.cancelled, 1);
	rig_worker_exit(&rig, worker, 0);
	rig_done(&rig);
}

static void test_classes(void **state)
{
	static const unsigned char classes[] = "\x0a\0\0\0"
					       "1.000000:1"
					       "\x0a\0\0\0"
					       "0.500000:0";
	struct front_start limits = rig_limits();
	struct rig_worker *worker;
	struct inferred i;
	struct rig rig;

	(void)state;
	rig_init(&rig, &limits);
	worker = push_loaded(&rig, "model", "name", "");
	for (uint32_t n = 1; n <= 3; n++) {
		make(&i);
		i.infer.n_outputs = 1;
		i.infer.outputs = i.outputs;
		i.outputs[0] = (struct oip_output){ .name = wire_string("y"), .classes = n };
		submit(&rig, &i, "name", "");
		answer_run(&rig, worker);
		expect_done(&rig, &i);
		assert_int_equal(i.result.dtype, TENSOCK_BYTES);
		assert_int_equal(i.result.rank, 1);
		assert_int_equal(i.result.dims[0], n < 2 ? n : 2);
		assert_int_equal(i.result.bytes, n < 2 ? 14 : 28);
		assert_memory_equal(i.bytes, classes, n < 2 ? 14 : 28);
		oip_call_end(&i.call);
	}
	make(&i);
	i.infer.n_outputs = 1;
	i.infer.outputs = i.outputs;
	i.outputs[0] = (struct oip_output){ .name = wire_string("q") };
	submit(&rig, &i, "name", "");
	expect_error(&i, TENSOCK_NOT_FOUND, "no output \"q\"");
	oip_call_end(&i.call);
	rig_worker_exit(&rig, worker, 0);
	rig_done(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TSK_TEST(test_inference),
		TSK_TEST(test_hand_over),
		TSK_TEST(test_refused),
		TSK_TEST(test_limit),
		TSK_TEST(test_deadline_and_cancel),
		TSK_TEST(test_classes),
	};

	return cmocka_run_group_tests(tests, rig_warm_up, NULL);
}
