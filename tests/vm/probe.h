/* SPDX-License-Identifier: Apache-2.0 */
/* What the probes, which run in a guest, have in common. */
#ifndef TESTS_VM_PROBE_H
#define TESTS_VM_PROBE_H

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <linux/vm_sockets.h>

_Noreturn static inline void die(const char *what)
{
	fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what,
		strerrorname_np(errno));
	exit(1);
}

static inline double now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec / 1e6;
}

static inline uint32_t number(const char *text)
{
	char *end;
	unsigned long v = strtoul(text, &end, 10);

	if (end == text || *end || v > UINT32_MAX) {
		fprintf(stderr, "%s: not a number: %s\n", program_invocation_short_name, text);
		exit(2);
	}
	return (uint32_t)v;
}

/* CID 2 is the host, and only a guest that we have booted may talk to its host: see seed_guest.c. */
static inline void refuse_outside_of_guests(uint32_t cid)
{
	char line[4096] = "";
	FILE *file = fopen("/proc/cmdline", "re");

	if (file && !fgets(line, sizeof(line), file))
		line[0] = '\0';
	if (file)
		fclose(file);
	if (cid == VMADDR_CID_HOST && !strstr(line, "vsguest=1")) {
		fprintf(stderr, "%s: not in a guest of ours\n", program_invocation_short_name);
		exit(2);
	}
}

/* A connected socket of this type, or -1 with errno set. */
static inline int try_connect_by(int type, uint32_t cid, uint32_t port)
{
	const struct sockaddr_vm address = {
		.svm_family = AF_VSOCK,
		.svm_cid = cid,
		.svm_port = port,
	};

	refuse_outside_of_guests(cid);
	int fd = socket(AF_VSOCK, type | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0) {
		int saved = errno;

		close(fd);
		errno = saved;
		return -1;
	}
	return fd;
}

static inline int print_connect(int type, uint32_t cid, uint32_t port)
{
	double start_ms = now_ms();
	int fd = try_connect_by(type, cid, port);

	printf("%s %.1f\n", fd < 0 ? strerrorname_np(errno) : "OK", now_ms() - start_ms);
	return fd < 0;
}

/* Says so once it listens. */
static inline int listen_by(int type, uint32_t port)
{
	const struct sockaddr_vm address = {
		.svm_family = AF_VSOCK,
		.svm_cid = VMADDR_CID_ANY,
		.svm_port = port,
	};
	int listener = socket(AF_VSOCK, type | SOCK_CLOEXEC, 0);

	if (listener < 0)
		die("socket");
	if (bind(listener, (const struct sockaddr *)&address, sizeof(address)) < 0)
		die("bind");
	if (listen(listener, 4096) < 0)
		die("listen");
	puts("listening");
	fflush(stdout);
	return listener;
}

/* One process a connection.  Never returns. */
_Noreturn static inline void serve_by(int type, uint32_t port, void (*on_connection)(int fd))
{
	int listener = listen_by(type, port);

	signal(SIGCHLD, SIG_IGN);
	for (;;) {
		int fd = accept(listener, NULL, NULL);

		if (fd < 0)
			die("accept");
		pid_t child = fork();
		if (child < 0)
			die("fork");
		if (child == 0) {
			on_connection(fd);
			_exit(0);
		}
		close(fd);
	}
}

#endif
