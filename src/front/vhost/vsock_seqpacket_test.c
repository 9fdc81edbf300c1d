/* SPDX-License-Identifier: Apache-2.0 */
#include "front/vhost/vsock_seqpacket.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <cmocka.h>

#include "front/vhost/vsock_socket.h"

#define ANY 1000000u /* no bound on a message */

struct pair {
	int epoll_fd, host;
	struct vsock_conn conn; /* only its address is used */
	struct vsock_end end;
};

static char big[400000], buf[400000];

static int set_up(void **state)
{
	struct pair *p = calloc(1, sizeof(*p));
	int fds[2], size = 1 << 20;

	assert_non_null(p);
	p->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds), 0);
	p->host = fds[1];
	assert_int_equal(setsockopt(p->host, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)), 0);
	assert_int_equal(vsock_seqpacket_new(p->epoll_fd, fds[0], &p->conn, &p->end), 0);
	for (size_t i = 0; i < sizeof(big); i++)
		big[i] = (char)(i * 7 + (i >> 8));
	*state = p;
	return 0;
}

static int tear_down(void **state)
{
	struct pair *p = *state;

	if (p->end.ops)
		p->end.ops->close(p->end.object);
	tsk_close(p->host);
	tsk_close(p->epoll_fd);
	free(p);
	return 0;
}

/* The events since the last call. */
static unsigned events(struct pair *p)
{
	struct epoll_event event;

	if (epoll_wait(p->epoll_fd, &event, 1, 0) == 0)
		return 0;
	assert_ptr_equal(event.data.ptr, &p->conn);
	return vsock_socket_events(event.events);
}

static ssize_t put(struct pair *p, const void *bytes, size_t len)
{
	struct iovec iov[2] = { { (char *)(uintptr_t)bytes, len / 2 },
				{ (char *)(uintptr_t)bytes + len / 2, len - len / 2 } };

	return p->end.ops->write(p->end.object, iov, len ? 2 : 0);
}

/* Reads at most size bytes into buf. */
static ssize_t get(struct pair *p, size_t size, size_t max, bool *ret_ends)
{
	struct iovec iov[2] = { { buf, size / 2 }, { buf + size / 2, size - size / 2 } };

	*ret_ends = false;
	return p->end.ops->read_message(p->end.object, iov, 2, max, ret_ends);
}

static void give(struct pair *p, const void *bytes, size_t len)
{
	assert_int_equal(send(p->host, bytes, len, 0), len);
}

/* The next message is this one, whole. */
static void expect(struct pair *p, const void *bytes, size_t len)
{
	bool ends;

	assert_int_equal(get(p, sizeof(buf), ANY, &ends), len);
	assert_true(ends);
	assert_memory_equal(buf, bytes, len);
}

static void messages_pass_with_their_bounds(void **state)
{
	static const size_t sizes[] = { 1, 5, 0, 4096, 0, 65536, 200000, 262144, 0, 3 };
	struct pair *p = *state;

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		assert_int_equal(put(p, big + i, sizes[i]), sizes[i]);
		assert_int_equal(recv(p->host, buf, sizeof(buf), MSG_TRUNC), sizes[i]);
		assert_memory_equal(buf, big + i, sizes[i]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		give(p, big + i, sizes[i]);
		if (i % 3 == 2) {
			for (size_t k = i - 2; k <= i; k++)
				expect(p, big + k, sizes[k]);
		}
	}
	expect(p, big + 9, 3);
}

static void a_message_is_read_in_pieces(void **state)
{
	static const size_t rooms[] = { 1, 7, 4052, 65536, 199999 };
	struct pair *p = *state;

	for (size_t i = 0; i < ARRAY_SIZE(rooms); i++) {
		size_t done = 0;
		bool ends;

		give(p, big, 200000);
		give(p, "next", 4);
		do {
			/* Small pieces at first only, for the time's sake. */
			size_t room = done < 100000 && done > 50 ? 50000 : rooms[i];
			ssize_t r = get(p, room, 200000, &ends);

			assert_true(r > 0 && (size_t)r <= room);
			assert_memory_equal(buf, big + done, (size_t)r);
			done += (size_t)r;
			assert_int_equal(ends, done == 200000);
			if (rooms[i] < 4000 && done > 100000) {
				assert_true(get(p, sizeof(buf), 200000, &ends) > 0);
				assert_true(ends);
				break;
			}
		} while (!ends);
		expect(p, "next", 4);
	}
}

static void one_too_long_is_refused(void **state)
{
	struct pair *p = *state;
	bool ends;

	give(p, big, 100);
	assert_int_equal(get(p, 200, 99, &ends), -EMSGSIZE);
}

static void one_that_has_become_too_long_is_refused(void **state)
{
	struct pair *p = *state;
	bool ends;

	give(p, big, 100);
	assert_int_equal(get(p, 30, 100, &ends), 30);
	assert_int_equal(get(p, 30, 100, &ends), 30);
	assert_int_equal(get(p, 30, 99, &ends), -EMSGSIZE);
	assert_int_equal(get(p, 30, 59, &ends), -EMSGSIZE);
}

static void one_that_the_socket_cannot_take_is_told(void **state)
{
	struct pair *p = *state;

	assert_int_equal(put(p, big, VSOCK_MESSAGE_MAX), VSOCK_MESSAGE_MAX);
	assert_int_equal(recv(p->host, buf, sizeof(buf), MSG_DONTWAIT), VSOCK_MESSAGE_MAX);
	/* More than any host's limit allows: what it says is passed on. */
	static char huge[16 << 20];
	assert_int_equal(put(p, huge, sizeof(huge)), -EMSGSIZE);
	assert_int_equal(recv(p->host, buf, sizeof(buf), MSG_DONTWAIT), -1);
}

static void a_full_socket_says_when_it_has_room(void **state)
{
	struct pair *p = *state;
	size_t n = 0;

	while (put(p, big, 10000) == 10000)
		n++;
	assert_true(n > 3);
	(void)events(p);
	assert_int_equal(put(p, big, 10000), -EAGAIN);
	assert_int_equal(events(p), 0);
	while (recv(p->host, buf, sizeof(buf), MSG_DONTWAIT) == 10000)
		n--;
	assert_int_equal(n, 0);
	assert_true(events(p) & VSOCK_EVENT_WRITABLE);
	assert_int_equal(put(p, big, 10000), 10000);
}

static void the_ends_of_both_ways_pass(void **state)
{
	struct pair *p = *state;
	bool ends;

	assert_int_equal(get(p, 10, ANY, &ends), -EAGAIN);
	give(p, "last", 4);
	shutdown(p->host, SHUT_WR);
	assert_true(events(p) & VSOCK_EVENT_READABLE);
	expect(p, "last", 4);
	assert_int_equal(get(p, 10, ANY, &ends), -ESHUTDOWN);
	assert_int_equal(get(p, 10, ANY, &ends), -ESHUTDOWN);
	assert_int_equal(put(p, "still", 5), 5);
	p->end.ops->shutdown(p->end.object, VSOCK_SHUTDOWN_SEND);
	assert_int_equal(recv(p->host, buf, sizeof(buf), 0), 5);
	assert_int_equal(recv(p->host, buf, sizeof(buf), 0), 0);
}

static void empty_messages_are_told_from_the_end(void **state)
{
	struct pair *p = *state;
	bool ends;

	for (unsigned round = 0; round < 2; round++) {
		give(p, "", 0);
		give(p, "", 0);
		expect(p, "", 0);
		expect(p, "", 0);
		assert_int_equal(get(p, 10, ANY, &ends), -EAGAIN);
	}
	give(p, "", 0);
	give(p, "a", 1);
	give(p, "", 0);
	shutdown(p->host, SHUT_WR);
	expect(p, "", 0);
	expect(p, "a", 1);
	/* The one before the end is no more than the end. */
	assert_int_equal(get(p, 10, ANY, &ends), -ESHUTDOWN);
}

static void a_peer_that_takes_no_more_is_seen(void **state)
{
	struct pair *p = *state;
	char c;

	(void)events(p);
	assert_false(p->end.ops->deaf(p->end.object));
	/* Asking sends nothing. */
	assert_int_equal(recv(p->host, &c, 1, MSG_DONTWAIT), -1);
	shutdown(p->host, SHUT_RD);
	assert_true(events(p) & VSOCK_EVENT_WRITABLE);
	assert_true(p->end.ops->deaf(p->end.object));
	assert_int_equal(put(p, "x", 1), -EPIPE);
	/* The other way still works. */
	give(p, "y", 1);
	expect(p, "y", 1);
}

static void a_peer_that_goes_leaves_its_messages(void **state)
{
	struct pair *p = *state;
	bool ends;

	give(p, "first", 5);
	give(p, "second", 6);
	p->host = tsk_close(p->host);
	assert_true(events(p));
	expect(p, "first", 5);
	expect(p, "second", 6);
	assert_int_equal(get(p, 10, ANY, &ends), -ESHUTDOWN);
	assert_int_equal(put(p, "x", 1), -EPIPE);
}

/* Who goes without having read all resets the connection, behind what it had sent itself. */
static void check_reset(struct pair *p, int first)
{
	bool ends;

	assert_int_equal(put(p, "unread", 6), 6);
	give(p, "first", 5);
	give(p, "second", 6);
	p->host = tsk_close(p->host);
	if (first == 1)
		assert_int_equal(put(p, "x", 1), -ECONNRESET);
	else if (first == 2)
		assert_true(p->end.ops->deaf(p->end.object));
	expect(p, "first", 5);
	expect(p, "second", 6);
	assert_int_equal(get(p, 10, ANY, &ends), -ECONNRESET);
}

static void a_reset_comes_behind_the_messages(void **state)
{
	check_reset(*state, 0);
}

static void a_write_that_finds_the_reset_keeps_it(void **state)
{
	check_reset(*state, 1);
}

static void a_question_that_finds_the_reset_keeps_it(void **state)
{
	check_reset(*state, 2);
}

static void descriptors_are_not_taken(void **state)
{
	struct pair *p = *state;
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { 0 };
	struct iovec iov = { big, 3 };
	struct msghdr m = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = control.bytes,
			    .msg_controllen = sizeof(control.bytes) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	int fds[2], next;

	assert_int_equal(pipe(fds), 0);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fds[1], sizeof(int));
	assert_int_equal(sendmsg(p->host, &m, 0), 3);
	close(fds[1]);
	next = fcntl(p->host, F_DUPFD, 0);
	close(next);
	expect(p, big, 3);
	/* No number is taken, and the writer's end is closed for good. */
	assert_int_equal(fcntl(p->host, F_DUPFD, 0), next);
	close(next);
	assert_int_equal(read(fds[0], buf, 1), 0);
	close(fds[0]);
}

static void the_greeting_is_a_message(void **state)
{
	struct pair *p = *state;
	uint32_t port = 0;

	assert_int_equal(p->end.ops->greeting(p->end.object, &port), 0);
	give(p, "CONNECT 42", 10);
	give(p, "early", 5);
	assert_int_equal(p->end.ops->greeting(p->end.object, &port), 1);
	assert_int_equal(port, 42);
	expect(p, "early", 5);
}

#define end_test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		end_test(messages_pass_with_their_bounds),
		end_test(a_message_is_read_in_pieces),
		end_test(one_too_long_is_refused),
		end_test(one_that_has_become_too_long_is_refused),
		end_test(one_that_the_socket_cannot_take_is_told),
		end_test(a_full_socket_says_when_it_has_room),
		end_test(the_ends_of_both_ways_pass),
		end_test(empty_messages_are_told_from_the_end),
		end_test(a_peer_that_takes_no_more_is_seen),
		end_test(a_peer_that_goes_leaves_its_messages),
		end_test(a_reset_comes_behind_the_messages),
		end_test(a_write_that_finds_the_reset_keeps_it),
		end_test(a_question_that_finds_the_reset_keeps_it),
		end_test(descriptors_are_not_taken),
		end_test(the_greeting_is_a_message),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
