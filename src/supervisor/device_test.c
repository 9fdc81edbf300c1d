/* SPDX-License-Identifier: Apache-2.0 */
/* The device between a VMM and fronts, all of which this test is. */
#include "supervisor/device.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/log.h"
#include "base/memfd.h"
#include "channel/device_control.h"

#define CONNECTIONS 8u

struct fixture {
	uv_loop_t loop;
	struct device *device;
	int vmm;   /* the VMM's side of its socket */
	int front; /* the front's end of the channel, -1: no front */
	unsigned broke;
	struct device_msg msg; /* that the front has received, with its fds */
	int fds[DEVICE_MSG_FDS_MAX];
};

static void on_broke(void *context)
{
	struct fixture *f = context;

	f->broke++;
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	tsk_log_init("test", NULL, TSK_LOG_ERROR, 0);
	assert_int_equal(uv_loop_init(&f->loop), 0);
	assert_int_equal(device_new(&f->loop, "test", CONNECTIONS, on_broke, f, &f->device), 0);
	f->vmm = f->front = -1;
	for (unsigned i = 0; i < DEVICE_MSG_FDS_MAX; i++)
		f->fds[i] = -1;
	*state = f;
	return 0;
}

static void close_fds(struct fixture *f)
{
	for (unsigned i = 0; i < DEVICE_MSG_FDS_MAX; i++)
		f->fds[i] = tsk_close(f->fds[i]);
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	device_free(f->device);
	close_fds(f);
	tsk_close(f->vmm);
	tsk_close(f->front);
	uv_run(&f->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&f->loop), 0);
	free(f);
	return 0;
}

static void turn(struct fixture *f)
{
	for (unsigned i = 0; i < 4; i++)
		uv_run(&f->loop, UV_RUN_NOWAIT);
}

/* A VMM connects; its side. */
static int connect_vmm(struct fixture *f)
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds),
			 0);
	device_vmm(f->device, fds[1]);
	return fds[0];
}

static void start_front(struct fixture *f)
{
	assert_int_equal(f->front, -1);
	assert_int_equal(device_open_channel(f->device, &f->front), 0);
}

static void front_dies(struct fixture *f)
{
	close_fds(f);
	f->front = tsk_close(f->front);
	device_close_channel(f->device);
}

static void expect(struct fixture *f, enum device_msg_type type)
{
	close_fds(f);
	turn(f);
	assert_int_equal(device_control_recv(f->front, &f->msg, f->fds), 1);
	assert_int_equal(f->msg.type, type);
}

static void expect_nothing(struct fixture *f)
{
	turn(f);
	assert_int_equal(device_control_recv(f->front, &f->msg, f->fds), -EAGAIN);
}

static void send_msg(struct fixture *f, const struct device_msg *msg, const int *fds)
{
	assert_int_equal(device_control_send(f->front, msg, fds), 0);
}

static void assert_same_file(int a, int b)
{
	struct stat sa, sb;

	assert_int_equal(fstat(a, &sa), 0);
	assert_int_equal(fstat(b, &sb), 0);
	assert_true(sa.st_dev == sb.st_dev && sa.st_ino == sb.st_ino);
}

/* Says "hello" to the device, takes `n` of its bytes, and keeps fd as number 7. */
static void step(struct fixture *f, uint32_t n, int fd)
{
	struct device_msg msg = { .type = DEVICE_STEP,
				  .kept = UINT64_C(1) << 7,
				  .consume = n,
				  .reply_bytes = 2,
				  .state_bytes = 5 };

	memcpy(msg.reply, "ok", 2);
	memcpy(msg.state, "state", 5);
	send_msg(f, &msg, &fd);
}

static void expect_reply(struct fixture *f)
{
	char bytes[8];

	assert_int_equal(recv(f->vmm, bytes, sizeof(bytes), 0), 2);
	assert_memory_equal(bytes, "ok", 2);
}

static void expect_state(struct fixture *f, int fd)
{
	expect(f, DEVICE_SESSION);
	assert_int_equal(f->msg.kept, UINT64_C(1) << 7);
	assert_same_file(f->fds[2], fd);
	assert_int_equal(f->msg.state_bytes, 5);
	assert_memory_equal(f->msg.state, "state", 5);
}

/* What is entered of a connection that finds no place is no guest told of. */
static void a_ledger_has_room_for_all_that_fronts_may_have(void **state)
{
	struct fixture *f = *state;
	uint64_t size;

	device_allow_connections(f->device, 1000);
	device_allow_connections(f->device, 1);
	f->vmm = connect_vmm(f);
	start_front(f);
	expect(f, DEVICE_SESSION);
	assert_int_equal(tsk_memfd_check(f->fds[1], false, &size), 0);
	assert_int_equal(size, DEVICE_LEDGER_BYTES(1000));
}

static void a_session_waits_for_a_front_and_a_front_for_a_session(void **state)
{
	struct fixture *f = *state;
	uint64_t size;

	f->vmm = connect_vmm(f);
	start_front(f);
	expect(f, DEVICE_SESSION);
	assert_int_equal(f->msg.state_bytes, 0);
	assert_int_equal(f->msg.kept, 0);
	assert_int_equal(send(f->fds[0], "x", 1, 0), 1);
	assert_int_equal(recv(f->vmm, &(char){ 0 }, 1, 0), 1);
	assert_int_equal(tsk_memfd_check(f->fds[1], false, &size), 0);
	assert_int_equal(size, DEVICE_LEDGER_BYTES(CONNECTIONS));
	send_msg(f, &(struct device_msg){ .type = DEVICE_END }, NULL);
	turn(f);
	close_fds(f);
	assert_int_equal(recv(f->vmm, &(char){ 0 }, 1, 0), 0); /* all of it is let go */
	f->vmm = tsk_close(f->vmm);
	expect_nothing(f);
	f->vmm = connect_vmm(f);
	expect(f, DEVICE_SESSION);
	assert_int_equal(f->msg.state_bytes, 0);
}

static void a_step_is_kept_for_the_next_front(void **state)
{
	struct fixture *f = *state;
	int file;

	assert_int_equal(tsk_memfd_new("kept", 1, &file), 0);
	f->vmm = connect_vmm(f);
	start_front(f);
	expect(f, DEVICE_SESSION);
	assert_int_equal(write(f->fds[1], "mark", 4), 4);
	assert_int_equal(send(f->vmm, "hello", 5, 0), 5);
	step(f, 4, file);
	expect(f, DEVICE_STEPPED);
	assert_int_equal(f->msg.result, 0);
	expect_reply(f);
	for (unsigned i = 0; i < 3; i++) {
		char bytes[8];

		front_dies(f);
		start_front(f);
		expect_state(f, file);
		assert_int_equal(pread(f->fds[1], bytes, 4, 0), 4); /* the same ledger */
		assert_memory_equal(bytes, "mark", 4);
		assert_int_equal(recv(f->fds[0], bytes, sizeof(bytes), MSG_PEEK), 1);
		assert_int_equal(bytes[0], 'o'); /* what the step left */
	}
	send_msg(f, &(struct device_msg){ .type = DEVICE_STEP, .dropped = UINT64_C(1) << 7 }, NULL);
	expect(f, DEVICE_STEPPED);
	front_dies(f);
	start_front(f);
	expect(f, DEVICE_SESSION);
	assert_int_equal(f->msg.kept, 0);
	close(file);
}

static void each_fd_of_a_step_has_its_number(void **state)
{
	struct fixture *f = *state;
	struct device_msg msg = { .type = DEVICE_STEP };
	int fds[DEVICE_FDS_MAX];

	f->vmm = connect_vmm(f);
	start_front(f);
	expect(f, DEVICE_SESSION);
	for (unsigned i = 0; i < DEVICE_FDS_MAX; i++)
		assert_int_equal(tsk_memfd_new("kept", 1, &fds[i]), 0);
	msg.kept = (UINT64_C(1) << DEVICE_FDS_MAX) - 1;
	send_msg(f, &msg, fds);
	expect(f, DEVICE_STEPPED);
	/* Some go, one is replaced. */
	msg.dropped = 2 | 4;
	msg.kept = 8;
	send_msg(f, &msg, fds);
	expect(f, DEVICE_STEPPED);
	front_dies(f);
	start_front(f);
	expect(f, DEVICE_SESSION);
	assert_int_equal(f->msg.kept, ((UINT64_C(1) << DEVICE_FDS_MAX) - 1) & ~UINT64_C(6));
	assert_same_file(f->fds[2], fds[0]);
	assert_same_file(f->fds[3], fds[0]); /* number 3 */
	for (unsigned i = 4; i < DEVICE_FDS_MAX; i++)
		assert_same_file(f->fds[i], fds[i]);
	for (unsigned i = 0; i < DEVICE_FDS_MAX; i++)
		close(fds[i]);
}

/* What a front has sent before it died counts, though nobody has read it yet. */
static void the_last_step_of_a_dead_front_is_made(void **state)
{
	struct fixture *f = *state;
	int file;

	assert_int_equal(tsk_memfd_new("kept", 1, &file), 0);
	f->vmm = connect_vmm(f);
	start_front(f);
	expect(f, DEVICE_SESSION);
	assert_int_equal(send(f->vmm, "hello", 5, 0), 5);
	step(f, 5, file);
	front_dies(f);
	expect_reply(f);
	start_front(f);
	expect_state(f, file);
	assert_int_equal(f->broke, 0);
	send_msg(f, &(struct device_msg){ .type = DEVICE_END }, NULL);
	front_dies(f);
	assert_int_equal(recv(f->vmm, &(char){ 0 }, 1, 0), 0);
	close(file);
}

static void a_step_that_the_vmm_does_not_bear_out_is_told(void **state)
{
	struct fixture *f = *state;

	f->vmm = connect_vmm(f);
	start_front(f);
	expect(f, DEVICE_SESSION);
	send_msg(f, &(struct device_msg){ .type = DEVICE_STEP, .consume = 1 }, NULL);
	expect(f, DEVICE_STEPPED);
	assert_int_equal(f->msg.result, -EPROTO);
}

static void one_vmm_at_a_time(void **state)
{
	struct fixture *f = *state;
	int second, third;

	f->vmm = connect_vmm(f);
	second = connect_vmm(f);
	assert_int_equal(recv(second, &(char){ 0 }, 1, 0), 0);
	close(second);
	/* One that has hung up makes room, once that is known to the front. */
	start_front(f);
	expect(f, DEVICE_SESSION);
	f->vmm = tsk_close(f->vmm);
	second = connect_vmm(f);
	third = connect_vmm(f);
	assert_int_equal(recv(third, &(char){ 0 }, 1, 0), 0);
	close(third);
	expect_nothing(f);
	send_msg(f, &(struct device_msg){ .type = DEVICE_END }, NULL);
	expect(f, DEVICE_SESSION);
	assert_int_equal(send(f->fds[0], "x", 1, 0), 1);
	assert_int_equal(recv(second, &(char){ 0 }, 1, 0), 1);
	close(second);
}

static void a_front_that_breaks_the_rules_is_reported(void **state)
{
	struct fixture *f = *state;

	start_front(f);
	send_msg(f, &(struct device_msg){ .type = DEVICE_STEP }, NULL); /* of no session */
	turn(f);
	assert_int_equal(f->broke, 1);
	front_dies(f);
	f->vmm = connect_vmm(f);
	start_front(f);
	expect(f, DEVICE_SESSION);
	send_msg(f, &(struct device_msg){ .type = DEVICE_STEPPED }, NULL);
	turn(f);
	assert_int_equal(f->broke, 2);
	assert_int_equal(send(f->front, "x", 1, 0), 1);
	turn(f);
	assert_int_equal(f->broke, 3);
	/* The session is not lost with it. */
	front_dies(f);
	start_front(f);
	expect(f, DEVICE_SESSION);
}

/* A channel whose other end is gone costs no CPU until the process has ended. */
static void a_dead_channel_does_not_spin(void **state)
{
	struct fixture *f = *state;

	start_front(f);
	f->front = tsk_close(f->front);
	turn(f);
	assert_int_equal(uv_run(&f->loop, UV_RUN_NOWAIT), 0);
	device_close_channel(f->device);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_ledger_has_room_for_all_that_fronts_may_have),
		T(a_session_waits_for_a_front_and_a_front_for_a_session),
		T(a_step_is_kept_for_the_next_front),
		T(each_fd_of_a_step_has_its_number),
		T(the_last_step_of_a_dead_front_is_made),
		T(a_step_that_the_vmm_does_not_bear_out_is_told),
		T(one_vmm_at_a_time),
		T(a_front_that_breaks_the_rules_is_reported),
		T(a_dead_channel_does_not_spin),
	};

	return cmocka_run_group_tests_name("device", tests, NULL, NULL);
}
