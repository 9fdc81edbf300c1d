/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/memfd.h"
#include "base/testing.h"

/* Standard error, turned into a pipe while a test logs. */
struct capture {
	int saved, read_fd;
	char text[65536];
};

static struct capture capture;

static void capture_start(void)
{
	int fds[2];

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	capture.saved = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);
	assert_true(capture.saved >= 0);
	capture.read_fd = fds[0];
	assert_int_equal(dup2(fds[1], STDERR_FILENO), STDERR_FILENO);
	close(fds[1]);
}

static const char *capture_stop(void)
{
	size_t len = 0;
	ssize_t n;

	assert_int_equal(dup2(capture.saved, STDERR_FILENO), STDERR_FILENO);
	close(capture.saved);
	while ((n = read(capture.read_fd, capture.text + len, sizeof(capture.text) - 1 - len)) > 0)
		len += (size_t)n;
	close(capture.read_fd);
	capture.text[len] = '\0';
	return capture.text;
}

static unsigned count_lines(const char *text)
{
	unsigned n = 0;

	for (; *text; text++)
		n += *text == '\n';
	return n;
}

static void wait_for_next_second(void)
{
	uint64_t rest = TSK_NS_PER_SEC - tsk_now_ns() % TSK_NS_PER_SEC;
	struct timespec ts = { .tv_sec = 1 };

	if (rest < TSK_NS_PER_SEC)
		ts = (struct timespec){ .tv_nsec = (long)rest };
	while (nanosleep(&ts, &ts) < 0 && errno == EINTR)
		;
}

static void test_form_of_a_line(void **state)
{
	(void)state;
	capture_start();
	tsk_log_init("prog", NULL, TSK_LOG_DEBUG, 0);
	tsk_error("a %d", 1);
	tsk_log_init("prog", "vm1", TSK_LOG_DEBUG, 0);
	tsk_warning("b");
	tsk_info("c");
	tsk_debug("d");
	assert_string_equal(capture_stop(), "prog: error: a 1\n"
					    "prog: warning: guest vm1: b\n"
					    "prog: info: guest vm1: c\n"
					    "prog: debug: guest vm1: d\n");
}

static void test_json(void **state)
{
	const struct tsk_log_field field = { .name = "n", .number = 3 };
	const char *got;

	(void)state;
	capture_start();
	tsk_log_init("prog", "vm1", TSK_LOG_INFO, 0);
	tsk_log_set_json(true);
	tsk_warning("a \"%s\"\n", "b");
	tsk_debug("no");
	tsk_log_event(TSK_LOG_INFO, "c", &field, 1);
	tsk_log_set_json(false);
	got = capture_stop();
	assert_int_equal(count_lines(got), 2);
	assert_memory_equal(got, "{\"time\":\"20", 11);
	assert_non_null(strstr(got, "Z\",\"level\":\"warning\",\"program\":\"prog\",\"pid\":"));
	assert_non_null(strstr(got, ",\"message\":\"a \\\"b\\\"?\",\"guest\":\"vm1\"}\n{"));
	assert_non_null(strstr(got, ",\"message\":\"c\",\"guest\":\"vm1\",\"n\":3}\n"));
}

static void test_numbers_of_levels(void **state)
{
	(void)state;
	assert_int_equal(tsk_log_level_of(TSK_LOG_INFO | TSK_LOG_JSON | TSK_LOG_ACCESS),
			 TSK_LOG_INFO);
	assert_int_equal(tsk_log_level_of(TSK_LOG_LEVEL_MAX), TSK_LOG_LEVEL_MAX);
	assert_int_equal(tsk_log_level_of(0x400), TSK_LOG_LEVEL_MAX);
	assert_int_equal(tsk_log_level_of(UINT64_C(1) << 32), TSK_LOG_LEVEL_MAX);
}

static void test_levels(void **state)
{
	uint64_t dropped = tsk_log_dropped();

	(void)state;
	capture_start();
	tsk_log_init("prog", NULL, TSK_LOG_WARNING, 0);
	tsk_info("no");
	tsk_debug("no");
	tsk_warning("yes");
	assert_string_equal(capture_stop(), "prog: warning: yes\n");
	assert_int_equal(tsk_log_dropped(), dropped);
	assert_int_equal(tsk_log_level_from_name("error"), TSK_LOG_ERROR);
	assert_int_equal(tsk_log_level_from_name("debug"), TSK_LOG_DEBUG);
	assert_int_equal(tsk_log_level_from_name("Debug"), -1);
	assert_int_equal(tsk_log_level_from_name(""), -1);
}

static void test_text_of_a_guest_cannot_write_lines(void **state)
{
	(void)state;
	capture_start();
	tsk_log_init("prog", "a\nb", TSK_LOG_INFO, 0);
	tsk_info("x\nprog: error: forged\x1b[0m\x7f\x9b\xc2\x9b");
	assert_string_equal(capture_stop(),
			    "prog: info: guest a?b: x?prog: error: forged?[0m????\n");
}

static void test_long_line_is_cut(void **state)
{
	char text[5000];
	const char *got;

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	capture_start();
	tsk_log_init("prog", NULL, TSK_LOG_INFO, 0);
	tsk_info("%s", text);
	got = capture_stop();
	assert_int_equal(count_lines(got), 1);
	assert_in_range(strlen(got), 1000, 1024);
	assert_int_equal(got[strlen(got) - 1], '\n');
}

static void test_budget(void **state)
{
	uint64_t dropped = tsk_log_dropped(), second;
	char told[120];
	const char *got;

	(void)state;
	capture_start();
	tsk_log_init("prog", NULL, TSK_LOG_INFO, 3);
	wait_for_next_second();
	for (int i = 0; i < 10; i++)
		tsk_info("line");
	got = capture_stop();
	dropped = tsk_log_dropped() - dropped;
	/* Seven, unless this machine stood still into the next second. */
	assert_in_range(dropped, 1, 7);
	if (dropped == 7)
		assert_int_equal(count_lines(got), 3);

	wait_for_next_second();
	capture_start();
	second = tsk_now_ns() / TSK_NS_PER_SEC;
	tsk_info("after");
	tsk_info("the third");
	tsk_info("too many");
	second = tsk_now_ns() / TSK_NS_PER_SEC - second;
	snprintf(told, sizeof(told),
		 "prog: warning: %llu log lines were dropped\nprog: info: after\n"
		 "prog: info: the third\n",
		 (unsigned long long)dropped);
	got = capture_stop();
	if (dropped == 7 && second == 0)
		assert_string_equal(got, told);

	capture_start();
	tsk_log_init("prog", NULL, TSK_LOG_INFO, 0);
	tsk_info("again");
	assert_non_null(strstr(capture_stop(), "prog: info: again\n"));
}

/* Standard error is a pipe that blocks and that no one reads. */
static void test_never_blocks(void **state)
{
	uint64_t dropped = tsk_log_dropped();
	const char *got;

	(void)state;
	capture_start();
	tsk_log_init("prog", NULL, TSK_LOG_INFO, 0);
	alarm(30);
	for (int i = 0; i < 10000; i++)
		tsk_info("a line that makes the pipe full in the end");
	alarm(0);
	assert_true(tsk_log_dropped() > dropped);
	got = capture_stop();
	assert_int_equal(count_lines(got) + tsk_log_dropped() - dropped, 10000);

	capture_start();
	tsk_info("again");
	got = capture_stop();
	assert_non_null(strstr(got, "log lines were dropped\nprog: info: again\n"));
}

/* n lines of a process that shares the budget of 5 a second; its exit status: how many it dropped. */
static int log_together(int budget_fd, int n)
{
	uint64_t before = tsk_log_dropped();

	tsk_log_share(fcntl(budget_fd, F_DUPFD_CLOEXEC, 0));
	for (int i = 0; i < n; i++)
		tsk_info("together");
	return (int)(tsk_log_dropped() - before);
}

/* A process of its own: what a budget is shared for, and it is not to be got rid of. */
static int in_child(int budget_fd, int n)
{
	pid_t pid = fork();
	int status;

	if (pid == 0)
		_exit(log_together(budget_fd, n));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void test_processes_share_a_budget(void **state)
{
	uint64_t second;
	int fd, dropped = 0;
	const char *got;

	(void)state;
	assert_int_equal(tsk_log_budget_new(&fd), 0);
	tsk_log_init("prog", NULL, TSK_LOG_INFO, 5);
	capture_start();
	wait_for_next_second();
	second = tsk_now_ns() / TSK_NS_PER_SEC;
	for (int i = 0; i < 10; i++)
		dropped += in_child(fd, 4);
	second = tsk_now_ns() / TSK_NS_PER_SEC - second;
	got = capture_stop();
	assert_int_equal((unsigned)dropped + count_lines(got), 40);
	if (second == 0)
		assert_int_equal(dropped, 35);
	/* Who is next to get through tells of all. */
	wait_for_next_second();
	capture_start();
	assert_int_equal(in_child(fd, 1), 0);
	got = capture_stop();
	if (second == 0)
		assert_string_equal(got, "prog: warning: 35 log lines were dropped\n"
					 "prog: info: together\n");
	close(fd);
}

/* One of them writes there what it likes: the others are bounded as each alone, or silent. */
static void test_hostile_budget(void **state)
{
	static const uint64_t garbage[] = { 0, UINT64_MAX, UINT32_MAX, UINT64_C(1) << 63 };
	struct tsk_map map;
	uint64_t size;
	int fd;

	(void)state;
	assert_int_equal(tsk_log_budget_new(&fd), 0);
	assert_int_equal(tsk_memfd_check(fd, false, &size), 0);
	assert_int_equal(tsk_map_new(fd, size, true, &map), 0);
	tsk_log_init("prog", NULL, TSK_LOG_INFO, 5);
	for (size_t i = 0; i < ARRAY_SIZE(garbage); i++) {
		uint64_t second;
		int dropped;

		for (size_t k = 0; k < size / sizeof(uint64_t); k++)
			((uint64_t *)map.addr)[k] = garbage[i];
		capture_start();
		wait_for_next_second();
		second = tsk_now_ns() / TSK_NS_PER_SEC;
		dropped = in_child(fd, 100);
		second = tsk_now_ns() / TSK_NS_PER_SEC - second;
		(void)capture_stop();
		if (second == 0)
			assert_in_range(dropped, 95, 96); /* one that tells of them takes a line */
	}
	/* No such memory: left alone. */
	tsk_log_share(-1);
	tsk_log_share(STDIN_FILENO);
	assert_true(fcntl(STDIN_FILENO, F_GETFD) >= 0);
	tsk_map_done(&map);
	close(fd);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TSK_TEST(test_form_of_a_line),
		TSK_TEST(test_json),
		TSK_TEST(test_numbers_of_levels),
		TSK_TEST(test_levels),
		TSK_TEST(test_text_of_a_guest_cannot_write_lines),
		TSK_TEST(test_long_line_is_cut),
		TSK_TEST(test_budget),
		TSK_TEST(test_never_blocks),
		TSK_TEST(test_processes_share_a_budget),
		TSK_TEST(test_hostile_budget),
	};

	return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
