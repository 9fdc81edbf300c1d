/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics/seal.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "sandbox/seal.h"

/* Sockets come to it, as pages do: it opens neither. */
static const struct filter_call calls[] = {
	/* Sockets. */
	{ .name = "recvmsg", .why = "the supervisor's messages" },
	{ .name = "accept4", .why = "who scrapes" },
	{ .name = "recvfrom", .why = "the question" },
	{ .name = "sendto",
	  .checks = { FILTER_IS(4, 0) },
	  .why = "the answer, to nobody but whom the socket is connected to" },
	{ .name = "shutdown", .why = "its end" },
	{ .name = "ioctl", .checks = { FILTER_IS(1, FIONBIO) }, .why = "libuv, for each socket" },
	{ .name = "close", .why = "all that came open" },
	/* Waiting. */
	{ .name = "epoll_wait", .why = "the loop" },
	{ .name = "epoll_pwait", .is_another = true, .why = "the loop" },
	{ .name = "restart_syscall", .is_another = true, .why = "waiting goes on after a SIGSTOP" },
	{ .name = "epoll_ctl", .why = "what it waits for" },
	{ .name = "poll", .why = "does the log take a line?" },
	{ .name = "ppoll", .is_another = true, .why = "the same" },
	{ .name = "clock_gettime", .is_rare = true, .why = "a clock that only the kernel reads" },
	{ .name = "write", .why = "the log" },
	/* Memory. */
	{ .name = "fcntl", .checks = { FILTER_IS(1, F_GET_SEALS) }, .why = "pages cannot shrink" },
	{ .name = "newfstatat",
	  .checks = { FILTER_WITH(3, AT_EMPTY_PATH) },
	  .why = "how large they are" },
	{ .name = "fstat", .is_another = true, .why = "the same" },
	{ .name = "mmap", .checks = { FILTER_WITHOUT(2, PROT_EXEC) }, .why = "they; the heap" },
	{ .name = "munmap", .why = "the same" },
	{ .name = "mremap", .why = "a text that grows" },
	{ .name = "brk", .why = "the heap" },
	/* The end. */
	{ .name = "exit_group", .why = "the end" },
	{ .name = "getpid", .is_rare = true, .why = "abort(), of our own assertions" },
	{ .name = "gettid", .is_rare = true, .why = "the same" },
	{ .name = "tgkill", .checks = { FILTER_OWN_PID(0) }, .is_rare = true, .why = "the same" },
	{ .name = "rt_sigprocmask", .is_rare = true, .why = "the same" },
};

static struct seal seal;

void metrics_seal_begin(void)
{
	seal_begin(&seal);
}

int metrics_seal(unsigned may_lack, struct tensock_error *reterr)
{
	return seal_alone(&seal, calls, ARRAY_SIZE(calls), may_lack, reterr);
}
