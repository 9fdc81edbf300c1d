/* SPDX-License-Identifier: Apache-2.0 */
#include "base/seqpacket.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/testing.h"

struct fixture {
	int a, b;
	int fds[TSK_SEQPACKET_FDS_MAX];
	unsigned n_fds;
	char bytes[64];
};

static void init(struct fixture *f)
{
	int pair[2];

	assert_int_equal(tsk_seqpacket_pair(pair), 0);
	*f = (struct fixture){ .a = pair[0], .b = pair[1], .n_fds = 77 };
}

static void done(struct fixture *f)
{
	tsk_close(f->a);
	tsk_close(f->b);
}

static ssize_t receive(struct fixture *f)
{
	return tsk_seqpacket_recv(f->b, f->bytes, sizeof(f->bytes), f->fds, &f->n_fds);
}

/* What no sender of ours does: any length with n copies of fd. */
static void send_raw(int socket_fd, size_t len, int fd, unsigned n)
{
	static char bytes[4096];
	union {
		char bytes[CMSG_SPACE(sizeof(int) * 253)];
		struct cmsghdr align;
	} control = { 0 };
	struct iovec iov = { .iov_base = bytes, .iov_len = len };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *c;

	if (n) {
		m.msg_control = control.bytes;
		m.msg_controllen = CMSG_SPACE(sizeof(int) * n);
		c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * n);
		for (unsigned i = 0; i < n; i++)
			memcpy(CMSG_DATA(c) + i * sizeof(int), &fd, sizeof(int));
	}
	assert_int_equal(sendmsg(socket_fd, &m, MSG_NOSIGNAL), len);
}

static void assert_same_file(int a, int b)
{
	struct stat sa, sb;

	assert_int_equal(fstat(a, &sa), 0);
	assert_int_equal(fstat(b, &sb), 0);
	assert_true(sa.st_dev == sb.st_dev && sa.st_ino == sb.st_ino);
}

static void test_messages_with_fds(void **state)
{
	struct fixture f;

	(void)state;
	init(&f);
	for (unsigned n = 0; n <= TSK_SEQPACKET_FDS_MAX; n++) {
		int fds[TSK_SEQPACKET_FDS_MAX] = { f.a, f.b, f.a, f.b };

		assert_int_equal(tsk_seqpacket_send(f.a, "word", 4, fds, n), 0);
		assert_int_equal(receive(&f), 4);
		assert_memory_equal(f.bytes, "word", 4);
		assert_int_equal(f.n_fds, n);
		for (unsigned i = 0; i < n; i++) {
			assert_same_file(f.fds[i], fds[i]);
			assert_true(fcntl(f.fds[i], F_GETFD) & FD_CLOEXEC);
		}
		for (unsigned i = n; i < TSK_SEQPACKET_FDS_MAX; i++)
			assert_int_equal(f.fds[i], -1);
		tsk_close_all(f.fds, n);
		assert_int_equal(f.fds[0], -1);
	}
	done(&f);
}

static void test_order_and_borders_are_kept(void **state)
{
	struct fixture f;

	(void)state;
	init(&f);
	assert_int_equal(tsk_seqpacket_send(f.a, "one", 3, NULL, 0), 0);
	assert_int_equal(tsk_seqpacket_send(f.a, "fourth", 6, NULL, 0), 0);
	assert_int_equal(receive(&f), 3);
	assert_int_equal(receive(&f), 6);
	assert_memory_equal(f.bytes, "fourth", 6);
	done(&f);
}

static void test_nothing_blocks(void **state)
{
	struct fixture f;
	char big[1024] = { 0 };
	int r = 0;

	(void)state;
	init(&f);
	assert_int_equal(receive(&f), -EAGAIN);
	for (int i = 0; i < 100000 && r == 0; i++)
		r = tsk_seqpacket_send(f.a, big, sizeof(big), NULL, 0);
	assert_int_equal(r, -EAGAIN);
	done(&f);
}

/* Also when somebody has made the socket blocking again. */
static void test_nothing_blocks_without_o_nonblock(void **state)
{
	struct fixture f;
	char big[1024] = { 0 };
	int r = 0;

	(void)state;
	init(&f);
	assert_int_equal(fcntl(f.a, F_SETFL, 0), 0);
	assert_int_equal(fcntl(f.b, F_SETFL, 0), 0);
	alarm(30);
	assert_int_equal(receive(&f), -EAGAIN);
	for (int i = 0; i < 100000 && r == 0; i++)
		r = tsk_seqpacket_send(f.a, big, sizeof(big), NULL, 0);
	assert_int_equal(r, -EAGAIN);
	alarm(0);
	done(&f);
}

static void test_peer_gone(void **state)
{
	struct fixture f;

	(void)state;
	init(&f);
	assert_int_equal(tsk_seqpacket_send(f.a, "last", 4, NULL, 0), 0);
	f.a = tsk_close(f.a);
	assert_int_equal(receive(&f), 4);
	assert_int_equal(receive(&f), 0);
	assert_int_equal(f.fds[0], -1);
	assert_int_equal(tsk_seqpacket_send(f.b, "x", 1, NULL, 0), -EPIPE);
	assert_true(tsk_seqpacket_has_hung_up(-EPIPE));
	done(&f);
}

static void test_peer_gone_without_reading(void **state)
{
	struct fixture f;

	(void)state;
	init(&f);
	assert_int_equal(tsk_seqpacket_send(f.b, "unread", 6, NULL, 0), 0);
	f.a = tsk_close(f.a);
	assert_int_equal(receive(&f), -ECONNRESET);
	assert_true(tsk_seqpacket_has_hung_up(-ECONNRESET));
	assert_false(tsk_seqpacket_has_hung_up(-EAGAIN));
	done(&f);
}

static void test_too_many_fds_to_send(void **state)
{
	struct fixture f;
	int fds[TSK_SEQPACKET_FDS_MAX + 1];

	(void)state;
	init(&f);
	for (unsigned i = 0; i < ARRAY_SIZE(fds); i++)
		fds[i] = f.a;
	assert_int_equal(tsk_seqpacket_send(f.a, "x", 1, fds, ARRAY_SIZE(fds)), -EINVAL);
	assert_int_equal(receive(&f), -EAGAIN);
	done(&f);
}

static void test_hostile_fds_are_closed(void **state)
{
	static const unsigned counts[] = { TSK_SEQPACKET_FDS_MAX + 1, TSK_SEQPACKET_FDS_MAX + 2, 64,
					   252, 253 };
	struct fixture f;
	int before;

	(void)state;
	init(&f);
	before = tsk_open_fds();
	for (size_t i = 0; i < ARRAY_SIZE(counts); i++) {
		send_raw(f.a, 4, f.a, counts[i]);
		assert_int_equal(receive(&f), -EMSGSIZE);
		assert_int_equal(f.fds[0], -1);
		assert_int_equal(tsk_open_fds(), before);
	}
	done(&f);
}

static void test_hostile_length(void **state)
{
	struct fixture f;
	int before;

	(void)state;
	init(&f);
	before = tsk_open_fds();
	send_raw(f.a, sizeof(f.bytes) + 1, f.a, 3);
	assert_int_equal(receive(&f), -EMSGSIZE);
	assert_int_equal(tsk_open_fds(), before);
	send_raw(f.a, sizeof(f.bytes), -1, 0);
	assert_int_equal(receive(&f), sizeof(f.bytes));
	done(&f);
}

/* It would look like the end of the connection, and its fds would leak. */
static void test_nothing_but_fds(void **state)
{
	struct fixture f;
	int before;

	(void)state;
	init(&f);
	before = tsk_open_fds();
	send_raw(f.a, 0, f.a, 2);
	assert_int_equal(receive(&f), -EMSGSIZE);
	assert_int_equal(tsk_open_fds(), before);
	done(&f);
}

/* Not the sender's fault: who reads the log must see what it is. */
static void test_no_fds_left(void **state)
{
	struct rlimit before, none;
	struct fixture f;

	(void)state;
	init(&f);
	assert_int_equal(tsk_seqpacket_send(f.a, "x", 1, &f.a, 1), 0);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = (struct rlimit){ 0, before.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	assert_int_equal(receive(&f), -EMFILE);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	done(&f);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TSK_TEST(test_messages_with_fds),
		TSK_TEST(test_order_and_borders_are_kept),
		TSK_TEST(test_nothing_blocks),
		TSK_TEST(test_nothing_blocks_without_o_nonblock),
		TSK_TEST(test_peer_gone),
		TSK_TEST(test_peer_gone_without_reading),
		TSK_TEST(test_too_many_fds_to_send),
		TSK_TEST(test_hostile_fds_are_closed),
		TSK_TEST(test_hostile_length),
		TSK_TEST(test_nothing_but_fds),
		TSK_TEST(test_no_fds_left),
	};

	return cmocka_run_group_tests_name("seqpacket", tests, NULL, NULL);
}
