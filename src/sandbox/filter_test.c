/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/filter.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "base/testing.h"
#include "sandbox/testing.h"

static const struct filter_call calls[] = {
	{ .name = "write" },
	{ .name = "exit_group" },
	{ .name = "exit" },
	{ .name = "futex" },
	{ .name = "getpid" },
	{ .name = "gettid" },
	{ .name = "tgkill", .checks = { FILTER_OWN_PID(0) } },
	{ .name = "mmap",
	  .checks = { FILTER_WITHOUT(2, PROT_EXEC), FILTER_WITH(3, MAP_ANONYMOUS) } },
	{ .name = "fcntl", .checks = { FILTER_IS(1, F_GETFD) } },
	{ .name = "fcntl", .checks = { FILTER_IS(1, F_GETFL) } },
	{ .name = "clone3", .error = ENOSYS },
	{ .name = "no_such_call_anywhere" },
};

static void seal(void)
{
	struct filter filter;

	REQUIRE(filter_build(calls, ARRAY_SIZE(calls), &filter) == 0);
	REQUIRE(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	REQUIRE(filter_install(&filter) == 0);
	/* Not given back: munmap() might be needed for it. */
}

static bool refused(long result, int error)
{
	return result == -1 && errno == error;
}

static void try_the_list(void)
{
	pid_t parent = getppid();

	seal();
	REQUIRE(refused(open("/dev/null", O_RDONLY), EACCES));
	REQUIRE(refused(syscall(SYS_socket, 1, 1, 0), EACCES));
	REQUIRE(refused(syscall(SYS_clone3, NULL, 0), ENOSYS));
	REQUIRE(refused(fcntl(0, F_SETFD, 0), EACCES));
	REQUIRE(fcntl(2, F_GETFD) >= 0 && fcntl(2, F_GETFL) >= 0);
	REQUIRE(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) !=
		MAP_FAILED);
	REQUIRE(mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
		MAP_FAILED);
	REQUIRE(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, 0, 0) == MAP_FAILED && errno == EACCES);
	REQUIRE(refused(syscall(SYS_tgkill, parent, parent, 0), EACCES));
	REQUIRE(syscall(SYS_tgkill, getpid(), gettid(), 0) == 0);
}

static void test_list(void **state)
{
	(void)state;
	if (SANDBOX_SANITIZED)
		skip();
	assert_int_equal(in_child(try_the_list), 0);
}

static void do_execve(void)
{
	seal();
	syscall(SYS_execve, "/bin/true", NULL, NULL);
}

static void do_kill(void)
{
	seal();
	syscall(SYS_kill, -1, 0);
}

static void do_ptrace(void)
{
	seal();
	syscall(SYS_ptrace, 0, 0, 0, 0);
}

static void do_mount(void)
{
	seal();
	syscall(SYS_mount, 0, 0, 0, 0, 0);
}

static void do_setuid(void)
{
	seal();
	syscall(SYS_setuid, 0);
}

#if defined(__x86_64__)
/* The processor's other ABI, in which numbers mean other calls. */
static void do_32_bit_getpid(void)
{
	seal();
	__asm__ volatile("int $0x80" : : "a"(20) : "memory");
}
#endif

static void test_attacks(void **state)
{
	static void (*const bodies[])(void) = {
		do_execve,
		do_kill,
		do_ptrace,
		do_mount,
		do_setuid,
#if defined(__x86_64__)
		do_32_bit_getpid,
#endif
	};

	(void)state;
	if (SANDBOX_SANITIZED)
		skip();
	for (unsigned i = 0; i < ARRAY_SIZE(bodies); i++) {
		int status = in_child(bodies[i]);

		assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
	}
}

static atomic_int step;

static void *wait_and_open(void *arg)
{
	(void)arg;
	atomic_store(&step, 1);
	while (atomic_load(&step) != 2)
		;
	REQUIRE(refused(open("/dev/null", O_RDONLY), EACCES));
	atomic_store(&step, 3);
	return NULL;
}

static void seal_two_threads(void)
{
	pthread_t thread;

	REQUIRE(pthread_create(&thread, NULL, wait_and_open, NULL) == 0);
	while (atomic_load(&step) != 1)
		;
	seal();
	atomic_store(&step, 2);
	while (atomic_load(&step) != 3)
		;
}

static void test_all_threads(void **state)
{
	(void)state;
	if (SANDBOX_SANITIZED)
		skip();
	assert_int_equal(in_child(seal_two_threads), 0);
}

/* A second list takes away, and gives nothing back. */
static void seal_twice(void)
{
	static const struct filter_call more[] = { { .name = "write" },
						   { .name = "exit_group" },
						   { .name = "openat" } };
	static const struct filter_call first[] = { { .name = "write" },
						    { .name = "exit_group" },
						    { .name = "getpid" },
						    { .name = "seccomp" } };
	struct filter one, two;

	REQUIRE(filter_build(first, ARRAY_SIZE(first), &one) == 0);
	REQUIRE(filter_build(more, ARRAY_SIZE(more), &two) == 0);
	REQUIRE(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	REQUIRE(filter_install(&one) == 0);
	REQUIRE(getpid() > 0);
	REQUIRE(filter_install(&two) == 0);
	REQUIRE(refused(syscall(SYS_getpid), EACCES));
	REQUIRE(refused(open("/dev/null", O_RDONLY), EACCES));
}

static void test_twice(void **state)
{
	(void)state;
	if (SANDBOX_SANITIZED)
		skip();
	assert_int_equal(in_child(seal_twice), 0);
}

static void test_build_and_free(void **state)
{
	struct filter filter;

	(void)state;
	assert_int_equal(filter_build(calls, ARRAY_SIZE(calls), &filter), 0);
	assert_true(filter.program.len > 0);
	filter_done(&filter);
	filter_done(&filter);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TSK_TEST(test_build_and_free), TSK_TEST(test_list),  TSK_TEST(test_attacks),
		TSK_TEST(test_all_threads),    TSK_TEST(test_twice),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
