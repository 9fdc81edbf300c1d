/* SPDX-License-Identifier: Apache-2.0 */
/* Workers that have several runs under way at once, and who is to blame when one is lost. */
#include "front/models.h"

#include <string.h>
#include <unistd.h>

#include "base/testing.h"
#include "front/rig.h"

#define GUESTS 4u

static const float values[] = { 0.5f, 1 };

/* As many connections, each with one request, at a worker. */
struct several {
	struct rig rig;
	struct rig_worker *worker;
	int fds[GUESTS];
	struct run_entry starts[GUESTS];
};

static void next_worker(struct several *s, uint64_t parallel)
{
	s->worker = rig_worker_new(&s->rig);
	s->worker->parallel = parallel;
	rig_worker_expect_load(&s->rig, s->worker, "model");
	rig_worker_loaded(s->worker, TENSOCK_FLOAT32);
}

static void begin(struct several *s, const struct front_start *limits, uint64_t parallel)
{
	struct front_start one_worker = *limits;

	one_worker.workers_max = 1; /* no spare in between */
	rig_init(&s->rig, &one_worker);
	for (unsigned i = 0; i < GUESTS; i++) {
		s->fds[i] = rig_connect(&s->rig);
		rig_write_frame(&s->rig, s->fds[i], i + 1, "model");
	}
	next_worker(s, parallel);
}

static void end(struct several *s)
{
	for (unsigned i = 0; i < GUESTS; i++) {
		if (s->fds[i] >= 0)
			close(s->fds[i]);
	}
	rig_worker_exit(&s->rig, s->worker, 0);
	rig_done(&s->rig);
}

/* The worker takes up those of these guests, which are the next ones. */
static void take(struct several *s, unsigned from, unsigned to)
{
	for (unsigned i = from; i < to; i++)
		s->starts[i] = rig_worker_expect(&s->rig, s->worker, RUN_START);
}

static void expect_no_start(struct several *s)
{
	struct run_entry entry;

	rig_run(&s->rig, 10);
	assert_false(ring_pop(&s->worker->rings.in, &entry));
}

static void answer(struct several *s, unsigned i)
{
	rig_worker_done(s->worker, &s->starts[i], values, 2);
	rig_expect_bytes(&s->rig, s->fds[i], "OK");
}

static void expect_died(struct several *s, unsigned i)
{
	char line[64];

	rig_expect_bytes(&s->rig, s->fds[i], "ER");
	snprintf(line, sizeof(line), "frame %u: worker-died", i + 1);
	rig_expect_log(&s->rig, line);
}

/* One of several has killed it: each of them runs again, alone, and so it is found. */
static void test_one_of_several(void **state)
{
	struct front_start limits = rig_limits();
	struct several s;

	(void)state;
	begin(&s, &limits, 2);
	take(&s, 0, 3);
	rig_worker_exit(&s.rig, s.worker, SIGSEGV);
	rig_expect_log(&s.rig, "one by one");
	next_worker(&s, 2);
	take(&s, 0, 1);
	expect_no_start(&s);
	answer(&s, 0);
	take(&s, 1, 2);
	expect_no_start(&s);
	rig_worker_exit(&s.rig, s.worker, SIGSEGV);
	expect_died(&s, 1);
	next_worker(&s, 2);
	take(&s, 2, 3);
	expect_no_start(&s); /* the one behind it waits for it, though it was not taken up */
	answer(&s, 2);
	take(&s, 3, 4);
	/* Who comes now runs beside others as ever. */
	rig_write_frame(&s.rig, s.fds[0], 11, "model");
	take(&s, 0, 1);
	answer(&s, 3);
	answer(&s, 0);
	end(&s);
}

/* Only overlapping, or by somebody else's hand: then nobody is to blame in the end. */
static void test_none_of_several(void **state)
{
	struct front_start limits = rig_limits();
	struct several s;

	(void)state;
	begin(&s, &limits, 4);
	for (unsigned round = 0; round < 5; round++) {
		take(&s, 0, 4);
		rig_worker_exit(&s.rig, s.worker, SIGKILL);
		next_worker(&s, 4);
		for (unsigned i = 0; i < GUESTS; i++) {
			take(&s, i, i + 1);
			expect_no_start(&s);
			answer(&s, i);
		}
		for (unsigned i = 0; i < GUESTS; i++)
			rig_write_frame(&s.rig, s.fds[i], i + 1, "model");
	}
	take(&s, 0, 4);
	for (unsigned i = 0; i < GUESTS; i++)
		answer(&s, i);
	end(&s);
}

/* It had taken up one, or can run only one: there is no doubt. */
static void test_no_doubt(void **state)
{
	struct front_start limits = rig_limits();

	(void)state;
	for (unsigned parallel = 0; parallel < 3; parallel++) {
		struct several s;

		begin(&s, &limits, parallel);
		take(&s, 0, parallel < 2 ? 3 : 1);
		rig_worker_exit(&s.rig, s.worker, SIGSEGV);
		expect_died(&s, 0);
		next_worker(&s, parallel);
		take(&s, 1, 4);
		for (unsigned i = 1; i < GUESTS; i++)
			answer(&s, i);
		end(&s);
	}
}

/* The first one holds up all others, so it is the one that is late. */
static void test_deadline(void **state)
{
	struct front_start limits = rig_limits();
	struct several s;

	(void)state;
	limits.run_deadline_ms = 200;
	begin(&s, &limits, 2);
	take(&s, 0, 4);
	assert_int_equal(rig_expect(&s.rig, FRONT_KILL).id, s.worker->id);
	rig_expect_bytes(&s.rig, s.fds[0], "ER");
	rig_expect_log(&s.rig, "frame 1: deadline-exceeded");
	rig_worker_exit(&s.rig, s.worker, SIGKILL);
	next_worker(&s, 2);
	take(&s, 1, 4); /* and not one by one */
	for (unsigned i = 1; i < GUESTS; i++)
		answer(&s, i);
	end(&s);
}

/* Who has gone may be to blame as well; the one beside it runs again. */
static void test_cancelled_one_of_several(void **state)
{
	struct front_start limits = rig_limits();
	struct several s;

	(void)state;
	begin(&s, &limits, UINT64_MAX); /* more than it is ever given */
	take(&s, 0, 2);
	close(s.fds[0]);
	s.fds[0] = -1;
	rig_run(&s.rig, 10);
	rig_worker_exit(&s.rig, s.worker, SIGSEGV);
	next_worker(&s, 2);
	take(&s, 1, 2);
	expect_no_start(&s);
	answer(&s, 1);
	take(&s, 2, 4);
	answer(&s, 2);
	answer(&s, 3);
	end(&s);
}

/* One that runs alone is cancelled: those behind it wait for its end, and no longer. */
static void test_cancelled_alone(void **state)
{
	struct front_start limits = rig_limits();
	struct several s;

	(void)state;
	begin(&s, &limits, 2);
	take(&s, 0, 2);
	rig_worker_exit(&s.rig, s.worker, SIGSEGV);
	next_worker(&s, 2);
	take(&s, 0, 1);
	close(s.fds[0]);
	s.fds[0] = -1;
	(void)rig_worker_expect(&s.rig, s.worker, RUN_CANCEL);
	expect_no_start(&s);
	rig_worker_error(s.worker, &s.starts[0], TENSOCK_CANCELLED, "");
	take(&s, 1, 2);
	expect_no_start(&s);
	answer(&s, 1);
	take(&s, 2, 4);
	answer(&s, 2);
	answer(&s, 3);
	end(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TSK_TEST(test_one_of_several),
		TSK_TEST(test_none_of_several),
		TSK_TEST(test_no_doubt),
		TSK_TEST(test_deadline),
		TSK_TEST(test_cancelled_one_of_several),
		TSK_TEST(test_cancelled_alone),
	};

	return cmocka_run_group_tests(tests, rig_warm_up, NULL);
}
