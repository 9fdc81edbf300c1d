/* SPDX-License-Identifier: Apache-2.0 */
/* Models that kill their workers are refused for a while; those that are not listed, for ever. */
#include "front/models.h"

#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/seqpacket.h"
#include "base/testing.h"
#include "front/native_peer.h"

#include "front/models_asked.h" /* it names things as a parameter of the other is named */

enum death {
	IN_LOAD,     /* its process ends while it loads */
	IN_RUN,      /* or runs */
	IN_LATE_RUN, /* the deadline is over */
	UNWANTED,    /* it ends in a run that nobody waits for any more */
	DEATH_MAX
};

static void expect_status(struct rig *rig, const struct asked *asked, uint32_t status,
			  const char *text)
{
	for (int i = 0; i < 2000 && !asked->n_done; i++)
		rig_run(rig, 1);
	assert_int_equal(asked->n_done, 1);
	if (asked->status != status || !strstr(asked->message, text))
		fail_msg("%u: %s", asked->status, asked->message);
}

/* One request for the model at name, of which a worker dies with this wait status. */
static void die_once(struct rig *rig, const char *bytes, enum death death, int wait_status)
{
	struct asked asked = to_run();
	struct rig_worker *worker;

	ask(rig, of_bytes(rig, bytes), &asked);
	worker = rig_worker_new(rig);
	rig_worker_expect_load(rig, worker, bytes);
	if (death != IN_LOAD) {
		rig_worker_loaded(worker, TENSOCK_FLOAT32);
		(void)rig_worker_expect(rig, worker, RUN_START);
	}
	if (death == UNWANTED)
		models_cancel(rig->guest->models, &asked.request);
	if (death == IN_LATE_RUN)
		(void)rig_expect(rig, FRONT_KILL);
	else
		rig_worker_hang_up(worker);
	rig_run(rig, 2);
	rig_worker_exit(rig, worker, wait_status);
	if (wait_status == 0) /* it exits in the middle of its work: the supervisor is to know */
		assert_int_equal(rig_expect(rig, FRONT_KILL).value, FRONT_KILL_ROGUE);
	if (death == UNWANTED)
		assert_int_equal(asked.n_done, 0);
	else
		expect_status(rig, &asked,
			      death == IN_LATE_RUN ? TENSOCK_DEADLINE_EXCEEDED
						   : TENSOCK_WORKER_DIED,
			      "");
}

static struct rig_worker *begin(struct rig *rig, struct front_start *limits, const char *bytes)
{
	struct rig_worker *worker;
	struct asked unload = { .request.ops = &asked_ops };

	rig_init(rig, limits);
	worker = push_loaded(rig, bytes, "m", "");
	models_unload(rig->guest->models, of_bytes(rig, bytes), false, &unload.request);
	rig_worker_exit(rig, worker, 0);
	expect_ok(rig, &unload, false);
	return push_loaded(rig, "good", "good", "");
}

static void expect_refused(struct rig *rig, const char *bytes)
{
	struct asked asked = to_run();

	ask(rig, of_bytes(rig, bytes), &asked);
	assert_int_equal(asked.n_done, 1); /* at once, and no worker was asked for */
	expect_status(rig, &asked, TENSOCK_LIMIT_REACHED, "quarantine); try again in ");
	rig_expect_nothing(rig, 5);
}

static void test_killer(void **state)
{
	struct front_start limits = rig_limits();

	(void)state;
	limits.quarantine_ms = 60000;
	limits.run_deadline_ms = 30;
	for (enum death death = 0; death < DEATH_MAX; death++) {
		struct rig_worker *good;
		struct asked asked = to_run();
		struct rig rig;

		if (death != IN_LATE_RUN)
			limits.run_deadline_ms = 60000;
		else
			limits.run_deadline_ms = 30;
		good = begin(&rig, &limits, "killer");
		for (int i = 0; i < 3; i++)
			die_once(&rig, "killer", death,
				 death == IN_LATE_RUN ? SIGKILL
				 : i                  ? SIGSEGV
						      : 0);
		rig_expect_log(&rig, "a model has killed its worker 3 times");
		expect_refused(&rig, "killer");
		expect_refused(&rig, "killer");
		/* Others go on. */
		ask(&rig, of_bytes(&rig, "good"), &asked);
		answer_run(&rig, good);
		expect_ok(&rig, &asked, true);
		rig_worker_exit(&rig, good, 0);
		rig_done(&rig);
	}
}

/* Killed from outside, as by an operator, or by the kernel: that says nothing about the model. */
static void test_outside(void **state)
{
	struct front_start limits = rig_limits();
	struct rig_worker *good;
	struct rig rig;

	(void)state;
	limits.quarantine_ms = 60000;
	good = begin(&rig, &limits, "killer");
	for (int i = 0; i < 10; i++)
		die_once(&rig, "killer", i % 2 ? IN_RUN : IN_LOAD, i % 4 > 1 ? SIGKILL : SIGTERM);
	die_once(&rig, "killer", IN_RUN, SIGSEGV);
	die_once(&rig, "killer", IN_RUN, SIGSEGV);
	die_once(&rig, "killer", IN_RUN, SIGSEGV);
	expect_refused(&rig, "killer");
	rig_worker_exit(&rig, good, 0);
	rig_done(&rig);
}

/* A request of which the worker is killed from outside: while it is attached, or as a spare. */
static void kill_early(struct rig *rig, const char *bytes, bool is_spare)
{
	struct rig_worker *spare = NULL;
	struct asked asked = to_run();
	struct front_msg spawn;
	int fds[2];

	if (is_spare) {
		workers_expect(rig->guest->workers);
		spare = rig_worker_new(rig);
		rig_run(rig, 2);
		rig_worker_hang_up(spare);
	}
	ask(rig, of_bytes(rig, bytes), &asked);
	if (is_spare) {
		rig_worker_exit(rig, spare, SIGKILL);
	} else {
		spawn = rig_expect(rig, FRONT_SPAWN);
		assert_int_equal(tsk_seqpacket_pair(fds), 0);
		close(fds[0]);
		rig_send(rig, FRONT_WORKER, spawn.id, 0, 0, fds[1]);
		close(fds[1]);
		rig_send(rig, FRONT_WORKER_EXITED, spawn.id, SIGKILL, 0, -1);
	}
	expect_status(rig, &asked, TENSOCK_WORKER_DIED, "");
	rig_expect_nothing(rig, 2); /* that would have it counted as a crash */
}

/* So early that the front finds it out by a message that is not taken. */
static void test_outside_early(void **state)
{
	struct front_start limits = rig_limits();
	struct rig_worker *good, *worker;
	struct asked asked = to_run();
	struct rig rig;

	(void)state;
	limits.quarantine_ms = 60000;
	good = begin(&rig, &limits, "model");
	for (int i = 0; i < 8; i++)
		kill_early(&rig, "model", i % 2);
	ask(&rig, of_bytes(&rig, "model"), &asked);
	worker = rig_worker_with(&rig, "model");
	answer_run(&rig, worker);
	expect_ok(&rig, &asked, true);
	rig_worker_exit(&rig, worker, 0);
	rig_worker_exit(&rig, good, 0);
	rig_done(&rig);
}

static void test_off(void **state)
{
	struct front_start limits = rig_limits();
	struct rig_worker *good;
	struct rig rig;

	(void)state;
	good = begin(&rig, &limits, "killer");
	for (int i = 0; i < 10; i++)
		die_once(&rig, "killer", IN_RUN, SIGSEGV);
	rig_worker_exit(&rig, good, 0);
	rig_done(&rig);
}

/* Those that wait behind the third death are refused as well, without a worker. */
static void test_waiting(void **state)
{
	struct front_start limits = rig_limits();
	struct asked asked[3] = { to_run(), to_run(), to_run() };
	struct rig_worker *good, *worker;
	struct rig rig;

	(void)state;
	limits.quarantine_ms = 60000;
	limits.workers_max = 3;
	good = begin(&rig, &limits, "killer");
	die_once(&rig, "killer", IN_LOAD, SIGSEGV);
	die_once(&rig, "killer", IN_LOAD, SIGSEGV);
	for (int i = 0; i < 3; i++)
		ask(&rig, of_bytes(&rig, "killer"), &asked[i]);
	worker = rig_worker_new(&rig);
	rig_worker_expect_load(&rig, worker, "killer");
	rig_worker_exit(&rig, worker, SIGSEGV);
	expect_status(&rig, &asked[0], TENSOCK_WORKER_DIED, "");
	/* Of the second, that was asked for before the first was known to have crashed. */
	worker = rig_worker_new(&rig);
	rig_run(&rig, 5);
	rig_worker_exit(&rig, worker, SIGSEGV);
	for (int i = 1; i < 3; i++) {
		for (int k = 0; k < 2000 && !asked[i].n_done; k++)
			rig_run(&rig, 1);
		assert_int_equal(asked[i].n_done, 1);
		assert_true(asked[i].status != TENSOCK_OK);
	}
	expect_refused(&rig, "killer");
	rig_worker_exit(&rig, good, 0);
	rig_done(&rig);
}

/* Runs side by side, of which one has killed the worker: not one of them is blamed before it is known. */
static void test_innocent(void **state)
{
	struct front_start limits = rig_limits();
	struct asked asked[2] = { to_run(), to_run() };
	struct rig_worker *good, *worker;
	struct run_entry start;
	struct rig rig;

	(void)state;
	limits.quarantine_ms = 60000;
	good = begin(&rig, &limits, "killer");
	die_once(&rig, "killer", IN_RUN, SIGSEGV);
	die_once(&rig, "killer", IN_RUN, SIGSEGV);
	for (int i = 0; i < 2; i++)
		ask(&rig, of_bytes(&rig, "killer"), &asked[i]);
	worker = rig_worker_new(&rig);
	worker->parallel = 2;
	rig_worker_expect_load(&rig, worker, "killer");
	rig_worker_loaded(worker, TENSOCK_FLOAT32);
	(void)rig_worker_expect(&rig, worker, RUN_START);
	(void)rig_worker_expect(&rig, worker, RUN_START);
	rig_worker_exit(&rig, worker, SIGSEGV);
	worker = rig_worker_new(&rig);
	rig_worker_expect_load(&rig, worker, "killer");
	rig_worker_loaded(worker, TENSOCK_FLOAT32);
	for (int i = 0; i < 2; i++) {
		start = rig_worker_expect(&rig, worker, RUN_START);
		rig_worker_done(worker, &start, values, 2);
		expect_ok(&rig, &asked[i], true);
	}
	rig_worker_exit(&rig, worker, 0);
	rig_worker_exit(&rig, good, 0);
	rig_done(&rig);
}

/* A guest that offers it is told so before it sends it. */
static void test_offer(void **state)
{
	struct front_start limits = rig_limits();
	struct rig_worker *good;
	struct peer peer;
	struct rig rig;

	(void)state;
	limits.quarantine_ms = 60000;
	good = begin(&rig, &limits, "killer");
	for (int i = 0; i < 3; i++)
		die_once(&rig, "killer", IN_RUN, SIGSEGV);
	peer_connect(&peer, &rig);
	peer_offer(&peer, 1, "killer", "again");
	peer_expect_error(&peer, 1, TENSOCK_LIMIT_REACHED, "quarantine");
	peer_close(&peer);
	rig_worker_exit(&rig, good, 0);
	rig_done(&rig);
}

static int list_of(const char *bytes)
{
	struct tsk_map map;
	int fd;

	assert_int_equal(tsk_memfd_new("test", MODEL_HASH_BYTES, &fd), 0);
	assert_int_equal(tsk_map_new(fd, MODEL_HASH_BYTES, true, &map), 0);
	hash_of(bytes, map.addr);
	tsk_map_done(&map);
	assert_int_equal(tsk_memfd_freeze(fd), 0);
	return fd;
}

/* Only the listed model comes to a worker, by whatever protocol it is brought. */
static void test_permitted(void **state)
{
	struct front_start limits = rig_limits();
	struct rig_worker *good, *spare;
	struct asked asked = to_load();
	struct peer peer;
	struct rig rig;
	int fd, list = list_of("good");

	(void)state;
	limits.models_listed = 1;
	rig_init(&rig, &limits);
	rig_send(&rig, FRONT_MODELS, 0, 0, 0, list);
	tsk_close(list);
	rig_run(&rig, 5);
	good = push_loaded(&rig, "good", "good", "");
	push(&rig, "bad", "bad", "", &asked);
	expect_status(&rig, &asked, TENSOCK_PERMISSION_DENIED, "not listed it (models)");
	assert_null(of_bytes(&rig, "bad"));
	peer_connect(&peer, &rig);
	peer_offer(&peer, 1, "bad", "name");
	peer_expect_error(&peer, 1, TENSOCK_PERMISSION_DENIED, "(models)");
	peer_close(&peer);
	fd = rig_connect(&rig);
	rig_write_frame(&rig, fd, 7, "bad");
	spare = rig_worker_new(&rig); /* which does not see it */
	rig_expect_bytes(&rig, fd, "ER");
	rig_expect_log(&rig, "frame 7: permission-denied");
	assert_int_equal(spare->model, -1);
	assert_int_equal(models_count(rig.guest->models), 1);
	close(fd);
	rig_worker_exit(&rig, spare, 0);
	rig_worker_exit(&rig, good, 0);
	rig_done(&rig);
}

/* The guest's processes crash too often: who waits is told so, for how long, and nothing is blamed. */
static void test_penalty(void **state)
{
	struct front_start limits = rig_limits();
	struct asked asked[2] = { to_run(), to_run() }, again = to_run();
	struct rig_worker *good, *worker;
	struct front_msg spawn;
	struct rig rig;

	(void)state;
	limits.quarantine_ms = 60000;
	good = begin(&rig, &limits, "model");
	for (int round = 0; round < 4; round++) {
		for (int i = 0; i < 2; i++) {
			asked[i] = to_run();
			ask(&rig, of_bytes(&rig, "model"), &asked[i]);
		}
		spawn = rig_expect(&rig, FRONT_SPAWN);
		rig_send(&rig, FRONT_WORKER, spawn.id, 1001, -EAGAIN, -1);
		for (int i = 0; i < 2; i++)
			expect_status(&rig, &asked[i], TENSOCK_LIMIT_REACHED,
				      "(max-crashes): no worker is started now; try again in 2 s");
	}
	ask(&rig, of_bytes(&rig, "model"), &again);
	worker = rig_worker_with(&rig, "model");
	answer_run(&rig, worker);
	expect_ok(&rig, &again, true);
	rig_worker_exit(&rig, worker, 0);
	rig_worker_exit(&rig, good, 0);
	rig_done(&rig);
}

/* A worker that breaks the rules is killed as one that does. */
static void test_rogue(void **state)
{
	struct front_start limits = rig_limits();
	struct rig_worker *good, *worker;
	struct asked asked = to_run();
	struct rig rig;

	(void)state;
	good = begin(&rig, &limits, "model");
	ask(&rig, of_bytes(&rig, "model"), &asked);
	worker = rig_worker_new(&rig);
	rig_worker_expect_load(&rig, worker, "model");
	assert_int_equal(send(worker->socket, "garbage", 7, 0), 7);
	expect_status(&rig, &asked, TENSOCK_WORKER_DIED, "broke the rules");
	assert_int_equal(rig_expect(&rig, FRONT_KILL).value, FRONT_KILL_ROGUE);
	rig_worker_exit(&rig, worker, SIGKILL);
	rig_worker_exit(&rig, good, 0);
	rig_done(&rig);
}

/* A list that is not what was announced: the front ends. */
static void test_bad_list(void **state)
{
	struct front_start limits = rig_limits();
	struct rig rig;
	int list = list_of("good");

	(void)state;
	limits.models_listed = 2;
	rig_init(&rig, &limits);
	rig_send(&rig, FRONT_MODELS, 0, 0, 0, list);
	tsk_close(list);
	rig_run(&rig, 5);
	assert_true(rig.guest->has_ended);
	assert_int_equal(rig.guest->result, -EPROTO);
	rig_done(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TSK_TEST(test_killer),        TSK_TEST(test_outside),   TSK_TEST(test_off),
		TSK_TEST(test_outside_early), TSK_TEST(test_waiting),   TSK_TEST(test_innocent),
		TSK_TEST(test_offer),         TSK_TEST(test_permitted), TSK_TEST(test_bad_list),
		TSK_TEST(test_penalty),       TSK_TEST(test_rogue),
	};

	return cmocka_run_group_tests(tests, rig_warm_up, NULL);
}
