/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/seal.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <fcntl.h>

#include "base/status.h"
#include "sandbox/seal.h"

#define DATA_ONLY FILTER_WITHOUT(2, PROT_EXEC)

/*
 * What a worker needs, from the first message of its front to its end: buffers come with requests, and
 * runs take memory.  A test looks over the engines that each is used, both before the model is loaded
 * and from then on, and that none is missing (tests/sandbox).
 *
 * Not there, though a C library asks for them, and takes a refusal: set_robust_list, rt_sigaction,
 * rt_sigprocmask and prctl at a thread's start, for none of ours has a signal to wait for; what
 * abort() sends its signal by, so that it ends by the trap behind that, as SIGSEGV.
 */
static const struct filter_call calls[] = {
	/* The front: messages with descriptors, doorbells, the log. */
	{ .name = "recvmsg", .why = "messages of the front" },
	{ .name = "sendmsg", .why = "that the model is loaded, or is not" },
	{ .name = "poll", .why = "waiting for it; whether the log takes a line" },
	{ .name = "restart_syscall", .is_another = true, .why = "waiting goes on after a SIGSTOP" },
	{ .name = "ppoll", .is_another = true },
	{ .name = "read", .why = "doorbells; what an engine prints" },
	{ .name = "write", .why = "doorbells; the log" },
	{ .name = "close", .why = "descriptors whose memory is mapped" },
	{ .name = "dup2", .why = "MindSpore Lite's output is redirected during a call" },
	{ .name = "dup3", .is_another = true },
	{ .name = "epoll_ctl", .why = "doorbells are looked at while a run is under way" },
	{ .name = "epoll_wait", .why = "the same" },
	{ .name = "epoll_pwait", .is_another = true },
	{ .name = "fcntl",
	  .checks = { FILTER_IS(1, F_GET_SEALS) },
	  .why = "whether a buffer may shrink under us" },
	{ .name = "newfstatat",
	  .checks = { FILTER_WITH(3, AT_EMPTY_PATH) },
	  .why = "how large a buffer is" },
	{ .name = "fstat", .is_another = true },
	/* Memory. */
	{ .name = "brk", .why = "the heap" },
	{ .name = "mmap", .checks = { DATA_ONLY }, .why = "the heap, buffers, stacks" },
	{ .name = "mprotect", .checks = { DATA_ONLY }, .why = "heaps and stacks of threads" },
	{ .name = "munmap", .why = "the heap, buffers" },
	{ .name = "madvise", .why = "stacks and heaps of threads that are given back" },
	/* Threads. */
	{ .name = "futex", .why = "locks, conditions, threads that wait for work" },
	{ .name = "rseq", .why = "a thread's start: without it the C library gives up" },
	{ .name = "exit", .why = "a thread's end" },
	{ .name = "sched_setaffinity",
	  .is_rare = true,
	  .checks = { FILTER_IS(0, 0) },
	  .why = "itself to the front's CPU, where runs are short" },
	/* The rest. */
	{ .name = "clock_gettime",
	  .is_rare = true,
	  .why = "where the clock is not to be read without the kernel" },
	{ .name = "exit_group", .why = "the end" },
};

/* And until the model is loaded. */
static const struct filter_call until_loaded[] = {
	{ .name = "clone",
	  .checks = { FILTER_WITH(0, CLONE_THREAD | CLONE_VM) },
	  .why = "threads, and no process" },
	{ .name = "clone3",
	  .error = ENOSYS,
	  .why = "its flags cannot be looked at: clone() it is" },
	{ .name = "seccomp",
	  .checks = { FILTER_IS(0, SECCOMP_SET_MODE_FILTER) },
	  .why = "to be sealed once more" },
};

/* Where an engine generates code. */
static const struct filter_call for_code[] = {
	{ .name = "mmap", .why = "instructions that an engine writes" },
	{ .name = "mprotect", .why = "the same" },
};

#define CALLS_MAX (ARRAY_SIZE(calls) + ARRAY_SIZE(until_loaded) + ARRAY_SIZE(for_code))

static struct {
	struct seal seal;
	unsigned may_lack;
	struct filter loading, loaded;
} sealing;

void worker_seal_begin(void)
{
	seal_begin(&sealing.seal);
}

/* Addresses that threads' stacks and heaps take without using them. */
#define ADDRESSES_BESIDE (UINT64_C(1) << 30)
/* Private memory that an engine takes whatever the model: pools, stacks. */
#define DATA_BESIDE (UINT64_C(256) << 20)
#define FILES_MAX 256u
#define THREADS_MAX 1024u

/* What is mapped, and of it what is private and can be written. */
static int mapped_bytes(uint64_t *ret_all, uint64_t *ret_data)
{
	unsigned long long all, resident, shared, text, lib, data;
	FILE *file = fopen("/proc/self/statm", "re");
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	int n;

	if (!file)
		return -errno;
	n = fscanf(file, "%llu %llu %llu %llu %llu %llu", &all, &resident, &shared, &text, &lib,
		   &data);
	fclose(file);
	if (n != 6)
		return -EIO;
	*ret_all = all * page;
	*ret_data = data * page;
	return 0;
}

/*
 * The engine's own memory is bounded by the guest's max-memory; its addresses by as much again, for the
 * model and the tensors that the front shares with it and keeps within max-memory, and once more for
 * foreign memory, of which the front gives it no more either.
 */
static int bound_memory(uint64_t memory_bytes)
{
	uint64_t all = 0, data = 0;
	int r = mapped_bytes(&all, &data);

	if (r < 0)
		return r;
	r = seal_limit(RLIMIT_DATA, data + DATA_BESIDE + memory_bytes);
	return r < 0 ? r : seal_limit(RLIMIT_AS, all + ADDRESSES_BESIDE + 3 * memory_bytes);
}

static int bound(uint64_t memory_bytes)
{
	struct stat st;
	int r = seal_limit(RLIMIT_CORE, 0);

	if (r == 0)
		r = seal_limit(RLIMIT_NOFILE, FILES_MAX);
	/* The log may be a file, and a write beyond the limit would be this process's end. */
	if (r == 0 && fstat(STDERR_FILENO, &st) == 0 && !S_ISREG(st.st_mode))
		r = seal_limit(RLIMIT_FSIZE, 0);
	/* Counted by uid: only where that is this process's own. */
	if (r == 0 && sealing.seal.identity.own_ns)
		r = seal_limit(RLIMIT_NPROC, THREADS_MAX);
	return r == 0 && memory_bytes ? bound_memory(memory_bytes) : r;
}

static int build(bool is_loaded, bool generates_code, struct filter *ret)
{
	struct filter_call all[CALLS_MAX];
	unsigned n = ARRAY_SIZE(calls);

	memcpy(all, calls, sizeof(calls));
	if (!is_loaded) {
		memcpy(all + n, until_loaded, sizeof(until_loaded));
		n += ARRAY_SIZE(until_loaded);
	}
	if (generates_code) {
		memcpy(all + n, for_code, sizeof(for_code));
		n += ARRAY_SIZE(for_code);
	}
	return seal_build(all, n, sealing.may_lack, ret);
}

/* Both at once: the second is wanted when there is no file to be had any more. */
static int build_filters(bool generates_code)
{
	int r = build(false, generates_code, &sealing.loading);

	return r < 0 ? r : build(true, generates_code, &sealing.loaded);
}

int worker_seal(uint64_t memory_bytes, bool generates_code, unsigned may_lack,
		struct tensock_error *reterr)
{
	int r;

	sealing.may_lack = may_lack;
	r = build_filters(generates_code);
	if (r == 0 && !SANDBOX_SANITIZED)
		r = bound(memory_bytes);
	if (r < 0)
		return tsk_fail(reterr, TENSOCK_INTERNAL, "the worker cannot be sealed: %s",
				strerror(-r));
	r = seal_files(&sealing.seal, may_lack, reterr);
	return r < 0 ? r : seal_calls(&sealing.loading, may_lack, reterr);
}

int worker_seal_loaded(struct tensock_error *reterr)
{
	return seal_calls(&sealing.loaded, sealing.may_lack, reterr);
}
