/* SPDX-License-Identifier: Apache-2.0 */
#include "inject.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

/* Each real function, and the one that the linker puts before it. */
#define WRAPPED(type, name, ...)         \
	type __real_##name(__VA_ARGS__); \
	type __wrap_##name(__VA_ARGS__)

WRAPPED(void *, malloc, size_t size);
WRAPPED(void *, calloc, size_t n, size_t size);
WRAPPED(void *, realloc, void *old, size_t size);
WRAPPED(char *, strdup, const char *text);
WRAPPED(char *, strndup, const char *text, size_t n);
WRAPPED(void *, mmap64, void *at, size_t len, int prot, int flags, int fd, off_t offset);
WRAPPED(int, memfd_create, const char *name, unsigned flags);
WRAPPED(ssize_t, recvmsg, int fd, struct msghdr *msg, int flags);
WRAPPED(ssize_t, sendmsg, int fd, const struct msghdr *msg, int flags);
WRAPPED(ssize_t, recv, int fd, void *buf, size_t n, int flags);
WRAPPED(ssize_t, send, int fd, const void *buf, size_t n, int flags);
WRAPPED(ssize_t, read, int fd, void *buf, size_t n);
WRAPPED(ssize_t, write, int fd, const void *buf, size_t n);

static struct inject_plan *plan;
static uint32_t own_pid; /* as the test sees it, in whatever namespace we are later */

__attribute__((constructor)) static void read_plan(void)
{
	char path[PATH_MAX];
	ssize_t len = readlink("/proc/self/exe", path, sizeof(path) - 1);
	char *slash;
	void *map;
	int fd;

	own_pid = (uint32_t)getpid();
	path[len > 0 ? len : 0] = '\0';
	slash = strrchr(path, '/');
	if (!slash || (size_t)(slash - path) + sizeof("/plan") > sizeof(path))
		return;
	memcpy(slash, "/plan", sizeof("/plan"));
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return;
	map = __real_mmap64(NULL, sizeof(*plan), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (map != MAP_FAILED)
		plan = map;
}

static bool is_planned(enum inject_kind kind)
{
	if (!plan || __atomic_load_n(&plan->kind, __ATOMIC_ACQUIRE) != (uint32_t)kind)
		return false;
	return plan->spared != own_pid;
}

/* The number of this call, from 1 on. */
static uint64_t count(void)
{
	return __atomic_add_fetch(&plan->calls, 1, __ATOMIC_ACQ_REL);
}

static void note(void)
{
	__atomic_add_fetch(&plan->injected, 1, __ATOMIC_ACQ_REL);
}

/*
 * ---- No memory
 */

static bool fails(void)
{
	if (!is_planned(INJECT_NO_MEMORY) || count() != plan->fail_at)
		return false;
	note();
	errno = ENOMEM;
	return true;
}

void *__wrap_malloc(size_t size)
{
	void *p = fails() ? NULL : __real_malloc(size);

	if (p && is_planned(INJECT_OLD_MEMORY)) {
		memset(p, INJECT_OLD, size);
		note();
	}
	return p;
}

void *__wrap_calloc(size_t n, size_t size)
{
	return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *old, size_t size)
{
	return fails() ? NULL : __real_realloc(old, size);
}

char *__wrap_strdup(const char *text)
{
	return fails() ? NULL : __real_strdup(text);
}

char *__wrap_strndup(const char *text, size_t n)
{
	return fails() ? NULL : __real_strndup(text, n);
}

void *__wrap_mmap64(void *at, size_t len, int prot, int flags, int fd, off_t offset)
{
	return fails() ? MAP_FAILED : __real_mmap64(at, len, prot, flags, fd, offset);
}

int __wrap_memfd_create(const char *name, unsigned flags)
{
	return fails() ? -1 : __real_memfd_create(name, flags);
}

/*
 * ---- Bad calls
 */

static bool is_stream(int fd)
{
	int type = 0;
	socklen_t len = sizeof(type);

	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 && type == SOCK_STREAM;
}

/*
 * True when the call fails, with errno.  *ret_one: it moves one byte.  What is no stream of bytes has whole
 * messages; its calls can only be interrupted.
 */
static bool goes_wrong(int fd, bool *ret_one)
{
	uint64_t turn;

	*ret_one = false;
	if (!is_planned(INJECT_BAD_CALLS))
		return false;
	turn = count() % 4;
	if (turn != 0 && !is_stream(fd))
		return false;
	note();
	*ret_one = turn >= 2;
	errno = turn == 0 ? EINTR : EAGAIN;
	return turn < 2;
}

/* The first byte of a message. */
static struct msghdr one_byte(const struct msghdr *msg, struct iovec *iov)
{
	struct msghdr one = *msg;

	for (size_t i = 0; i < msg->msg_iovlen; i++) {
		if (!msg->msg_iov[i].iov_len)
			continue;
		*iov = (struct iovec){ .iov_base = msg->msg_iov[i].iov_base, .iov_len = 1 };
		one.msg_iov = iov;
		one.msg_iovlen = 1;
		break;
	}
	return one;
}

ssize_t __wrap_recvmsg(int fd, struct msghdr *msg, int flags)
{
	struct msghdr whole = *msg;
	struct iovec iov;
	bool one;
	ssize_t n;

	if (goes_wrong(fd, &one))
		return -1;
	if (one)
		*msg = one_byte(msg, &iov);
	n = __real_recvmsg(fd, msg, flags);
	msg->msg_iov = whole.msg_iov;
	msg->msg_iovlen = whole.msg_iovlen;
	return n;
}

ssize_t __wrap_sendmsg(int fd, const struct msghdr *msg, int flags)
{
	struct msghdr less;
	struct iovec iov;
	bool one;

	if (goes_wrong(fd, &one))
		return -1;
	if (!one)
		return __real_sendmsg(fd, msg, flags);
	less = one_byte(msg, &iov);
	return __real_sendmsg(fd, &less, flags);
}

ssize_t __wrap_recv(int fd, void *buf, size_t n, int flags)
{
	bool one;

	return goes_wrong(fd, &one) ? -1 : __real_recv(fd, buf, one && n ? 1 : n, flags);
}

ssize_t __wrap_send(int fd, const void *buf, size_t n, int flags)
{
	bool one;

	return goes_wrong(fd, &one) ? -1 : __real_send(fd, buf, one && n ? 1 : n, flags);
}

ssize_t __wrap_read(int fd, void *buf, size_t n)
{
	bool one;

	return goes_wrong(fd, &one) ? -1 : __real_read(fd, buf, one && n ? 1 : n);
}

ssize_t __wrap_write(int fd, const void *buf, size_t n)
{
	bool one;

	return goes_wrong(fd, &one) ? -1 : __real_write(fd, buf, one && n ? 1 : n);
}
