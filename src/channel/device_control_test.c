/* SPDX-License-Identifier: Apache-2.0 */
#include "channel/device_control.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "base/seqpacket.h"

struct fixture {
	int a, b;        /* the channel */
	int vmm, device; /* the VMM's socket, from both sides */
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	int fds[2];

	assert_non_null(f);
	assert_int_equal(tsk_seqpacket_pair(fds), 0);
	f->a = fds[0];
	f->b = fds[1];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	f->vmm = fds[0];
	f->device = fds[1];
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	tsk_close(f->a);
	tsk_close(f->b);
	tsk_close(f->vmm);
	tsk_close(f->device);
	free(f);
	return 0;
}

static void close_fds(int *fds)
{
	for (unsigned i = 0; i < DEVICE_MSG_FDS_MAX; i++)
		fds[i] = tsk_close(fds[i]);
}

static void all_fds_of_a_session_get_across(void **state)
{
	struct fixture *f = *state;
	struct device_msg msg = { .type = DEVICE_SESSION,
				  .kept = (UINT64_C(1) << DEVICE_FDS_MAX) - 1,
				  .state_bytes = DEVICE_STATE_MAX };
	struct device_msg got;
	int fds[DEVICE_MSG_FDS_MAX];

	for (unsigned i = 0; i < DEVICE_MSG_FDS_MAX; i++)
		fds[i] = f->a;
	memset(msg.state, 7, sizeof(msg.state));
	assert_int_equal(device_msg_fds(&msg), DEVICE_MSG_FDS_MAX);
	assert_int_equal(device_control_send(f->a, &msg, fds), 0);
	assert_int_equal(device_control_recv(f->b, &got, fds), 1);
	assert_memory_equal(&got, &msg, sizeof(msg));
	for (unsigned i = 0; i < DEVICE_MSG_FDS_MAX; i++)
		assert_true(fcntl(fds[i], F_GETFD) & FD_CLOEXEC);
	close_fds(fds);
	assert_int_equal(device_control_recv(f->b, &got, fds), -EAGAIN);
	f->a = tsk_close(f->a);
	assert_int_equal(device_control_recv(f->b, &got, fds), 0);
}

static const struct device_msg malformed[] = {
	{ .type = 0 },
	{ .type = 3 },
	{ .type = DEVICE_SESSION, .result = -1 },
	{ .type = DEVICE_SESSION, .consume = 1 },
	{ .type = DEVICE_SESSION, .dropped = 1 },
	{ .type = DEVICE_STEPPED, .result = 1 },
	{ .type = DEVICE_STEPPED, .state_bytes = 1 },
	{ .type = DEVICE_STEP, .kept = UINT64_C(1) << DEVICE_FDS_MAX },
	{ .type = DEVICE_STEP, .dropped = UINT64_C(1) << DEVICE_FDS_MAX },
	{ .type = DEVICE_STEP, .consume = DEVICE_CONSUME_MAX + 1 },
	{ .type = DEVICE_STEP, .reply_bytes = DEVICE_REPLY_MAX + 1 },
	{ .type = DEVICE_STEP, .state_bytes = DEVICE_STATE_MAX + 1 },
	{ .type = DEVICE_STEP, .reserved = 1 },
	{ .type = DEVICE_STEP, .result = -1 },
	{ .type = DEVICE_END, .consume = 1 },
	{ .type = DEVICE_END, .kept = 1 },
};

static void malformed_messages_are_refused_on_both_sides(void **state)
{
	struct fixture *f = *state;
	int fds[DEVICE_MSG_FDS_MAX] = { f->a, f->a, f->a };
	struct device_msg got;

	for (size_t i = 0; i < ARRAY_SIZE(malformed); i++) {
		assert_int_equal(device_control_send(f->a, &malformed[i], fds), -EINVAL);
		assert_int_equal(tsk_seqpacket_send(f->a, &malformed[i], sizeof(malformed[i]), fds,
						    malformed[i].kept ? 1 : 0),
				 0);
		assert_int_equal(device_control_recv(f->b, &got, fds), -EPROTO);
		fds[0] = fds[1] = fds[2] = f->a;
	}
}

static void the_number_of_fds_must_be_right(void **state)
{
	struct fixture *f = *state;
	struct device_msg msg = { .type = DEVICE_STEP, .kept = 5 }, got;
	int fds[DEVICE_MSG_FDS_MAX] = { f->a, f->a, f->a };

	for (unsigned n = 0; n < 4; n++) {
		if (n == 2)
			continue;
		assert_int_equal(tsk_seqpacket_send(f->a, &msg, sizeof(msg), fds, n), 0);
		assert_int_equal(device_control_recv(f->b, &got, fds), -EPROTO);
		fds[0] = fds[1] = fds[2] = f->a;
	}
	assert_int_equal(tsk_seqpacket_send(f->a, &msg, sizeof(msg) - 1, fds, 2), 0);
	assert_int_equal(device_control_recv(f->b, &got, fds), -EPROTO);
}

/* The message is taken off with the fds that came in the middle of it, and what follows stays. */
static void a_step_takes_its_message_and_no_more(void **state)
{
	struct fixture *f = *state;
	struct device_msg step = { .type = DEVICE_STEP, .consume = 30, .reply_bytes = 3 };
	int fd = f->a;
	char bytes[64];

	assert_int_equal(send(f->vmm, "0123456789", 10, 0), 10);
	{
		union {
			char bytes[CMSG_SPACE(sizeof(int))];
			struct cmsghdr align;
		} control = { { 0 } };
		struct iovec iov = { "abcdefghij", 10 };
		struct msghdr m = { .msg_iov = &iov,
				    .msg_iovlen = 1,
				    .msg_control = control.bytes,
				    .msg_controllen = sizeof(control.bytes) };
		struct cmsghdr *c = CMSG_FIRSTHDR(&m);

		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &fd, sizeof(fd));
		assert_int_equal(sendmsg(f->vmm, &m, 0), 10);
	}
	assert_int_equal(send(f->vmm, "klmnopqrstuv", 12, 0), 12);
	memcpy(step.reply, "yes", 3);
	assert_int_equal(device_step_answer(f->device, &step), 0);
	assert_int_equal(recv(f->vmm, bytes, sizeof(bytes), 0), 3);
	assert_memory_equal(bytes, "yes", 3);
	assert_int_equal(recv(f->device, bytes, sizeof(bytes), 0), 2);
	assert_memory_equal(bytes, "uv", 2);
	/* There is no such message any more. */
	assert_int_equal(device_step_answer(f->device, &step), -EPROTO);
	assert_int_equal(recv(f->vmm, bytes, sizeof(bytes), 0), -1);
}

static void a_vmm_that_is_gone_gets_no_reply(void **state)
{
	struct fixture *f = *state;
	struct device_msg step = { .type = DEVICE_STEP, .reply_bytes = 3 };

	f->vmm = tsk_close(f->vmm);
	assert_int_equal(device_step_answer(f->device, &step), -EPIPE);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(all_fds_of_a_session_get_across),
		T(malformed_messages_are_refused_on_both_sides),
		T(the_number_of_fds_must_be_right),
		T(a_step_takes_its_message_and_no_more),
		T(a_vmm_that_is_gone_gets_no_reply),
	};

	return cmocka_run_group_tests_name("device_control", tests, NULL, NULL);
}
