/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host's end of the measurements of a vsock device: `host_end PATH...` listens at these Unix
 * sockets and serves at each one connection after the other, as load.h says.  It prints "ready".
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "load.h"

#define BUFFER_BYTES ((size_t)1024 * 1024)

static void die(const char *what)
{
	fprintf(stderr, "host_end: %s: %s\n", what, strerrorname_np(errno));
	exit(1);
}

static bool send_all(int fd, const unsigned char *bytes, size_t n)
{
	while (n > 0) {
		ssize_t r = send(fd, bytes, n, 0);

		if (r <= 0)
			return false;
		bytes += r;
		n -= (size_t)r;
	}
	return true;
}

static bool receive_all(int fd, void *bytes, size_t n)
{
	return n == 0 || recv(fd, bytes, n, MSG_WAITALL) == (ssize_t)n;
}

static bool take(int fd, unsigned char *buffer, uint64_t n)
{
	while (n > 0) {
		ssize_t r = recv(fd, buffer, BUFFER_BYTES, 0);

		if (r <= 0)
			return false;
		n -= (uint64_t)r;
	}
	return send_all(fd, buffer, 1);
}

static void give(int fd, const unsigned char *buffer, uint64_t n)
{
	while (n > 0) {
		size_t part = n < BUFFER_BYTES ? n : BUFFER_BYTES;

		if (!send_all(fd, buffer, part))
			return;
		n -= part;
	}
}

static void serve(int fd, unsigned char *buffer)
{
	unsigned char op;
	uint64_t n = 0;

	if (!receive_all(fd, &op, 1))
		return;
	if (op == LOAD_TOUCH) {
		send_all(fd, &op, 1);
		return;
	}
	if (!receive_all(fd, &n, sizeof(n)))
		return;
	if (op == LOAD_PUSH)
		take(fd, buffer, n);
	else if (op == LOAD_PULL)
		give(fd, buffer, n);
	else if (op == LOAD_ECHO && n <= BUFFER_BYTES)
		while (receive_all(fd, buffer, n) && send_all(fd, buffer, n))
			;
}

static void *serve_all(void *argument)
{
	int listener = *(const int *)argument;
	unsigned char *buffer = calloc(1, BUFFER_BYTES);

	if (!buffer)
		die("calloc");
	for (;;) {
		int fd = accept(listener, NULL, NULL);

		if (fd < 0)
			die("accept");
		serve(fd, buffer);
		close(fd);
	}
	return NULL;
}

static int listen_at(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	size_t length = strlen(path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (length >= sizeof(address.sun_path))
		errno = ENAMETOOLONG, die(path);
	memcpy(address.sun_path, path, length + 1);
	if (fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
	    listen(fd, 128) < 0)
		die(path);
	return fd;
}

int main(int argc, char **argv)
{
	int *listeners = calloc((size_t)argc, sizeof(*listeners));

	if (!listeners)
		die("calloc");
	signal(SIGPIPE, SIG_IGN);
	for (int i = 1; i < argc; i++) {
		pthread_t thread;

		listeners[i] = listen_at(argv[i]);
		errno = pthread_create(&thread, NULL, serve_all, &listeners[i]);
		if (errno)
			die("pthread_create");
	}
	puts("ready");
	fflush(stdout);
	for (;;)
		pause();
}
