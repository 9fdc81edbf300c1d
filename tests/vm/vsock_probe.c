/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guest's end of the tests of a vsock device.  Static: a guest has no library.
 *
 *   pipe CID PORT      copies stdin to the connection and the connection to stdout, both at once, and
 *                      carries the end of each; ends when both have ended
 *   connect CID PORT   prints "OK" or the error's name, and the milliseconds it took
 *   storm CID PORT N   opens N connections, sends on each something of its own, wants it echoed on
 *                      each; prints how many were right
 *   flood CID PORT     sends zeros until the connection fails or its peer's end of it comes; prints how
 *                      many bytes were taken
 *   fill CID PORT N    opens N connections, sends on each until nothing more is taken; prints how many
 *                      bytes were, and stays
 *   ping CID PORT N    sends a byte N times and waits each time for one; prints the median and the 99th
 *                      of 100 of the times, in microseconds
 *   echo PORT          serves: sends back what comes, and its end
 *   crowd PORT         serves as echo does, but all connections from one process
 *   late PORT          serves: takes all until its end, then answers "N bytes\n"
 *   mute PORT          serves: accepts and never reads
 *   exec PORT PROGRAM ARGUMENT...
 *                      serves: runs the program with the connection as its stdin and stdout
 */
#include <inttypes.h>
#include <poll.h>
#include <stdbool.h>
#include <sys/wait.h>

#include "probe.h"

#define BUFFER_BYTES ((size_t)64 * 1024)
#define STORM_MAX 4096u
#define CROWD_BYTES 1024u
#define PINGS_MAX 100000u

static int try_connect(uint32_t cid, uint32_t port)
{
	return try_connect_by(SOCK_STREAM, cid, port);
}

static void write_all(int fd, const void *data, size_t size)
{
	const unsigned char *p = data;

	while (size > 0) {
		ssize_t n = write(fd, p, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			die("write");
		p += n;
		size -= (size_t)n;
	}
}

static size_t read_some(int fd, void *buffer, size_t size)
{
	ssize_t n;

	do
		n = read(fd, buffer, size);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		die("read");
	return (size_t)n;
}

/* stdin → fd in a process of its own, fd → stdout here: neither direction waits for the other. */
static int run_pipe(int fd)
{
	static unsigned char buffer[BUFFER_BYTES];
	size_t n;
	pid_t sender = fork();

	if (sender < 0)
		die("fork");
	if (sender == 0) {
		while ((n = read_some(STDIN_FILENO, buffer, sizeof(buffer))) > 0)
			write_all(fd, buffer, n);
		if (shutdown(fd, SHUT_WR) < 0)
			die("shutdown");
		_exit(0);
	}
	while ((n = read_some(fd, buffer, sizeof(buffer))) > 0)
		write_all(STDOUT_FILENO, buffer, n);

	int status;
	if (waitpid(sender, &status, 0) < 0)
		die("waitpid");
	return status != 0;
}

static void storm_message(uint32_t i, uint64_t ret_message[static 4])
{
	for (uint32_t k = 0; k < 4; k++)
		ret_message[k] = (uint64_t)(i + 1) * 0x9e3779b97f4a7c15u + k;
}

/* All connections are open before the first byte is sent, and until the last answer has come. */
static int run_storm(uint32_t cid, uint32_t port, uint32_t n)
{
	static int fds[STORM_MAX];
	uint64_t sent[4];
	uint64_t got[4];
	uint32_t right = 0;

	if (n > STORM_MAX)
		n = STORM_MAX;
	for (uint32_t i = 0; i < n; i++) {
		fds[i] = try_connect(cid, port);
		if (fds[i] < 0)
			die("connect");
	}
	for (uint32_t i = 0; i < n; i++) {
		storm_message(i, sent);
		write_all(fds[i], sent, sizeof(sent));
	}
	for (uint32_t i = n; i-- > 0;) {
		size_t have = 0;
		size_t k = 1;

		while (have < sizeof(got) && k > 0) {
			k = read_some(fds[i], (unsigned char *)got + have, sizeof(got) - have);
			have += k;
		}
		storm_message(i, sent);
		right += have == sizeof(got) && memcmp(got, sent, sizeof(got)) == 0;
	}
	printf("%" PRIu32 "\n", right);
	return right != n;
}

static int run_flood(int fd)
{
	static const unsigned char zeros[BUFFER_BYTES];
	uint64_t taken_bytes = 0;

	for (;;) {
		struct pollfd poll_fd = { .fd = fd, .events = POLLIN | POLLOUT };

		if (poll(&poll_fd, 1, -1) < 0)
			die("poll");
		if (poll_fd.revents & (POLLIN | POLLHUP | POLLERR))
			break;
		ssize_t n = send(fd, zeros, sizeof(zeros), MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0 && errno != EAGAIN)
			break;
		if (n > 0)
			taken_bytes += (uint64_t)n;
	}
	printf("%" PRIu64 "\n", taken_bytes);
	return 0;
}

/* Sends what is taken at once. */
static uint64_t send_some(int fd)
{
	static const unsigned char zeros[BUFFER_BYTES];
	ssize_t n = send(fd, zeros, sizeof(zeros), MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n < 0 && errno != EAGAIN)
		die("send");
	return n > 0 ? (uint64_t)n : 0;
}

static int run_fill(uint32_t cid, uint32_t port, uint32_t n)
{
	static int fds[STORM_MAX];
	uint64_t taken_bytes = 0;

	if (n > STORM_MAX)
		n = STORM_MAX;
	for (uint32_t i = 0; i < n; i++) {
		fds[i] = try_connect(cid, port);
		if (fds[i] < 0)
			die("connect");
	}
	for (double last_ms = now_ms(); now_ms() - last_ms < 1000;) {
		uint64_t before_bytes = taken_bytes;

		for (uint32_t i = 0; i < n; i++)
			taken_bytes += send_some(fds[i]);
		if (taken_bytes != before_bytes)
			last_ms = now_ms();
		usleep(10000);
	}
	printf("%" PRIu64 "\n", taken_bytes);
	fflush(stdout);
	pause();
	return 0;
}

static int by_value(const void *a, const void *b)
{
	const double *x = a;
	const double *y = b;

	return (*x > *y) - (*x < *y);
}

static int run_ping(int fd, uint32_t n)
{
	static double times_us[PINGS_MAX];
	char byte = 'x';

	if (n == 0 || n > PINGS_MAX)
		n = PINGS_MAX;
	for (uint32_t i = 0; i < n; i++) {
		double start_ms = now_ms();

		write_all(fd, &byte, 1);
		if (read_some(fd, &byte, 1) == 0)
			die("ping: the end");
		times_us[i] = (now_ms() - start_ms) * 1e3;
	}
	qsort(times_us, n, sizeof(times_us[0]), by_value);
	printf("%.0f %.0f\n", times_us[n / 2], times_us[(uint64_t)n * 99 / 100]);
	return 0;
}

static void serve_echo(int fd)
{
	static unsigned char buffer[BUFFER_BYTES];
	size_t n;

	while ((n = read_some(fd, buffer, sizeof(buffer))) > 0)
		write_all(fd, buffer, n);
}

static void serve_late(int fd)
{
	static unsigned char buffer[BUFFER_BYTES];
	char text[64];
	uint64_t total_bytes = 0;
	size_t n;

	while ((n = read_some(fd, buffer, sizeof(buffer))) > 0)
		total_bytes += n;
	int length = snprintf(text, sizeof(text), "%" PRIu64 " bytes\n", total_bytes);
	write_all(fd, text, (size_t)length);
}

static void serve_mute(int fd)
{
	(void)fd;
	pause();
}

static char **exec_arguments;

static void serve_exec(int fd)
{
	/* What it starts in turn is waited for. */
	signal(SIGCHLD, SIG_DFL);
	if (dup2(fd, STDIN_FILENO) < 0 || dup2(fd, STDOUT_FILENO) < 0)
		die("dup2");
	execv(exec_arguments[0], exec_arguments);
	die(exec_arguments[0]);
}

static void serve(uint32_t port, void (*on_connection)(int fd))
{
	serve_by(SOCK_STREAM, port, on_connection);
}

/* Echoes what one connection has.  False: it has ended. */
static bool echo_some(int fd)
{
	unsigned char buffer[CROWD_BYTES];
	ssize_t n = recv(fd, buffer, sizeof(buffer), MSG_DONTWAIT);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	return n > 0 && send(fd, buffer, (size_t)n, MSG_NOSIGNAL) == n;
}

/* Never returns. */
static void serve_crowd(uint32_t port)
{
	static struct pollfd fds[STORM_MAX];
	nfds_t n = 1;

	fds[0] = (struct pollfd){ .fd = listen_by(SOCK_STREAM, port), .events = POLLIN };
	for (;;) {
		if (poll(fds, n, -1) < 0)
			die("poll");
		for (nfds_t i = n; i-- > 1;) {
			if (!fds[i].revents || echo_some(fds[i].fd))
				continue;
			close(fds[i].fd);
			fds[i] = fds[--n];
		}
		if (fds[0].revents && n < STORM_MAX) {
			int fd = accept(fds[0].fd, NULL, NULL);

			if (fd < 0)
				die("accept");
			fds[n++] = (struct pollfd){ .fd = fd, .events = POLLIN };
		}
	}
}

static int connected(uint32_t cid, uint32_t port)
{
	int fd = try_connect(cid, port);

	if (fd < 0)
		die("connect");
	return fd;
}

int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "";

	signal(SIGPIPE, SIG_IGN);
	if (argc == 4 && strcmp(mode, "pipe") == 0)
		return run_pipe(connected(number(argv[2]), number(argv[3])));
	if (argc == 4 && strcmp(mode, "connect") == 0)
		return print_connect(SOCK_STREAM, number(argv[2]), number(argv[3]));
	if (argc == 4 && strcmp(mode, "flood") == 0)
		return run_flood(connected(number(argv[2]), number(argv[3])));
	if (argc == 5 && strcmp(mode, "storm") == 0)
		return run_storm(number(argv[2]), number(argv[3]), number(argv[4]));
	if (argc == 5 && strcmp(mode, "ping") == 0)
		return run_ping(connected(number(argv[2]), number(argv[3])), number(argv[4]));
	if (argc == 5 && strcmp(mode, "fill") == 0)
		return run_fill(number(argv[2]), number(argv[3]), number(argv[4]));
	if (argc == 3 && strcmp(mode, "echo") == 0)
		serve(number(argv[2]), serve_echo);
	if (argc == 3 && strcmp(mode, "crowd") == 0)
		serve_crowd(number(argv[2]));
	if (argc == 3 && strcmp(mode, "late") == 0)
		serve(number(argv[2]), serve_late);
	if (argc == 3 && strcmp(mode, "mute") == 0)
		serve(number(argv[2]), serve_mute);
	if (argc > 3 && strcmp(mode, "exec") == 0) {
		exec_arguments = argv + 3;
		serve(number(argv[2]), serve_exec);
	}
	fputs("usage: vsock_probe MODE...: see the head of vsock_probe.c\n", stderr);
	return 2;
}
