/* SPDX-License-Identifier: Apache-2.0 */
#include "front/access_log.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/status.h"
#include "base/testing.h"

static struct request request;
static struct tensock_error error;

static void begin(const char *what)
{
	access_log_set(true);
	request = (struct request){
		.origin = { .protocol = "http", .what = what, .connection = 3, .id = 9 }
	};
}

/* What is written by one call. */
static const char *line_of(uint32_t status, const struct tensock_error *reason)
{
	static char text[8192];
	int fds[2], saved = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);
	ssize_t n;

	assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
	assert_int_equal(dup2(fds[1], STDERR_FILENO), STDERR_FILENO);
	access_log(&request, status, reason);
	assert_int_equal(dup2(saved, STDERR_FILENO), STDERR_FILENO);
	n = read(fds[0], text, sizeof(text) - 1);
	text[n > 0 ? n : 0] = '\0';
	close(fds[0]);
	close(fds[1]);
	close(saved);
	return text;
}

static void assert_says(const char *line, const char *words)
{
	if (!strstr(line, words)) {
		print_error("%s", line);
		print_error(" does not say %s\n", words);
		fail();
	}
}

static void test_what_is_told(void **state)
{
	const char *line;

	(void)state;
	begin("GET /v2");
	request.origin.http_status = 404;
	(void)tsk_fail(&error, TENSOCK_NOT_FOUND, "no \"m\"\n");
	line = line_of(TENSOCK_NOT_FOUND, &error);
	assert_says(line, ": access protocol=\"http\" connection=3 request=9 what=\"GET /v2\" "
			  "outcome=\"not-found\" status=4 http=404 total_us=");
	assert_says(line, " error=\"no \\\"m\\\"?\"\n");
	assert_null(strstr(line, "model="));
	assert_null(strstr(line, "bytes_in="));
}

static void test_of_a_model_by_name(void **state)
{
	const char *line;

	(void)state;
	begin("ModelInfer");
	request.origin.model = "m";
	request.origin.version = "";
	line = line_of(TENSOCK_DEADLINE_EXCEEDED, NULL);
	assert_says(line, " model=\"m\" version=\"\" outcome=\"deadline-exceeded\"");
	assert_null(strstr(line, "error="));
	assert_null(strstr(line, "http="));
}

static void test_once(void **state)
{
	(void)state;
	begin("LIST");
	assert_says(line_of(TENSOCK_OK, NULL), "outcome=\"ok\"");
	assert_true(request.origin.is_told);
	assert_string_equal(line_of(TENSOCK_CANCELLED, NULL), "");
}

static void test_none_unless_wanted(void **state)
{
	(void)state;
	begin("LIST");
	access_log_set(false);
	assert_false(access_log_is_on());
	assert_string_equal(line_of(TENSOCK_OK, NULL), "");
}

/* What a guest wrote is bounded, and steers nothing. */
static void test_guests_bytes(void **state)
{
	char id[4096];
	const char *line;

	(void)state;
	memset(id, 'i', sizeof(id));
	memcpy(id, "\x1b[2J\n\"", 6);
	begin("GET /\xff\xe2\x80\xae\r\n x=\"y\"");
	request.origin.text = (struct wire_string){ .bytes = id, .len = sizeof(id) };
	line = line_of(TENSOCK_OK, NULL);
	assert_says(line, " request=\"?[2J?\\\"iii");
	assert_says(line, " what=\"GET /????");
	assert_says(line, " x=\\\"y\\\"\" outcome=\"ok\"");
	assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
	assert_true(strlen(line) < 600);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TSK_TEST(test_what_is_told), TSK_TEST(test_of_a_model_by_name),
		TSK_TEST(test_once),         TSK_TEST(test_none_unless_wanted),
		TSK_TEST(test_guests_bytes),
	};

	tsk_log_init("test", NULL, TSK_LOG_INFO, 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
