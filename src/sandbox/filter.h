/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A process's list of system calls (seccomp).  Who is sealed says what it needs, in a table beside its
 * code, each call with the reason.  All others fail with EACCES, which libraries take for an error as
 * any other; those that only an attacker makes (filter.c's list) end the process.
 */
#ifndef SANDBOX_FILTER_H
#define SANDBOX_FILTER_H

#include <linux/filter.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"

#define FILTER_CHECKS_MAX 2u

/*
 * Sanitizers' runtimes make calls of their own, open files of /proc at the end, and map terabytes:
 * there nothing is sealed.  It is the plain build that users get, and that the tests of sealing try.
 * (-Dc_args=-DSANDBOX_SANITIZED=1: to measure what the seal costs.)
 */
#if defined(SANDBOX_SANITIZED)
#elif defined(__SANITIZE_ADDRESS__)
#define SANDBOX_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(memory_sanitizer)
#define SANDBOX_SANITIZED 1
#endif
#endif
#ifndef SANDBOX_SANITIZED
#define SANDBOX_SANITIZED 0
#endif

/* The argument `arg`, as far as mask goes, is `value`.  mask 0: no check. */
struct filter_check {
	unsigned arg;
	uint64_t mask, value;
};

/* A row of a table.  Several of the same name: any of them lets the call pass. */
struct filter_call {
	const char *name;
	struct filter_check checks[FILTER_CHECKS_MAX]; /* all must hold */
	int error; /* not 0: it is refused, but so that the C library takes another */
	bool is_another; /* the row before, by another number: as other processors or C libraries have it */
	bool is_rare;    /* not on every machine, or only when this process fails */
	const char *why; /* for who reads the table */
};

#define FILTER_WHOLE UINT64_MAX

/* The argument is this whole value; none of these bits is set; all of them are. */
#define FILTER_IS(n, v)                          \
	{                                        \
		(n), FILTER_WHOLE, (uint64_t)(v) \
	}
#define FILTER_WITHOUT(n, bits)          \
	{                                \
		(n), (uint64_t)(bits), 0 \
	}
#define FILTER_WITH(n, bits)                            \
	{                                               \
		(n), (uint64_t)(bits), (uint64_t)(bits) \
	}
/* The argument, a pid, is this process's. */
#define FILTER_OWN_PID(n)                     \
	{                                     \
		(n), FILTER_WHOLE, FILTER_PID \
	}
#define FILTER_PID UINT64_C(0x8000000000000001)

/* A program for the kernel. */
struct filter {
	struct sock_fprog program;
};

/* -errno; a name that this processor does not have is left out. */
int filter_build(const struct filter_call *calls, unsigned n, struct filter *ret) _nodiscard_;
void filter_done(struct filter *filter);

/*
 * Binds all threads of this process, and those to come, for ever: a second one only takes away more.
 * -errno when any thread is left.  no_new_privs must be set, or the process privileged.
 */
int filter_install(const struct filter *filter) _nodiscard_;

#endif
