/* SPDX-License-Identifier: Apache-2.0 */
/* The other end here is the test, which is not always kind. */
#include "cli/control.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/testing.h"

#define TIMEOUT_MS 50

static const struct operator_request list = { .type = OPERATOR_LIST };

static void pair(int fds[2])
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds),
			 0);
}

static void answer(int fd, struct operator_answer answer)
{
	unsigned char bytes[OPERATOR_ANSWER_BYTES];

	assert_int_equal(operator_answer_write(&answer, bytes), 0);
	assert_int_equal(send(fd, bytes, sizeof(bytes), 0), sizeof(bytes));
}

static void keep(void *user, const struct operator_answer *answer)
{
	*(struct operator_answer *)user = *answer;
}

static void count(void *user, const struct operator_answer *answer)
{
	assert_int_equal(answer->type, OPERATOR_GUEST);
	++*(unsigned *)user;
}

static void test_answers(void **state)
{
	struct operator_answer guest = { .type = OPERATOR_GUEST, .name = "web" };
	unsigned char bytes[OPERATOR_REQUEST_BYTES + 1];
	struct operator_request asked;
	struct tensock_error error;
	unsigned n = 0;
	int fds[2];

	(void)state;
	pair(fds);
	answer(fds[1], guest);
	answer(fds[1], guest);
	answer(fds[1], operator_result(TENSOCK_OK, ""));
	answer(fds[1], guest); /* the next request's */
	assert_int_equal(control_ask(fds[0], &list, TIMEOUT_MS, count, &n, &error), 0);
	assert_int_equal(n, 2);
	/* What the RESULT of a success says is told, too. */
	answer(fds[1], operator_result(TENSOCK_OK, "words"));
	assert_int_equal(control_ask(fds[0], &list, TIMEOUT_MS, keep, &guest, &error), 0);
	assert_int_equal(guest.type, OPERATOR_RESULT);
	assert_string_equal(guest.text, "words");
	assert_int_equal(recv(fds[1], bytes, sizeof(bytes), 0), OPERATOR_REQUEST_BYTES);
	assert_int_equal(operator_request_read(bytes, OPERATOR_REQUEST_BYTES, &asked), 0);
	assert_int_equal(asked.type, OPERATOR_LIST);
	close(fds[0]);
	close(fds[1]);
}

static void assert_fails(int fd, enum tensock_status status, const char *words)
{
	struct tensock_error error = { 0 };
	unsigned n = 0;

	assert_true(control_ask(fd, &list, TIMEOUT_MS, count, &n, &error) < 0);
	assert_int_equal(error.status, status);
	if (!strstr(error.message, words))
		fail_msg("\"%s\" does not say \"%s\"", error.message, words);
}

static void test_refused(void **state)
{
	int fds[2];

	(void)state;
	pair(fds);
	answer(fds[1], operator_result(TENSOCK_NOT_FOUND, "there is no such guest"));
	assert_fails(fds[0], TENSOCK_NOT_FOUND, "there is no such guest");
	answer(fds[1], operator_result(4711, "of a later version"));
	assert_fails(fds[0], TENSOCK_INTERNAL, "of a later version");
	close(fds[0]);
	close(fds[1]);
}

/* One that is refused at once has been hung up on with its request unread. */
static void test_answer_before_the_end(void **state)
{
	int fds[2];

	(void)state;
	for (unsigned has_sent = 0; has_sent < 2; has_sent++) {
		pair(fds);
		if (has_sent)
			assert_int_equal(send(fds[0], "x", 1, 0), 1);
		answer(fds[1], operator_result(TENSOCK_PERMISSION_DENIED, "not you"));
		close(fds[1]);
		assert_fails(fds[0], TENSOCK_PERMISSION_DENIED, "not you");
		assert_fails(fds[0], TENSOCK_UNAVAILABLE, "hung up");
		close(fds[0]);
	}
}

static void test_garbage(void **state)
{
	unsigned char bytes[OPERATOR_ANSWER_BYTES + 100] = { OPERATOR_VERSION };
	static const size_t lengths[] = { 1, OPERATOR_ANSWER_BYTES - 1, OPERATOR_ANSWER_BYTES,
					  sizeof(bytes) };
	int fds[2];

	(void)state;
	pair(fds);
	for (unsigned i = 0; i < ARRAY_SIZE(lengths); i++) {
		assert_int_equal(send(fds[1], bytes, lengths[i], 0), lengths[i]);
		assert_fails(fds[0], TENSOCK_PROTOCOL, "no tensockd");
	}
	bytes[0]++;
	assert_int_equal(send(fds[1], bytes, 8, 0), 8);
	assert_fails(fds[0], TENSOCK_UNSUPPORTED, "another version");
	close(fds[0]);
	close(fds[1]);
}

static void test_silence(void **state)
{
	struct operator_answer guest = { .type = OPERATOR_GUEST, .name = "web" };
	int fds[2];

	(void)state;
	pair(fds);
	answer(fds[1], guest);
	assert_fails(fds[0], TENSOCK_DEADLINE_EXCEEDED, "does not answer");
	/* One that does not even read. */
	while (send(fds[0], "x", 1, 0) == 1)
		;
	assert_int_equal(errno, EAGAIN);
	assert_fails(fds[0], TENSOCK_DEADLINE_EXCEEDED, "does not answer");
	close(fds[0]);
	close(fds[1]);
}

static void test_nothing_to_ask(void **state)
{
	struct operator_request bad = { .type = OPERATOR_DETACH, .name = "a\nb" };
	struct tensock_error error;
	int fds[2];

	(void)state;
	pair(fds);
	assert_true(control_ask(fds[0], &bad, TIMEOUT_MS, NULL, NULL, &error) < 0);
	assert_int_equal(error.status, TENSOCK_INVALID_ARGUMENT);
	close(fds[0]);
	close(fds[1]);
}

static void assert_no_connection(const char *path, enum tensock_status status, const char *words)
{
	struct tensock_error error = { 0 };
	int fd = -1;

	assert_true(control_connect(path, &fd, &error) < 0);
	assert_int_equal(fd, -1);
	assert_int_equal(error.status, status);
	if (!strstr(error.message, words))
		fail_msg("\"%s\" does not say \"%s\"", error.message, words);
}

static void test_connect(void **state)
{
	char folder[] = "/tmp/tensock-cli-XXXXXX", shorter[64], path[OPERATOR_PATH_SIZE + 1];
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct tensock_error error;
	int listener, fd;

	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(shorter, sizeof(shorter), "%s/s", folder);
	memset(path, 'x', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	assert_no_connection(path, TENSOCK_INVALID_ARGUMENT, "too long");
	assert_no_connection(shorter, TENSOCK_UNAVAILABLE, "is not there");

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", shorter);
	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(listener, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(listen(listener, 1), 0);
	assert_no_connection(shorter, TENSOCK_INVALID_ARGUMENT, "not tensockd's");
	close(listener);
	assert_int_equal(unlink(shorter), 0);

	listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(listener, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_no_connection(shorter, TENSOCK_UNAVAILABLE, "any more");
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(setenv("TENSOCK_CONTROL", shorter, 1), 0);
	assert_int_equal(control_connect(NULL, &fd, &error), 0);
	assert_int_equal(unsetenv("TENSOCK_CONTROL"), 0);
	close(fd);
	close(listener);
	assert_int_equal(unlink(shorter), 0);
	assert_int_equal(rmdir(folder), 0);
}

static void test_names_and_paths(void **state)
{
	char here[OPERATOR_PATH_SIZE], path[OPERATOR_PATH_SIZE], text[5000];
	struct operator_request request = { 0 };
	struct tensock_error error;

	(void)state;
	assert_int_equal(chdir("/tmp"), 0);
	assert_int_equal(control_set_path("--uds", "/run/x", path, &error), 0);
	assert_string_equal(path, "/run/x");
	assert_int_equal(control_set_path("--uds", "x/y", here, &error), 0);
	assert_string_equal(here, "/tmp/x/y");
	memset(text, 'x', sizeof(text));
	text[0] = '/';
	text[OPERATOR_PATH_SIZE - 1] = '\0';
	assert_int_equal(control_set_path("--uds", text, path, &error), 0);
	assert_string_equal(path, text);
	text[0] = 'x'; /* which makes it longer */
	assert_true(control_set_path("--uds", text, path, &error) < 0);
	text[OPERATOR_PATH_SIZE - 1] = 'x';
	text[sizeof(text) - 1] = '\0';
	assert_true(control_set_path("--uds", text, path, &error) < 0);
	assert_true(control_set_path("--uds", "", path, &error) < 0);
	assert_int_equal(control_set_name(&request, "web", &error), 0);
	assert_string_equal(request.name, "web");
	assert_true(control_set_name(&request, "", &error) < 0);
	assert_true(control_set_name(&request, text, &error) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TSK_TEST(test_answers), TSK_TEST(test_refused),
		TSK_TEST(test_garbage), TSK_TEST(test_answer_before_the_end),
		TSK_TEST(test_silence), TSK_TEST(test_nothing_to_ask),
		TSK_TEST(test_connect), TSK_TEST(test_names_and_paths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
