/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inbox, line and runner between a front that the test plays and an engine whose runs end when the
 * test says so.  Threads of an inbox live as long as the process: each test has a process of its own.
 */
#include "worker/inbox.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "worker/runner.h"

#define RUNS_MAX 8192u
#define REGION_BYTES 1024u
#define WAIT_S 20u
#define EXIT_FAILED 99

/* In a child: nobody catches cmocka's. */
static void must_at(bool ok, const char *what, int line)
{
	if (ok)
		return;
	fprintf(stderr, "inbox_test.c:%d: %s\n", line, what);
	_exit(EXIT_FAILED);
}
#define must(ok) must_at(ok, #ok, __LINE__)

static void pause_ms(long ms)
{
	const struct timespec ts = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

	nanosleep(&ts, NULL);
}

/* ---- The engine: y = x, as often as the test wants it */

static struct {
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	bool open[RUNS_MAX], inside[RUNS_MAX]; /* by the number that is the run's input */
	uint64_t run_id[RUNS_MAX];
	bool cancelled[RUNS_MAX]; /* by run_id */
	bool all_open;
	unsigned most_inside, n_inside;
} engine = { .mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };

/* Of elements in the output. */
#define OUT_ELEMS 16

static void free_data(struct tensock_tensor *tensor)
{
	free(tensor->data);
}

/* The engine's mutex is held before and after. */
static void wait_a_little(void)
{
	pthread_mutex_unlock(&engine.mutex);
	pause_ms(2);
	pthread_mutex_lock(&engine.mutex);
}

static uint32_t engine_run(void *model, uint64_t run_id, const struct tensock_tensor *inputs,
			   uint32_t n_inputs, struct tensock_tensor *outputs, uint32_t n_outputs,
			   struct tensock_error *reterr)
{
	uint32_t number, *data = malloc(OUT_ELEMS * sizeof(*data));
	bool cancelled;

	(void)model;
	(void)reterr;
	must(data && n_inputs == 1 && n_outputs == 1 && run_id < RUNS_MAX);
	memcpy(&number, inputs[0].data, sizeof(number));
	pthread_mutex_lock(&engine.mutex);
	engine.inside[number] = true;
	engine.run_id[number] = run_id;
	if (++engine.n_inside > engine.most_inside)
		engine.most_inside = engine.n_inside;
	pthread_cond_broadcast(&engine.changed);
	if (!engine.all_open)
		wait_a_little(); /* helpers are called for what takes its time */
	while (!engine.open[number] && !engine.all_open && !engine.cancelled[run_id])
		pthread_cond_wait(&engine.changed, &engine.mutex);
	cancelled = engine.cancelled[run_id];
	engine.inside[number] = false;
	engine.n_inside--;
	pthread_mutex_unlock(&engine.mutex);
	for (unsigned i = 0; i < OUT_ELEMS; i++)
		data[i] = number;
	if (cancelled) {
		free(data);
		return TENSOCK_CANCELLED;
	}
	outputs[0] = (struct tensock_tensor){ .dtype = TENSOCK_UINT32,
					      .rank = 1,
					      .dims = { OUT_ELEMS },
					      .data = data,
					      .bytes = OUT_ELEMS * sizeof(*data),
					      .release = free_data };
	return TENSOCK_OK;
}

static void engine_cancel(void *model, uint64_t run_id)
{
	(void)model;
	pthread_mutex_lock(&engine.mutex);
	engine.cancelled[run_id] = true;
	pthread_cond_broadcast(&engine.changed);
	pthread_mutex_unlock(&engine.mutex);
}

static void let(unsigned number)
{
	pthread_mutex_lock(&engine.mutex);
	engine.open[number] = true;
	pthread_cond_broadcast(&engine.changed);
	pthread_mutex_unlock(&engine.mutex);
}

static void let_all(void)
{
	pthread_mutex_lock(&engine.mutex);
	engine.all_open = true;
	pthread_mutex_unlock(&engine.mutex);
}

static bool is_inside(unsigned number)
{
	bool inside;

	pthread_mutex_lock(&engine.mutex);
	inside = engine.inside[number];
	pthread_mutex_unlock(&engine.mutex);
	return inside;
}

static void wait_inside(unsigned number)
{
	uint64_t until = tsk_now_ns() + WAIT_S * TSK_NS_PER_SEC;

	while (!is_inside(number)) {
		must(tsk_now_ns() < until);
		pause_ms(1);
	}
}

static const struct tensock_engine fake = {
	.size = sizeof(fake), .name = "fake", .run = engine_run, .cancel = engine_cancel
};
static const struct tensock_tensor_info x = {
	.name = "x", .dtype = TENSOCK_UINT32, .rank = 1, .dims = { -1 }
};
static const struct tensock_model_description description = {
	.size = sizeof(description), .n_inputs = 1, .n_outputs = 1, .inputs = &x, .outputs = &x
};

/* ---- The worker */

static struct inbox inbox;
static struct ring_pair worker_rings, front_rings;
static int front_control, worker_control;
static const struct plugin plugin = { .engine = &fake, .parallel = PLUGIN_PARALLEL_MAX };
static const struct model model = { .plugin = &plugin, .description = &description };
/* Of each run inputs and outputs; mapped twice, as between two processes. */
typedef unsigned char run_memory[2][REGION_BYTES];
static run_memory *worker_memory, *memory;
static bool main_has_left; /* the engine's mutex */

static void run_job(struct runner *runner, struct job *job, bool is_main)
{
	struct region in = { worker_memory[job->entry.in_offset][0], job->entry.in_bytes };
	struct region out = { worker_memory[job->entry.in_offset][1], job->entry.out_bytes };

	runner_answer(runner, job, &in, &out);
	inbox_finish(&inbox, job, is_main);
}

static void *help(void *arg)
{
	struct runner runner;

	(void)arg;
	must(runner_init(&runner, &model, NULL) == 0);
	for (;;)
		run_job(&runner, inbox_wait(&inbox), false);
	return NULL;
}

static void *work(void *arg)
{
	struct runner runner;
	struct job *job;
	int r;

	(void)arg;
	must(runner_init(&runner, &model, NULL) == 0);
	for (;;) {
		struct pollfd fds[2] = { { .fd = worker_control, .events = POLLIN },
					 { .fd = worker_rings.in.doorbell, .events = POLLIN } };

		while ((r = inbox_take(&inbox, &job)) == 1)
			run_job(&runner, job, true);
		if (r < 0)
			break;
		if (!inbox_sleep(&inbox))
			continue;
		must(poll(fds, 2, -1) > 0);
		inbox_awake(&inbox, fds[1].revents);
		/* As the worker's loop does, which reads the end of the connection. */
		if (fds[0].revents)
			break;
	}
	pthread_mutex_lock(&engine.mutex);
	main_has_left = true;
	pthread_mutex_unlock(&engine.mutex);
	return NULL;
}

static void map_memory(void)
{
	size_t bytes = RUNS_MAX * sizeof(run_memory);
	int fd = memfd_create("memory", MFD_CLOEXEC);

	must(fd >= 0 && ftruncate(fd, (off_t)bytes) == 0);
	memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	worker_memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	must(memory != MAP_FAILED && worker_memory != MAP_FAILED);
}

static void begin(unsigned n_helpers)
{
	int to_worker[2], to_front[2], control[2], memfd;
	pthread_t thread;

	map_memory();

	must(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, control) == 0);
	front_control = control[0];
	worker_control = control[1];
	must(ring_memfd_new(&memfd) == 0);
	must(ring_doorbell_new(&to_worker[0], &to_worker[1]) == 0);
	must(ring_doorbell_new(&to_front[0], &to_front[1]) == 0);
	must(ring_pair_init(&front_rings, RING_FRONT, memfd, to_worker[0], to_front[1]) == 0);
	must(ring_pair_init(&worker_rings, RING_WORKER, memfd, to_front[0], to_worker[1]) == 0);
	must(inbox_init(&inbox, worker_control) == 0);
	must(inbox_start(&inbox) == 0);
	must(inbox_attach(&inbox, &worker_rings) == 0);
	inbox_set_model(&inbox, &model, n_helpers);
	for (unsigned i = 0; i < n_helpers; i++)
		must(pthread_create(&thread, NULL, help, NULL) == 0);
	must(pthread_create(&thread, NULL, work, NULL) == 0);
	pthread_detach(thread);
}

/* ---- The front */

static void send_entry(uint32_t type, unsigned number, uint64_t room)
{
	struct run_entry entry = { .type = type,
				   .request_id = number,
				   .in_offset = number,
				   .in_bytes = REGION_BYTES,
				   .out_bytes = room };

	must(ring_push(&front_rings.out, &entry));
	if (type == RUN_CANCEL)
		ring_ring_urgently(&front_rings.out);
	else
		ring_ring(&front_rings.out);
}

static void start_with(unsigned number, uint64_t room)
{
	struct run_tensor tensor = {
		.dtype = TENSOCK_UINT32, .rank = 1, .bytes = 4, .dims = { 1 }
	};
	uint64_t total;

	must(run_layout(&tensor.bytes, 1, &tensor.offset, &total) == 0 && total <= REGION_BYTES);
	must(run_write(memory[number][0], REGION_BYTES, &tensor, 1) == 0);
	memcpy(memory[number][0] + tensor.offset, &number, sizeof(number));
	send_entry(RUN_START, number, room);
}

static void start(unsigned number)
{
	start_with(number, REGION_BYTES);
}

static struct run_entry next_done(void)
{
	uint64_t until = tsk_now_ns() + WAIT_S * TSK_NS_PER_SEC;
	struct run_entry done;

	while (!ring_pop(&front_rings.in, &done)) {
		must(tsk_now_ns() < until);
		pause_ms(1);
	}
	must(done.type == RUN_DONE);
	return done;
}

static void check_output(unsigned number)
{
	struct run_tensor tensor;
	uint32_t value;
	unsigned n;

	must(run_read(memory[number][1], REGION_BYTES, &tensor, 1, &n) == 0 && n == 1);
	must(tensor.dims[0] == OUT_ELEMS);
	memcpy(&value, memory[number][1] + tensor.offset + 4 * (OUT_ELEMS - 1), sizeof(value));
	must(value == number);
}

static void expect(unsigned number, uint32_t status)
{
	struct run_entry done = next_done();

	must(done.request_id == number);
	must(done.status == status);
	must((done.needed > 0) == (status == TENSOCK_TOO_LARGE));
	if (status == TENSOCK_OK)
		check_output(number);
}

static void expect_nothing(void)
{
	struct run_entry done;

	pause_ms(30);
	must(!ring_pop(&front_rings.in, &done));
}

/* Of these numbers all are inside, in whatever order they came there. */
static void expect_inside(unsigned first, unsigned last)
{
	for (unsigned i = first; i <= last; i++)
		wait_inside(i);
}

/* ---- Tests */

static void order(void)
{
	begin(2);
	for (unsigned i = 1; i <= 5; i++)
		start(i);
	expect_inside(1, 3);
	must(!is_inside(4));
	let(3);
	wait_inside(4);
	let(4);
	wait_inside(5);
	expect_nothing();
	let(1);
	expect(1, TENSOCK_OK);
	expect_nothing();
	let(5);
	expect_nothing();
	let(2);
	for (unsigned i = 2; i <= 5; i++)
		expect(i, TENSOCK_OK);
	/* What comes while the main thread is inside wakes a helper, one after the other. */
	for (unsigned i = 6; i <= 8; i++) {
		start(i);
		wait_inside(i);
	}
	/* And the main thread, when it is the one that is free. */
	for (unsigned i = 6; i <= 8; i++) {
		let(i);
		expect(i, TENSOCK_OK);
		start(i + 3);
		wait_inside(i + 3);
	}
	for (unsigned i = 11; i >= 9; i--)
		let(i);
	for (unsigned i = 9; i <= 11; i++)
		expect(i, TENSOCK_OK);
	pthread_mutex_lock(&engine.mutex);
	must(engine.most_inside == 3);
	pthread_mutex_unlock(&engine.mutex);
}

/* Each thread's run, one that waits, and one that has ended. */
static void cancel(void)
{
	begin(2);
	for (unsigned round = 0; round < 6; round++) {
		unsigned n = 10 * round;

		for (unsigned i = 1; i <= 5; i++)
			start(n + i);
		expect_inside(n + 1, n + 3);
		send_entry(RUN_CANCEL, n + 4, 0); /* waits */
		send_entry(RUN_CANCEL, n + 2 + round % 2, 0);
		let(n + 5);
		expect_nothing();
		send_entry(RUN_CANCEL, n + 5, 0); /* has ended, or not begun */
		send_entry(RUN_CANCEL, n + 1, 0);
		expect(n + 1, TENSOCK_CANCELLED);
		let(n + 2 + !(round % 2));
		expect(n + 2, round % 2 ? TENSOCK_OK : TENSOCK_CANCELLED);
		expect(n + 3, round % 2 ? TENSOCK_CANCELLED : TENSOCK_OK);
		expect(n + 4, TENSOCK_CANCELLED);
		must(next_done().request_id == n + 5);
	}
}

static void too_large(void)
{
	begin(2);
	for (unsigned round = 0; round < 4; round++) {
		unsigned n = 10 * round;

		start(n + 1);
		start_with(n + 2, 64);
		start(n + 3);
		expect_inside(n + 1, n + 3);
		let(n + 2);
		let(n + 3);
		expect_nothing();
		start(n + 4);
		start(n + 5);
		let(n + 1);
		expect(n + 1, TENSOCK_OK);
		expect(n + 2, TENSOCK_TOO_LARGE);
		expect_nothing();
		must(!is_inside(n + 4) && !is_inside(n + 5));
		if (round % 2) {
			send_entry(RUN_CANCEL, n + 2, 0);
		} else {
			send_entry(RUN_FETCH, n + 2, 128);
			expect(n + 2, TENSOCK_TOO_LARGE);
			send_entry(RUN_FETCH, n + 2, REGION_BYTES);
			expect(n + 2, TENSOCK_OK);
		}
		expect(n + 3, TENSOCK_OK);
		expect_inside(n + 4, n + 5);
		let(n + 4);
		let(n + 5);
		expect(n + 4, TENSOCK_OK);
		expect(n + 5, TENSOCK_OK);
	}
}

/* The main thread is inside for long: a FETCH and a CANCEL of what is kept are heard all the same. */
static void fetch_beside_the_main_thread(void)
{
	begin(1);
	for (unsigned round = 0; round < 6; round++) {
		unsigned n = 10 * round;

		start_with(n + 1, 64);
		start(n + 2);
		expect_inside(n + 1, n + 2);
		let(n + 1);
		expect(n + 1, TENSOCK_TOO_LARGE);
		if (round % 2) {
			send_entry(RUN_CANCEL, n + 1, 0);
		} else {
			send_entry(RUN_FETCH, n + 1, REGION_BYTES);
			expect(n + 1, TENSOCK_OK);
		}
		start(n + 3);
		wait_inside(n + 3);
		let(n + 3);
		expect_nothing();
		let(n + 2);
		expect(n + 2, TENSOCK_OK);
		expect(n + 3, TENSOCK_OK);
	}
}

/* Everything at once: each has one answer, in order. */
static void storm(void)
{
	unsigned n = 0, cancelled = 0;

	begin(3);
	let_all();
	while (n < RUNS_MAX - 64) {
		unsigned first = n + 1, some = 1 + n % 13;

		for (unsigned i = 0; i < some; i++) {
			start(++n);
			if (n % 5 == 0)
				send_entry(RUN_CANCEL, n - n % 3, 0);
		}
		for (unsigned i = first; i <= n; i++) {
			struct run_entry done = next_done();

			must(done.request_id == i);
			must(done.status == TENSOCK_OK || done.status == TENSOCK_CANCELLED);
			if (done.status == TENSOCK_OK)
				check_output(i);
			else
				cancelled++;
		}
	}
	must(cancelled < n / 2);
}

/* The front reads no answers until the ring is full, and more are under way. */
static void full_ring(void)
{
	begin(2);
	let_all();
	for (unsigned i = 1; i <= 2 * RING_ENTRIES; i++) {
		while (!ring_room(&front_rings.out))
			pause_ms(1);
		start(i);
	}
	pause_ms(50);
	for (unsigned i = 1; i <= 2 * RING_ENTRIES; i++)
		expect(i, TENSOCK_OK);
}

/* The process ends at once, whichever thread is inside. */
static void hang_up(void)
{
	begin(1);
	start(1);
	start(2);
	expect_inside(1, 2);
	let(1);
	expect(1, TENSOCK_OK);
	close(front_control);
	pause_ms(1000L * WAIT_S);
	must(false);
}

static void hang_up_while_idle(void)
{
	uint64_t until = tsk_now_ns() + WAIT_S * TSK_NS_PER_SEC;
	bool left = false;

	begin(2);
	start(1);
	let(1);
	expect(1, TENSOCK_OK);
	close(front_control);
	while (!left) {
		must(tsk_now_ns() < until);
		pause_ms(1);
		pthread_mutex_lock(&engine.mutex);
		left = main_has_left;
		pthread_mutex_unlock(&engine.mutex);
	}
	must(inbox_close(&inbox));
	/* Nothing is begun any more. */
	start(2);
	pause_ms(20);
	must(!is_inside(2));
}

/* The main thread leaves while a helper is inside. */
static void close_while_busy(void)
{
	begin(1);
	start(1);
	start(2);
	expect_inside(1, 2);
	must(!inbox_close(&inbox));
	let(1);
	let(2);
	expect(1, TENSOCK_OK);
	expect(2, TENSOCK_OK);
}

static void in_a_process(void (*test)(void))
{
	pid_t pid;
	int status;

	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		alarm(120);
		test();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void run_it(void **state)
{
	in_a_process(*(void (**)(void)) * state);
}

#define TEST(function)                                          \
	{                                                       \
		.name = #function, .test_func = run_it,         \
		.initial_state = &(struct { void (*f)(void); }) \
		{                                               \
			function                                \
		}                                               \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(order),
		TEST(cancel),
		TEST(too_large),
		TEST(fetch_beside_the_main_thread),
		TEST(storm),
		TEST(full_ring),
		TEST(hang_up),
		TEST(hang_up_while_idle),
		TEST(close_while_busy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
