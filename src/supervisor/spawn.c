/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <linux/sched/types.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/log.h"

#define ENVIRONMENT_MAX 8u

/* A kernel before 6.12 takes it, and does nothing with it. */
static void take_slice(uint64_t ns)
{
	struct sched_attr attr = { .size = sizeof(attr),
				   .sched_policy = SCHED_NORMAL,
				   .sched_nice = getpriority(PRIO_PROCESS, 0),
				   .sched_runtime = ns };

	(void)!syscall(SYS_sched_setattr, 0, &attr, 0);
}

/*
 * Runs between vfork() and exec, on the parent's memory: it changes none of it but *ret_error, and
 * calls nothing that takes a lock.
 */
__attribute__((noinline, noreturn)) static void become(const struct spawn *spawn, int null_fd,
						       pid_t parent, char *const *environment,
						       volatile int *ret_error)
{
	static const struct rlimit no_core = { 0, 0 };
	struct sigaction action = { .sa_handler = SIG_DFL };
	int log_fd = -1;
	unsigned n_fds;
	sigset_t none;

	/* The handlers are the parent's: gone before the first signal may come in. */
	for (int i = 1; i < SIGRTMAX; i++) {
		if (i != SIGPIPE)
			sigaction(i, &action, NULL);
	}
	sigemptyset(&none);
	if (setsid() < 0 || setrlimit(RLIMIT_CORE, &no_core) < 0 ||
	    prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || fchdir(spawn->cwd_fd) < 0)
		goto fail;
	/* Less than others is anybody's to have; more is root's to give: else it has as much. */
	if (spawn->nice)
		(void)!nice(spawn->nice);
	if (spawn->slice_ns)
		take_slice(spawn->slice_ns);
	if (getppid() != parent)
		_exit(127); /* it died before prctl() */
	if (dup2(null_fd, STDIN_FILENO) < 0 ||
	    (spawn->discard_stdout && dup2(null_fd, STDOUT_FILENO) < 0))
		goto fail;
	/* Out of the way of the control socket's number. */
	if (spawn->log_fd > 0)
		log_fd = fcntl(spawn->log_fd, F_DUPFD_CLOEXEC, TSK_LOG_BUDGET_FD + 1);
	/* dup2() onto itself would leave close-on-exec set. */
	if (spawn->control_fd == SPAWN_CONTROL_FD ? fcntl(SPAWN_CONTROL_FD, F_SETFD, 0) < 0
						  : dup2(spawn->control_fd, SPAWN_CONTROL_FD) < 0)
		goto fail;
	/* All fds are close-on-exec by rule; this is the belt to the braces, where the kernel has it. */
	n_fds = log_fd > 0 && dup2(log_fd, TSK_LOG_BUDGET_FD) > 0 ? TSK_LOG_BUDGET_FD + 1
								  : SPAWN_CONTROL_FD + 1;
	close_range(n_fds, ~0U, 0);
	sigprocmask(SIG_SETMASK, &none, NULL);
	execve(spawn->argv[0], spawn->argv, environment);
fail:
	*ret_error = errno;
	_exit(127);
}

#if defined(__SANITIZE_ADDRESS__)
static void add_sanitizer_options(char **environment, unsigned n)
{
	static char options[3][1024];
	static const char *const names[] = { "ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS" };

	for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
		const char *value = getenv(names[i]);

		if (!value)
			continue;
		snprintf(options[i], sizeof(options[i]), "%s=%s", names[i], value);
		environment[n++] = options[i];
	}
}
#endif

static void make_environment(char **environment)
{
	static char lang[] = "LANG=C.UTF-8", path[] = "PATH=/usr/bin:/bin",
		    telemetry[] = "ORT_DISABLE_TELEMETRY=1";
	unsigned n = 0;

	environment[n++] = lang;
	environment[n++] = path;
	environment[n++] = telemetry;
#if defined(__SANITIZE_ADDRESS__)
	add_sanitizer_options(environment, n);
#endif
}

int spawn_process(const struct spawn *spawn, pid_t *ret_pid)
{
	_cleanup_close_ int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	char *environment[ENVIRONMENT_MAX] = { NULL };
	pid_t parent = getpid(), pid;
	volatile int error = 0;
	sigset_t all, before;

	if (null_fd < 0)
		return -errno;
	make_environment(environment);
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	pid = vfork();
	if (pid == 0)
		become(spawn, null_fd, parent, environment, &error);
	if (pid < 0)
		error = errno;
	sigprocmask(SIG_SETMASK, &before, NULL);
	if (error) {
		if (pid > 0)
			waitpid(pid, NULL, 0); /* it has exited already */
		return -error;
	}
	*ret_pid = pid;
	return 0;
}

/* A fd that is closed would be taken by the next open(), and written to as if it were the log. */
static int reopen(int fd)
{
	struct stat st;
	char path[32];
	int opened;

	if (fcntl(fd, F_GETFD) < 0) {
		opened = open("/dev/null", O_RDWR | O_CLOEXEC);
		if (opened < 0)
			return -errno;
	} else if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
		/* Never blocks; and a second offset would let others who write there overwrite us. */
		opened = fd;
	} else {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		opened = open(path, O_WRONLY | O_APPEND | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
		if (opened < 0)
			return 0; /* a socket, or another user's terminal: as it is */
	}
	if (opened != fd && dup2(opened, fd) < 0) {
		tsk_close(opened);
		return -errno;
	}
	if (opened != fd)
		tsk_close(opened);
	/* Kept over exec: 0 to 2 are the children's, too. */
	return fcntl(fd, F_SETFD, 0) < 0 ? -errno : 0;
}

int spawn_prepare_stdio(void)
{
	int null_fd = open("/dev/null", O_RDWR);
	int r;

	/* Not close-on-exec: where fd 0 was closed, it is fd 0 itself. */
	if (null_fd < 0 || dup2(null_fd, STDIN_FILENO) < 0)
		return -errno;
	if (null_fd != STDIN_FILENO)
		tsk_close(null_fd);
	r = reopen(STDOUT_FILENO);
	return r < 0 ? r : reopen(STDERR_FILENO);
}
