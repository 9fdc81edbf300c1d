/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/relay.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "base/testing.h"

/* A client and a host, and the relay between them. */
struct fixture {
	struct relay relay;
	struct pipe_pool pool;
	int ends[RELAY_SIDES]; /* the client's and the host's own */
};

static void open_fixture(struct fixture *f)
{
	int client[2], host[2];

	*f = (struct fixture){ 0 };
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, client), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, host), 0);
	relay_init(&f->relay, client[0]);
	assert_int_equal(f->relay.fds[RELAY_HOST], -1);
	f->relay.fds[RELAY_HOST] = host[0];
	f->ends[RELAY_CLIENT] = client[1];
	f->ends[RELAY_HOST] = host[1];
}

static void close_fixture(struct fixture *f)
{
	relay_done(&f->relay);
	pipe_pool_done(&f->pool);
	tsk_close(f->ends[0]);
	tsk_close(f->ends[1]);
}

/* Fills what a socket takes; how much that is. */
static size_t fill(int fd)
{
	static const char some[4096] = { 'x' };
	size_t total = 0;
	ssize_t n;

	while ((n = send(fd, some, sizeof(some), MSG_NOSIGNAL)) > 0)
		total += (size_t)n;
	assert_int_equal(errno, EAGAIN);
	return total;
}

/* Takes what is there; how much that is. */
static size_t empty(int fd)
{
	char some[65536];
	size_t total = 0;
	ssize_t n;

	while ((n = recv(fd, some, sizeof(some), 0)) > 0)
		total += (size_t)n;
	return total;
}

static void test_both_ways(void **state)
{
	struct fixture f;
	char text[16] = "";

	(void)state;
	open_fixture(&f);
	for (unsigned side = 0; side < RELAY_SIDES; side++) {
		f.relay.has_moved = false;
		assert_int_equal(relay_move(&f.relay, side, &f.pool), RELAY_WAITS);
		assert_false(f.relay.has_moved);
		assert_int_equal(send(f.ends[side], "hello", 5, 0), 5);
		assert_int_equal(relay_move(&f.relay, side, &f.pool), RELAY_WAITS);
		assert_int_equal(recv(f.ends[!side], text, sizeof(text), 0), 5);
		assert_memory_equal(text, "hello", 5);
		assert_true(f.relay.has_moved);
		assert_int_equal(f.relay.is_asked, side == RELAY_CLIENT);
		/* Nothing is on its way: no pipe is held. */
		assert_int_equal(f.relay.ways[side].pipe.in, -1);
	}
	assert_int_equal(f.pool.n, 1);
	close_fixture(&f);
}

static void test_ends(void **state)
{
	struct fixture f;
	char byte;

	(void)state;
	open_fixture(&f);
	assert_int_equal(send(f.ends[RELAY_CLIENT], "x", 1, 0), 1);
	shutdown(f.ends[RELAY_CLIENT], SHUT_WR);
	assert_int_equal(relay_move(&f.relay, RELAY_CLIENT, &f.pool), RELAY_WAITS);
	/* The byte comes first, the end then; and the other way is as it was. */
	assert_int_equal(recv(f.ends[RELAY_HOST], &byte, 1, 0), 1);
	assert_int_equal(recv(f.ends[RELAY_HOST], &byte, 1, 0), 0);
	assert_false(relay_has_ended(&f.relay));
	assert_int_equal(send(f.ends[RELAY_HOST], "y", 1, 0), 1);
	assert_int_equal(relay_move(&f.relay, RELAY_HOST, &f.pool), RELAY_WAITS);
	assert_int_equal(recv(f.ends[RELAY_CLIENT], &byte, 1, 0), 1);
	shutdown(f.ends[RELAY_HOST], SHUT_WR);
	assert_int_equal(relay_move(&f.relay, RELAY_HOST, &f.pool), RELAY_WAITS);
	assert_true(relay_has_ended(&f.relay));
	close_fixture(&f);
}

/* What the reader does not take stays at the sender; a pipe's content is held, and not an end before it. */
static void test_back_pressure(void **state)
{
	struct fixture f;
	size_t sent = 0, received = 0, n;
	int r;

	(void)state;
	open_fixture(&f);
	do {
		n = fill(f.ends[RELAY_CLIENT]);
		sent += n;
		do
			r = relay_move(&f.relay, RELAY_CLIENT, &f.pool);
		while (r == RELAY_GOES_ON);
		assert_int_equal(r, RELAY_WAITS);
	} while (n);
	assert_true(relay_waits_for(&f.relay, RELAY_HOST));
	assert_false(relay_waits_for(&f.relay, RELAY_CLIENT));
	assert_true(f.relay.ways[RELAY_CLIENT].held <= PIPE_POOL_PIPE_BYTES);
	assert_int_equal(f.pool.n, 0);
	shutdown(f.ends[RELAY_CLIENT], SHUT_WR);
	while (!f.relay.ways[RELAY_CLIENT].has_ended) {
		n = empty(f.ends[RELAY_HOST]);
		assert_true(n > 0);
		received += n;
		assert_true(relay_move(&f.relay, RELAY_CLIENT, &f.pool) >= 0);
	}
	received += empty(f.ends[RELAY_HOST]);
	assert_int_equal(received, sent);
	assert_int_equal(f.pool.n, 1);
	close_fixture(&f);
}

/* A share each turn, and no more: others wait. */
static void test_turns(void **state)
{
	int size = 400000; /* and twice that, for what the kernel adds to each piece */
	struct fixture f;
	size_t sent = 0;

	(void)state;
	open_fixture(&f);
	(void)setsockopt(f.ends[RELAY_CLIENT], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	/* Small pieces, each a buffer of the pipe: few of them fill it. */
	while (send(f.ends[RELAY_CLIENT], "x", 1, 0) > 0)
		sent++;
	assert_int_equal(relay_move(&f.relay, RELAY_CLIENT, &f.pool), RELAY_GOES_ON);
	assert_true(empty(f.ends[RELAY_HOST]) < sent);
	close_fixture(&f);
}

static void test_reader_that_stops(void **state)
{
	struct fixture f;

	(void)state;
	open_fixture(&f);
	shutdown(f.ends[RELAY_HOST], SHUT_RD);
	assert_int_equal(send(f.ends[RELAY_CLIENT], "x", 1, 0), 1);
	assert_int_equal(relay_move(&f.relay, RELAY_CLIENT, &f.pool), RELAY_WAITS);
	assert_true(f.relay.ways[RELAY_CLIENT].has_ended);
	assert_false(f.relay.ways[RELAY_HOST].has_ended);
	assert_int_equal(f.pool.n, 0); /* one with bytes in it is nobody else's */
	assert_int_equal(send(f.ends[RELAY_CLIENT], "x", 1, MSG_NOSIGNAL), -1);
	assert_int_equal(errno, EPIPE);
	assert_int_equal(relay_move(&f.relay, RELAY_CLIENT, &f.pool), RELAY_WAITS);
	close_fixture(&f);
}

static void test_side_that_is_gone(void **state)
{
	struct fixture f;
	char byte;

	(void)state;
	open_fixture(&f);
	fill(f.ends[RELAY_CLIENT]);
	while (relay_move(&f.relay, RELAY_CLIENT, &f.pool) == RELAY_GOES_ON)
		;
	assert_int_equal(send(f.ends[RELAY_HOST], "last", 4, 0), 4);
	f.ends[RELAY_HOST] = tsk_close(f.ends[RELAY_HOST]);
	relay_gone(&f.relay, RELAY_HOST);
	assert_true(f.relay.ways[RELAY_CLIENT].has_ended);
	/* Its last words still come through, though it has left ours unread. */
	assert_int_equal(relay_move(&f.relay, RELAY_HOST, &f.pool), RELAY_WAITS);
	assert_int_equal(recv(f.ends[RELAY_CLIENT], &byte, 1, 0), 1);
	assert_true(relay_has_ended(&f.relay));
	relay_gone(&f.relay, RELAY_CLIENT);
	close_fixture(&f);
}

static void test_no_pipe(void **state)
{
	struct rlimit before, none;
	struct fixture f;

	(void)state;
	open_fixture(&f);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = (struct rlimit){ 3, before.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	assert_int_equal(relay_move(&f.relay, RELAY_CLIENT, &f.pool), -EMFILE);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	close_fixture(&f);
}

static void test_pool_keeps_some(void **state)
{
	struct pipe_ends ends[PIPE_POOL_KEPT_MAX + 2];
	struct pipe_pool pool = { 0 };

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(ends); i++)
		assert_int_equal(pipe_pool_take(&pool, &ends[i]), 0);
	for (unsigned i = 0; i < ARRAY_SIZE(ends); i++) {
		assert_true(fcntl(ends[i].in, F_GETFL) & O_NONBLOCK);
		assert_true(fcntl(ends[i].out, F_GETFD) & FD_CLOEXEC);
		pipe_pool_give(&pool, &ends[i]);
		assert_int_equal(ends[i].in, -1);
	}
	assert_int_equal(pool.n, PIPE_POOL_KEPT_MAX);
	pipe_pool_done(&pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TSK_TEST(test_both_ways),         TSK_TEST(test_ends),
		TSK_TEST(test_back_pressure),     TSK_TEST(test_turns),
		TSK_TEST(test_reader_that_stops), TSK_TEST(test_side_that_is_gone),
		TSK_TEST(test_no_pipe),           TSK_TEST(test_pool_keeps_some),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
