/* SPDX-License-Identifier: Apache-2.0 */
/* Models, their queues and their workers. */
#include "front/models.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/testing.h"
#include "front/rig.h"

/* The guest sends a model; its worker gets it, and has its description. */
static struct rig_worker *load(struct rig *rig, int fd, const char *model)
{
	rig_write_frame(rig, fd, 1, model);
	return rig_worker_with(rig, model);
}

static const float values[] = { 0.5f, 1 };

static void test_ok(void **state)
{
	struct front_start limits = rig_limits();
	struct rig_worker *worker;
	struct run_tensor t[4];
	struct run_entry start;
	struct rig rig;
	unsigned n;
	float first;
	int fd;

	(void)state;
	rig_init(&rig, &limits);
	fd = rig_connect(&rig);
	worker = load(&rig, fd, "model");
	start = rig_worker_expect(&rig, worker, RUN_START);
	assert_int_equal(run_read(rig_worker_region(worker, start.in_buffer, start.in_offset,
						    start.in_bytes),
				  start.in_bytes, t, 4, &n),
			 0);
	assert_int_equal(n, 1);
	assert_int_equal(t[0].dtype, TENSOCK_FLOAT32);
	assert_memory_equal(t[0].dims, ((int64_t[]){ 1, 3 }), 16);
	memcpy(&first,
	       (char *)rig_worker_region(worker, start.in_buffer, start.in_offset, start.in_bytes) +
		       t[0].offset,
	       sizeof(first));
	assert_true(first > 0.833250f && first < 0.833252f);
	rig_worker_done(worker, &start, values, 2);
	rig_expect_bytes(&rig, fd, "OK");
	assert_int_equal(rig.guest->counters.ok, 1);
	close(fd);
	rig_run(&rig, 5);
	rig_worker_exit(&rig, worker, 0);
	rig_done(&rig);
}

/* The same bytes on several connections, and again on one: one worker, which is asked each time. */
static void test_one_worker_for_same_bytes(void **state)
{
	struct front_start limits = rig_limits();
	struct rig_worker *worker, *spare;
	struct rig rig;
	int a, b;

	(void)state;
	rig_init(&rig, &limits);
	a = rig_connect(&rig);
	b = rig_connect(&rig);
	worker = load(&rig, a, "model");
	rig_run_ok(&rig, worker, a);
	rig_write_frame(&rig, b, 2, "model");
	spare = rig_worker_new(&rig); /* expected for the upload, and then not needed */
	rig_write_frame(&rig, a, 3, "model");
	rig_run_ok(&rig, worker, b);
	rig_run_ok(&rig, worker, a);
	rig_expect_nothing(&rig, 5);
	assert_int_equal(models_count(rig.guest->models), 1);
	assert_int_equal(rig.guest->counters.ok, 3);
	close(a);
	close(b);
	rig_worker_exit(&rig, spare, 0);
	rig_worker_exit(&rig, worker, 0);
	rig_done(&rig);
}

/*
 * The spare is started by the header, and then gets the model; without a second SPAWN, also where
 * models that are idle go at once.
 */
static void test_spare(void **state)
{
	static const unsigned char header[16] = { 1, 0, 0, 0, 9, 0, 0, 0, 5 };
	struct front_start limits = rig_limits();
	struct rig_worker *worker;
	struct rig rig;
	int fd;

	(void)state;
	limits.model_idle_ms = 0;
	rig_init(&rig, &limits);
	fd = rig_connect(&rig);
	rig_write(&rig, fd, header, sizeof(header));
	worker = rig_worker_new(&rig);
	rig_run(&rig, 5);
	rig_write(&rig, fd, "model", 5);
	rig_worker_expect_load(&rig, worker, "model");
	rig_expect_nothing(&rig, 5);
	rig_worker_loaded(worker, TENSOCK_FLOAT32);
	rig_run_ok(&rig, worker, fd);
	close(fd);
	rig_worker_exit(&rig, worker, 0);
	rig_done(&rig);
}

/* A spare whose upload never came to its end is let go after a while. */
static void test_unused_spare(void **state)
{
	static const unsigned char header[16] = { 1, 0, 0, 0, 9, 0, 0, 0, 5 };
	struct front_start limits = rig_limits();
	struct rig_worker *worker;
	struct rig rig;
	int fd;

	(void)state;
	limits.model_idle_ms = 20;
	rig_init(&rig, &limits);
	fd = rig_connect(&rig);
	rig_write(&rig, fd, header, sizeof(header));
	worker = rig_worker_new(&rig);
	close(fd);
	rig_worker_expect_end(&rig, worker);
	rig_worker_exit(&rig, worker, 0);
	assert_int_equal(rig.guest->workers->n, 0);
	assert_int_equal(rig.guest->counters.reset, 1);
	rig_done(&rig);
}

/* The run's own error: text from the worker, made printable; the worker lives on. */
/* Dying in any state costs the request that was at work an error, and the next has a new worker. */
/* A worker that answers and then dies has answered. */
/* Idle, it may die too: nobody is told, the next request has a new one. */
/* Those that wait behind the one that died go on to a second worker; but not to a third. */
/* One that the worker had not taken up when it died has a second one, and no error. */
/* A run that takes too long costs its own request; who waits has a new worker. */
/* More models than workers: the one that has been idle longest makes room. */
static void test_eviction(void **state)
{
	struct front_start limits = rig_limits();
	struct rig_worker *a, *b, *c;
	struct rig rig;
	int fd;

	(void)state;
	rig_init(&rig, &limits);
	fd = rig_connect(&rig);
	a = load(&rig, fd, "model a");
	rig_run_ok(&rig, a, fd);
	rig_run(&rig, 5);
	b = load(&rig, fd, "model b");
	rig_run_ok(&rig, b, fd);
	rig_run(&rig, 5);
	rig_write_frame(&rig, fd, 3, "model c");
	rig_worker_expect_end(&rig, a);
	rig_expect_nothing(&rig, 5);
	rig_worker_exit(&rig, a, 0);
	c = rig_worker_new(&rig);
	rig_worker_expect_load(&rig, c, "model c");
	rig_worker_loaded(c, TENSOCK_FLOAT32);
	rig_run_ok(&rig, c, fd);
	assert_int_equal(models_count(rig.guest->models), 2);
	close(fd);
	rig_worker_exit(&rig, b, 0);
	rig_worker_exit(&rig, c, 0);
	rig_done(&rig);
}

/* All workers at work: a model waits until one of them is idle. */
static void test_waiting_for_room(void **state)
{
	struct front_start limits = rig_limits();
	struct rig_worker *a, *b;
	struct run_entry start;
	struct rig rig;
	int fd, other;

	(void)state;
	limits.workers_max = 1;
	rig_init(&rig, &limits);
	fd = rig_connect(&rig);
	other = rig_connect(&rig);
	a = load(&rig, fd, "model a");
	start = rig_worker_expect(&rig, a, RUN_START);
	rig_write_frame(&rig, other, 2, "model b");
	rig_expect_nothing(&rig, 5);
	rig_worker_done(a, &start, values, 2);
	rig_expect_bytes(&rig, fd, "OK");
	rig_worker_expect_end(&rig, a);
	rig_worker_exit(&rig, a, 0);
	b = rig_worker_new(&rig);
	rig_worker_expect_load(&rig, b, "model b");
	rig_worker_loaded(b, TENSOCK_FLOAT32);
	rig_run_ok(&rig, b, other);
	close(fd);
	close(other);
	rig_worker_exit(&rig, b, 0);
	rig_done(&rig);
}

static void test_idle_unload(void **state)
{
	struct front_start limits = rig_limits();
	struct rig_worker *worker;
	struct rig rig;
	int fd;

	(void)state;
	limits.model_idle_ms = 30;
	rig_init(&rig, &limits);
	fd = rig_connect(&rig);
	worker = load(&rig, fd, "model");
	rig_run_ok(&rig, worker, fd);
	assert_int_equal(models_count(rig.guest->models), 1);
	rig_worker_expect_end(&rig, worker);
	assert_int_equal(models_count(rig.guest->models), 0);
	assert_int_equal(rig.guest->account.used_bytes, 0);
	rig_worker_exit(&rig, worker, 0);
	close(fd);
	rig_done(&rig);
}

/* A worker that does not end when it is let go is killed. */
/* The guest goes while its request waits, loads, fills or runs: nothing of it remains. */
static void test_cancel(void **state)
{
	struct front_start limits = rig_limits();

	(void)state;
	for (int when = 0; when < 3; when++) {
		struct run_entry start = { 0 }, other_start = { 0 };
		struct rig_worker *worker;
		struct rig rig;
		int fd, other;

		limits.workers_max = 1;
		rig_init(&rig, &limits);
		fd = rig_connect(&rig);
		other = rig_connect(&rig);
		rig_write_frame(&rig, fd, 1, "model");
		worker = rig_worker_new(&rig);
		rig_worker_expect_load(&rig, worker, "model");
		if (when >= 1) {
			rig_worker_loaded(worker, TENSOCK_FLOAT32);
			start = rig_worker_expect(&rig, worker, RUN_START);
		}
		if (when == 2) { /* behind the one that runs */
			rig_write_frame(&rig, other, 2, "model");
			other_start = rig_worker_expect(&rig, worker, RUN_START);
		}
		close(when == 2 ? other : fd);
		rig_run(&rig, 5);
		assert_int_equal(rig.guest->counters.cancelled, 1);
		if (when == 0)
			rig_worker_loaded(worker, TENSOCK_FLOAT32);
		if (when == 1) {
			assert_int_equal(rig_worker_expect(&rig, worker, RUN_CANCEL).request_id,
					 start.request_id);
			rig_worker_error(worker, &start, TENSOCK_CANCELLED, "");
		}
		if (when == 2) {
			assert_int_equal(rig_worker_expect(&rig, worker, RUN_CANCEL).request_id,
					 other_start.request_id);
			rig_worker_done(worker, &start, values, 2);
			rig_expect_bytes(&rig, fd, "OK");
			rig_worker_error(worker, &other_start, TENSOCK_CANCELLED, "");
		}
		close(when == 2 ? fd : other);
		/* The worker is as good as before. */
		fd = rig_connect(&rig);
		rig_write_frame(&rig, fd, 3, "model");
		rig_run_ok(&rig, worker, fd);
		close(fd);
		rig_worker_exit(&rig, worker, 0);
		rig_done(&rig);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TSK_TEST(test_ok),          TSK_TEST(test_one_worker_for_same_bytes),
		TSK_TEST(test_spare),       TSK_TEST(test_unused_spare),
		TSK_TEST(test_eviction),    TSK_TEST(test_waiting_for_room),
		TSK_TEST(test_idle_unload), TSK_TEST(test_cancel),
	};

	return cmocka_run_group_tests(tests, rig_warm_up, NULL);
}
