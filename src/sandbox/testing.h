/* SPDX-License-Identifier: Apache-2.0 */
/* For unit tests only: what changes a process for ever is tried in another. */
#ifndef SANDBOX_TESTING_H
#define SANDBOX_TESTING_H

#include <seccomp.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

/* In a child: what must hold there. */
#define REQUIRE(condition)                                                              \
	do {                                                                            \
		if (!(condition)) {                                                     \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
			_exit(1);                                                       \
		}                                                                       \
	} while (0)

/* The wait status of a child that runs body(), and exits with 0 when that returns. */
static inline int in_child(void (*body)(void))
{
	int status = -1;
	pid_t pid = fork();

	if (pid == 0) {
		body();
		_exit(0);
	}
	if (pid > 0)
		waitpid(pid, &status, 0);
	return status;
}

/* In a child: as on a kernel without that call, or in a service that may not make it. */
static inline void without(const char *call, int error)
{
	scmp_filter_ctx context = seccomp_init(SCMP_ACT_ALLOW);

	REQUIRE(context);
	REQUIRE(seccomp_rule_add(context, SCMP_ACT_ERRNO((uint32_t)error),
				 seccomp_syscall_resolve_name(call), 0) == 0);
	REQUIRE(seccomp_load(context) == 0);
	seccomp_release(context);
}

#endif
