/* SPDX-License-Identifier: Apache-2.0 */
#include "front/vhost/vsock_socket.h"

#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <cmocka.h>

struct pair {
	int epoll_fd, host;
	struct vsock_conn conn; /* only its address is used */
	struct vsock_end end;
};

static int set_up(void **state)
{
	struct pair *p = calloc(1, sizeof(*p));
	int fds[2];

	assert_non_null(p);
	p->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	p->host = fds[1];
	assert_int_equal(vsock_socket_new(p->epoll_fd, fds[0], &p->conn, &p->end), 0);
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

static ssize_t put(struct pair *p, const char *text)
{
	struct iovec iov[2] = { { (char *)(uintptr_t)text, 1 },
				{ (char *)(uintptr_t)text + 1, strlen(text) - 1 } };

	return p->end.ops->write(p->end.object, iov, 2);
}

static ssize_t get(struct pair *p, char *buf, size_t size)
{
	struct iovec iov[2] = { { buf, 1 }, { buf + 1, size - 1 } };

	return p->end.ops->read(p->end.object, iov, 2);
}

static void bytes_and_ends_pass(void **state)
{
	struct pair *p = *state;
	char buf[16];

	assert_int_equal(get(p, buf, sizeof(buf)), -EAGAIN);
	assert_int_equal(put(p, "hello"), 5);
	assert_int_equal(read(p->host, buf, sizeof(buf)), 5);
	assert_memory_equal(buf, "hello", 5);
	assert_int_equal(write(p->host, "world", 5), 5);
	assert_int_equal(get(p, buf, sizeof(buf)), 5);
	assert_memory_equal(buf, "world", 5);
	shutdown(p->host, SHUT_WR);
	assert_int_equal(get(p, buf, sizeof(buf)), 0);
	assert_false(p->end.ops->deaf(p->end.object));
	assert_int_equal(put(p, "still"), 5);
}

static void a_full_socket_takes_no_more_and_never_blocks(void **state)
{
	static char bytes[1 << 16];
	struct pair *p = *state;
	struct iovec iov = { bytes, sizeof(bytes) };
	ssize_t r;

	while ((r = p->end.ops->write(p->end.object, &iov, 1)) > 0)
		;
	assert_int_equal(r, -EAGAIN);
	while (events(p))
		;
	fcntl(p->host, F_SETFL, O_NONBLOCK);
	while (read(p->host, bytes, sizeof(bytes)) > 0)
		;
	assert_int_equal(events(p) & VSOCK_EVENT_WRITABLE, VSOCK_EVENT_WRITABLE);
}

static void a_reader_that_shuts_down_is_found_by_the_event(void **state)
{
	struct pair *p = *state;

	while (events(p))
		;
	assert_false(p->end.ops->deaf(p->end.object));
	shutdown(p->host, SHUT_RD);
	assert_int_equal(events(p) & VSOCK_EVENT_WRITABLE, VSOCK_EVENT_WRITABLE);
	assert_true(p->end.ops->deaf(p->end.object));
	assert_int_equal(put(p, "gone"), -EPIPE);
}

static void the_guests_shutdowns_reach_the_host(void **state)
{
	struct pair *p = *state;
	char buf[4];

	p->end.ops->shutdown(p->end.object, VSOCK_SHUTDOWN_SEND);
	assert_int_equal(read(p->host, buf, sizeof(buf)), 0);
	assert_int_equal(send(p->host, "ok", 2, MSG_NOSIGNAL), 2);
	p->end.ops->shutdown(p->end.object, VSOCK_SHUTDOWN_RECEIVE);
	assert_int_equal(send(p->host, "x", 1, MSG_NOSIGNAL), -1);
	assert_int_equal(errno, EPIPE);
}

static void a_host_that_waits_to_write_is_woken_when_nobody_reads(void **state)
{
	static char bytes[1 << 16];
	struct pair *p = *state;
	struct pollfd poll_fd = { .fd = p->host, .events = POLLOUT };

	while (send(p->host, bytes, sizeof(bytes), MSG_NOSIGNAL | MSG_DONTWAIT) > 0)
		;
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(poll(&poll_fd, 1, 0), 0);
	p->end.ops->shutdown(p->end.object, VSOCK_SHUTDOWN_RECEIVE);
	assert_int_equal(poll(&poll_fd, 1, 0), 1);
	assert_true(poll_fd.revents & POLLOUT);
	assert_int_equal(send(p->host, "x", 1, MSG_NOSIGNAL), -1);
	assert_int_equal(errno, EPIPE);
}

static void a_host_that_closes_is_read_to_its_end(void **state)
{
	struct pair *p = *state;
	char buf[16];

	assert_int_equal(write(p->host, "bye", 3), 3);
	while (events(p))
		;
	p->host = tsk_close(p->host);
	assert_int_equal(events(p), VSOCK_EVENT_READABLE | VSOCK_EVENT_WRITABLE);
	assert_int_equal(get(p, buf, sizeof(buf)), 3);
	assert_int_equal(get(p, buf, sizeof(buf)), 0);
	assert_true(p->end.ops->deaf(p->end.object));
}

static void a_host_that_closes_with_bytes_unread_is_lost(void **state)
{
	struct pair *p = *state;
	char buf[16];

	assert_int_equal(put(p, "unread"), 6);
	assert_int_equal(write(p->host, "error", 5), 5);
	p->host = tsk_close(p->host);
	assert_int_equal(get(p, buf, sizeof(buf)), 5);
	assert_int_equal(get(p, buf, sizeof(buf)), -ECONNRESET);
}

static void a_closed_end_is_watched_no_more(void **state)
{
	struct pair *p = *state;
	int fds[2], copy;

	p->end.ops->close(p->end.object);
	p->end.ops = NULL;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	/* Another process may hold the same socket. */
	copy = dup(fds[0]);
	assert_int_equal(vsock_socket_new(p->epoll_fd, fds[0], &p->conn, &p->end), 0);
	p->end.ops->close(p->end.object);
	p->end.ops = NULL;
	assert_int_equal(write(fds[1], "x", 1), 1);
	assert_int_equal(events(p), 0);
	tsk_close(copy);
	tsk_close(fds[1]);
}

static void what_cannot_be_watched_is_closed(void **state)
{
	struct pair *p = *state;
	struct vsock_end end = { 0 };
	int file;

	assert_int_equal(vsock_socket_new(p->epoll_fd, -1, &p->conn, &end), -EBADF);
	file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	assert_int_equal(vsock_socket_new(p->epoll_fd, file, &p->conn, &end), -EPERM);
	assert_int_equal(fcntl(file, F_GETFD), -1);
	assert_null(end.ops);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(bytes_and_ends_pass),
		CASE(a_full_socket_takes_no_more_and_never_blocks),
		CASE(a_reader_that_shuts_down_is_found_by_the_event),
		CASE(the_guests_shutdowns_reach_the_host),
		CASE(a_host_that_waits_to_write_is_woken_when_nobody_reads),
		CASE(a_host_that_closes_is_read_to_its_end),
		CASE(a_host_that_closes_with_bytes_unread_is_lost),
		CASE(a_closed_end_is_watched_no_more),
		CASE(what_cannot_be_watched_is_closed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
