/* SPDX-License-Identifier: Apache-2.0 */
#include "front/seal.h"

#include <asm/ioctls.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "sandbox/seal.h"

/* As tsk_memfd_new() has them. */
#define MEMFD_FLAGS (MFD_CLOEXEC | MFD_ALLOW_SEALING)

/*
 * What a front needs once it has said READY: sockets come to it open.  A test looks over all ways in
 * that each is used and that none is missing (tests/sandbox).
 */
static const struct filter_call calls[] = {
	/* Sockets and doorbells. */
	{ .name = "recvmsg", .why = "the supervisor, workers and VMMs: messages with descriptors" },
	{ .name = "sendmsg", .why = "answers to them; to guests, several pieces at once" },
	{ .name = "recvfrom", .why = "guests' bytes" },
	{ .name = "sendto",
	  .checks = { FILTER_IS(4, 0) },
	  .why = "answers; to nobody but whom the socket is connected to" },
	{ .name = "read", .why = "doorbells, kicks of queues" },
	{ .name = "write", .why = "doorbells, interrupts, the log, what the seed prints" },
	{ .name = "pread64", .why = "tensors in a region of shared memory" },
	{ .name = "pwrite64", .why = "the same" },
	{ .name = "close", .why = "all that came open" },
	{ .name = "shutdown", .why = "a guest's half-closed connection goes on to its peer" },
	{ .name = "getsockopt",
	  .checks = { FILTER_IS(1, SOL_SOCKET), FILTER_IS(2, SO_DOMAIN) },
	  .why = "whether it is a Unix socket, whose buffer can be large" },
	{ .name = "getsockopt",
	  .checks = { FILTER_IS(1, SOL_SOCKET), FILTER_IS(2, SO_TYPE) },
	  .why = "whether it has messages" },
	{ .name = "setsockopt",
	  .checks = { FILTER_IS(1, SOL_SOCKET), FILTER_IS(2, SO_SNDBUF) },
	  .why = "one message must fit" },
	{ .name = "setsockopt",
	  .checks = { FILTER_IS(1, SOL_SOCKET), FILTER_IS(2, SO_PEEK_OFF) },
	  .why = "long messages are looked at in pieces" },
	{ .name = "ioctl", .checks = { FILTER_IS(1, FIONBIO) }, .why = "libuv, for each socket" },
	{ .name = "ioctl", .checks = { FILTER_IS(1, FIONREAD) }, .why = "whether a message waits" },
	{ .name = "fcntl", .checks = { FILTER_IS(1, F_GETFL) }, .why = "kicks must not block" },
	{ .name = "fcntl", .checks = { FILTER_IS(1, F_SETFL) }, .why = "the same" },
	{ .name = "pipe2", .why = "doorbells of a worker" },
	/* Waiting. */
	{ .name = "epoll_wait", .why = "the loop, and the device's sockets" },
	{ .name = "epoll_pwait", .is_another = true },
	{ .name = "restart_syscall", .is_another = true, .why = "waiting goes on after a SIGSTOP" },
	{ .name = "epoll_ctl", .why = "what they wait for" },
	{ .name = "sched_setaffinity",
	  .is_rare = true,
	  .checks = { FILTER_IS(0, 0) },
	  .why = "itself beside the worker, where runs are short" },
	{ .name = "poll", .why = "whether the log takes a line, a socket a message" },
	{ .name = "ppoll", .is_another = true },
	{ .name = "clock_gettime", .is_rare = true, .why = "a clock that only the kernel reads" },
	/* Memory. */
	{ .name = "memfd_create",
	  .checks = { FILTER_IS(1, MEMFD_FLAGS) },
	  .why = "models, tensors, rings, for the workers" },
	{ .name = "ftruncate", .why = "their sizes" },
	{ .name = "fcntl", .checks = { FILTER_IS(1, F_ADD_SEALS) }, .why = "they are frozen" },
	{ .name = "fcntl", .checks = { FILTER_IS(1, F_GET_SEALS) }, .why = "as those of a worker" },
	{ .name = "newfstatat",
	  .checks = { FILTER_WITH(3, AT_EMPTY_PATH) },
	  .why = "how large the guest's memory is, and what a kick is" },
	{ .name = "fstat", .is_another = true },
	{ .name = "mmap",
	  .checks = { FILTER_WITHOUT(2, PROT_EXEC) },
	  .why = "these, the guest's memory, the heap" },
	{ .name = "munmap", .why = "the same" },
	{ .name = "mremap", .why = "a request's text that grows" },
	{ .name = "brk", .why = "the heap" },
	{ .name = "madvise", .checks = { FILTER_IS(2, MADV_HUGEPAGE) }, .why = "large buffers" },
	{ .name = "futex", .why = "libcrypto, at its first hash" },
	/* The end. */
	{ .name = "exit_group", .why = "the end" },
	{ .name = "getpid", .is_rare = true, .why = "abort(), of our own assertions" },
	{ .name = "gettid", .is_rare = true, .why = "the same" },
	{ .name = "tgkill", .checks = { FILTER_OWN_PID(0) }, .is_rare = true, .why = "the same" },
	{ .name = "rt_sigprocmask", .is_rare = true, .why = "the same" },
};

static struct seal seal;

void front_seal_begin(void)
{
	seal_begin(&seal);
}

int front_seal(unsigned may_lack, struct tensock_error *reterr)
{
	return seal_alone(&seal, calls, ARRAY_SIZE(calls), may_lack, reterr);
}
