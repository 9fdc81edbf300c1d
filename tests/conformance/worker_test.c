/* SPDX-License-Identifier: Apache-2.0 */
/* A real worker, with engines that behave and engines that do not: worker_test BUILD_FOLDER. */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "base/clock.h"
#include "conformance/onnx_models.h"
#include "conformance/steps.h"

static char worker_path[4096], ort_path[4096], echo_path[4096], faulty_path[4096];

static void start(const char *engine, const char *option)
{
	driver_start(&driver, worker_path, engine, option);
}

static void load_bytes(const char *engine, const void *model, size_t len)
{
	start(engine, NULL);
	assert_int_equal(driver_wait_ready(&driver, TIMEOUT_MS), DRIVER_OK);
	assert_int_equal(driver_load(&driver, model, len, TIMEOUT_MS), DRIVER_OK);
}

static void load_text(const char *engine, const char *model)
{
	load_bytes(engine, model, strlen(model));
}

static void load_onnx(struct pb model)
{
	load_bytes(ort_path, model.bytes, model.len);
	free(model.bytes);
}

static struct driver_tensor tensor(uint32_t dtype, void *data, uint64_t bytes, uint32_t rank,
				   int64_t d0, int64_t d1)
{
	return (struct driver_tensor){
		.descriptor = { .dtype = dtype, .rank = rank, .bytes = bytes, .dims = { d0, d1 } },
		.data = data
	};
}

/* Runs on one input; the status, and on success the one output. */
static uint32_t run_one(struct driver_tensor input, uint64_t room, struct driver_tensor *ret)
{
	unsigned n = 0;
	enum driver_result result = driver_run(&driver, &input, 1, room, ret, 1, &n, TIMEOUT_MS);

	assert_true(result == DRIVER_OK || result == DRIVER_REFUSED);
	if (result == DRIVER_REFUSED)
		return driver.error.status;
	assert_int_equal(n, 1);
	return TENSOCK_OK;
}

static void test_echo(void **state)
{
	struct driver_tensor out;

	(void)state;
	load_text(echo_path, "TSKECHO1");
	assert_string_equal(driver.title, "echo 1");
	assert_string_equal(driver.info.engine, "echo 1");
	assert_string_equal(driver.info.format, "echo");
	for (int i = 0; i < 1000; i++) {
		assert_int_equal(run_one(rows(2), ROOM, &out), TENSOCK_OK);
		assert_int_equal(out.descriptor.bytes, 32);
		assert_memory_equal(out.data, floats, 32);
	}
	/* No rows at all. */
	assert_int_equal(run_one(rows(0), ROOM, &out), TENSOCK_OK);
	assert_int_equal(out.descriptor.dims[0], 0);
	assert_int_equal(out.descriptor.bytes, 0);
	stop();
}

static void test_many_tensors(void **state)
{
	struct driver_tensor in[20], out[20];
	unsigned n = 0;

	(void)state;
	load_text(echo_path, "TSKECHO1 tensors=20 shape=1,4");
	for (unsigned i = 0; i < 20; i++) {
		in[i] = tensor(TENSOCK_FLOAT32, floats + i, 16, 2, 1, 4);
		in[i].descriptor.index = 19 - i;
	}
	assert_int_equal(driver_run(&driver, in, 20, ROOM, out, 20, &n, TIMEOUT_MS), DRIVER_OK);
	assert_int_equal(n, 20);
	for (unsigned i = 0; i < 20; i++) {
		assert_int_equal(out[i].descriptor.index, i);
		assert_memory_equal(out[i].data, floats + 19 - i, 16);
	}
	stop();
}

static void test_refused_inputs(void **state)
{
	struct driver_tensor out, two[2] = { rows(1), rows(1) };
	unsigned n;

	(void)state;
	load_text(echo_path, "TSKECHO1");
	assert_int_equal(run_one(tensor(TENSOCK_INT32, floats, 16, 2, 1, 4), ROOM, &out),
			 TENSOCK_INVALID_ARGUMENT);
	assert_string_equal(driver.error.message, "input \"x0\" is FP32, not INT32");
	assert_int_equal(run_one(tensor(TENSOCK_FLOAT32, floats, 12, 2, 1, 3), ROOM, &out),
			 TENSOCK_INVALID_ARGUMENT);
	assert_int_equal(run_one(tensor(TENSOCK_FLOAT32, floats, 16, 1, 4, 0), ROOM, &out),
			 TENSOCK_INVALID_ARGUMENT);
	/* A second input where the model has one; none at all. */
	assert_int_equal(driver_run(&driver, two, 2, ROOM, &out, 1, &n, TIMEOUT_MS),
			 DRIVER_REFUSED);
	assert_int_equal(driver_run(&driver, two, 0, ROOM, &out, 1, &n, TIMEOUT_MS),
			 DRIVER_REFUSED);
	assert_int_equal(driver.error.status, TENSOCK_INVALID_ARGUMENT);
	two[0].descriptor.index = 1;
	assert_int_equal(run_one(two[0], ROOM, &out), TENSOCK_INVALID_ARGUMENT);
	/* And it still works. */
	assert_int_equal(run_one(rows(1), ROOM, &out), TENSOCK_OK);
	stop();
}

static void test_input_given_twice(void **state)
{
	struct driver_tensor out[2], two[2] = { rows(1), rows(1) };
	unsigned n;

	(void)state;
	load_text(echo_path, "TSKECHO1 tensors=2");
	assert_int_equal(driver_run(&driver, two, 2, ROOM, out, 2, &n, TIMEOUT_MS), DRIVER_REFUSED);
	assert_string_equal(driver.error.message, "input \"x0\" is given twice");
	stop();
}

/* Entries that no honest front sends: each is answered. */
static void test_bad_entries(void **state)
{
	static const struct run_entry bad[] = {
		{ .type = RUN_START, .in_buffer = 9, .out_buffer = 1 },
		{ .type = RUN_START, .in_buffer = 1, .out_buffer = 9, .in_bytes = 64 },
		{ .type = RUN_START, .in_buffer = 1, .out_buffer = 1, .in_bytes = UINT64_MAX },
		{ .type = RUN_START,
		  .in_buffer = 1,
		  .out_buffer = 1,
		  .in_offset = UINT64_MAX - 63,
		  .in_bytes = 64 },
		{ .type = RUN_START,
		  .in_buffer = 1,
		  .out_buffer = 1,
		  .in_offset = 8,
		  .in_bytes = 64 },
		{ .type = RUN_START, .in_buffer = 1, .out_buffer = 1, .out_bytes = UINT64_MAX },
		{ .type = RUN_DONE, .in_buffer = 1, .out_buffer = 1 },
		{ .type = 77, .in_buffer = 1, .out_buffer = 1, .out_bytes = 1 },
		{ .type = RUN_FETCH, .out_buffer = 9 },
	};
	struct driver_tensor out;

	(void)state;
	load_text(echo_path, "TSKECHO1");
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		struct run_entry entry = bad[i], done;

		entry.request_id = 1000 + i;
		driver_send_entry(&driver, &entry);
		done = next_done();
		assert_int_equal(done.request_id, 1000 + i);
		assert_int_equal(done.status, TENSOCK_PROTOCOL);
	}
	assert_int_equal(run_one(rows(1), ROOM, &out), TENSOCK_OK);
	stop();
}

/* A buffer that is sent while the worker runs, and at once named by the next entry. */
static void test_buffer_sent_while_running(void **state)
{
	struct worker_msg msg = { .type = WORKER_BUFFER, .id = 2, .value = ROOM };
	struct driver_tensor in = rows(1);
	struct run_entry entry = { .type = RUN_START,
				   .request_id = 1000,
				   .in_buffer = 1,
				   .out_buffer = 2,
				   .in_bytes = DRIVER_REGION_BYTES,
				   .out_bytes = ROOM };
	int fd;

	(void)state;
	load_text(echo_path, "TSKECHO1 delay_ms=200");
	driver_send_run(&driver, &in, 1, ROOM);
	sleep_ms(50);
	assert_int_equal(tsk_memfd_new("second", ROOM, &fd), 0);
	assert_int_equal(worker_control_send(driver.control_fd, &msg, NULL, 0, &fd, 1), 0);
	tsk_close(fd);
	driver_send_entry(&driver, &entry);
	assert_int_equal(next_done().status, TENSOCK_OK);
	assert_int_equal(next_done().status, TENSOCK_OK);
	stop();
}

/* Fixed shapes are written in place, others copied: both must be fetched when they do not fit. */
static void too_large(const char *model)
{
	struct run_entry fetch = { .type = RUN_FETCH,
				   .request_id = 1,
				   .out_buffer = 1,
				   .out_offset = DRIVER_REGION_BYTES,
				   .out_bytes = ROOM };
	struct driver_tensor out, in = rows(2);
	struct run_entry done;

	load_text(echo_path, model);
	driver_send_run(&driver, &in, 1, 64);
	done = next_done();
	assert_int_equal(done.status, TENSOCK_TOO_LARGE);
	assert_in_range(done.needed, 160 + 32, 256);
	/* One byte too few again keeps them again. */
	fetch.out_bytes = done.needed - 1;
	driver_send_entry(&driver, &fetch);
	assert_int_equal(next_done().status, TENSOCK_TOO_LARGE);
	fetch.out_bytes = done.needed;
	driver_send_entry(&driver, &fetch);
	done = next_done();
	assert_int_equal(done.status, TENSOCK_OK);
	assert_int_equal(done.out_bytes, fetch.out_bytes);
	assert_int_equal(done.needed, 0);
	/* They were given away. */
	driver_send_entry(&driver, &fetch);
	assert_int_equal(next_done().status, TENSOCK_NOT_FOUND);
	/* A CANCEL forgets them. */
	driver_send_run(&driver, &in, 1, 0);
	assert_int_equal(next_done().status, TENSOCK_TOO_LARGE);
	send_cancel(driver.last_request_id);
	assert_int_equal(run_one(rows(2), ROOM, &out), TENSOCK_OK);
	driver_send_entry(&driver, &fetch);
	assert_int_equal(next_done().status, TENSOCK_NOT_FOUND);
	/* The driver's own way. */
	assert_int_equal(run_one(rows(2), 0, &out), TENSOCK_OK);
	assert_memory_equal(out.data, floats, 32);
	stop();
}

static void test_too_large(void **state)
{
	(void)state;
	too_large("TSKECHO1");
	too_large("TSKECHO1 shape=2,4");
}

static struct run_entry fetch_of(uint64_t id)
{
	return (struct run_entry){ .type = RUN_FETCH,
				   .request_id = id,
				   .out_buffer = 1,
				   .out_offset = DRIVER_REGION_BYTES,
				   .out_bytes = ROOM };
}

/* Outputs that are kept hold up the line until they are fetched, or not wanted. */
static void test_kept_outputs_hold_up_the_line(void **state)
{
	struct driver_tensor in = rows(2);
	struct run_entry done, fetch;
	uint64_t id;

	(void)state;
	load_text(echo_path, "TSKECHO1");
	for (unsigned round = 0; round < 200; round++) {
		bool fetches = round % 4 < 2, cancels = round % 4 != 0;

		id = driver_send_run(&driver, &in, 1, 64);
		driver_send_run(&driver, &in, 1, ROOM);
		driver_send_run(&driver, &in, 1, ROOM);
		done = next_done();
		assert_int_equal(done.request_id, id);
		assert_int_equal(done.status, TENSOCK_TOO_LARGE);
		if (round < 8) {
			sleep_ms(20);
			assert_false(ring_pop(&driver.rings.in, &done));
		}
		fetch = fetch_of(id);
		if (fetches)
			driver_send_entry(&driver, &fetch);
		if (cancels)
			send_cancel(id);
		if (fetches) { /* one answer, whether the cancel came in time or not */
			done = next_done();
			assert_int_equal(done.request_id, id);
			assert_true(done.status == TENSOCK_OK ||
				    (cancels && done.status == TENSOCK_CANCELLED));
		}
		for (unsigned i = 1; i <= 2; i++) {
			done = next_done();
			assert_int_equal(done.request_id, id + i);
			assert_int_equal(done.status, TENSOCK_OK);
		}
	}
	/* The FETCH of another request waits like everything else. */
	id = driver_send_run(&driver, &in, 1, 64);
	assert_int_equal(next_done().status, TENSOCK_TOO_LARGE);
	fetch = fetch_of(id + 1);
	driver_send_entry(&driver, &fetch);
	sleep_ms(20);
	assert_false(ring_pop(&driver.rings.in, &done));
	send_cancel(id);
	done = next_done();
	assert_int_equal(done.request_id, id + 1);
	stop();
}

/* The first runs, the others wait; each is cancelled on its own, in any order. */
static void test_cancel(void **state)
{
	struct driver_tensor in = rows(1);
	uint64_t id[4], begun;
	struct run_entry done;

	(void)state;
	load_text(echo_path, "TSKECHO1 delay_ms=15000");
	begun = tsk_now_ns();
	for (unsigned i = 0; i < 4; i++)
		id[i] = driver_send_run(&driver, &in, 1, ROOM);
	send_cancel(12345);
	send_cancel(id[2]);
	sleep_ms(100);
	send_cancel(id[0]);
	sleep_ms(100);
	send_cancel(id[3]);
	send_cancel(id[1]);
	for (unsigned i = 0; i < 4; i++) {
		done = next_done();
		assert_int_equal(done.request_id, id[i]);
		assert_int_equal(done.status, TENSOCK_CANCELLED);
	}
	/* Too late is no error. */
	send_cancel(id[0]);
	id[0] = driver_send_run(&driver, &in, 1, ROOM);
	sleep_ms(50);
	send_cancel(id[0]);
	assert_int_equal(next_done().status, TENSOCK_CANCELLED);
	assert_true(tsk_now_ns() - begun < 5 * TSK_NS_PER_SEC);
	stop();
}

/* Cancels that race with the end of short runs: every run gets one answer, done or cancelled. */
static void test_cancel_race(void **state)
{
	struct driver_tensor in = rows(1), out;
	unsigned cancelled = 0;

	(void)state;
	load_text(echo_path, "TSKECHO1 delay_ms=1");
	for (unsigned i = 0; i < 500; i++) {
		uint64_t id = driver_send_run(&driver, &in, 1, ROOM);
		struct timespec ts = { .tv_nsec = i * 4000 };
		struct run_entry done;

		nanosleep(&ts, NULL);
		send_cancel(id);
		done = next_done();
		assert_int_equal(done.request_id, id);
		assert_true(done.status == TENSOCK_OK || done.status == TENSOCK_CANCELLED);
		cancelled += done.status == TENSOCK_CANCELLED;
	}
	assert_true(cancelled > 0);
	assert_int_equal(run_one(in, ROOM, &out), TENSOCK_OK);
	stop();
}

/* More under way than the ring holds answers for. */
static void test_full_rings(void **state)
{
	struct driver_tensor in = rows(1);
	uint64_t first = 0;

	(void)state;
	load_text(echo_path, "TSKECHO1");
	for (unsigned i = 0; i < 2 * RING_ENTRIES; i++) {
		while (!ring_room(&driver.rings.out))
			sleep_ms(1);
		first = driver_send_run(&driver, &in, 1, ROOM);
	}
	for (uint64_t id = first - 2 * RING_ENTRIES + 1; id <= first; id++)
		assert_int_equal(next_done().request_id, id);
	stop();
}

static void test_hang_up_while_running(void **state)
{
	struct driver_tensor in = rows(1);
	uint64_t begun;

	(void)state;
	load_text(echo_path, "TSKECHO1 delay_ms=15000");
	driver_send_run(&driver, &in, 1, ROOM);
	sleep_ms(100);
	begun = tsk_now_ns();
	stop();
	/* A sanitizer takes a second for itself. */
	assert_true(tsk_now_ns() - begun < 5 * TSK_NS_PER_SEC);
	/* An engine that hangs in its load, too. */
	start(faulty_path, NULL);
	assert_int_equal(driver_wait_ready(&driver, TIMEOUT_MS), DRIVER_OK);
	assert_int_equal(driver_load(&driver, "TSKFAULT load:hang", 18, 200), DRIVER_LATE);
	driver_stop(&driver, TIMEOUT_MS);
}

/* The model must be frozen, and as large as was said. */
static void test_model_memfd(void **state)
{
	struct worker_msg msg = { .type = WORKER_LOAD, .value = 8 };
	int fds[3];

	(void)state;
	assert_int_equal(tsk_memfd_new("unfrozen", 8, &fds[0]), 0);
	assert_int_equal(tsk_memfd_new("long", 9, &fds[1]), 0);
	assert_int_equal(tsk_memfd_freeze(fds[1]), 0);
	fds[2] = open("/dev/null", O_RDONLY | O_CLOEXEC);
	for (unsigned i = 0; i < 3; i++) {
		start(echo_path, NULL);
		assert_int_equal(driver_wait_ready(&driver, TIMEOUT_MS), DRIVER_OK);
		assert_int_equal(worker_control_send(driver.control_fd, &msg, NULL, 0, &fds[i], 1),
				 0);
		/* The next load is what gets the answer to this one. */
		assert_int_equal(driver_load(&driver, "TSKECHO1", 8, TIMEOUT_MS), DRIVER_REFUSED);
		assert_int_equal(driver.error.status, TENSOCK_PROTOCOL);
		stop();
		close(fds[i]);
	}
}

static void refused_model(const char *engine, const void *bytes, size_t len, uint32_t status)
{
	start(engine, NULL);
	assert_int_equal(driver_wait_ready(&driver, TIMEOUT_MS), DRIVER_OK);
	assert_int_equal(driver_load(&driver, bytes, len, TIMEOUT_MS), DRIVER_REFUSED);
	assert_int_equal(driver.error.status, status);
	assert_true(driver.error.message[0]);
	stop();
}

static void refused_onnx(struct pb model, uint32_t status)
{
	refused_model(ort_path, model.bytes, model.len, status);
	free(model.bytes);
}

static void test_refused_models(void **state)
{
	(void)state;
	refused_model(echo_path, "not a model", 11, TENSOCK_INVALID_MODEL);
	refused_model(ort_path, "not a model", 11, TENSOCK_INVALID_MODEL);
	refused_model(ort_path, "", 0, TENSOCK_INVALID_MODEL);
	refused_model(ort_path, "\x20\0\0\0ORTM\0\0\0\0\0\0\0\0", 16, TENSOCK_INVALID_MODEL);
	refused_onnx(onnx_thief(), TENSOCK_UNSUPPORTED);
	assert_non_null(strstr(driver.error.message, "external data"));
	refused_onnx(onnx_unknown_operator(), TENSOCK_UNSUPPORTED);
	assert_non_null(strstr(driver.error.message, "Frobnicate"));
	refused_onnx(pb_wrap(7, pb_empty()), TENSOCK_INVALID_MODEL);
}

static void refused_engine(const char *engine, const char *option, uint32_t status)
{
	start(engine, option);
	assert_int_equal(driver_wait_ready(&driver, TIMEOUT_MS), DRIVER_REFUSED);
	assert_int_equal(driver.error.status, status);
	assert_null(strstr(driver.error.message, "/"));
	assert_int_equal(driver_stop(&driver, TIMEOUT_MS), DRIVER_DIED);
	assert_true(WIFEXITED(driver.wait_status) && WEXITSTATUS(driver.wait_status) == 1);
}

static void test_refused_engines(void **state)
{
	(void)state;
	refused_engine("/nonexistent/engine.so", NULL, TENSOCK_UNAVAILABLE);
	refused_engine("libm.so.6", NULL, TENSOCK_UNSUPPORTED);
	refused_engine(echo_path, "refuse=because", TENSOCK_UNAVAILABLE);
	assert_string_equal(driver.error.message, "because");
	refused_engine(ort_path, "library=/nonexistent/lib.so", TENSOCK_UNAVAILABLE);
	refused_engine(ort_path, "library=libm.so.6", TENSOCK_UNSUPPORTED);
	refused_engine(ort_path, "threads=0", TENSOCK_INVALID_ARGUMENT);
	refused_engine(ort_path, "threads=2x", TENSOCK_INVALID_ARGUMENT);
	refused_engine(echo_path, "parallel=0", TENSOCK_INVALID_ARGUMENT);
	refused_engine(echo_path, "parallel=65", TENSOCK_INVALID_ARGUMENT);
}

static const struct {
	const char *how;
	int signal; /* 0: exit(0) */
} faults[] = {
	{ "segv", SIGSEGV },
	{ "fpe", SIGFPE },
	{ "bus", SIGBUS },
	/* It may not send itself a signal: what comes behind is a trap. */
	{ "abort", SIGSEGV },
	/* Nor any to others, and to try ends it. */
	{ "kill", SIGSYS },
	{ "exit", 0 },
};

static void assert_death(int signal)
{
#ifdef TESTS_SANITIZED
	/* A sanitizer turns some signals into an exit. */
	(void)signal;
#else
	if (signal)
		assert_true(WIFSIGNALED(driver.wait_status) &&
			    WTERMSIG(driver.wait_status) == signal);
	else
		assert_int_equal(driver.wait_status, 0);
#endif
	driver_stop(&driver, TIMEOUT_MS);
}

static void test_deaths(void **state)
{
	struct driver_tensor out, in = tensor(TENSOCK_FLOAT32, floats, 16, 1, 4, 0);
	char model[64];
	unsigned n;

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(faults); i++) {
		snprintf(model, sizeof(model), "TSKFAULT load:%s", faults[i].how);
		start(faulty_path, NULL);
		assert_int_equal(driver_wait_ready(&driver, TIMEOUT_MS), DRIVER_OK);
		assert_int_equal(driver_load(&driver, model, strlen(model), TIMEOUT_MS),
				 DRIVER_DIED);
		assert_death(faults[i].signal);

		snprintf(model, sizeof(model), "TSKFAULT run:%s", faults[i].how);
		load_text(faulty_path, model);
		assert_int_equal(driver_run(&driver, &in, 1, ROOM, &out, 1, &n, TIMEOUT_MS),
				 DRIVER_DIED);
		assert_death(faults[i].signal);
	}
}

static void test_bad_engine(void **state)
{
	struct driver_tensor out, in = tensor(TENSOCK_FLOAT32, floats, 16, 1, 4, 0);

	(void)state;
	refused_model(faulty_path, "TSKFAULT load:error", 19, TENSOCK_ENGINE_FAILED);
	assert_string_equal(driver.error.message, "as the model wished");
	load_text(faulty_path, "TSKFAULT run:empty-error");
	assert_int_equal(run_one(in, ROOM, &out), TENSOCK_ENGINE_FAILED);
	assert_string_equal(driver.error.message, "the engine failed");
	stop();
	load_text(faulty_path, "TSKFAULT run:bad-output");
	assert_int_equal(run_one(in, ROOM, &out), TENSOCK_ENGINE_FAILED);
	stop();
	load_text(faulty_path, "TSKFAULT none");
	assert_int_equal(run_one(in, ROOM, &out), TENSOCK_OK);
	stop();
}

static void test_ort_strings(void **state)
{
	unsigned char good[] = "\3\0\0\0abc\0\0\0\0\2\0\0\0\0x";
	unsigned char long_one[] = "\3\0\0\0abc\0\0\0\0\4\0\0\0\0x";
	unsigned char left_over[] = "\1\0\0\0a\0\0\0\0\0\0\0\0zzz";
	struct driver_tensor out;
	int64_t dims[] = { -1 };

	(void)state;
	load_onnx(onnx_identity(ONNX_STRING, dims, 1));
	assert_int_equal(run_one(tensor(TENSOCK_BYTES, good, 17, 1, 3, 0), ROOM, &out), TENSOCK_OK);
	assert_int_equal(out.descriptor.bytes, 17);
	assert_memory_equal(out.data, good, 17);
	assert_int_equal(run_one(tensor(TENSOCK_BYTES, long_one, 17, 1, 3, 0), ROOM, &out),
			 TENSOCK_INVALID_ARGUMENT);
	assert_int_equal(run_one(tensor(TENSOCK_BYTES, left_over, 16, 1, 3, 0), ROOM, &out),
			 TENSOCK_INVALID_ARGUMENT);
	assert_int_equal(run_one(tensor(TENSOCK_BYTES, good, 0, 1, 0, 0), ROOM, &out), TENSOCK_OK);
	assert_int_equal(out.descriptor.bytes, 0);
	assert_int_equal(run_one(tensor(TENSOCK_BYTES, good, 4, 1, 0, 0), ROOM, &out),
			 TENSOCK_INVALID_ARGUMENT);
	stop();
}

static void test_ort_shapes(void **state)
{
	int64_t dims[] = { -1, 4 };
	struct driver_tensor out;

	(void)state;
	load_onnx(onnx_identity(ONNX_FLOAT, dims, 2));
	assert_int_equal(driver.info.n_inputs, 1);
	assert_int_equal(driver.info.inputs[0].dims[0], -1);
	assert_string_equal(driver.info.inputs[0].dim_names[0], "N");
	assert_int_equal(driver.info.inputs[0].dims[1], 4);
	assert_int_equal(run_one(rows(3), ROOM, &out), TENSOCK_OK);
	assert_int_equal(out.descriptor.dims[0], 3);
	assert_memory_equal(out.data, floats, 48);
	assert_int_equal(run_one(rows(0), ROOM, &out), TENSOCK_OK);
	assert_int_equal(out.descriptor.bytes, 0);
	stop();
	/* A scalar. */
	load_onnx(onnx_identity(ONNX_FLOAT, NULL, 0));
	assert_int_equal(run_one(tensor(TENSOCK_FLOAT32, floats, 4, 0, 0, 0), ROOM, &out),
			 TENSOCK_OK);
	assert_int_equal(out.descriptor.rank, 0);
	assert_memory_equal(out.data, floats, 4);
	stop();
}

/* Its fixed shape is not the one that comes: right all the same, also the second time. */
static void test_ort_liar(void **state)
{
	int64_t some[] = { 0, 5, 0, 7 }, all[] = { 1, 2, 3, 4 };
	int64_t some_at[] = { 1, 3 }, all_at[] = { 0, 1, 2, 3 };
	struct driver_tensor out;

	(void)state;
	load_onnx(onnx_liar());
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(run_one(tensor(TENSOCK_INT64, all, 32, 1, 4, 0), ROOM, &out),
				 TENSOCK_OK);
		assert_memory_equal(out.data, all_at, 32);
		assert_int_equal(run_one(tensor(TENSOCK_INT64, some, 32, 1, 4, 0), ROOM, &out),
				 TENSOCK_OK);
		assert_int_equal(out.descriptor.dims[1], 2);
		assert_memory_equal(out.data, some_at, 16);
	}
	stop();
}

static void test_ort_endless_loop(void **state)
{
	int64_t x = 1;
	struct driver_tensor in = tensor(TENSOCK_INT64, &x, 8, 0, 0, 0);
	uint64_t id, begun;

	(void)state;
	load_onnx(onnx_endless_loop());
	/* Twice: the first cancel must not end the second run. */
	for (unsigned i = 0; i < 2; i++) {
		id = driver_send_run(&driver, &in, 1, ROOM);
		sleep_ms(200);
		assert_false(ring_pop(&driver.rings.in, &(struct run_entry){ 0 }));
		begun = tsk_now_ns();
		send_cancel(id);
		assert_int_equal(next_done().status, TENSOCK_CANCELLED);
		assert_true(tsk_now_ns() - begun < TSK_NS_PER_SEC);
	}
	stop();
}

static void test_ort_huge_output(void **state)
{
	int64_t huge = INT64_C(1) << 38, small = 4;
	struct driver_tensor out;
	uint32_t status;

	(void)state;
#ifdef TESTS_SANITIZED
	skip(); /* a sanitizer ends a process that asks for so much */
#endif
	load_onnx(onnx_of_shape());
	status = run_one(tensor(TENSOCK_INT64, &huge, 8, 1, 1, 0), ROOM, &out);
	assert_int_equal(status, TENSOCK_OUT_OF_MEMORY);
	assert_int_equal(run_one(tensor(TENSOCK_INT64, &small, 8, 1, 1, 0), ROOM, &out),
			 TENSOCK_OK);
	assert_int_equal(out.descriptor.bytes, 16);
	stop();
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_echo),
		cmocka_unit_test(test_many_tensors),
		cmocka_unit_test(test_refused_inputs),
		cmocka_unit_test(test_input_given_twice),
		cmocka_unit_test(test_bad_entries),
		cmocka_unit_test(test_buffer_sent_while_running),
		cmocka_unit_test(test_too_large),
		cmocka_unit_test(test_kept_outputs_hold_up_the_line),
		cmocka_unit_test(test_cancel),
		cmocka_unit_test(test_cancel_race),
		cmocka_unit_test(test_full_rings),
		cmocka_unit_test(test_hang_up_while_running),
		cmocka_unit_test(test_model_memfd),
		cmocka_unit_test(test_refused_models),
		cmocka_unit_test(test_refused_engines),
		cmocka_unit_test(test_deaths),
		cmocka_unit_test(test_bad_engine),
		cmocka_unit_test(test_ort_strings),
		cmocka_unit_test(test_ort_shapes),
		cmocka_unit_test(test_ort_liar),
		cmocka_unit_test(test_ort_endless_loop),
		cmocka_unit_test(test_ort_huge_output),
	};

	if (argc != 2)
		return 2;
	signal(SIGPIPE, SIG_IGN);
	snprintf(worker_path, sizeof(worker_path), "%s/tensock-worker", argv[1]);
	snprintf(ort_path, sizeof(ort_path), "%s/tensock-engine-onnxruntime.so", argv[1]);
	snprintf(echo_path, sizeof(echo_path), "%s/tests/engines/tensock-engine-echo.so", argv[1]);
	snprintf(faulty_path, sizeof(faulty_path), "%s/tests/engines/tensock-engine-faulty.so",
		 argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
