/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guest's end of the measurements of a vsock device.  Static: a guest has no library.  The host's
 * end is host_end; each connection begins as load.h says.
 *
 *   push PORT MIB       sends so much; prints the seconds until the host has had it all
 *   pull PORT MIB       receives so much; prints the seconds
 *   ping PORT BYTES N   N messages there and back; prints their median and 99th percentile, in µs
 *   connect PORT N      N times: connects, sends a byte, gets one back; prints the same of these
 *   mix PORT PORT2 N    as `ping PORT 1 N`, while another process pushes to PORT2; prints that one's
 *                       MiB/s, too
 *   upload PORT FILE MIB  FILE and zeros, so much together, as a model in the seed protocol; prints
 *                       the seconds until all is sent; fails when the answer is not OK
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <linux/vm_sockets.h>

#include "load.h"

#define MIB ((uint64_t)1 << 20)
#define SETTLE_US 200000 /* until a push beside is under way */

static unsigned char buffer[LOAD_BYTES];
static volatile uint64_t *pushed_bytes; /* of the other process, where there is one */

static void die(const char *what)
{
	fprintf(stderr, "vsock_load: %s: %s\n", what, strerrorname_np(errno));
	exit(1);
}

static double now_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static uint32_t number(const char *text)
{
	char *end;
	unsigned long v = strtoul(text, &end, 10);

	if (end == text || *end || v == 0 || v > UINT32_MAX) {
		fprintf(stderr, "vsock_load: not a number: %s\n", text);
		exit(2);
	}
	return (uint32_t)v;
}

/* Only a guest that we have booted may talk to its host: see examples/seed_guest.c. */
static void refuse_outside_of_guests(void)
{
	char line[4096] = "";
	FILE *file = fopen("/proc/cmdline", "re");

	if (!file || !fgets(line, sizeof(line), file) || !strstr(line, "vsguest=1")) {
		fputs("vsock_load: not in a guest of ours\n", stderr);
		exit(2);
	}
	fclose(file);
}

static int connected(uint32_t port)
{
	const struct sockaddr_vm address = {
		.svm_family = AF_VSOCK,
		.svm_cid = VMADDR_CID_HOST,
		.svm_port = port,
	};
	int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		die("socket");
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		die("connect");
	return fd;
}

static void write_all(int fd, const void *data, size_t size)
{
	const unsigned char *p = data;

	while (size > 0) {
		ssize_t n = write(fd, p, size);

		if (n < 0)
			die("write");
		p += n;
		size -= (size_t)n;
	}
}

static void read_all(int fd, void *data, uint64_t size, size_t part)
{
	while (size > 0) {
		ssize_t n = read(fd, data, size < part ? (size_t)size : part);

		if (n <= 0)
			die("read");
		size -= (uint64_t)n;
	}
}

static int begin(uint32_t port, enum load_op op, uint64_t n)
{
	unsigned char request[1 + sizeof(n)] = { (unsigned char)op };
	int fd = connected(port);

	memcpy(request + 1, &n, sizeof(n));
	write_all(fd, request, sizeof(request));
	return fd;
}

static void write_zeros(int fd, uint64_t n)
{
	memset(buffer, 0, sizeof(buffer));
	while (n > 0) {
		size_t part = n < sizeof(buffer) ? (size_t)n : sizeof(buffer);

		write_all(fd, buffer, part);
		n -= part;
		if (pushed_bytes)
			*pushed_bytes += part;
	}
}

static int run_push(uint32_t port, uint64_t n)
{
	int fd = begin(port, LOAD_PUSH, n);
	double start_s = now_s();

	write_zeros(fd, n);
	read_all(fd, buffer, 1, 1);
	printf("%.6f\n", now_s() - start_s);
	return 0;
}

static int run_pull(uint32_t port, uint64_t n)
{
	double start_s = now_s();
	int fd = begin(port, LOAD_PULL, n);

	read_all(fd, buffer, n, sizeof(buffer));
	printf("%.6f\n", now_s() - start_s);
	return 0;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void print_times(double *times_s, uint32_t n)
{
	qsort(times_s, n, sizeof(*times_s), compare);
	printf("%.1f %.1f\n", times_s[n / 2] * 1e6, times_s[(uint64_t)n * 99 / 100] * 1e6);
}

static double *room_for(uint32_t n)
{
	double *times_s = calloc(n, sizeof(*times_s));

	if (!times_s)
		die("calloc");
	return times_s;
}

static int run_ping(uint32_t port, uint32_t bytes, uint32_t n)
{
	int fd = begin(port, LOAD_ECHO, bytes);
	double *times_s = room_for(n);

	if (bytes > sizeof(buffer))
		return 2;
	for (uint32_t i = 0; i < n; i++) {
		double start_s = now_s();

		write_all(fd, buffer, bytes);
		read_all(fd, buffer, bytes, bytes);
		times_s[i] = now_s() - start_s;
	}
	print_times(times_s, n);
	return 0;
}

static int run_connect(uint32_t port, uint32_t n)
{
	double *times_s = room_for(n);

	for (uint32_t i = 0; i < n; i++) {
		unsigned char op = LOAD_TOUCH;
		double start_s = now_s();
		int fd = connected(port);

		write_all(fd, &op, 1);
		read_all(fd, &op, 1, 1);
		times_s[i] = now_s() - start_s;
		close(fd);
	}
	print_times(times_s, n);
	return 0;
}

/* The device is measured, not how the guest's one CPU is shared: who pings always goes first. */
static int run_mix(uint32_t port, uint32_t push_port, uint32_t n)
{
	const struct sched_param first = { .sched_priority = 1 };
	double start_s;
	uint64_t before;
	pid_t child;
	int result;

	pushed_bytes = mmap(NULL, sizeof(*pushed_bytes), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (pushed_bytes == MAP_FAILED)
		die("mmap");
	child = fork();
	if (child < 0)
		die("fork");
	if (child == 0) {
		write_zeros(begin(push_port, LOAD_PUSH, UINT64_MAX), UINT64_MAX);
		_exit(1);
	}
	usleep(SETTLE_US);
	if (sched_setscheduler(0, SCHED_FIFO, &first) < 0)
		die("sched_setscheduler");
	before = *pushed_bytes;
	start_s = now_s();
	result = run_ping(port, 1, n);
	printf("%.1f\n", (double)(*pushed_bytes - before) / (double)MIB / (now_s() - start_s));
	if (waitpid(child, NULL, WNOHANG) != 0)
		die("the push has ended");
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	return result;
}

static int run_upload(uint32_t port, const char *path, uint64_t n)
{
	struct {
		uint32_t type, id;
		uint64_t size;
	} header = { 1, 1, n };
	char answer[2];
	int file = open(path, O_RDONLY | O_CLOEXEC), fd;
	ssize_t part;
	double start_s;

	if (file < 0)
		die(path);
	fd = connected(port);
	start_s = now_s();
	write_all(fd, &header, sizeof(header));
	while ((part = read(file, buffer, sizeof(buffer))) > 0) {
		write_all(fd, buffer, (size_t)part);
		n -= (uint64_t)part;
	}
	write_zeros(fd, n);
	printf("%.6f\n", now_s() - start_s);
	read_all(fd, answer, sizeof(answer), sizeof(answer));
	return memcmp(answer, "OK", 2) != 0;
}

int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "";

	refuse_outside_of_guests();
	signal(SIGPIPE, SIG_IGN);
	if (argc == 4 && strcmp(mode, "push") == 0)
		return run_push(number(argv[2]), number(argv[3]) * MIB);
	if (argc == 4 && strcmp(mode, "pull") == 0)
		return run_pull(number(argv[2]), number(argv[3]) * MIB);
	if (argc == 5 && strcmp(mode, "ping") == 0)
		return run_ping(number(argv[2]), number(argv[3]), number(argv[4]));
	if (argc == 4 && strcmp(mode, "connect") == 0)
		return run_connect(number(argv[2]), number(argv[3]));
	if (argc == 5 && strcmp(mode, "mix") == 0)
		return run_mix(number(argv[2]), number(argv[3]), number(argv[4]));
	if (argc == 5 && strcmp(mode, "upload") == 0)
		return run_upload(number(argv[2]), argv[3], number(argv[4]) * MIB);
	fputs("usage: vsock_load MODE...: see the head of vsock_load.c\n", stderr);
	return 2;
}
