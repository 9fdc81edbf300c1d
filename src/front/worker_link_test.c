/* SPDX-License-Identifier: Apache-2.0 */
/* What a hostile worker may say, and outputs that need more room. */
#include "front/worker_link.h"

#include <string.h>
#include <unistd.h>

#include "base/testing.h"
#include "front/limit_hits.h"
#include "front/rig.h"

static const float values[] = { 0.5f, 1 };

static struct rig_worker *begin(struct rig *rig, const struct front_start *limits, int *ret_fd)
{
	struct rig_worker *worker;

	rig_init(rig, limits);
	*ret_fd = rig_connect(rig);
	rig_write_frame(rig, *ret_fd, 1, "model");
	worker = rig_worker_new(rig);
	rig_worker_expect_load(rig, worker, "model");
	return worker;
}

/* The worker is killed, the request has an error, and all memory comes back. */
static void expect_killed(struct rig *rig, struct rig_worker *worker, int fd, const char *log)
{
	assert_int_equal(rig_expect(rig, FRONT_KILL).id, worker->id);
	rig_expect_bytes(rig, fd, "ER");
	rig_expect_log(rig, log);
	rig_worker_expect_end(rig, worker);
	assert_int_equal(rig->guest->account.used_bytes, 0);
	rig_worker_exit(rig, worker, SIGKILL);
	rig_expect_nothing(rig, 2);
	close(fd);
	rig_done(rig);
}

enum garbage {
	READY_TWICE,
	LOADED_TWICE,
	FAILED_AFTER_LOADED,
	SENDS_A_BUFFER,
	SHORT_MESSAGE,
	GARBAGE_MAX
};

static void say(struct rig *rig, struct rig_worker *worker, enum garbage what)
{
	switch (what) {
	case READY_TWICE:
		rig_worker_send(worker, WORKER_READY, TENSOCK_OK, "again");
		break;
	case LOADED_TWICE:
		rig_worker_loaded(worker, TENSOCK_FLOAT32);
		(void)rig_worker_expect(rig, worker, RUN_START);
		rig_worker_loaded(worker, TENSOCK_FLOAT32);
		break;
	case FAILED_AFTER_LOADED:
		rig_worker_loaded(worker, TENSOCK_FLOAT32);
		(void)rig_worker_expect(rig, worker, RUN_START);
		rig_worker_send(worker, WORKER_FAILED, TENSOCK_INVALID_MODEL, "after all");
		break;
	case SENDS_A_BUFFER:
		rig_worker_send(worker, WORKER_BUFFER_DROP, TENSOCK_OK, "");
		break;
	case SHORT_MESSAGE:
		assert_int_equal(write(worker->socket, "x", 1), 1);
		break;
	case GARBAGE_MAX:
		break;
	}
}

static void test_garbage_on_socket(void **state)
{
	struct front_start limits = rig_limits();

	(void)state;
	for (enum garbage what = 0; what < GARBAGE_MAX; what++) {
		struct rig_worker *worker;
		struct rig rig;
		int fd;

		worker = begin(&rig, &limits, &fd);
		say(&rig, worker, what);
		expect_killed(&rig, worker, fd, "worker-died: the worker broke the rules");
	}
}

static void test_bad_description(void **state)
{
	struct front_start limits = rig_limits();
	struct worker_msg msg = { .type = WORKER_LOADED };
	struct rig_worker *worker;
	struct rig rig;
	int fd;

	(void)state;
	worker = begin(&rig, &limits, &fd);
	assert_int_equal(worker_control_send(worker->socket, &msg, "garbage", 7, NULL, 0), 0);
	expect_killed(&rig, worker, fd, "a description that cannot be read");
}

/* One wrong field at a time in an answer that would be right. */
static void test_garbage_in_ring(void **state)
{
	struct front_start limits = rig_limits();

	(void)state;
	for (int what = 0; what < 8; what++) {
		struct rig_worker *worker;
		struct run_entry start, done;
		struct run_tensor t = { .dtype = TENSOCK_FLOAT32, .bytes = 4 };
		unsigned char *region;
		struct rig rig;
		int fd;

		worker = begin(&rig, &limits, &fd);
		rig_worker_loaded(worker, TENSOCK_FLOAT32);
		start = rig_worker_expect(&rig, worker, RUN_START);
		region = rig_worker_region(worker, start.out_buffer, start.out_offset,
					   start.out_bytes);
		done = (struct run_entry){ .type = RUN_DONE, .request_id = start.request_id };
		if (what == 6)
			t.dtype = TENSOCK_INT32;
		if (what == 7)
			t.index = 1;
		assert_int_equal(run_layout(&t.bytes, 1, &t.offset, &done.out_bytes), 0);
		assert_int_equal(run_write(region, done.out_bytes, &t, what == 5 ? 0 : 1), 0);
		switch (what) {
		case 0:
			done.type = RUN_START;
			break;
		case 1:
			done.request_id++;
			break;
		case 2:
			done.status = TENSOCK_STATUS_MAX;
			break;
		case 3:
			done.out_bytes = start.out_bytes + 1;
			break;
		case 4: /* asks for room that it has */
			done.status = TENSOCK_TOO_LARGE;
			done.needed = start.out_bytes;
			break;
		default: /* no output; one of another type; another one */
			break;
		}
		rig_worker_push(worker, &done);
		expect_killed(&rig, worker, fd, "worker-died: the worker broke the rules");
	}
}

/* Answers that nobody waits for, and a position that cannot be. */
static void test_unasked_answer(void **state)
{
	struct front_start limits = rig_limits();
	struct run_entry done = { .type = RUN_DONE, .request_id = 1 };
	struct rig_worker *worker;
	struct rig rig;
	int fd;

	(void)state;
	worker = begin(&rig, &limits, &fd);
	rig_worker_push(worker, &done);
	expect_killed(&rig, worker, fd, "an unexpected answer");
	worker = begin(&rig, &limits, &fd);
	/* The first word of the shared ring is the position of its producer. */
	*(uint32_t *)(void *)worker->rings.out.shared = RING_ENTRIES + 1;
	ring_ring(&worker->rings.out);
	expect_killed(&rig, worker, fd, "a broken ring");
}

static void test_ringing_for_nothing(void **state)
{
	struct front_start limits = rig_limits();
	struct rig_worker *worker;
	struct front_msg msg;
	struct rig rig;
	int fd, dummy;

	(void)state;
	worker = begin(&rig, &limits, &fd);
	for (int i = 0; i < 100000; i++) {
		uint64_t one = 1;

		(void)!write(worker->rings.out.doorbell, &one, sizeof(one));
		uv_run(&rig.loop, UV_RUN_NOWAIT);
		if (front_control_recv(rig.supervisor, &msg, &dummy) == 1)
			break;
	}
	assert_int_equal(msg.type, FRONT_KILL);
	rig_expect_bytes(&rig, fd, "ER");
	rig_expect_log(&rig, "it rings for nothing");
	rig_worker_exit(&rig, worker, SIGKILL);
	close(fd);
	rig_done(&rig);
}

/*
 * A closed doorbell does not keep the loop awake; the deadline ends a run whose end cannot be
 * heard.
 */
static void test_closed_doorbell(void **state)
{
	struct front_start limits = rig_limits();
	struct rig_worker *worker;
	struct rig rig;
	int fd;

	(void)state;
	limits.run_deadline_ms = 50;
	worker = begin(&rig, &limits, &fd);
	rig_worker_loaded(worker, TENSOCK_FLOAT32);
	(void)rig_worker_expect(&rig, worker, RUN_START);
	worker->rings.out.doorbell = tsk_close(worker->rings.out.doorbell);
	for (unsigned i = 0; i < 5000; i++)
		uv_run(&rig.loop, UV_RUN_NOWAIT);
	expect_killed(&rig, worker, fd, "deadline-exceeded: the run took more than 50 ms");
}

static struct run_entry needed_by(const struct run_entry *start, uint64_t bytes)
{
	return (struct run_entry){ .type = RUN_DONE,
				   .request_id = start->request_id,
				   .status = TENSOCK_TOO_LARGE,
				   .needed = bytes };
}

/* Outputs that did not fit are fetched into a larger buffer; the next ones fit at once. */
static void test_fetch(void **state)
{
	enum {
		N = 30000
	};
	struct front_start limits = rig_limits();
	uint64_t bytes = N * sizeof(float) + 4096;
	float *many = calloc(N, sizeof(*many));
	struct run_entry start, fetch, needed;
	struct rig_worker *worker;
	struct rig rig;
	int fd;

	(void)state;
	worker = begin(&rig, &limits, &fd);
	rig_worker_loaded(worker, TENSOCK_FLOAT32);
	start = rig_worker_expect(&rig, worker, RUN_START);
	assert_true(start.out_bytes < bytes);
	needed = needed_by(&start, bytes);
	rig_worker_push(worker, &needed);
	fetch = rig_worker_expect(&rig, worker, RUN_FETCH);
	assert_int_equal(fetch.request_id, start.request_id);
	assert_true(fetch.out_bytes >= bytes);
	assert_int_not_equal(fetch.out_buffer, start.out_buffer);
	rig_worker_done(worker, &fetch, many, N);
	rig_expect_bytes(&rig, fd, "OK");
	for (int i = 0; i < 3; i++) {
		rig_write_frame(&rig, fd, 2, "model");
		start = rig_worker_expect(&rig, worker, RUN_START);
		rig_worker_done(worker, &start, many, N);
		rig_expect_bytes(&rig, fd, "OK");
		/* Buffers are used again: one more comes for the outputs, with some room. */
		assert_true(start.out_buffer <= 4 && start.in_buffer <= 4);
	}
	rig_write_frame(&rig, fd, 3, "model");
	start = rig_worker_expect(&rig, worker, RUN_START);
	needed = needed_by(&start, limits.request_bytes_max);
	rig_worker_push(worker, &needed);
	rig_expect_bytes(&rig, fd, "ER");
	rig_expect_log(&rig, "too-large: outputs of");
	/* The worker need not keep them.  It was the request's fault, not its own. */
	assert_int_equal(rig_worker_expect(&rig, worker, RUN_CANCEL).request_id, start.request_id);
	rig_write_frame(&rig, fd, 4, "model");
	start = rig_worker_expect(&rig, worker, RUN_START);
	rig_worker_done(worker, &start, values, 2);
	rig_expect_bytes(&rig, fd, "OK");
	free(many);
	close(fd);
	rig_worker_exit(&rig, worker, 0);
	rig_done(&rig);
}

static void test_fetch_twice(void **state)
{
	struct front_start limits = rig_limits();
	struct run_entry start, needed = { .type = RUN_DONE, .status = TENSOCK_TOO_LARGE };
	struct rig_worker *worker;
	struct rig rig;
	int fd;

	(void)state;
	worker = begin(&rig, &limits, &fd);
	rig_worker_loaded(worker, TENSOCK_FLOAT32);
	start = rig_worker_expect(&rig, worker, RUN_START);
	needed.request_id = start.request_id;
	needed.needed = 200000;
	rig_worker_push(worker, &needed);
	(void)rig_worker_expect(&rig, worker, RUN_FETCH);
	needed.needed = 400000;
	rig_worker_push(worker, &needed);
	expect_killed(&rig, worker, fd, "it asks for room that it has");
}

/* Inputs above the limit, and a guest whose memory is used up: errors, and the worker is kept. */
static void test_no_room_for_buffers(void **state)
{
	struct front_start limits = rig_limits();
	struct rig_worker *worker;
	struct rig rig;
	int fd;

	(void)state;
	limits.request_bytes_max = 100;
	worker = begin(&rig, &limits, &fd);
	rig_worker_loaded(worker, TENSOCK_FLOAT32);
	rig_expect_bytes(&rig, fd, "ER");
	rig_expect_log(&rig, "too-large: inputs of");
	close(fd);
	rig_run(&rig, 2);
	rig_worker_exit(&rig, worker, 0);
	rig_done(&rig);

	limits = rig_limits();
	limits.memory_bytes_max = 100 << 10;
	worker = begin(&rig, &limits, &fd);
	rig_worker_loaded(worker, TENSOCK_FLOAT32);
	rig_expect_bytes(&rig, fd, "ER");
	rig_expect_log(&rig, "limit-reached: no room for");
	close(fd);
	rig_run(&rig, 2);
	rig_worker_exit(&rig, worker, 0);
	rig_done(&rig);
}

/* The worker is asked beside the front for a short run that is the only one, and for no other. */
static void test_placement(void **state)
{
	struct front_start limits = rig_limits();
	struct run_entry start, behind_start;
	struct worker_link *link;
	struct rig_worker *worker;
	struct pairing *pairing;
	struct rig rig;
	int fd, behind;

	(void)state;
	worker = begin(&rig, &limits, &fd);
	link = TAILQ_FIRST(&rig.guest->workers->list);
	pairing = &rig.guest->workers->pairing;
	rig_worker_loaded(worker, TENSOCK_FLOAT32);
	start = rig_worker_expect(&rig, worker, RUN_START);
	assert_int_equal(start.cpu, 0);
	rig_worker_done(worker, &start, values, 2);
	rig_expect_bytes(&rig, fd, "OK");
	assert_true(link->run_ns > 0);

	link->run_ns = 1000;
	rig_write_frame(&rig, fd, 2, "model");
	start = rig_worker_expect(&rig, worker, RUN_START);
	assert_int_equal(start.cpu, pairing->affinity.cpu);
	assert_int_equal(start.cpu, pairing->affinity.is_off ? 0 : affinity_here());
	behind = rig_connect(&rig);
	rig_write_frame(&rig, behind, 3, "model");
	behind_start = rig_worker_expect(&rig, worker, RUN_START);
	assert_int_equal(behind_start.cpu, 0);
	assert_int_equal(pairing->affinity.cpu, 0);
	rig_worker_done(worker, &start, values, 2);
	rig_expect_bytes(&rig, fd, "OK");
	rig_worker_done(worker, &behind_start, values, 2);
	rig_expect_bytes(&rig, behind, "OK");

	link->run_ns = UINT64_C(1000000000);
	pairing->affinity.bound_ns = 0;
	rig_write_frame(&rig, fd, 4, "model");
	start = rig_worker_expect(&rig, worker, RUN_START);
	assert_int_equal(start.cpu, 0);
	rig_worker_done(worker, &start, values, 2);
	rig_expect_bytes(&rig, fd, "OK");
	close(fd);
	close(behind);
	rig_run(&rig, 2);
	rig_worker_exit(&rig, worker, 0);
	rig_done(&rig);
}

/* A run that would be above max-bytes-in-flight waits for the one before it; one that is so alone fails. */
static void test_bytes_in_flight(void **state)
{
	struct front_start limits = rig_limits();
	struct rig_worker *worker;
	struct run_entry start;
	int fd, behind;
	struct rig rig;

	(void)state;
	limits.flight_bytes_max = 192 << 10; /* a run takes 64 KiB twice */
	worker = begin(&rig, &limits, &fd);
	behind = rig_connect(&rig);
	rig_write_frame(&rig, behind, 2, "model");
	rig_worker_loaded(worker, TENSOCK_FLOAT32);
	start = rig_worker_expect(&rig, worker, RUN_START);
	rig_run(&rig, 2);
	assert_int_equal(rig.guest->workers->buffers.used_bytes, 128 << 10);
	rig_worker_done(worker, &start, values, 2);
	rig_expect_bytes(&rig, fd, "OK");
	rig_run_ok(&rig, worker, behind);
	close(fd);
	close(behind);
	rig_run(&rig, 2);
	rig_worker_exit(&rig, worker, 0);
	rig_done(&rig);

	limits.flight_bytes_max = 64 << 10;
	worker = begin(&rig, &limits, &fd);
	rig_worker_loaded(worker, TENSOCK_FLOAT32);
	rig_expect_bytes(&rig, fd, "ER");
	rig_expect_log(&rig, "beside what is in use (max-bytes-in-flight)");
	close(fd);
	rig_run(&rig, 2);
	rig_worker_exit(&rig, worker, 0);
	rig_done(&rig);
}

/* The wait for a dead worker's wait status is over: that is no deadline of the guest's. */
static void test_end_is_no_deadline(void **state)
{
	struct front_start limits = rig_limits();
	uint64_t n_load = limit_hits(METRICS_LIMIT_LOAD_DEADLINE);
	uint64_t n_run = limit_hits(METRICS_LIMIT_RUN_DEADLINE);

	(void)state;
	limits.process_bytes_max = UINT64_MAX;
	for (int runs = 0; runs < 2; runs++) {
		struct rig_worker *worker;
		struct rig rig;
		int fd;

		worker = begin(&rig, &limits, &fd);
		if (runs) {
			rig_worker_loaded(worker, TENSOCK_FLOAT32);
			(void)rig_worker_expect(&rig, worker, RUN_START);
		}
		rig_worker_hang_up(worker);
		rig_expect_bytes(&rig, fd, "ER");
		rig_expect_log(&rig, "frame 1: worker-died");
		rig_worker_exit(&rig, worker, SIGKILL);
		close(fd);
		rig_done(&rig);
	}
	assert_int_equal(limit_hits(METRICS_LIMIT_LOAD_DEADLINE), n_load);
	assert_int_equal(limit_hits(METRICS_LIMIT_RUN_DEADLINE), n_run);
}

/* A real one is counted. */
static void test_deadline_is_counted(void **state)
{
	struct front_start limits = rig_limits();
	uint64_t n_load = limit_hits(METRICS_LIMIT_LOAD_DEADLINE);
	uint64_t n_run = limit_hits(METRICS_LIMIT_RUN_DEADLINE);
	struct rig_worker *worker;
	struct rig rig;
	int fd;

	(void)state;
	limits.load_deadline_ms = 20;
	worker = begin(&rig, &limits, &fd);
	expect_killed(&rig, worker, fd, "load-deadline");
	limits = rig_limits();
	limits.run_deadline_ms = 400; /* long enough to take it up, however busy the machine */
	worker = begin(&rig, &limits, &fd);
	rig_worker_loaded(worker, TENSOCK_FLOAT32);
	(void)rig_worker_expect(&rig, worker, RUN_START);
	expect_killed(&rig, worker, fd, "run-deadline");
	assert_int_equal(limit_hits(METRICS_LIMIT_LOAD_DEADLINE), n_load + 1);
	assert_int_equal(limit_hits(METRICS_LIMIT_RUN_DEADLINE), n_run + 1);
}

/* A spare one that has hung up is no model's worker, though its wait status is still to come. */
static void test_spare_that_is_gone(void **state)
{
	struct front_start limits = rig_limits();
	struct rig_worker *spare, *worker;
	struct rig rig;
	int fd;

	(void)state;
	limits.process_bytes_max = UINT64_MAX;
	rig_init(&rig, &limits);
	fd = rig_connect(&rig);
	workers_expect(rig.guest->workers);
	spare = rig_worker_new(&rig);
	rig_run(&rig, 2);
	rig_worker_hang_up(spare);
	rig_run(&rig, 2);
	rig_write_frame(&rig, fd, 1, "model");
	worker = rig_worker_with(&rig, "model");
	rig_run_ok(&rig, worker, fd);
	rig_worker_exit(&rig, spare, SIGKILL);
	assert_int_equal(rig.guest->counters.error, 0);
	close(fd);
	rig_worker_exit(&rig, worker, 0);
	rig_done(&rig);
}

/* No memory for outputs that must be fetched: that request fails, and the one behind it goes on. */
static void test_no_room_for_fetch(void **state)
{
	struct front_start limits = rig_limits();
	struct run_entry first, second, needed;
	struct rig_worker *worker;
	int fd, behind;
	struct rig rig;

	(void)state;
	limits.memory_bytes_max = 600 << 10;
	worker = begin(&rig, &limits, &fd);
	behind = rig_connect(&rig);
	rig_write_frame(&rig, behind, 2, "model");
	rig_worker_loaded(worker, TENSOCK_FLOAT32);
	first = rig_worker_expect(&rig, worker, RUN_START);
	second = rig_worker_expect(&rig, worker, RUN_START);
	needed = needed_by(&first, 500000);
	rig_worker_push(worker, &needed);
	assert_int_equal(rig_worker_expect(&rig, worker, RUN_CANCEL).request_id, first.request_id);
	rig_expect_bytes(&rig, fd, "ER");
	rig_expect_log(&rig, "limit-reached: no room for 500000 bytes");
	rig_worker_done(worker, &second, values, 2);
	rig_expect_bytes(&rig, behind, "OK");
	close(fd);
	close(behind);
	rig_run(&rig, 2);
	rig_worker_exit(&rig, worker, 0);
	rig_done(&rig);
}

/* Messages of the supervisor about workers that are not, or no longer. */
static void test_stray_answers(void **state)
{
	struct front_start limits = rig_limits();
	struct rig_worker *worker;
	struct run_entry start;
	struct rig rig;
	int fd, fds[2];

	(void)state;
	worker = begin(&rig, &limits, &fd);
	rig_send(&rig, FRONT_WORKER_EXITED, 999, 0, 0, -1);
	rig_send(&rig, FRONT_WORKER, 999, 0, -EAGAIN, -1);
	assert_int_equal(pipe(fds), 0);
	rig_send(&rig, FRONT_WORKER, worker->id, 0, 0, fds[0]);
	close(fds[0]);
	close(fds[1]);
	rig_worker_loaded(worker, TENSOCK_FLOAT32);
	start = rig_worker_expect(&rig, worker, RUN_START);
	rig_worker_done(worker, &start, values, 2);
	rig_expect_bytes(&rig, fd, "OK");
	close(fd);
	rig_worker_exit(&rig, worker, 0);
	rig_done(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TSK_TEST(test_garbage_on_socket),
		TSK_TEST(test_bad_description),
		TSK_TEST(test_garbage_in_ring),
		TSK_TEST(test_unasked_answer),
		TSK_TEST(test_ringing_for_nothing),
		TSK_TEST(test_closed_doorbell),
		TSK_TEST(test_fetch),
		TSK_TEST(test_fetch_twice),
		TSK_TEST(test_no_room_for_buffers),
		TSK_TEST(test_placement),
		TSK_TEST(test_bytes_in_flight),
		TSK_TEST(test_end_is_no_deadline),
		TSK_TEST(test_deadline_is_counted),
		TSK_TEST(test_spare_that_is_gone),
		TSK_TEST(test_no_room_for_fetch),
		TSK_TEST(test_stray_answers),
	};

	return cmocka_run_group_tests(tests, rig_warm_up, NULL);
}
