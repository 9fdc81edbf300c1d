/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guest's end of the tests of seqpacket connections.  Static: a guest has no library.  Message i
 * of a size has bytes of its own, which the tests know as well.
 *
 *   connect CID PORT         prints "OK" or the error's name, and the milliseconds it took
 *   exchange CID PORT SIZE.. sends a message of each size and wants it echoed before the next one;
 *                            one that is refused is named by its error; prints how many were right
 *   storm CID PORT N MAX     sends N messages of up to MAX bytes and receives their echoes meanwhile;
 *                            prints how many were right
 *   fill CID PORT SIZE       sends messages of SIZE bytes until one would have to wait, and its end;
 *                            prints how many, at once; then takes the peer's end
 *   half CID PORT            sends three messages and its end, prints the messages that come then
 *   sink CID PORT            prints the length of each message that comes, and "end" or the error
 *   echo PORT                serves: sends back each message, and the end
 *   lengths PORT             serves: answers each message, an empty one too, with its length
 *   late PORT                serves: takes all until the end, then answers "N messages, M bytes"
 *   patient PORT FILE        serves: reads nothing until there is such a file, then as late
 */
#include <inttypes.h>
#include <poll.h>
#include <stdbool.h>
#include <sys/wait.h>

#include "probe.h"

#define SIZE_MAX_BYTES ((size_t)512 * 1024)

static unsigned char buffer[SIZE_MAX_BYTES];
static unsigned char wanted[SIZE_MAX_BYTES];
static const char *file_to_wait_for;

static void make_message(uint32_t i, size_t size, unsigned char *ret)
{
	for (size_t k = 0; k < size; k++)
		ret[k] = (unsigned char)(i * 31 + k * 7 + (k >> 8));
}

static void send_message(int fd, const void *data, size_t size)
{
	if (send(fd, data, size, MSG_NOSIGNAL) != (ssize_t)size)
		die("send");
}

/* The length of the next message, which buffer has then; 0 for an empty one, and at the end. */
static size_t receive(int fd)
{
	ssize_t n = recv(fd, buffer, sizeof(buffer), MSG_TRUNC);

	if (n < 0)
		die("recv");
	return (size_t)n;
}

static bool has_ended(int fd)
{
	struct pollfd poll_fd = { .fd = fd, .events = POLLRDHUP };

	return poll(&poll_fd, 1, 0) == 1 && (poll_fd.revents & POLLRDHUP);
}

static bool is_right(uint32_t i, size_t size, size_t got)
{
	make_message(i, size, wanted);
	return got == size && memcmp(buffer, wanted, size) == 0;
}

static int run_exchange(int fd, int n, char **sizes)
{
	int right = 0;

	for (int i = 0; i < n; i++) {
		size_t size = number(sizes[i]);

		if (size > SIZE_MAX_BYTES)
			size = SIZE_MAX_BYTES;
		make_message((uint32_t)i, size, buffer);
		if (send(fd, buffer, size, MSG_NOSIGNAL) < 0) {
			printf("%s ", strerrorname_np(errno));
			continue;
		}
		right += is_right((uint32_t)i, size, receive(fd));
	}
	printf("%d\n", right);
	return 0;
}

static size_t storm_size(uint32_t i, uint32_t max)
{
	return 1 + (size_t)(i * UINT32_C(2654435761) >> 8) % max;
}

static int run_storm(int fd, uint32_t n, uint32_t max)
{
	uint32_t right = 0;
	pid_t sender = fork();

	if (sender < 0)
		die("fork");
	if (sender == 0) {
		for (uint32_t i = 0; i < n; i++) {
			make_message(i, storm_size(i, max), buffer);
			send_message(fd, buffer, storm_size(i, max));
		}
		if (shutdown(fd, SHUT_WR) < 0)
			die("shutdown");
		_exit(0);
	}
	for (uint32_t i = 0; i < n; i++)
		right += is_right(i, storm_size(i, max), receive(fd));
	right += receive(fd) == 0; /* and the end behind them */
	printf("%" PRIu32 "\n", right - 1);
	return right - 1 != n;
}

static int run_fill(int fd, uint32_t size)
{
	uint32_t n = 0;

	for (;; n++) {
		make_message(n, size, buffer);
		if (send(fd, buffer, size, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
			break;
	}
	if (errno != EAGAIN)
		die("send");
	if (shutdown(fd, SHUT_WR) < 0)
		die("shutdown");
	printf("%" PRIu32 "\n", n);
	fflush(stdout);
	return receive(fd) != 0;
}

static int run_half(int fd)
{
	size_t n;

	send_message(fd, "one", 3);
	send_message(fd, "two", 3);
	send_message(fd, "three", 5);
	if (shutdown(fd, SHUT_WR) < 0)
		die("shutdown");
	while ((n = receive(fd)) > 0)
		printf("%.*s\n", (int)n, (char *)buffer);
	return 0;
}

static int run_sink(int fd)
{
	ssize_t n;

	for (;;) {
		n = recv(fd, buffer, sizeof(buffer), MSG_TRUNC);
		if (n < 0 || (n == 0 && has_ended(fd)))
			break;
		printf("%zd\n", n);
		fflush(stdout);
	}
	puts(n < 0 ? strerrorname_np(errno) : "end");
	return 0;
}

static void serve_echo(int fd)
{
	size_t n;

	while ((n = receive(fd)) > 0)
		send_message(fd, buffer, n);
}

static void serve_lengths(int fd)
{
	for (;;) {
		char text[32];
		size_t n = receive(fd);

		if (n == 0 && has_ended(fd))
			return;
		send_message(fd, text, (size_t)snprintf(text, sizeof(text), "%zu", n));
	}
}

static void serve_late(int fd)
{
	uint32_t messages = 0;
	uint64_t bytes = 0;
	char text[64];
	size_t n;

	for (; (n = receive(fd)) > 0; messages++)
		bytes += n;
	int length = snprintf(text, sizeof(text), "%" PRIu32 " messages, %" PRIu64 " bytes",
			      messages, bytes);
	send_message(fd, text, (size_t)length);
}

static void serve_patient(int fd)
{
	while (access(file_to_wait_for, F_OK) < 0)
		poll(NULL, 0, 20);
	serve_late(fd);
}

static int connected(char **arguments)
{
	int fd = try_connect_by(SOCK_SEQPACKET, number(arguments[0]), number(arguments[1]));

	if (fd < 0)
		die("connect");
	return fd;
}

static void run_server(int n, char **arguments)
{
	static const struct {
		const char *mode;
		void (*on_connection)(int fd);
	} servers[] = {
		{ "echo", serve_echo },
		{ "lengths", serve_lengths },
		{ "late", serve_late },
		{ "patient", serve_patient },
	};

	for (size_t i = 0; i < sizeof(servers) / sizeof(servers[0]) && n >= 2; i++) {
		file_to_wait_for = n > 2 ? arguments[2] : "/";
		if (strcmp(arguments[0], servers[i].mode) == 0)
			serve_by(SOCK_SEQPACKET, number(arguments[1]), servers[i].on_connection);
	}
}

int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "";

	if (argc == 4 && strcmp(mode, "connect") == 0)
		return print_connect(SOCK_SEQPACKET, number(argv[2]), number(argv[3]));
	if (argc >= 4 && strcmp(mode, "exchange") == 0)
		return run_exchange(connected(argv + 2), argc - 4, argv + 4);
	if (argc == 6 && strcmp(mode, "storm") == 0)
		return run_storm(connected(argv + 2), number(argv[4]), number(argv[5]));
	if (argc == 5 && strcmp(mode, "fill") == 0)
		return run_fill(connected(argv + 2), number(argv[4]));
	if (argc == 4 && strcmp(mode, "half") == 0)
		return run_half(connected(argv + 2));
	if (argc == 4 && strcmp(mode, "sink") == 0)
		return run_sink(connected(argv + 2));
	run_server(argc - 1, argv + 1);
	fputs("usage: seqpacket_probe MODE...: see the head of seqpacket_probe.c\n", stderr);
	return 2;
}
