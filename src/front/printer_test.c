/* SPDX-License-Identifier: Apache-2.0 */
#include "front/printer.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/log.h"

/* Prints with fd as standard output, `times` over. */
static void print_to(int fd, const char *text, size_t len, unsigned times)
{
	_cleanup_close_ int before = dup(STDOUT_FILENO);

	assert_true(before >= 0 && dup2(fd, STDOUT_FILENO) >= 0);
	for (unsigned i = 0; i < times; i++)
		printer_print(text, len);
	assert_true(dup2(before, STDOUT_FILENO) >= 0);
}

static void test_whole(void **state)
{
	int fds[2];
	char got[16];

	(void)state;
	assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
	print_to(fds[1], "answer\n", 7, 1);
	assert_int_equal(read(fds[0], got, sizeof(got)), 7);
	assert_memory_equal(got, "answer\n", 7);
	tsk_close(fds[0]);
	tsk_close(fds[1]);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	print_to(fds[1], "answer\n", 7, 1);
	assert_int_equal(read(fds[0], got, sizeof(got)), 7);
	tsk_close(fds[0]);
	tsk_close(fds[1]);
}

/* A service manager's: a stream socket that blocks, and nobody reads. */
static void test_stopped_reader(void **state)
{
	static char text[1 << 20];
	int fds[2];

	(void)state;
	memset(text, 'x', sizeof(text));
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	alarm(10);
	print_to(fds[1], text, sizeof(text), 3);
	alarm(0);
	tsk_close(fds[0]);
	print_to(fds[1], text, 1, 1); /* no SIGPIPE, either */
	tsk_close(fds[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole),
		cmocka_unit_test(test_stopped_reader),
	};

	tsk_log_init("printer_test", NULL, TSK_LOG_ERROR, 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
