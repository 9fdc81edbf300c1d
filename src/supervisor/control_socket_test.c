/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/control_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/seqpacket.h"
#include "base/testing.h"
#include "base/unix_socket.h"

#define TIMEOUT_NS (UINT64_C(20) * TSK_NS_PER_SEC)
#define IDLE_MS 100

struct fixture {
	uv_loop_t loop;
	uv_timer_t tick; /* so that the loop never waits for ever */
	struct control_socket *control;
	char folder[64], path[80];
	unsigned n_requests, n_guests;
	struct operator_request last;
};

static void on_tick(uv_timer_t *timer)
{
	(void)timer;
}

/* LIST is answered with n_guests guests; a DETACH later, but of "now". */
static void on_request(void *context, struct control_peer *peer,
		       const struct operator_request *request)
{
	struct operator_answer answer = { .type = OPERATOR_GUEST };
	struct operator_answer done = operator_result(TENSOCK_OK, "done");
	struct fixture *f = context;

	assert_int_equal(control_peer_cred(peer).uid, getuid());
	f->n_requests++;
	f->last = *request;
	if (request->type == OPERATOR_DETACH) {
		if (strcmp(request->name, "now") == 0)
			control_answer_detached(f->control, "now", &done);
		return;
	}
	for (unsigned i = 0; request->type == OPERATOR_LIST && i < f->n_guests; i++) {
		snprintf(answer.name, sizeof(answer.name), "guest%u", i);
		control_answer(peer, &answer);
	}
	control_answer(peer, &done);
}

static int set_up(void **state)
{
	static const struct control_socket_ops ops = { .request = on_request };
	struct fixture *f = calloc(1, sizeof(*f));
	struct tensock_error error;

	assert_non_null(f);
	assert_int_equal(tsk_test_setup(state), 0);
	tsk_log_init("test", NULL, TSK_LOG_ERROR, 0);
	snprintf(f->folder, sizeof(f->folder), "/tmp/tensock-control-XXXXXX");
	assert_non_null(mkdtemp(f->folder));
	snprintf(f->path, sizeof(f->path), "%s/control.sock", f->folder);
	uv_loop_init(&f->loop);
	uv_timer_init(&f->loop, &f->tick);
	uv_timer_start(&f->tick, on_tick, 5, 5);
	assert_int_equal(control_socket_new(&f->loop, f->path, NULL, IDLE_MS, &ops, f, &f->control,
					    &error),
			 0);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	control_socket_free(f->control);
	uv_close((uv_handle_t *)&f->tick, NULL);
	uv_run(&f->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&f->loop), 0);
	assert_int_equal(rmdir(f->folder), 0); /* the socket's file is gone, too */
	free(f);
	return tsk_test_teardown(state);
}

static int dial(const struct fixture *f)
{
	int fd;

	assert_int_equal(unix_socket_connect(f->path, SOCK_SEQPACKET, &fd), 0);
	return fd;
}

static void ask(int fd, struct operator_request request)
{
	unsigned char bytes[OPERATOR_REQUEST_BYTES];

	assert_int_equal(operator_request_write(&request, bytes), 0);
	assert_int_equal(tsk_seqpacket_send(fd, bytes, sizeof(bytes), NULL, 0), 0);
}

/* The next answer: 1, or 0 when the connection has ended. */
static int next_answer(struct fixture *f, int fd, struct operator_answer *ret)
{
	uint64_t end_ns = tsk_now_ns() + TIMEOUT_NS;
	unsigned char bytes[OPERATOR_ANSWER_BYTES];
	int fds[TSK_SEQPACKET_FDS_MAX];
	unsigned n_fds;
	ssize_t len;

	while ((len = tsk_seqpacket_recv(fd, bytes, sizeof(bytes), fds, &n_fds)) == -EAGAIN) {
		assert_true(tsk_now_ns() < end_ns);
		uv_run(&f->loop, UV_RUN_ONCE);
	}
	/* Closed with something unread, which is told once, before what is still to be read. */
	if (len == -ECONNRESET)
		return next_answer(f, fd, ret);
	if (len == 0)
		return 0;
	assert_int_equal(operator_answer_read(bytes, (size_t)len, ret), 0);
	return 1;
}

static void assert_result(struct fixture *f, int fd, uint32_t status)
{
	struct operator_answer answer;

	assert_int_equal(next_answer(f, fd, &answer), 1);
	assert_int_equal(answer.type, OPERATOR_RESULT);
	assert_int_equal(answer.status, status);
}

static void assert_closed(struct fixture *f, int fd)
{
	struct operator_answer answer;

	assert_int_equal(next_answer(f, fd, &answer), 0);
	close(fd);
}

/* Turns of the loop in which nothing is expected. */
static void turn(struct fixture *f, unsigned ms)
{
	uint64_t end_ns = tsk_now_ns() + ms * TSK_NS_PER_MS;

	while (tsk_now_ns() < end_ns)
		uv_run(&f->loop, UV_RUN_ONCE);
}

static const struct operator_request list = { .type = OPERATOR_LIST };
static const struct operator_request detach = { .type = OPERATOR_DETACH, .name = "web" };

static void test_requests_one_after_the_other(void **state)
{
	struct fixture *f = *state;
	struct operator_answer answer;
	int fd = dial(f);

	f->n_guests = 2;
	for (unsigned i = 0; i < 3; i++)
		ask(fd, list);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(next_answer(f, fd, &answer), 1);
		assert_string_equal(answer.name, "guest0");
		assert_int_equal(next_answer(f, fd, &answer), 1);
		assert_string_equal(answer.name, "guest1");
		assert_result(f, fd, TENSOCK_OK);
	}
	assert_int_equal(f->n_requests, 3);
	close(fd);
}

static void test_file_is_ours_alone(void **state)
{
	struct fixture *f = *state;
	struct stat st;

	assert_int_equal(stat(f->path, &st), 0);
	assert_true(S_ISSOCK(st.st_mode));
	assert_int_equal(st.st_mode & 07777, 0600);
}

static void test_malformed(void **state)
{
	struct fixture *f = *state;
	unsigned char bytes[OPERATOR_REQUEST_BYTES + 1] = { OPERATOR_VERSION };
	static const size_t lengths[] = { 1, 16, OPERATOR_REQUEST_BYTES - 1, OPERATOR_REQUEST_BYTES,
					  OPERATOR_REQUEST_BYTES + 1 };

	for (unsigned i = 0; i < ARRAY_SIZE(lengths); i++) {
		int fd = dial(f);

		assert_int_equal(tsk_seqpacket_send(fd, bytes, lengths[i], NULL, 0), 0);
		assert_result(f, fd, TENSOCK_PROTOCOL);
		assert_closed(f, fd);
	}
	assert_int_equal(f->n_requests, 0);
}

static void test_another_version(void **state)
{
	unsigned char bytes[32] = { OPERATOR_VERSION + 1 };
	struct fixture *f = *state;
	int fd = dial(f);

	assert_int_equal(tsk_seqpacket_send(fd, bytes, sizeof(bytes), NULL, 0), 0);
	assert_result(f, fd, TENSOCK_UNSUPPORTED);
	assert_closed(f, fd);
}

/* Fds that nobody has asked for are closed: the check for open fds is in tear_down(). */
static void test_fds(void **state)
{
	unsigned char bytes[OPERATOR_REQUEST_BYTES];
	struct fixture *f = *state;
	int fds[3], fd = dial(f);

	for (unsigned i = 0; i < 3; i++)
		fds[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
	assert_int_equal(operator_request_write(&list, bytes), 0);
	assert_int_equal(tsk_seqpacket_send(fd, bytes, sizeof(bytes), fds, 3), 0);
	tsk_close_all(fds, 3);
	assert_result(f, fd, TENSOCK_PROTOCOL);
	assert_closed(f, fd);
	assert_int_equal(f->n_requests, 0);
}

static void test_silence_is_ended(void **state)
{
	struct fixture *f = *state;
	int silent = dial(f), asked = dial(f);

	ask(asked, list);
	assert_result(f, asked, TENSOCK_OK);
	assert_closed(f, silent);
	assert_closed(f, asked);
}

static void test_more_peers_wait(void **state)
{
	struct fixture *f = *state;
	int fds[CONTROL_PEERS_MAX + 2];
	unsigned i;

	/* Busy ones are not ended for their silence. */
	for (i = 0; i < CONTROL_PEERS_MAX; i++) {
		fds[i] = dial(f);
		ask(fds[i], detach);
	}
	turn(f, 20);
	for (; i < ARRAY_SIZE(fds); i++) {
		fds[i] = dial(f);
		ask(fds[i], list);
	}
	turn(f, 2 * IDLE_MS);
	assert_int_equal(f->n_requests, CONTROL_PEERS_MAX);
	close(fds[0]);
	close(fds[1]);
	assert_result(f, fds[i - 2], TENSOCK_OK);
	assert_result(f, fds[i - 1], TENSOCK_OK);
	for (i = 2; i < ARRAY_SIZE(fds); i++)
		close(fds[i]);
}

static void test_answered_later(void **state)
{
	struct operator_answer gone = operator_result(TENSOCK_OK, "");
	struct fixture *f = *state;
	struct operator_request other = detach;
	int fd = dial(f), left = dial(f), third = dial(f);

	snprintf(other.name, sizeof(other.name), "other");
	ask(fd, detach);
	ask(left, detach);
	ask(third, other);
	ask(fd, list); /* waits for its turn */
	turn(f, 2 * IDLE_MS);
	assert_int_equal(f->n_requests, 3);
	close(left);
	control_answer_detached(f->control, "web", &gone);
	assert_result(f, fd, TENSOCK_OK);
	assert_result(f, fd, TENSOCK_OK);
	assert_int_equal(f->n_requests, 4);
	turn(f, 20);
	control_answer_detached(f->control, "other", &gone);
	assert_result(f, third, TENSOCK_OK);
	control_answer_detached(f->control, "other", &gone); /* nobody is left who asked */
	close(third);
	assert_closed(f, fd);
}

static void test_answered_while_it_asks(void **state)
{
	struct operator_request now = { .type = OPERATOR_DETACH, .name = "now" };
	struct fixture *f = *state;
	int fd = dial(f);

	ask(fd, now);
	assert_result(f, fd, TENSOCK_OK);
	assert_closed(f, fd);
}

/* More answers than a socket holds: they come as they are read, and disturb nobody. */
static void test_long_answer(void **state)
{
	struct fixture *f = *state;
	struct operator_answer answer;
	char name[OPERATOR_NAME_SIZE];
	int fd = dial(f), stuck = dial(f), other = dial(f);
	unsigned n = 0;

	f->n_guests = 4000;
	ask(stuck, list);
	ask(fd, list);
	ask(other, (struct operator_request){ .type = OPERATOR_STATE });
	assert_result(f, other, TENSOCK_OK);
	for (unsigned i = 0; i < f->n_guests; i++) {
		snprintf(name, sizeof(name), "guest%u", i);
		assert_int_equal(next_answer(f, fd, &answer), 1);
		assert_string_equal(answer.name, name);
	}
	assert_result(f, fd, TENSOCK_OK);
	/* One that does not read is let go after a while: what it then reads is not all. */
	turn(f, 3 * IDLE_MS);
	while (next_answer(f, stuck, &answer))
		n++;
	assert_in_range(n, 1, f->n_guests - 1);
	close(stuck);
	close(other);
	close(fd);
}

/* Of another user, who has found the file open: only root can try. */
static void test_another_user(void **state)
{
	struct fixture *f = *state;
	int fd, status;
	pid_t child;

	if (getuid() != 0) {
		skip();
		return;
	}
	assert_int_equal(chmod(f->folder, 0755), 0);
	assert_int_equal(chmod(f->path, 0666), 0);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	child = fork();
	if (child == 0) {
		struct sockaddr_un addr = { .sun_family = AF_UNIX };
		unsigned char bytes[OPERATOR_REQUEST_BYTES];

		snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", f->path);
		if (operator_request_write(&list, bytes) < 0 || setuid(65534) < 0 ||
		    connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 ||
		    send(fd, bytes, sizeof(bytes), 0) != sizeof(bytes))
			_exit(1);
		_exit(0);
	}
	assert_true(child > 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	assert_result(f, fd, TENSOCK_PERMISSION_DENIED);
	assert_closed(f, fd);
	assert_int_equal(f->n_requests, 0);
}

#define CONTROL_TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CONTROL_TEST(test_requests_one_after_the_other),
		CONTROL_TEST(test_file_is_ours_alone),
		CONTROL_TEST(test_malformed),
		CONTROL_TEST(test_another_version),
		CONTROL_TEST(test_fds),
		CONTROL_TEST(test_silence_is_ended),
		CONTROL_TEST(test_more_peers_wait),
		CONTROL_TEST(test_answered_later),
		CONTROL_TEST(test_answered_while_it_asks),
		CONTROL_TEST(test_long_answer),
		CONTROL_TEST(test_another_user),
	};

	uv_loop_t loop;

	/* What libuv opens once for all loops. */
	if (uv_loop_init(&loop) < 0 || uv_loop_close(&loop) < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
