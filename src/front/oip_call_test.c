/* SPDX-License-Identifier: Apache-2.0 */
/* Inferences as HTTP and gRPC submit them, on a rig whose workers the test plays. */
#include "front/oip_call.h"

#include <string.h>

#include "base/testing.h"
#include "front/oip_asked.h"
#include "front/oip_models.h"

static void test_inference(void **state)
{
	struct front_start limits = rig_limits();
	struct rig_worker *worker;
	struct oip_asked i;
	struct run_entry start;
	struct run_tensor t;
	struct rig rig;
	unsigned n;
	char *region;

	(void)state;
	rig_init(&rig, &limits);
	worker = push_loaded(&rig, "model", "name", "");
	oip_asked_make(&i);
	oip_asked_submit(&rig, &i, "name", "");
	start = rig_worker_expect(&rig, worker, RUN_START);
	region = rig_worker_region(worker, start.in_buffer, start.in_offset, start.in_bytes);
	assert_int_equal(run_read(region, start.in_bytes, &t, 1, &n), 0);
	assert_memory_equal(region + t.offset, oip_asked_input, sizeof(oip_asked_input));
	rig_worker_done(worker, &start, values, 2);
	oip_asked_expect_done(&rig, &i);
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
	struct oip_asked i;
	struct rig rig;

	(void)state;
	rig_init(&rig, &limits);
	worker = push_loaded(&rig, "model", "name", "3");
	oip_asked_make(&i);
	i.wants_buffer = i.ends_when_done = true;
	oip_asked_submit(&rig, &i, "name", "3");
	answer_run(&rig, worker);
	oip_asked_expect_done(&rig, &i);
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
	struct oip_asked i;
	struct rig rig;

	(void)state;
	rig_init(&rig, &limits);
	worker = push_loaded(&rig, "model", "name", "3");
	oip_asked_make(&i);
	oip_asked_submit(&rig, &i, "nome", "");
	oip_asked_expect_error(&i, TENSOCK_NOT_FOUND,
			       "Request for unknown model: 'nome' is not found");
	oip_call_end(&i.call);
	oip_asked_make(&i);
	oip_asked_submit(&rig, &i, "name", "2");
	oip_asked_expect_error(&i, TENSOCK_NOT_FOUND, "'name' version 2 is not found");
	oip_call_end(&i.call);
	oip_asked_make(&i);
	i.inputs[0].tensor.name = wire_string("z");
	oip_asked_submit(&rig, &i, "name", "");
	oip_asked_expect_error(&i, TENSOCK_INVALID_ARGUMENT, "no input \"z\"");
	oip_call_end(&i.call);
	oip_asked_make(&i);
	i.inputs[0].source = OIP_REGION;
	i.inputs[0].region = (struct oip_region){ .name = wire_string("shm"), .bytes = 12 };
	oip_asked_submit(&rig, &i, "name", "");
	oip_asked_expect_error(&i, TENSOCK_NOT_FOUND, "Unable to find shared memory region: 'shm'");
	oip_call_end(&i.call);
	/* What the session has laid out is checked as if it came from outside. */
	oip_asked_make(&i);
	i.inputs[0].tensor.bytes = 1000;
	oip_asked_submit(&rig, &i, "name", "");
	oip_asked_expect_error(&i, TENSOCK_INTERNAL, "outside of its room");
	oip_call_end(&i.call);
	oip_asked_make(&i);
	i.inputs[0].tensor.offset = 4;
	i.inputs[0].tensor.bytes = 0;
	oip_asked_submit(&rig, &i, "name", "");
	oip_asked_expect_error(&i, TENSOCK_INTERNAL, "outside of its room");
	oip_call_end(&i.call);
	oip_asked_make(&i);
	oip_asked_begin(&rig, &i);
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

/* A region's bytes are read into the room that was taken, and no second one is taken for them. */
static void test_region_in_its_room(void **state)
{
	const uint64_t bytes = 60000;
	struct front_start limits = rig_limits();
	struct rig_worker *worker;
	struct tensock_error error;
	unsigned char *room;
	struct oip_asked i;
	struct rig rig;

	(void)state;
	limits.memory_bytes_max = 2 * bytes;
	rig_init(&rig, &limits);
	worker = push_loaded(&rig, "model", "name", "");
	oip_asked_make(&i);
	i.inputs[0].source = OIP_REGION;
	i.inputs[0].region = (struct oip_region){ .name = wire_string("shm"), .bytes = bytes };
	i.inputs[0].tensor.bytes = bytes;
	oip_asked_begin(&rig, &i);
	assert_int_equal(oip_call_take(&i.call, wire_string("name"), 1, bytes, &room, &error), 0);
	oip_call_submit(&i.call, &i.infer, wire_string("name"), wire_string(""));
	oip_asked_expect_error(&i, TENSOCK_NOT_FOUND, "shm");
	oip_call_end(&i.call);
	rig_worker_exit(&rig, worker, 0);
	rig_done(&rig);
}

static void test_limit(void **state)
{
	struct front_start limits = rig_limits();
	struct tensock_error error;
	struct oip_asked a, b;
	struct rig rig;

	(void)state;
	limits.requests_max = 1;
	rig_init(&rig, &limits);
	oip_asked_make(&a);
	oip_asked_make(&b);
	oip_asked_begin(&rig, &a);
	assert_true(oip_call_begin(&b.call, rig.guest, &oip_asked_ops, &error) < 0);
	assert_int_equal(error.status, TENSOCK_LIMIT_REACHED);
	assert_non_null(strstr(error.message, "max-requests"));
	oip_call_end(&a.call);
	assert_int_equal(rig.guest->counters.reset, 1);
	oip_asked_begin(&rig, &b);
	oip_call_end(&b.call);
	rig_done(&rig);
}

/* Before submission, in the queue, in the worker's hands. */
static void test_deadline_and_cancel(void **state)
{
	struct front_start limits = rig_limits();
	struct rig_worker *worker;
	struct run_entry start;
	struct oip_asked i;
	struct rig rig;

	(void)state;
	rig_init(&rig, &limits);
	worker = push_loaded(&rig, "model", "name", "");
	oip_asked_make(&i);
	oip_asked_begin(&rig, &i);
	oip_call_set_deadline(&i.call, 5);
	oip_call_set_deadline(&i.call, 60000);
	oip_asked_expect_done(&rig, &i);
	oip_asked_expect_error(&i, TENSOCK_DEADLINE_EXCEEDED, "deadline");
	oip_call_end(&i.call);
	oip_asked_make(&i);
	i.infer.timeout_us = 1500;
	oip_asked_submit(&rig, &i, "name", "");
	start = rig_worker_expect(&rig, worker, RUN_START);
	oip_asked_expect_done(&rig, &i);
	oip_asked_expect_error(&i, TENSOCK_DEADLINE_EXCEEDED, "deadline");
	oip_call_end(&i.call);
	rig_worker_expect(&rig, worker, RUN_CANCEL);
	rig_worker_done(worker, &start, values, 2);
	oip_asked_make(&i);
	oip_asked_submit(&rig, &i, "name", "");
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
	struct run_entry start;
	struct oip_asked i;
	struct rig rig;

	(void)state;
	rig_init(&rig, &limits);
	worker = push_loaded(&rig, "model", "name", "");
	for (uint32_t n = 1; n <= 3; n++) {
		oip_asked_make(&i);
		i.infer.n_outputs = 1;
		i.infer.outputs = i.outputs;
		i.outputs[0] = (struct oip_output){ .name = wire_string("y"), .classes = n };
		oip_asked_submit(&rig, &i, "name", "");
		answer_run(&rig, worker);
		oip_asked_expect_done(&rig, &i);
		assert_int_equal(i.result.dtype, TENSOCK_BYTES);
		assert_int_equal(i.result.rank, 1);
		assert_int_equal(i.result.dims[0], n < 2 ? n : 2);
		assert_int_equal(i.result.bytes, n < 2 ? 14 : 28);
		assert_memory_equal(i.bytes, classes, n < 2 ? 14 : 28);
		oip_call_end(&i.call);
	}
	/* What is made of them counts against the guest's memory. */
	oip_asked_make(&i);
	i.infer.n_outputs = 1;
	i.infer.outputs = i.outputs;
	i.outputs[0] = (struct oip_output){ .name = wire_string("y"), .classes = 1 };
	oip_asked_submit(&rig, &i, "name", "");
	start = rig_worker_expect(&rig, worker, RUN_START);
	rig.guest->account.max_bytes = rig.guest->account.used_bytes;
	rig_worker_done(worker, &start, values, 2);
	oip_asked_expect_done(&rig, &i);
	oip_asked_expect_error(&i, TENSOCK_LIMIT_REACHED, "max-memory");
	oip_call_end(&i.call);
	rig.guest->account.max_bytes = limits.memory_bytes_max;
	oip_asked_make(&i);
	i.infer.n_outputs = 1;
	i.infer.outputs = i.outputs;
	i.outputs[0] = (struct oip_output){ .name = wire_string("q") };
	oip_asked_submit(&rig, &i, "name", "");
	oip_asked_expect_error(&i, TENSOCK_NOT_FOUND, "no output \"q\"");
	oip_call_end(&i.call);
	rig_worker_exit(&rig, worker, 0);
	rig_done(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TSK_TEST(test_inference), TSK_TEST(test_hand_over),
		TSK_TEST(test_refused),   TSK_TEST(test_region_in_its_room),
		TSK_TEST(test_limit),     TSK_TEST(test_deadline_and_cancel),
		TSK_TEST(test_classes),
	};

	return cmocka_run_group_tests(tests, rig_warm_up, NULL);
}
