/* SPDX-License-Identifier: Apache-2.0 */
/* The other end here is the test, which is not always kind. */
#include "cli/metrics.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/testing.h"

static struct tensock_error error;

struct server {
	int fd;
	pthread_t thread;
	const char *answer; /* NULL: none, and the connection stays */
	char address[64], asked[256];
};

static void *serve(void *argument)
{
	struct server *s = argument;
	int fd = accept(s->fd, NULL, NULL);
	char byte;

	(void)!recv(fd, s->asked, sizeof(s->asked) - 1, 0);
	if (s->answer)
		(void)!send(fd, s->answer, strlen(s->answer), MSG_NOSIGNAL);
	else
		(void)!recv(fd, &byte, 1, 0);
	close(fd);
	return NULL;
}

static void begin(struct server *s, const char *answer)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(in);

	*s = (struct server){ .fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0),
			      .answer = answer };
	assert_int_equal(bind(s->fd, (struct sockaddr *)&in, sizeof(in)), 0);
	assert_int_equal(listen(s->fd, 1), 0);
	assert_int_equal(getsockname(s->fd, (struct sockaddr *)&in, &n), 0);
	snprintf(s->address, sizeof(s->address), "tcp:127.0.0.1:%u", ntohs(in.sin_port));
	assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
}

static void end(struct server *s)
{
	assert_int_equal(pthread_join(s->thread, NULL), 0);
	close(s->fd);
}

static void test_answers(void **state)
{
	struct server s;

	(void)state;
	begin(&s, "HTTP/1.1 200 OK\r\n\r\n");
	assert_int_equal(metrics_ask(s.address, 5000, &error), 0);
	end(&s);
	assert_string_equal(s.asked, "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n");
}

static void test_something_else(void **state)
{
	static const char *const answers[] = { "HTTP/1.1 404 Not Found\r\n\r\n", "HTTP/1.1 2", "" };
	struct server s;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(answers); i++) {
		begin(&s, answers[i]);
		assert_true(metrics_ask(s.address, 5000, &error) < 0);
		end(&s);
		assert_int_equal(error.status, TENSOCK_PROTOCOL);
	}
}

static void test_silence(void **state)
{
	struct server s;

	(void)state;
	begin(&s, NULL);
	assert_true(metrics_ask(s.address, 20, &error) < 0);
	end(&s);
	assert_int_equal(error.status, TENSOCK_UNAVAILABLE);
	assert_string_equal(error.message, "no answer in time");
	assert_true(metrics_ask(s.address, 5000, &error) < 0);
	assert_int_equal(error.status, TENSOCK_UNAVAILABLE);
	assert_true(metrics_ask("unix:/nonexistent", 20, &error) < 0);
	assert_int_equal(error.status, TENSOCK_UNAVAILABLE);
}

static void test_no_addresses(void **state)
{
	static const char *const bad[] = {
		"",
		"tcp:",
		"tcp:127.0.0.1",
		"tcp:127.0.0.1:",
		"tcp:127.0.0.1:65536",
		"tcp:127.0.0.1:1x",
		"tcp:1.2.3.4.5:1",
		"tcp:localhost:1",
		"vsock:1",
	};
	char path[256] = "unix:";

	(void)state;
	memset(path + 5, 'a', 108);
	assert_true(metrics_ask(path, 20, &error) < 0);
	assert_int_equal(error.status, TENSOCK_PROTOCOL);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_true(metrics_ask(bad[i], 20, &error) < 0);
		assert_int_equal(error.status, TENSOCK_PROTOCOL);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TSK_TEST(test_answers),
		TSK_TEST(test_something_else),
		TSK_TEST(test_silence),
		TSK_TEST(test_no_addresses),
	};

	return cmocka_run_group_tests_name("metrics", tests, NULL, NULL);
}
