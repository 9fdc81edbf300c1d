/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stands in for a front and for a worker in the supervisor's tests.  Its guest's name says what it
 * does; what it has seen it writes to each connection that it is given.
 */
#include <dirent.h>
#include <errno.h>
#include <linux/sched/types.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "channel/front_control.h"

static char record[8192];
static char name[FRONT_NAME_SIZE];
static int device_fd = -1;

_printf_(1, 2) static void note(const char *fmt, ...)
{
	size_t len = strlen(record);
	va_list args;

	va_start(args, fmt);
	vsnprintf(record + len, sizeof(record) - len, fmt, args);
	va_end(args);
}

static void say(enum front_msg_type type, uint64_t id, uint64_t value)
{
	struct front_msg msg = { .type = type, .id = id, .value = value };

	if (front_control_send(FRONT_CONTROL_FD, &msg, -1) < 0)
		note("cannot send %d\n", type);
}

static unsigned count_entries(const char *path)
{
	DIR *dir = opendir(path);
	unsigned n = 0;

	while (dir && readdir(dir))
		n++;
	if (dir)
		closedir(dir);
	return n;
}

static void ask_for_region(uint64_t id, const char *key)
{
	struct front_msg msg = { .type = FRONT_REGION, .id = id };

	memcpy(msg.key, key, strlen(key));
	if (front_control_send(FRONT_CONTROL_FD, &msg, -1) < 0)
		_exit(1);
}

/* What the process was born with. */
static void note_surroundings(char **environment)
{
	struct sched_attr attr = { .size = sizeof(attr) };
	struct sigaction pipe_action;
	struct rlimit core;
	sigset_t blocked;
	char cwd[4096];
	int n_blocked = 0;

	/* ".", "..", the five that are ours to have, and the one that reads the folder */
	note("fds %u\n", count_entries("/proc/self/fd") - 3);
	note("cwd %s, %u entries\n", getcwd(cwd, sizeof(cwd)) ? cwd : "gone", count_entries("."));
	note("session %s\n", getsid(0) == getpid() ? "own" : "shared");
	if (syscall(SYS_sched_getattr, 0, &attr, sizeof(attr), 0) == 0 && attr.sched_runtime)
		note("slice %llu\n", (unsigned long long)attr.sched_runtime);
	getrlimit(RLIMIT_CORE, &core);
	note("core %lu\n", (unsigned long)core.rlim_cur);
	sigprocmask(SIG_SETMASK, NULL, &blocked);
	for (int i = 1; i < 32; i++)
		n_blocked += sigismember(&blocked, i);
	note("blocked %d\n", n_blocked);
	sigaction(SIGPIPE, NULL, &pipe_action);
	note("sigpipe %s\n", pipe_action.sa_handler == SIG_IGN ? "ignored" : "not ignored");
	while (*environment)
		note("env %s\n", *environment++);
}

static void begin(const struct front_start *start, uint64_t n_received)
{
	memcpy(name, start->name, sizeof(name));
	say(FRONT_READY, 0, 0);
	note("start %s, cid %llu, workers %u, run %u ms\n", start->name,
	     (unsigned long long)start->cid, start->workers_max, start->run_deadline_ms);
	if (start->ports[1])
		note("ports %u %u %u\n", start->ports[0], start->ports[1], start->ports[2]);
	if (start->process_bytes_max)
		note("memory %llu\n", (unsigned long long)start->process_bytes_max);
	if (start->is_borrowed)
		note("borrowed\n");
	if (strcmp(start->name, "spawner") == 0) {
		for (uint64_t id = 1; id <= 3; id++)
			say(FRONT_SPAWN, id, 0);
		say(FRONT_SPAWN, 1, 0);
		say(FRONT_KILL, 2, 0);
		say(FRONT_KILL, 2, 0);
		say(FRONT_KILL, 99, 0);
	} else if (strcmp(start->name, "connector") == 0) {
		say(FRONT_CONNECT, 1, 80);
		say(FRONT_CONNECT, 2, 81);
		say(FRONT_CONNECT, 3, 9999);
		say(FRONT_CONNECT, 4, (UINT64_C(1) << 33) + 80);
		say(FRONT_CONNECT, 5, FRONT_CONNECT_SEQPACKET | 80);
		say(FRONT_CONNECT, 6, FRONT_CONNECT_SEQPACKET | 82);
		say(FRONT_CONNECT, 7, 82);
		say(FRONT_CONNECT, 8, FRONT_CONNECT_SEQPACKET | 9999);
		say(FRONT_CONNECT, 9, FRONT_CONNECT_SEQPACKET | (UINT64_C(1) << 33) | 82);
		say(FRONT_CONNECT, 10, 83);
	} else if (strcmp(start->name, "sharer") == 0) {
		for (uint64_t id = 1; id <= 20; id++)
			ask_for_region(id, "tensock-test-of-nobody");
	} else if (strcmp(start->name, "rogue") == 0) {
		say(FRONT_STOP, 0, 0);
	} else if (strcmp(start->name, "garbler") == 0) {
		if (write(FRONT_CONTROL_FD, "garbage", 7) != 7)
			_exit(1);
	} else if (strcmp(start->name, "idler") == 0) {
		say(FRONT_IDLE, 0, n_received);
	} else if (strcmp(start->name, "liar") == 0) {
		say(FRONT_IDLE, 0, n_received + 100);
	}
}

static void dispatch(const struct front_msg *msg, int fd, uint64_t n_received)
{
	switch (msg->type) {
	case FRONT_START:
		begin(&msg->start, n_received);
		break;
	case FRONT_WORKER:
		note("worker %d: %d\n", (int)msg->id, msg->result);
		break;
	case FRONT_WORKER_EXITED:
		note("exited %d: %d%s%s\n", (int)msg->id, (int)(uint32_t)msg->value,
		     msg->value & FRONT_EXITED_GUEST_MEMORY ? ", its guest's memory" : "",
		     msg->value & FRONT_EXITED_HOST_MEMORY ? ", the host's memory" : "");
		break;
	case FRONT_CONNECTED:
		note("connected %d: %d\n", (int)msg->id, msg->result);
		break;
	case FRONT_REGION_OPENED:
		note("region %d: %d\n", (int)msg->id, msg->result);
		break;
	case FRONT_DEVICE:
		device_fd = TAKE_FD(fd);
		break;
	case FRONT_STOP:
		_exit(0);
	default:
		note("fd %d\n", msg->type);
		if (write(fd, record, strlen(record)) < 0)
			_exit(1);
		if (strncmp(name, "leaver", 6) == 0)
			say(FRONT_IDLE, 0, n_received);
	}
	/* A worker's control socket is kept: its end would be the worker's. */
	if (msg->type != FRONT_WORKER)
		tsk_close(fd);
}

static int be_front(void)
{
	struct pollfd pollfd = { .fd = FRONT_CONTROL_FD, .events = POLLIN };
	uint64_t n_received = 0;

	for (;;) {
		struct front_msg msg;
		int fd = -1;
		int r = front_control_recv(FRONT_CONTROL_FD, &msg, &fd);

		if (r == 0)
			return 0;
		if (r < 0 && r != -EAGAIN)
			return 1;
		if (r > 0)
			dispatch(&msg, fd, ++n_received);
		else
			poll(&pollfd, 1, -1);
	}
}

int main(int argc, char **argv, char **environment)
{
	char byte;

	(void)argv;
	note_surroundings(environment);
	if (argc == 1)
		return be_front();
	/* A worker: waits for the end of its control socket. */
	if (poll(&(struct pollfd){ .fd = FRONT_CONTROL_FD, .events = POLLIN }, 1, -1) < 0 ||
	    read(FRONT_CONTROL_FD, &byte, 1) != 0)
		return 1;
	return 7;
}
