/* SPDX-License-Identifier: Apache-2.0 */
/* What becomes of requests when models and workers fail, die or take too long. */
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

static void test_refused_model(void **state)
{
	struct front_start limits = rig_limits();
	struct rig_worker *worker;
	struct rig rig;
	int fd;

	(void)state;
	rig_init(&rig, &limits);
	fd = rig_connect(&rig);
	rig_write_frame(&rig, fd, 77, "nonsense");
	worker = rig_worker_new(&rig);
	rig_worker_expect_load(&rig, worker, "nonsense");
	rig_worker_send(worker, WORKER_FAILED, TENSOCK_INVALID_MODEL, "no \n protobuf");
	rig_expect_bytes(&rig, fd, "ER");
	rig_expect_log(&rig, "guest rig: frame 77: invalid-model: no ? protobuf");
	rig_worker_expect_end(&rig, worker);
	rig_worker_exit(&rig, worker, 0);
	assert_int_equal(models_count(rig.guest->models), 0);
	/* The connection goes on, with a new worker. */
	worker = load(&rig, fd, "model");
	rig_run_ok(&rig, worker, fd);
	close(fd);
	rig_worker_exit(&rig, worker, 0);
	rig_done(&rig);
}

static void test_engine_error(void **state)
{
	struct front_start limits = rig_limits();
	struct rig_worker *worker;
	struct run_entry start;
	struct rig rig;
	int fd;

	(void)state;
	rig_init(&rig, &limits);
	fd = rig_connect(&rig);
	worker = load(&rig, fd, "model");
	start = rig_worker_expect(&rig, worker, RUN_START);
	rig_worker_error(worker, &start, TENSOCK_ENGINE_FAILED, "divided\tby zero");
	rig_expect_bytes(&rig, fd, "ER");
	rig_expect_log(&rig, "frame 1: engine-failed: divided?by zero");
	rig_write_frame(&rig, fd, 2, "model");
	rig_run_ok(&rig, worker, fd);
	close(fd);
	rig_worker_exit(&rig, worker, 0);
	rig_done(&rig);
}

enum death {
	BY_SOCKET,
	BY_SUPERVISOR
};

static void die(struct rig *rig, struct rig_worker *worker, enum death death)
{
	if (death == BY_SOCKET) {
		rig_worker_hang_up(worker);
		rig_run(rig, 2);
	}
	rig_worker_exit(rig, worker, SIGSEGV);
}

static void test_death(void **state)
{
	struct front_start limits = rig_limits();

	(void)state;
	for (int how = 0; how < 6; how++) {
		enum death death = how % 2 ? BY_SOCKET : BY_SUPERVISOR;
		struct rig_worker *worker;
		struct rig rig;
		int fd;

		rig_init(&rig, &limits);
		fd = rig_connect(&rig);
		rig_write_frame(&rig, fd, 1, "model");
		worker = rig_worker_new(&rig);
		rig_worker_expect_load(&rig, worker, "model");
		if (how >= 2) {
			rig_worker_loaded(worker, TENSOCK_FLOAT32);
			(void)rig_worker_expect(&rig, worker, RUN_START);
		}
		if (how >= 4) { /* in FETCH */
			struct run_entry needed = { .type = RUN_DONE,
						    .request_id = 1,
						    .status = TENSOCK_TOO_LARGE,
						    .needed = 200000 };

			rig_worker_push(worker, &needed);
			(void)rig_worker_expect(&rig, worker, RUN_FETCH);
		}
		die(&rig, worker, death);
		rig_expect_bytes(&rig, fd, "ER");
		rig_expect_log(&rig, "frame 1: worker-died");
		rig_write_frame(&rig, fd, 2, "model");
		worker = rig_worker_with(&rig, "model");
		rig_run_ok(&rig, worker, fd);
		close(fd);
		rig_worker_exit(&rig, worker, 0);
		rig_done(&rig);
	}
}

/* Where the kernel watches the guest's memory, the front waits for what it has to say. */
static void test_ended_for_memory(void **state)
{
	static const struct {
		uint64_t bit;
		const char *line;
	} cases[] = {
		{ FRONT_EXITED_GUEST_MEMORY,
		  "frame 1: out-of-memory: the model's process was ended for its memory: this guest's "
		  "processes together reached 77777 bytes (max-process-memory)" },
		{ FRONT_EXITED_HOST_MEMORY,
		  "frame 1: out-of-memory: the model's process was ended for its memory: the host" },
		{ 0, "frame 1: worker-died" },
	};
	struct front_start limits = rig_limits();

	(void)state;
	limits.process_bytes_max = 77777;
	for (unsigned i = 0; i < 4 * ARRAY_SIZE(cases); i++) {
		struct rig_worker *worker;
		struct rig rig;
		int fd;

		rig_init(&rig, &limits);
		fd = rig_connect(&rig);
		rig_write_frame(&rig, fd, 1, "model");
		worker = rig_worker_new(&rig);
		rig_worker_expect_load(&rig, worker, "model");
		if (i & 1) {
			rig_worker_loaded(worker, TENSOCK_FLOAT32);
			(void)rig_worker_expect(&rig, worker, RUN_START);
		}
		rig_worker_hang_up(worker);
		if (i & 2)
			rig_run(&rig, 2);
		rig_send(&rig, FRONT_WORKER_EXITED, worker->id, SIGKILL | cases[i / 4].bit, 0, -1);
		free(worker);
		rig_expect_bytes(&rig, fd, "ER");
		rig_expect_log(&rig, cases[i / 4].line);
		rig_write_frame(&rig, fd, 2, "model");
		worker = rig_worker_with(&rig, "model");
		rig_run_ok(&rig, worker, fd);
		close(fd);
		rig_worker_exit(&rig, worker, 0);
		rig_done(&rig);
	}
}

/* But not for long; what comes meanwhile is the next worker's. */
static void test_no_word_of_the_end(void **state)
{
	struct front_start limits = rig_limits();
	struct rig_worker *worker;
	struct rig rig;
	int fd, other;

	(void)state;
	limits.process_bytes_max = UINT64_MAX;
	rig_init(&rig, &limits);
	fd = rig_connect(&rig);
	other = rig_connect(&rig);
	worker = load(&rig, fd, "model");
	(void)rig_worker_expect(&rig, worker, RUN_START);
	rig_worker_hang_up(worker);
	rig_run(&rig, 2);
	rig_write_frame(&rig, other, 2, "model");
	rig_run(&rig, 2);
	rig_expect_bytes(&rig, fd, "ER");
	rig_expect_log(&rig, "frame 1: worker-died");
	rig_worker_exit(&rig, worker, SIGKILL);
	worker = rig_worker_with(&rig, "model");
	rig_run_ok(&rig, worker, other);
	close(fd);
	close(other);
	rig_worker_exit(&rig, worker, 0);
	rig_done(&rig);
}

static void test_last_words(void **state)
{
	struct front_start limits = rig_limits();
	struct rig_worker *worker;
	struct run_entry start;
	struct rig rig;
	int fd;

	(void)state;
	rig_init(&rig, &limits);
	fd = rig_connect(&rig);
	worker = load(&rig, fd, "model");
	start = rig_worker_expect(&rig, worker, RUN_START);
	rig_worker_done(worker, &start, values, 2);
	rig_worker_exit(&rig, worker, SIGKILL);
	rig_expect_bytes(&rig, fd, "OK");
	close(fd);
	rig_done(&rig);
}

static void test_death_while_idle(void **state)
{
	struct front_start limits = rig_limits();
	struct rig_worker *worker;
	struct rig rig;
	int fd;

	(void)state;
	rig_init(&rig, &limits);
	fd = rig_connect(&rig);
	worker = load(&rig, fd, "model");
	rig_run_ok(&rig, worker, fd);
	rig_worker_exit(&rig, worker, SIGKILL);
	rig_run(&rig, 5);
	assert_int_equal(models_count(rig.guest->models), 0);
	assert_int_equal(rig.guest->account.used_bytes, 0);
	worker = load(&rig, fd, "model");
	rig_run_ok(&rig, worker, fd);
	assert_int_equal(rig.guest->counters.error, 0);
	close(fd);
	rig_worker_exit(&rig, worker, 0);
	rig_done(&rig);
}

/* It has died, or hears nobody any more, and the front finds it out by a run's buffer: the next one has the run. */
static void test_deaf(void **state)
{
	struct front_start limits = rig_limits();
	struct rig_worker *worker;
	struct rig rig;
	int fd;

	(void)state;
	rig_init(&rig, &limits);
	fd = rig_connect(&rig);
	for (int dies = 0; dies < 2; dies++) {
		worker = load(&rig, fd, dies ? "model" : "other");
		assert_int_equal(shutdown(worker->socket, SHUT_RD), 0);
		rig_run(&rig, 5);
		if (!dies)
			(void)rig_expect(&rig, FRONT_KILL);
		rig_worker_exit(&rig, worker, SIGKILL);
		worker = rig_worker_with(&rig, dies ? "model" : "other");
		rig_run_ok(&rig, worker, fd);
		rig_worker_exit(&rig, worker, 0);
	}
	assert_int_equal(rig.guest->counters.error, 0);
	close(fd);
	rig_done(&rig);
}

static void test_queue_survives_once(void **state)
{
	struct front_start limits = rig_limits();
	struct rig_worker *worker;
	struct rig rig;
	int fds[4];

	(void)state;
	limits.workers_max = 1;
	rig_init(&rig, &limits);
	for (int i = 0; i < 4; i++)
		fds[i] = rig_connect(&rig);
	worker = load(&rig, fds[0], "model");
	(void)rig_worker_expect(&rig, worker, RUN_START);
	for (int i = 1; i < 4; i++)
		rig_write_frame(&rig, fds[i], 1, "model");
	rig_run(&rig, 5);
	rig_worker_exit(&rig, worker, SIGSEGV);
	rig_expect_bytes(&rig, fds[0], "ER");
	worker = rig_worker_with(&rig, "model");
	rig_run_ok(&rig, worker, fds[1]);
	(void)rig_worker_expect(&rig, worker, RUN_START);
	rig_worker_exit(&rig, worker, SIGSEGV);
	/* 2 ran; 3 had waited for both. */
	rig_expect_bytes(&rig, fds[2], "ER");
	rig_expect_bytes(&rig, fds[3], "ER");
	rig_expect_nothing(&rig, 5);
	for (int i = 0; i < 4; i++)
		close(fds[i]);
	rig_done(&rig);
}

static void test_not_taken_up(void **state)
{
	struct front_start limits = rig_limits();
	struct rig_worker *worker;
	struct rig rig;
	int fd;

	(void)state;
	rig_init(&rig, &limits);
	fd = rig_connect(&rig);
	worker = load(&rig, fd, "model");
	rig_run_ok(&rig, worker, fd);
	for (int i = 0; i < 2; i++) {
		rig_write_frame(&rig, fd, 2, "model");
		rig_run(&rig, 5);
		rig_worker_exit(&rig, worker, SIGKILL);
		worker = rig_worker_with(&rig, "model");
		rig_run_ok(&rig, worker, fd);
	}
	assert_int_equal(rig.guest->counters.error, 0);
	/* Only once for each. */
	rig_write_frame(&rig, fd, 2, "model");
	rig_run(&rig, 5);
	rig_worker_exit(&rig, worker, SIGKILL);
	worker = rig_worker_with(&rig, "model");
	rig_run(&rig, 5);
	rig_worker_exit(&rig, worker, SIGKILL);
	rig_expect_bytes(&rig, fd, "ER");
	rig_expect_nothing(&rig, 2);
	close(fd);
	rig_done(&rig);
}

static void test_load_deadline(void **state)
{
	struct front_start limits = rig_limits();
	struct rig_worker *worker;
	struct front_msg msg;
	struct rig rig;
	int fd, other;

	(void)state;
	limits.load_deadline_ms = 30;
	limits.workers_max = 1;
	rig_init(&rig, &limits);
	fd = rig_connect(&rig);
	other = rig_connect(&rig);
	rig_write_frame(&rig, fd, 1, "bomb");
	worker = rig_worker_new(&rig);
	rig_write_frame(&rig, other, 2, "bomb");
	rig_worker_expect_load(&rig, worker, "bomb");
	msg = rig_expect(&rig, FRONT_KILL);
	assert_int_equal(msg.id, worker->id);
	rig_expect_bytes(&rig, fd, "ER");
	rig_expect_bytes(&rig, other, "ER");
	rig_expect_log(&rig, "deadline-exceeded: the model was not loaded within 30 ms");
	rig_worker_exit(&rig, worker, SIGKILL);
	close(fd);
	close(other);
	rig_done(&rig);
}

static void test_run_deadline(void **state)
{
	struct front_start limits = rig_limits();
	struct rig_worker *worker;
	struct rig rig;
	int fd, other;

	(void)state;
	/* Long enough for the second run, however busy the machine. */
	limits.run_deadline_ms = 400;
	limits.workers_max = 1;
	rig_init(&rig, &limits);
	fd = rig_connect(&rig);
	other = rig_connect(&rig);
	worker = load(&rig, fd, "model");
	(void)rig_worker_expect(&rig, worker, RUN_START);
	rig_write_frame(&rig, other, 2, "model");
	assert_int_equal(rig_expect(&rig, FRONT_KILL).id, worker->id);
	rig_expect_bytes(&rig, fd, "ER");
	rig_expect_log(&rig, "frame 1: deadline-exceeded: the run took more than 400 ms");
	/* Its room is free only when it is truly gone. */
	rig_expect_nothing(&rig, 5);
	rig_worker_exit(&rig, worker, SIGKILL);
	worker = rig_worker_with(&rig, "model");
	rig_run_ok(&rig, worker, other);
	close(fd);
	close(other);
	rig_worker_exit(&rig, worker, 0);
	rig_done(&rig);
}

static void test_stubborn_worker(void **state)
{
	struct front_start limits = rig_limits();
	struct rig_worker *worker;
	struct rig rig;
	int fd;

	(void)state;
	limits.model_idle_ms = 10;
	rig_init(&rig, &limits);
	fd = rig_connect(&rig);
	worker = load(&rig, fd, "model");
	rig_run_ok(&rig, worker, fd);
	rig_worker_expect_end(&rig, worker);
	assert_int_equal(rig_expect(&rig, FRONT_KILL).id, worker->id);
	rig_worker_exit(&rig, worker, SIGKILL);
	close(fd);
	rig_done(&rig);
}

static void test_spawn_fails(void **state)
{
	struct front_start limits = rig_limits();
	struct front_msg msg;
	struct rig rig;
	int fd;

	(void)state;
	limits.workers_max = 1;
	rig_init(&rig, &limits);
	fd = rig_connect(&rig);
	rig_write_frame(&rig, fd, 1, "model");
	msg = rig_expect(&rig, FRONT_SPAWN);
	rig_send(&rig, FRONT_WORKER, msg.id, 0, -ENOEXEC, -1);
	rig_expect_bytes(&rig, fd, "ER");
	rig_expect_log(&rig, "frame 1: unavailable: no worker can be started");
	assert_int_equal(rig.guest->workers->n, 0);
	close(fd);
	rig_done(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TSK_TEST(test_refused_model),
		TSK_TEST(test_engine_error),
		TSK_TEST(test_death),
		TSK_TEST(test_ended_for_memory),
		TSK_TEST(test_no_word_of_the_end),
		TSK_TEST(test_last_words),
		TSK_TEST(test_death_while_idle),
		TSK_TEST(test_deaf),
		TSK_TEST(test_queue_survives_once),
		TSK_TEST(test_not_taken_up),
		TSK_TEST(test_load_deadline),
		TSK_TEST(test_run_deadline),
		TSK_TEST(test_stubborn_worker),
		TSK_TEST(test_spawn_fails),
	};

	return cmocka_run_group_tests(tests, rig_warm_up, NULL);
}
