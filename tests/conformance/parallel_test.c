/* SPDX-License-Identifier: Apache-2.0 */
/* A real worker that has several runs of its model under way at once: parallel_test BUILD_FOLDER. */
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

static char worker_path[4096], ort_path[4096], echo_path[4096];

static void load(const char *engine, const char *option, const void *model, size_t len)
{
	driver_start(&driver, worker_path, engine, option);
	driver.lane_bytes = 2 * ROOM;
	assert_int_equal(driver_wait_ready(&driver, TIMEOUT_MS), DRIVER_OK);
	assert_int_equal(driver_load(&driver, model, len, TIMEOUT_MS), DRIVER_OK);
}

/* Several runs of one model overlap, where engine and operator allow; their answers keep the order. */
static void test_several_at_once(void **state)
{
	static const struct {
		const char *option, *model;
		uint64_t parallel;
	} cases[] = {
		{ "parallel=3", "TSKECHO1 runs=3 together=3 delay_ms=1", 3 },
		{ "parallel=2", "TSKECHO1 runs=64 together=2 delay_ms=1", 2 },
		{ "parallel=64", "TSKECHO1 runs=6 together=6 delay_ms=1", 6 },
		{ "parallel=64", "TSKECHO1 runs=1 delay_ms=1", 1 },
		{ "parallel=1", "TSKECHO1 runs=4 delay_ms=1", 1 },
	};
	struct driver_tensor in = rows(2);

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		load(echo_path, cases[i].option, cases[i].model, strlen(cases[i].model));
		assert_int_equal(driver.received.msg.value, cases[i].parallel);
		for (unsigned round = 0; round < 20; round++) {
			uint64_t first = driver.last_request_id + 1;

			for (unsigned k = 0; k < 12; k++)
				driver_send_run(&driver, &in, 1, ROOM);
			for (unsigned k = 0; k < 12; k++) {
				struct run_entry done = next_done();

				assert_int_equal(done.request_id, first + k);
				assert_int_equal(done.status, TENSOCK_OK);
			}
		}
		stop();
	}
}

static void test_cancel_of_several(void **state)
{
	const char *model = "TSKECHO1 runs=3 delay_ms=15000";
	struct driver_tensor in = rows(1);
	uint64_t id[6], begun = tsk_now_ns();

	(void)state;
	load(echo_path, "parallel=3", model, strlen(model));
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < 6; i++)
			id[i] = driver_send_run(&driver, &in, 1, ROOM);
		sleep_ms(50);
		for (unsigned i = 6; i > 0; i--) {
			send_cancel(id[i - 1]);
			sleep_ms(round);
		}
		for (unsigned i = 0; i < 6; i++) {
			struct run_entry done = next_done();

			assert_int_equal(done.request_id, id[i]);
			assert_int_equal(done.status, TENSOCK_CANCELLED);
		}
	}
	assert_true(tsk_now_ns() - begun < 8 * TSK_NS_PER_SEC);
	/* The end of the front ends them all. */
	for (unsigned i = 0; i < 5; i++)
		driver_send_run(&driver, &in, 1, ROOM);
	sleep_ms(50);
	begun = tsk_now_ns();
	stop();
	assert_true(tsk_now_ns() - begun < 5 * TSK_NS_PER_SEC);
}

/* A buffer that only a helper can meet: the main thread is inside the engine. */
static void test_buffer_for_a_helper(void **state)
{
	const char *model = "TSKECHO1 runs=2 together=2 delay_ms=1";
	struct worker_msg msg = { .type = WORKER_BUFFER, .id = 2, .value = ROOM };
	struct driver_tensor in = rows(1);
	struct run_entry entry = { .type = RUN_START,
				   .request_id = 1000,
				   .in_buffer = 1,
				   .out_buffer = 2,
				   .in_offset = 2 * ROOM, /* those of the first run */
				   .in_bytes = ROOM,
				   .out_bytes = ROOM };
	int fd;

	(void)state;
	load(echo_path, "parallel=2", model, strlen(model));
	driver_send_run(&driver, &in, 1, ROOM);
	sleep_ms(50);
	assert_int_equal(tsk_memfd_new("second", ROOM, &fd), 0);
	assert_int_equal(worker_control_send(driver.control_fd, &msg, NULL, 0, &fd, 1), 0);
	tsk_close(fd);
	driver_send_entry(&driver, &entry);
	assert_int_equal(next_done().status, TENSOCK_OK);
	assert_int_equal(next_done().status, TENSOCK_OK);
	/* A message that breaks the rules, read by the helper: the end, and not a clean one. */
	driver_send_run(&driver, &in, 1, ROOM);
	sleep_ms(50);
	assert_int_equal(worker_control_send(driver.control_fd,
					     &(struct worker_msg){ .type = WORKER_READY }, NULL, 0,
					     NULL, 0),
			 0);
	entry.out_buffer = 3;
	driver_send_entry(&driver, &entry);
	assert_int_equal(driver_recv_done(&driver, &entry, TIMEOUT_MS), DRIVER_DIED);
	assert_true(WIFEXITED(driver.wait_status) && WEXITSTATUS(driver.wait_status) == 1);
	driver_stop(&driver, TIMEOUT_MS);
}

/* Several endless runs of one session: each is ended by its own cancel, and by no other. */
static void test_ort_several_at_once(void **state)
{
	int64_t x = 1;
	struct driver_tensor in = { .descriptor = { .dtype = TENSOCK_INT64, .bytes = 8 },
				    .data = &x };
	struct pb model = onnx_endless_loop();
	struct run_entry done;
	uint64_t id[3];

	(void)state;
	load(ort_path, "parallel=3", model.bytes, model.len);
	free(model.bytes);
	assert_int_equal(driver.received.msg.value, 3);
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < 3; i++)
			id[i] = driver_send_run(&driver, &in, 1, ROOM);
		sleep_ms(100);
		for (unsigned i = 0; i < 3; i++) {
			assert_false(ring_pop(&driver.rings.in, &done));
			send_cancel(id[i]);
			done = next_done();
			assert_int_equal(done.request_id, id[i]);
			assert_int_equal(done.status, TENSOCK_CANCELLED);
			sleep_ms(20);
		}
	}
	stop();
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_several_at_once),
		cmocka_unit_test(test_cancel_of_several),
		cmocka_unit_test(test_buffer_for_a_helper),
		cmocka_unit_test(test_ort_several_at_once),
	};

	if (argc != 2)
		return 2;
	signal(SIGPIPE, SIG_IGN);
	snprintf(worker_path, sizeof(worker_path), "%s/tensock-worker", argv[1]);
	snprintf(ort_path, sizeof(ort_path), "%s/tensock-engine-onnxruntime.so", argv[1]);
	snprintf(echo_path, sizeof(echo_path), "%s/tests/engines/tensock-engine-echo.so", argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
