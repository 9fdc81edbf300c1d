/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The floor: N bytes there and back over a plain socket, between two processes that do nothing else.
 *
 *   pingpong serve PATH                 a thread a connection; ends with SIGTERM
 *   pingpong load ADDRESS N C SECONDS   C connections, a thread each
 *
 * ADDRESS: the path of a Unix socket, or, in a guest, vsock:CID:PORT.  load prints "p50_us p99_us requests_per_s requests".  Both ends have a send buffer of 4 MiB.
 */
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <linux/vm_sockets.h>

#include "latencies.h"

#define SEND_BUFFER (4 << 20)
#define CONNECTIONS_MAX 256

static void die(const char *what)
{
	fprintf(stderr, "pingpong: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int unix_socket(const char *path, struct sockaddr_un *ret)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	*ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (fd < 0 || strlen(path) >= sizeof(ret->sun_path))
		die(path);
	memcpy(ret->sun_path, path, strlen(path) + 1);
	return fd;
}

static int connect_unix(const char *path)
{
	struct sockaddr_un addr;
	int fd = unix_socket(path, &addr);

	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		die(path);
	return fd;
}

static int connect_vsock(const char *address)
{
	struct sockaddr_vm addr = { .svm_family = AF_VSOCK };
	int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || sscanf(address, "vsock:%u:%u", &addr.svm_cid, &addr.svm_port) != 2 ||
	    connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		die(address);
	return fd;
}

static int connect_to(const char *address)
{
	return strncmp(address, "vsock:", strlen("vsock:")) == 0 ? connect_vsock(address)
								 : connect_unix(address);
}

static void fit(int fd)
{
	int size = SEND_BUFFER;

	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)) < 0)
		die("SO_SNDBUF");
}

/* False at the end of the connection. */
static int read_all(int fd, unsigned char *bytes, size_t n)
{
	while (n) {
		ssize_t got = recv(fd, bytes, n, 0);

		if (got <= 0)
			return 0;
		bytes += got;
		n -= (size_t)got;
	}
	return 1;
}

static int write_all(int fd, const unsigned char *bytes, size_t n)
{
	while (n) {
		ssize_t put = send(fd, bytes, n, MSG_NOSIGNAL);

		if (put <= 0)
			return 0;
		bytes += put;
		n -= (size_t)put;
	}
	return 1;
}

/* The first eight bytes say how long each message is. */
static void *serve_one(void *arg)
{
	int fd = (int)(intptr_t)arg;
	unsigned char *bytes = NULL;
	uint64_t n;

	if (read_all(fd, (unsigned char *)&n, sizeof(n)))
		bytes = malloc(n);
	while (bytes && read_all(fd, bytes, n) && write_all(fd, bytes, n))
		;
	free(bytes);
	close(fd);
	return NULL;
}

static void serve(const char *path)
{
	struct sockaddr_un addr;
	int listener = unix_socket(path, &addr);

	if (bind(listener, (struct sockaddr *)&addr, sizeof(addr)) < 0 ||
	    listen(listener, CONNECTIONS_MAX) < 0)
		die(path);
	for (;;) {
		int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		pthread_t thread;

		if (fd < 0)
			die("accept");
		fit(fd);
		if (pthread_create(&thread, NULL, serve_one, (void *)(intptr_t)fd))
			die("pthread_create");
		pthread_detach(thread);
	}
}

struct load {
	const char *address;
	uint64_t n;
	double seconds;
	pthread_barrier_t *start;
	struct latencies latencies;
	uint64_t began_ns, ended_ns;
};

static void *load_one(void *arg)
{
	struct load *load = arg;
	int fd = connect_to(load->address);
	unsigned char *out = malloc(load->n), *in = malloc(load->n);
	uint64_t now_ns, end_ns = UINT64_MAX, count = 0;

	if (!out || !in)
		die("memory");
	fit(fd);
	fill(out, load->n);
	if (!write_all(fd, (unsigned char *)&load->n, sizeof(load->n)))
		die("send");
	do {
		uint64_t before_ns;

		if (count == warm_up(load->n)) {
			pthread_barrier_wait(load->start);
			load->began_ns = bench_now_ns();
			end_ns = load->began_ns + (uint64_t)(load->seconds * 1e9);
		}
		stamp(out, load->n, count);
		before_ns = bench_now_ns();
		if (!write_all(fd, out, load->n) || !read_all(fd, in, load->n))
			die("connection");
		now_ns = bench_now_ns();
		if (!is_stamped(in, load->n, count))
			die("the bytes are not those that were sent");
		if (count++ >= warm_up(load->n))
			latencies_add(&load->latencies, now_ns - before_ns);
	} while (now_ns < end_ns);
	load->ended_ns = now_ns;
	if (memcmp(out, in, load->n) != 0)
		die("the bytes are not those that were sent");
	free(out);
	free(in);
	close(fd);
	return NULL;
}

static void run_load(char **arguments)
{
	unsigned n = (unsigned)strtoul(arguments[2], NULL, 10);
	struct load loads[CONNECTIONS_MAX];
	pthread_t threads[CONNECTIONS_MAX];
	struct latencies all = { 0 };
	uint64_t began_ns = UINT64_MAX, ended_ns = 0;
	pthread_barrier_t start;

	if (n < 1 || n > CONNECTIONS_MAX || pthread_barrier_init(&start, NULL, n))
		die("connections");
	for (unsigned i = 0; i < n; i++) {
		loads[i] = (struct load){ .address = arguments[0],
					  .n = strtoull(arguments[1], NULL, 10),
					  .seconds = strtod(arguments[3], NULL),
					  .start = &start };
		if (loads[i].n < 16)
			die("N is 16 or more");
		if (pthread_create(&threads[i], NULL, load_one, &loads[i]))
			die("pthread_create");
	}
	for (unsigned i = 0; i < n; i++) {
		pthread_join(threads[i], NULL);
		latencies_take(&all, &loads[i].latencies);
		if (loads[i].began_ns < began_ns)
			began_ns = loads[i].began_ns;
		if (loads[i].ended_ns > ended_ns)
			ended_ns = loads[i].ended_ns;
	}
	latencies_print(&all, ended_ns - began_ns);
}

int main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "serve") == 0)
		serve(argv[2]);
	if (argc != 6 || strcmp(argv[1], "load") != 0) {
		fputs("usage: pingpong serve PATH | pingpong load ADDRESS N C SECONDS\n", stderr);
		return 2;
	}
	run_load(argv + 2);
	return 0;
}
