/* SPDX-License-Identifier: Apache-2.0 */
#include "front/socket_carrier.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/testing.h"
#include "front/rig.h"

/* A stream that takes bytes through a window of any size and gives them back. */
struct echo {
	struct stream_host *host;
	char bytes[1 << 18];
	size_t n_in, n_out;
	size_t window, chunk;
	bool has_ended, is_finished, takes_fd;
	unsigned *closed;
};

static struct {
	size_t window, chunk;
	bool refuses, takes_fd;
	struct echo *last;
	unsigned closed;
} next;

static size_t echo_window(void *stream, void **ret_buf)
{
	struct echo *e = stream;
	size_t left = sizeof(e->bytes) - e->n_in;

	*ret_buf = e->bytes + e->n_in;
	return e->window < left ? e->window : left;
}

static void echo_received(void *stream, size_t n)
{
	struct echo *e = stream;

	assert_false(e->has_ended);
	assert_in_range(n, 1, e->window);
	e->n_in += n;
}

static bool echo_takes_fd(void *stream)
{
	return ((struct echo *)stream)->takes_fd;
}

static void echo_ended(void *stream)
{
	struct echo *e = stream;

	assert_false(e->has_ended);
	e->has_ended = true;
	e->is_finished = true;
}

static size_t echo_output(void *stream, const void **ret_buf)
{
	struct echo *e = stream;
	size_t left = e->n_in - e->n_out;

	*ret_buf = e->bytes + e->n_out;
	return e->chunk < left ? e->chunk : left;
}

static void echo_sent(void *stream, size_t n)
{
	struct echo *e = stream;

	e->n_out += n;
	if (e->n_out == e->n_in)
		e->n_out = e->n_in = 0;
}

static bool echo_finished(void *stream)
{
	return ((struct echo *)stream)->is_finished;
}

static void echo_close(void *stream)
{
	next.closed++;
	free(stream);
}

static void *echo_open(void *context, struct stream_host *host)
{
	struct echo *e = next.refuses ? NULL : calloc(1, sizeof(*e));

	(void)context;
	if (e)
		*e = (struct echo){ .host = host,
				    .window = next.window,
				    .chunk = next.chunk,
				    .takes_fd = next.takes_fd };
	next.last = e;
	return e;
}

static const struct stream_ops echo_ops = {
	.window = echo_window,
	.received = echo_received,
	.takes_fd = echo_takes_fd,
	.ended = echo_ended,
	.output = echo_output,
	.sent = echo_sent,
	.finished = echo_finished,
	.close = echo_close,
};

struct fixture {
	uv_loop_t loop;
	struct account account; /* of nothing, unless a test says otherwise */
	struct socket_carriers *carriers;
};

static void begin(struct fixture *f, size_t window, size_t chunk)
{
	const struct stream_service service = { .ops = &echo_ops, .open = echo_open };

	memset(&next, 0, sizeof(next));
	f->account = (struct account){ 0 };
	next.window = window;
	next.chunk = chunk;
	assert_int_equal(uv_loop_init(&f->loop), 0);
	assert_int_equal(socket_carriers_new(&f->loop, &service, &f->account, &f->carriers), 0);
}

static void end(struct fixture *f)
{
	socket_carriers_free(f->carriers);
	uv_run(&f->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&f->loop), 0);
}

static int connect_one(struct fixture *f)
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	assert_int_equal(socket_carriers_add(f->carriers, fds[1]), next.refuses ? -EBUSY : 0);
	return fds[0];
}

/* Sends n bytes and reads them back, whatever pieces they come in. */
static void exchange(struct fixture *f, int fd, size_t n)
{
	size_t sent = 0, got = 0;

	for (int idle = 0; got < n; idle++) {
		unsigned char out[777], in[333];
		size_t piece = n - sent < sizeof(out) ? n - sent : sizeof(out);
		ssize_t r;

		for (size_t i = 0; i < piece; i++)
			out[i] = (unsigned char)((sent + i) * 7);
		r = piece ? send(fd, out, piece, MSG_NOSIGNAL) : 0;
		sent += r > 0 ? (size_t)r : 0;
		uv_run(&f->loop, UV_RUN_NOWAIT);
		r = read(fd, in, sizeof(in));
		for (ssize_t i = 0; i < r; i++)
			assert_int_equal(in[i], (unsigned char)((got + (size_t)i) * 7));
		got += r > 0 ? (size_t)r : 0;
		idle = r > 0 ? 0 : idle;
		assert_true(idle < 10000);
	}
}

/* Windows and outputs of one byte, of a few, and larger than any socket's buffer. */
static void test_pieces(void **state)
{
	static const size_t sizes[] = { 1, 7, 1 << 18 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		for (size_t j = 0; j < ARRAY_SIZE(sizes); j++) {
			struct fixture f;
			int fd;

			begin(&f, sizes[i], sizes[j]);
			fd = connect_one(&f);
			exchange(&f, fd, 50000);
			shutdown(fd, SHUT_WR);
			while (socket_carriers_count(f.carriers))
				uv_run(&f.loop, UV_RUN_NOWAIT);
			assert_int_equal(next.closed, 1);
			close(fd);
			end(&f);
		}
	}
}

/* A closed window stops reading; wake() opens it. */
static void test_back_pressure(void **state)
{
	struct fixture f;
	char c;
	int fd;

	(void)state;
	begin(&f, 0, 100);
	fd = connect_one(&f);
	assert_int_equal(write(fd, "hello", 5), 5);
	for (int i = 0; i < 10; i++)
		uv_run(&f.loop, UV_RUN_NOWAIT);
	assert_int_equal(next.last->n_in, 0);
	next.last->window = 3;
	next.last->host->wake(next.last->host);
	next.last->host->wake(next.last->host);
	for (int i = 0; i < 10; i++)
		uv_run(&f.loop, UV_RUN_NOWAIT);
	assert_int_equal(read(fd, &c, 1), 1);
	assert_int_equal(c, 'h');
	close(fd);
	end(&f);
	assert_int_equal(next.closed, 1);
}

/* With a closed window: a peer that is gone is noticed, one that has only shut its side is kept. */
static void test_gone_or_half_shut(void **state)
{
	struct fixture f;
	int gone, half;

	(void)state;
	begin(&f, 0, 100);
	gone = connect_one(&f);
	half = connect_one(&f);
	close(gone);
	shutdown(half, SHUT_WR);
	for (int i = 0; i < 10; i++)
		uv_run(&f.loop, UV_RUN_NOWAIT);
	assert_int_equal(socket_carriers_count(f.carriers), 1);
	assert_false(next.last->has_ended);
	/* Nothing is polled for that would wake the loop for nothing. */
	assert_int_equal(uv_run(&f.loop, UV_RUN_NOWAIT), 0);
	next.last->window = 1;
	next.last->host->wake(next.last->host);
	uv_run(&f.loop, UV_RUN_NOWAIT);
	uv_run(&f.loop, UV_RUN_NOWAIT);
	assert_int_equal(socket_carriers_count(f.carriers), 0);
	close(half);
	end(&f);
}

/* Writes until nothing more is taken; how much it was. */
static size_t fill(struct fixture *f, int fd)
{
	char bytes[4096] = "";
	size_t sent = 0;

	for (int blocked = 0; blocked < 100; blocked++) {
		ssize_t n = send(fd, bytes, sizeof(bytes), MSG_NOSIGNAL);

		sent += n > 0 ? (size_t)n : 0;
		blocked = n > 0 ? 0 : blocked;
		uv_run(&f->loop, UV_RUN_NOWAIT);
	}
	return sent;
}

/* A peer that never reads: the stream's own buffer is all that it fills. */
static void test_peer_never_reads(void **state)
{
	struct fixture f;
	int fd;

	(void)state;
	begin(&f, 1 << 18, 1 << 18);
	fd = connect_one(&f);
	assert_true(fill(&f, fd) < 4 << 20);
	assert_int_equal(socket_carriers_count(f.carriers), 1);
	close(fd);
	end(&f);
}

/* The larger send buffer of a connection that needs it is the guest's memory, once, and comes back. */
static void test_send_buffer(void **state)
{
	const uint64_t memory = 1 << 20;
	size_t usual, wide;
	struct fixture f;
	int fds[2];

	(void)state;
	begin(&f, 1 << 18, 1 << 18);
	f.account.max_bytes = 2 * memory - 1;
	fds[0] = connect_one(&f);
	exchange(&f, fds[0], 50000);
	assert_int_equal(f.account.used_bytes, 0);
	wide = fill(&f, fds[0]);
	assert_int_equal(f.account.used_bytes, memory);
	fds[1] = connect_one(&f);
	usual = fill(&f, fds[1]);
	assert_int_equal(f.account.used_bytes, memory);
	assert_true(wide > usual + 200000);
	close(fds[0]);
	close(fds[1]);
	while (socket_carriers_count(f.carriers))
		uv_run(&f.loop, UV_RUN_NOWAIT);
	assert_int_equal(f.account.used_bytes, 0);
	end(&f);
}

static void test_refused(void **state)
{
	struct fixture f;
	char c;
	int fd;

	(void)state;
	begin(&f, 1, 1);
	next.refuses = true;
	fd = connect_one(&f);
	assert_int_equal(read(fd, &c, 1), 0);
	assert_int_equal(socket_carriers_count(f.carriers), 0);
	close(fd);
	end(&f);
}

/* One that sends without end leaves the others their turns. */
static void test_turns(void **state)
{
	struct fixture f;
	int flood, good;

	(void)state;
	begin(&f, 1, 1);
	flood = connect_one(&f);
	good = connect_one(&f);
	while (write(flood, "xxxxxxxxxxxxxxxx", 16) > 0)
		;
	exchange(&f, good, 2000);
	close(flood);
	close(good);
	end(&f);
	assert_int_equal(next.closed, 2);
}

/* The byte that has been sent comes back. */
static void expect_byte(struct fixture *f, int fd)
{
	char c = 0;

	for (int i = 0; i < 100 && read(fd, &c, 1) != 1; i++)
		uv_run(&f->loop, UV_RUN_NOWAIT);
	assert_int_equal(c, 'x');
}

/* A byte with the descriptor, n times in one message. */
static void pass(struct fixture *f, int fd, int passed, unsigned n)
{
	rig_pass_fd(fd, "x", 1, passed, n);
	expect_byte(f, fd);
}

static bool is_same_file(int a, int b)
{
	struct stat x, y;

	assert_int_equal(fstat(a, &x), 0);
	assert_int_equal(fstat(b, &y), 0);
	return x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

static void test_descriptor(void **state)
{
	struct fixture f;
	int fd, taken, passed[2], n;

	(void)state;
	begin(&f, 100, 100);
	next.takes_fd = true;
	passed[0] = memfd_create("first", MFD_CLOEXEC);
	passed[1] = memfd_create("second", MFD_CLOEXEC);
	fd = connect_one(&f);
	n = tsk_open_fds();
	assert_int_equal(stream_take_fd(next.last->host), -1);
	pass(&f, fd, passed[0], 1);
	assert_int_equal(tsk_open_fds(), n + 1);
	/* Bytes without one leave it. */
	exchange(&f, fd, 100);
	taken = stream_take_fd(next.last->host);
	assert_true(is_same_file(taken, passed[0]));
	assert_int_equal(fcntl(taken, F_GETFD), FD_CLOEXEC);
	close(taken);
	assert_int_equal(stream_take_fd(next.last->host), -1);
	/* The last one that has come; of those in one message, one. */
	pass(&f, fd, passed[0], 1);
	pass(&f, fd, passed[1], 253);
	assert_int_equal(tsk_open_fds(), n + 1);
	taken = stream_take_fd(next.last->host);
	assert_true(is_same_file(taken, passed[1]));
	close(taken);
	/* One that nobody takes goes with its connection. */
	pass(&f, fd, passed[0], 2);
	close(fd);
	close(passed[0]);
	close(passed[1]);
	end(&f);
}

/* Its own other end would keep a connection for ever. */
static void test_descriptor_of_no_memory(void **state)
{
	struct fixture f;
	int fd, passed, n;

	(void)state;
	begin(&f, 100, 100);
	next.takes_fd = true;
	passed = memfd_create("passed", MFD_CLOEXEC);
	fd = connect_one(&f);
	n = tsk_open_fds();
	pass(&f, fd, passed, 1);
	pass(&f, fd, fd, 1);
	assert_int_equal(tsk_open_fds(), n);
	assert_int_equal(stream_take_fd(next.last->host), -1);
	close(fd);
	for (int i = 0; i < 10; i++)
		uv_run(&f.loop, UV_RUN_NOWAIT);
	assert_int_equal(socket_carriers_count(f.carriers), 0);
	close(passed);
	end(&f);
}

/* One that cannot be received does not leave the one before in its place. */
static void test_no_number_for_a_descriptor(void **state)
{
	struct rlimit before, none;
	struct fixture f;
	int fd, passed;

	(void)state;
	begin(&f, 100, 100);
	next.takes_fd = true;
	passed = memfd_create("passed", MFD_CLOEXEC);
	fd = connect_one(&f);
	pass(&f, fd, passed, 1);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = (struct rlimit){ .rlim_cur = 0, .rlim_max = before.rlim_max };
	rig_pass_fd(fd, "x", 1, passed, 1);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	expect_byte(&f, fd);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_int_equal(stream_take_fd(next.last->host), -1);
	close(fd);
	close(passed);
	end(&f);
}

/* By one who takes none, and by one who takes one at a time. */
static void test_flood_of_descriptors(void **state)
{
	(void)state;
	for (int takes = 0; takes < 2; takes++) {
		struct fixture f;
		int fd, passed, n;

		begin(&f, 100, 100);
		next.takes_fd = takes;
		passed = memfd_create("passed", MFD_CLOEXEC);
		fd = connect_one(&f);
		n = tsk_open_fds();
		for (int i = 0; i < 1000; i++)
			pass(&f, fd, passed, 253);
		assert_int_equal(tsk_open_fds(), n + takes);
		close(fd);
		close(passed);
		end(&f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TSK_TEST(test_pieces),
		TSK_TEST(test_back_pressure),
		TSK_TEST(test_gone_or_half_shut),
		TSK_TEST(test_peer_never_reads),
		TSK_TEST(test_send_buffer),
		TSK_TEST(test_refused),
		TSK_TEST(test_turns),
		TSK_TEST(test_descriptor),
		TSK_TEST(test_descriptor_of_no_memory),
		TSK_TEST(test_no_number_for_a_descriptor),
		TSK_TEST(test_flood_of_descriptors),
	};

	return cmocka_run_group_tests(tests, rig_warm_up, NULL);
}
