/* SPDX-License-Identifier: Apache-2.0 */
/* What the front does for its supervisor: start, stop, idle, end. */
#include "front/guest.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/memfd.h"
#include "base/seqpacket.h"
#include "base/testing.h"
#include "channel/device_control.h"
#include "front/rig.h"

static const float values[] = { 0.5f, 1 };

static void test_first_message(void **state)
{
	struct front_msg msg = { .type = FRONT_STOP };
	struct guest *guest;
	uv_loop_t loop;
	int fds[2];

	(void)state;
	assert_int_equal(uv_loop_init(&loop), 0);
	assert_int_equal(tsk_seqpacket_pair(fds), 0);
	assert_int_equal(guest_new(&loop, fds[1], &guest), 0);
	assert_int_equal(front_control_send(fds[0], &msg, -1), 0);
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_true(guest->has_ended);
	assert_int_equal(guest->result, -EPROTO);
	guest_free(guest);
	close(fds[0]);
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&loop), 0);
}

/* Not a byte of another type, nor a message that only a front may send. */
static void test_bad_message(void **state)
{
	struct front_start limits = rig_limits();
	struct rig rig;

	(void)state;
	rig_init(&rig, &limits);
	rig_send(&rig, FRONT_SPAWN, 1, 0, 0, -1);
	assert_int_equal(rig.guest->result, -EPROTO);
	rig_done(&rig);
	rig_init(&rig, &limits);
	assert_int_equal(write(rig.supervisor, "x", 1), 1);
	rig_run(&rig, 1);
	assert_true(rig.guest->has_ended);
	assert_int_equal(rig.guest->result, -EPROTO);
	rig_done(&rig);
}

static void test_end_of_control(void **state)
{
	struct front_start limits = rig_limits();
	struct rig rig;
	int fd;

	(void)state;
	rig_init(&rig, &limits);
	fd = rig_connect(&rig);
	shutdown(rig.supervisor, SHUT_RDWR);
	rig_run(&rig, 1);
	assert_true(rig.guest->has_ended);
	assert_int_equal(rig.guest->result, 0);
	close(fd);
	rig_run(&rig, 1);
	rig_done(&rig);
}

/* The supervisor may let go of a front at any time: also one that is saying something. */
static void test_end_of_control_with_messages_unread(void **state)
{
	struct front_start limits = rig_limits();
	struct rig rig;
	int fd, supervisor;

	(void)state;
	rig_init(&rig, &limits);
	fd = rig_connect(&rig);
	rig_write_frame(&rig, fd, 1, "model"); /* for which it asks for a worker */
	rig_run(&rig, 20);
	supervisor = open("/dev/null", O_RDONLY | O_CLOEXEC);
	assert_int_equal(dup2(supervisor, rig.supervisor), rig.supervisor);
	close(supervisor);
	rig_run(&rig, 1);
	assert_true(rig.guest->has_ended);
	assert_int_equal(rig.guest->result, 0);
	close(fd);
	rig_run(&rig, 1);
	rig_done(&rig);
}

static void test_stop_when_idle(void **state)
{
	struct front_start limits = rig_limits();
	struct rig rig;
	int fd;

	(void)state;
	rig_init(&rig, &limits);
	fd = rig_connect(&rig); /* between frames: closed */
	rig_send(&rig, FRONT_STOP, 0, 0, 0, -1);
	rig_run(&rig, 1);
	rig_expect_end(&rig, fd);
	assert_true(rig.guest->has_ended);
	assert_int_equal(rig.guest->result, 0);
	close(fd);
	rig_done(&rig);
}

/* A request that is under way is answered, then the connection ends; no new one is taken. */
static void test_stop_finishes_work(void **state)
{
	struct front_start limits = rig_limits();
	struct rig_worker *worker;
	struct run_entry start;
	struct rig rig;
	int fd, late;

	(void)state;
	rig_init(&rig, &limits);
	fd = rig_connect(&rig);
	rig_write_frame(&rig, fd, 1, "model");
	worker = rig_worker_with(&rig, "model");
	start = rig_worker_expect(&rig, worker, RUN_START);
	rig_send(&rig, FRONT_STOP, 0, 0, 0, -1);
	late = rig_connect(&rig);
	rig_expect_end(&rig, late);
	assert_false(rig.guest->has_ended);
	rig_worker_done(worker, &start, values, 2);
	rig_expect_bytes(&rig, fd, "OK");
	rig_expect_end(&rig, fd);
	assert_true(rig.guest->has_ended);
	close(fd);
	close(late);
	rig_worker_exit(&rig, worker, 0);
	rig_done(&rig);
}

/* What had been sent before, and is found after it: the guest had no way to know. */
static void test_stop_reads_first(void **state)
{
	static const char frame[] = "\1\0\0\0\1\0\0\0\5\0\0\0\0\0\0\0model";
	const struct front_msg stop = { .type = FRONT_STOP };
	struct front_start limits = rig_limits();
	struct rig_worker *worker;
	struct rig rig;
	int fd;

	(void)state;
	rig_init(&rig, &limits);
	fd = rig_connect(&rig);
	/* The front, which does not run meanwhile, sees both in one turn, the stop first. */
	assert_int_equal(front_control_send(rig.supervisor, &stop, -1), 0);
	assert_int_equal(write(fd, frame, sizeof(frame) - 1), sizeof(frame) - 1);
	worker = rig_worker_with(&rig, "model");
	rig_run_ok(&rig, worker, fd);
	rig_expect_end(&rig, fd);
	assert_true(rig.guest->has_ended);
	close(fd);
	rig_worker_exit(&rig, worker, 0);
	rig_done(&rig);
}

/* What is under way at the end of the time is told so.  No sooner. */
static void test_stop_tells_the_late(void **state)
{
	struct front_start limits = rig_limits();
	struct rig_worker *worker;
	struct rig rig;
	int fd;

	(void)state;
	limits.run_deadline_ms = 400;
	limits.load_deadline_ms = 60000;
	rig_init(&rig, &limits);
	fd = rig_connect(&rig);
	rig_write_frame(&rig, fd, 1, "model");
	worker = rig_worker_new(&rig);
	rig_worker_expect_load(&rig, worker, "model");
	rig_send(&rig, FRONT_STOP, 0, 0, 0, -1);
	rig_run(&rig, 20);
	assert_false(rig.guest->has_ended);
	assert_int_equal(rig.guest->counters.error, 0);
	rig_expect_bytes(&rig, fd, "ER");
	rig_expect_end(&rig, fd);
	rig_expect_log(&rig, "frame 1: unavailable");
	assert_true(rig.guest->has_ended);
	close(fd);
	rig_worker_exit(&rig, worker, 0);
	rig_done(&rig);
}

static void test_stop_is_bounded(void **state)
{
	static const unsigned char header[16] = { 1, 0, 0, 0, 9, 0, 0, 0, 5 };
	struct front_start limits = rig_limits();
	struct rig rig;
	int fd;

	(void)state;
	limits.run_deadline_ms = 20;
	limits.workers_max = 0;
	rig_init(&rig, &limits);
	fd = rig_connect(&rig);
	rig_write(&rig, fd, header, sizeof(header));
	rig_send(&rig, FRONT_STOP, 0, 0, 0, -1);
	assert_false(rig.guest->has_ended);
	for (unsigned i = 0; i < 5000 && !rig.guest->has_ended; i++)
		rig_run(&rig, 1);
	assert_true(rig.guest->has_ended);
	assert_int_equal(rig.guest->result, 0);
	close(fd);
	rig_run(&rig, 1);
	rig_done(&rig);
}

/* A minute after the last thing was closed, and with the right number of messages. */
static void test_idle(void **state)
{
	struct front_start limits = rig_limits();
	struct rig_worker *worker;
	struct run_entry start;
	struct rig rig;
	int fd;

	(void)state;
	limits.model_idle_ms = 10;
	rig_init(&rig, &limits);
	fd = rig_connect(&rig);
	assert_false(uv_is_active((uv_handle_t *)rig.guest->timer));
	rig_write_frame(&rig, fd, 1, "model");
	worker = rig_worker_with(&rig, "model");
	start = rig_worker_expect(&rig, worker, RUN_START);
	rig_worker_done(worker, &start, values, 2);
	rig_expect_bytes(&rig, fd, "OK");
	close(fd);
	rig_run(&rig, 2);
	/* The worker is there still. */
	assert_false(uv_is_active((uv_handle_t *)rig.guest->timer));
	rig_worker_expect_end(&rig, worker);
	rig_worker_exit(&rig, worker, 0);
	assert_true(uv_is_active((uv_handle_t *)rig.guest->timer));
	assert_in_range(uv_timer_get_due_in(rig.guest->timer), 59000, 60000);
	rig.guest->timer->timer_cb(rig.guest->timer);
	/* START, CONNECTION, WORKER, WORKER_EXITED */
	assert_int_equal(rig_expect(&rig, FRONT_IDLE).value, 4);
	/* A message that crossed it: not idle any more. */
	fd = rig_connect(&rig);
	assert_false(uv_is_active((uv_handle_t *)rig.guest->timer));
	close(fd);
	rig_run(&rig, 2);
	rig_done(&rig);
}

static void break_an_upload_off(struct rig *rig)
{
	static const unsigned char hash[MODEL_HASH_BYTES] = { 1 };
	struct tensock_error error;
	struct upload *upload;
	uint64_t offset;

	assert_int_equal(uploads_begin(rig->guest->uploads, hash, 9, &upload, &offset, &error), 0);
	upload_received(upload, 1);
	upload_leave(upload);
}

/* An upload that broke off would be lost with the front: it is idle when that is dropped. */
static void test_idle_after_upload(void **state)
{
	struct front_start limits = rig_limits();
	struct rig rig;
	int fd;

	(void)state;
	limits.upload_keep_ms = 100;
	rig_init(&rig, &limits);
	fd = rig_connect(&rig);
	break_an_upload_off(&rig);
	close(fd);
	rig_run(&rig, 2);
	assert_int_equal(rig.guest->sessions.n, 0);
	assert_false(uv_is_active((uv_handle_t *)rig.guest->timer));
	for (int i = 0; i < 2000 && uploads_kept(rig.guest->uploads); i++)
		rig_run(&rig, 1);
	assert_true(uv_is_active((uv_handle_t *)rig.guest->timer));
	rig_done(&rig);
}

/* A name that another VM may have next: what is kept, models too, goes with the front soon after the last connection. */
static void test_idle_borrowed(void **state)
{
	struct front_start limits = rig_limits();
	struct rig rig;
	int fd;

	(void)state;
	limits.is_borrowed = 1;
	limits.model_idle_ms = 30;
	limits.upload_keep_ms = 60000;
	rig_init(&rig, &limits);
	fd = rig_connect(&rig);
	break_an_upload_off(&rig);
	rig_expect_nothing(&rig, 60); /* as long as there is a connection */
	close(fd);
	(void)rig_expect(&rig, FRONT_IDLE);
	assert_int_equal(uploads_kept(rig.guest->uploads), 1);
	rig_done(&rig);
}

/* With the built-in device the front is never idle; it gets its sessions by a channel of its own. */
static void test_device(void **state)
{
	struct front_start limits = rig_limits();
	struct device_msg msg = { .type = DEVICE_SESSION };
	int channel[2], vmm[2], fds[DEVICE_MSG_FDS_MAX];
	struct rig rig;

	(void)state;
	limits.cid = 3;
	rig_init(&rig, &limits);
	assert_non_null(rig.guest->device);
	assert_false(uv_is_active((uv_handle_t *)rig.guest->timer));
	assert_int_equal(tsk_seqpacket_pair(channel), 0);
	rig_send(&rig, FRONT_DEVICE, 0, 0, 0, channel[1]);
	close(channel[1]);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, vmm), 0);
	fds[0] = vmm[1];
	assert_int_equal(tsk_memfd_new("ledger", DEVICE_LEDGER_BYTES(8), &fds[1]), 0);
	assert_int_equal(device_control_send(channel[0], &msg, fds), 0);
	close(fds[0]);
	close(fds[1]);
	rig_run(&rig, 2);
	assert_int_equal(send(vmm[0], "", 0, MSG_NOSIGNAL), 0);
	close(vmm[0]);
	rig_run(&rig, 2);
	assert_int_equal(device_control_recv(channel[0], &msg, fds), 1);
	assert_int_equal(msg.type, DEVICE_END);
	rig_send(&rig, FRONT_CONNECTED, 12345, 0, -ECONNREFUSED, -1);
	assert_false(rig.guest->has_ended);
	close(channel[0]);
	rig_run(&rig, 2);
	assert_true(rig.guest->has_ended);
	rig_done(&rig);
}

/* More messages than the control socket holds wait, and none is lost or overtaken. */
static void test_full_control_socket(void **state)
{
	enum {
		N = 2000
	};
	struct front_start limits = rig_limits();
	struct rig rig;

	(void)state;
	rig_init(&rig, &limits);
	for (uint64_t i = 0; i < N; i++)
		assert_int_equal(supervisor_send(rig.guest->supervisor, FRONT_CONNECT, i, 80), 0);
	for (uint64_t i = 0; i < N; i++)
		assert_int_equal(rig_expect(&rig, FRONT_CONNECT).id, i);
	for (uint64_t i = 0; i < N + SUPERVISOR_LINK_WAITING_MAX; i++) {
		int r = supervisor_send(rig.guest->supervisor, FRONT_CONNECT, i, 80);

		if (r < 0) {
			assert_int_equal(r, -EBUSY);
			rig_done(&rig);
			return;
		}
	}
	fail_msg("without a bound");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TSK_TEST(test_first_message),
		TSK_TEST(test_bad_message),
		TSK_TEST(test_end_of_control),
		TSK_TEST(test_end_of_control_with_messages_unread),
		TSK_TEST(test_stop_when_idle),
		TSK_TEST(test_stop_finishes_work),
		TSK_TEST(test_stop_reads_first),
		TSK_TEST(test_stop_tells_the_late),
		TSK_TEST(test_stop_is_bounded),
		TSK_TEST(test_idle),
		TSK_TEST(test_idle_borrowed),
		TSK_TEST(test_idle_after_upload),
		TSK_TEST(test_device),
		TSK_TEST(test_full_control_socket),
	};

	return cmocka_run_group_tests(tests, rig_warm_up, NULL);
}
