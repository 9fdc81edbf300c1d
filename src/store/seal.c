/* SPDX-License-Identifier: Apache-2.0 */
#include "store/seal.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "base/status.h"
#include "sandbox/seal.h"

/*
 * What the store needs once it has its folder: files beneath it, messages, threads.  A call that only
 * opens a path by itself, openat for example, is not among them: openat2 says that it stays beneath,
 * and Landlock sees to it.  A test looks over it that each is used, and that none is missing (tests/sandbox).
 *
 * Not there: what abort() sends its signal by, so that it ends by the trap behind that, as SIGSEGV; what
 * realloc() and malloc() ask for and take a refusal of.
 */
static const struct filter_call calls[] = {
	/* Messages. */
	{ .name = "recvmsg", .why = "the supervisor's and the fronts'" },
	{ .name = "sendmsg", .why = "answers" },
	{ .name = "ioctl", .checks = { FILTER_IS(1, SIOCOUTQ) }, .why = "are answers taken?" },
	{ .name = "ioctl", .checks = { FILTER_IS(1, FIONBIO) }, .why = "libuv, for each channel" },
	{ .name = "close", .why = "channels, files, memfds" },
	/* Waiting. */
	{ .name = "epoll_wait", .why = "the loop" },
	{ .name = "epoll_pwait", .is_another = true, .why = "the loop" },
	{ .name = "restart_syscall", .is_another = true, .why = "waiting goes on after a SIGSTOP" },
	{ .name = "epoll_ctl", .why = "what it waits for" },
	{ .name = "poll", .why = "does the log take a line, is the supervisor there?" },
	{ .name = "ppoll", .is_another = true, .why = "the same" },
	{ .name = "clock_gettime", .is_rare = true, .why = "a clock that only the kernel reads" },
	{ .name = "read", .why = "threads wake the loop" },
	{ .name = "write", .why = "the same; the log" },
	/* Files. */
	{ .name = "openat2", .why = "beneath the folder" },
	{ .name = "flock", .why = "one store a folder" },
	{ .name = "getdents64", .why = "what there is, at the start" },
	{ .name = "newfstatat", .why = "sizes and times" },
	{ .name = "fstat", .is_another = true, .why = "the same" },
	{ .name = "pread64", .why = "models" },
	{ .name = "pwrite64", .why = "the same" },
	{ .name = "fsync", .why = "before they have a name, and after" },
	{ .name = "ftruncate", .why = "parts of uploads; the size of a memfd" },
	{ .name = "mkdirat", .why = "a guest's first model" },
	{ .name = "linkat", .why = "what is whole gets its name" },
	{ .name = "renameat", .why = "the same, in the place of another" },
	{ .name = "renameat2", .is_another = true, .why = "the same" },
	{ .name = "unlinkat", .why = "what must go" },
	{ .name = "utimensat", .why = "when it was used" },
	/* Memory. */
	{ .name = "memfd_create", .why = "what is given to a front" },
	{ .name = "fcntl", .checks = { FILTER_IS(1, F_ADD_SEALS) }, .why = "it is frozen" },
	{ .name = "fcntl",
	  .checks = { FILTER_IS(1, F_GET_SEALS) },
	  .why = "as what comes from one" },
	{ .name = "fcntl",
	  .checks = { FILTER_IS(1, F_GETFL) },
	  .why = "libuv, and a folder's reader" },
	{ .name = "fcntl", .checks = { FILTER_IS(1, F_SETFD) }, .why = "the same" },
	{ .name = "mmap", .checks = { FILTER_WITHOUT(2, PROT_EXEC) }, .why = "the heap, stacks" },
	{ .name = "munmap", .why = "the same" },
	{ .name = "mprotect",
	  .checks = { FILTER_WITHOUT(2, PROT_EXEC) },
	  .why = "a stack's guard" },
	{ .name = "madvise", .why = "the heap, and stacks of threads" },
	{ .name = "brk", .is_rare = true, .why = "the heap, where it grows beyond its first part" },
	/* Threads of libuv's pool, which start with the first work. */
	{ .name = "clone",
	  .checks = { FILTER_WITH(0, CLONE_THREAD | CLONE_VM) },
	  .why = "they start, and no process" },
	{ .name = "clone3",
	  .error = ENOSYS,
	  .why = "its flags cannot be looked at: clone() it is" },
	{ .name = "set_robust_list", .why = "the C library, in each" },
	{ .name = "rseq", .why = "the same" },
	{ .name = "prlimit64", .why = "how large is its stack?" },
	{ .name = "rt_sigprocmask", .why = "no signals in them" },
	{ .name = "rt_sigaction", .why = "the C library's own signal, with the first" },
	{ .name = "sched_yield",
	  .is_rare = true,
	  .why = "libuv, where two wake the loop at once" },
	{ .name = "sched_getaffinity", .why = "where they may run" },
	{ .name = "futex", .why = "they wait for work" },
	{ .name = "exit", .why = "their end" },
	/* The end. */
	{ .name = "exit_group", .why = "the end" },
};

int store_seal(int folder_fd, unsigned may_lack, struct tensock_error *reterr)
{
	struct filter filter = { 0 };
	int r = seal_build(calls, ARRAY_SIZE(calls), may_lack, &filter);

	if (r < 0)
		return tsk_fail(reterr, TENSOCK_INTERNAL, "its list of calls cannot be built: %s",
				strerror(-r));
	r = seal_files_but(folder_fd, may_lack, reterr);
	if (r == 0)
		r = seal_calls(&filter, may_lack, reterr);
	filter_done(&filter);
	return r;
}
