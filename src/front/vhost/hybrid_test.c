/* SPDX-License-Identifier: Apache-2.0 */
#include "front/vhost/hybrid.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <cmocka.h>

static int parse(const char *line, uint32_t *ret_port)
{
	return hybrid_parse(line, strlen(line), ret_port);
}

static void a_whole_line_gives_its_port(void **state)
{
	uint32_t port = 0;

	(void)state;
	assert_int_equal(parse("CONNECT 5000\n", &port), 13);
	assert_int_equal(port, 5000);
	assert_int_equal(parse("CONNECT 0\n", &port), 10);
	assert_int_equal(port, 0);
	assert_int_equal(parse("connect 4294967294\nabc\n", &port), 19);
	assert_true(port == UINT32_MAX - 1);
}

static void every_prefix_needs_more(void **state)
{
	static const char line[] = "CONNECT 4294967294\n";
	uint32_t port = 7;

	(void)state;
	for (size_t len = 0; len < sizeof(line) - 1; len++)
		assert_int_equal(hybrid_parse(line, len, &port), 0);
	assert_int_equal(port, 7);
}

static void anything_else_is_refused(void **state)
{
	static const char *const lines[] = {
		"X",
		"CONNECTX",
		"CONNECT\n",
		"CONNECT \n",
		"CONNECT  5\n",
		"CONNECT 5 \n",
		"CONNECT -1\n",
		"CONNECT +1\n",
		"CONNECT 5\r\n",
		"CONNECT 0x5\n",
		"\n",
		"CONNECT 4294967295\n",
		"CONNECT 4294967296\n",
		"CONNECT 99999999999",
		"CONNECT 00000000000000000000000000000005\n",
		"GET / HTTP/1.1\r\n",
	};
	uint32_t port = 7;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
		assert_int_equal(parse(lines[i], &port), -EBADMSG);
	assert_int_equal(port, 7);
}

static void a_line_without_end_is_refused_in_time(void **state)
{
	char line[HYBRID_LINE_MAX] = "CONNECT ";
	uint32_t port;

	(void)state;
	memset(line + 8, '0', sizeof(line) - 8);
	assert_int_equal(hybrid_parse(line, sizeof(line) - 1, &port), 0);
	assert_int_equal(hybrid_parse(line, sizeof(line), &port), -EBADMSG);
}

static void bytes_behind_the_line_are_kept(void **state)
{
	uint32_t port = 0;
	char rest[8];
	int fds[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	assert_int_equal(hybrid_receive(fds[0], &port), 0);
	assert_int_equal(write(fds[1], "CONN", 4), 4);
	assert_int_equal(hybrid_receive(fds[0], &port), 0);
	assert_int_equal(write(fds[1], "ECT 77\nabc", 10), 10);
	assert_int_equal(hybrid_receive(fds[0], &port), 1);
	assert_int_equal(port, 77);
	assert_int_equal(read(fds[0], rest, sizeof(rest)), 3);
	assert_memory_equal(rest, "abc", 3);
	close(fds[0]);
	close(fds[1]);
}

static void a_peer_that_sends_nothing_and_goes_is_an_error(void **state)
{
	uint32_t port = 0;
	int fds[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	close(fds[1]);
	assert_int_equal(hybrid_receive(fds[0], &port), -ECONNRESET);
	close(fds[0]);
}

static void a_peer_that_goes_within_its_line_is_an_error(void **state)
{
	uint32_t port = 0;
	int fds[2];

	(void)state;
	for (int half = 0; half < 2; half++) {
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
		assert_int_equal(write(fds[1], "CONNECT 7", 9), 9);
		assert_int_equal(hybrid_receive(fds[0], &port), 0);
		if (half)
			assert_int_equal(shutdown(fds[1], SHUT_WR), 0);
		else
			close(fds[1]);
		assert_int_equal(hybrid_receive(fds[0], &port), -ECONNRESET);
		close(fds[0]);
		if (half)
			close(fds[1]);
	}
	/* One that has said all goes on being served: what it sent may be all that it wants. */
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	assert_int_equal(write(fds[1], "CONNECT 7\n", 10), 10);
	close(fds[1]);
	assert_int_equal(hybrid_receive(fds[0], &port), 1);
	close(fds[0]);
}

static void a_message_is_a_line(void **state)
{
	static const struct {
		const char *text;
		int r;
	} cases[] = {
		{ "CONNECT 77", 1 },
		{ "CONNECT 77\n", 1 },
		{ "connect 77", 1 },
		{ "CONNECT 77\nabc", -74 },
		{ "CONNECT 77\n\n", -74 },
		{ "CONNECT ", -74 },
		{ "CONNECT", -74 },
		{ "CONNECT 4294967295", -74 },
		{ "\n", -74 },
		{ "CONNECT 0000000000000000000000000000077", -74 },
		{ "CONNECT 00000000000000000000077", 1 },
		{ "CONNECT 000000000000000000000077", -74 },
		{ "", -104 },
	};
	uint32_t port;
	int fds[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds), 0);
	assert_int_equal(hybrid_receive_message(fds[0], &port), 0);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		port = 7;
		assert_true(send(fds[1], cases[i].text, strlen(cases[i].text), 0) >= 0);
		assert_int_equal(send(fds[1], "x", 1, 0), 1);
		assert_int_equal(hybrid_receive_message(fds[0], &port), cases[i].r);
		assert_int_equal(port, cases[i].r == 1 ? 77 : 7);
		/* Nothing of the next message is taken, nor left of this one. */
		assert_int_equal(hybrid_receive_message(fds[0], &port), -EBADMSG);
		assert_int_equal(hybrid_receive_message(fds[0], &port), 0);
	}
	close(fds[1]);
	assert_int_equal(hybrid_receive_message(fds[0], &port), -ECONNRESET);
	close(fds[0]);
}

static void the_answer_is_firecrackers(void **state)
{
	char line[HYBRID_LINE_MAX];

	(void)state;
	assert_int_equal(hybrid_answer(1073741824, line), 14);
	assert_memory_equal(line, "OK 1073741824\n", 14);
	assert_true(hybrid_answer(UINT32_MAX, line) < HYBRID_LINE_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_whole_line_gives_its_port),
		cmocka_unit_test(every_prefix_needs_more),
		cmocka_unit_test(anything_else_is_refused),
		cmocka_unit_test(a_line_without_end_is_refused_in_time),
		cmocka_unit_test(bytes_behind_the_line_are_kept),
		cmocka_unit_test(a_peer_that_sends_nothing_and_goes_is_an_error),
		cmocka_unit_test(a_peer_that_goes_within_its_line_is_an_error),
		cmocka_unit_test(a_message_is_a_line),
		cmocka_unit_test(the_answer_is_firecrackers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
