/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starts a program of Tensock: vfork and exec, which costs the same whatever the size of this process
 * (posix_spawn() could not set what stands below).  The new process has
 *
 *   fds 0, 3      /dev/null, the control socket; 1, 2 are this process's, or /dev/null for 1
 *   fd 4          the budget of its log (base/log.h), or none
 *   environment   clean; in a sanitized build also the sanitizers' options
 *   session       its own: a ^C at the terminal is the supervisor's to handle
 *   limits        no core dump, for it would hold a guest's data
 *   end           SIGKILL when this process dies, whatever it is doing
 *   signals       the default ones, none blocked; SIGPIPE ignored
 */
#ifndef SUPERVISOR_SPAWN_H
#define SUPERVISOR_SPAWN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/cleanup.h"

#define SPAWN_CONTROL_FD 3

struct spawn {
	char *const *argv; /* argv[0]: the program's path */
	int control_fd;    /* stays the caller's */
	int cwd_fd;        /* its working directory */
	int log_fd;        /* TSK_LOG_BUDGET_FD; stays the caller's; 0: none */
	int nice;          /* added to this process's: a smaller or a larger share of the processor */
	uint64_t
		slice_ns; /* how long it may run before others have their turn, see sched(7); 0: as others */
	bool discard_stdout;
};

/* -errno also when the program cannot be executed; then nothing is left to wait for. */
int spawn_process(const struct spawn *spawn, pid_t *ret_pid) _nodiscard_;

/*
 * Gives this process fds 0 to 2 that children may share: 0 /dev/null, 1 and 2 opened anew and
 * non-blocking, where that is possible, so that nobody's terminal or pipe changes its mode and a
 * reader that has stopped blocks nobody.  Sockets, which cannot be opened anew, and files, which
 * never block, stay as they are.
 */
int spawn_prepare_stdio(void) _nodiscard_;

#endif
