/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A front whose calls fail by plan: the linker puts inject.c before libc (see meson.build).  The plan is the
 * file "plan" in the program's folder, shared by all processes that have it and by the test that wrote it.
 * Without such a file nothing fails.
 */
#ifndef TESTS_FAULTS_INJECT_H
#define TESTS_FAULTS_INJECT_H

#include <stdint.h>

enum inject_kind {
	INJECT_NOTHING,
	INJECT_NO_MEMORY,  /* allocation number `fail_at` fails */
	INJECT_BAD_CALLS,  /* EINTR, EAGAIN and one byte, in turn, at each call that moves bytes */
	INJECT_OLD_MEMORY, /* what is allocated is full of INJECT_OLD */
};

#define INJECT_OLD 0xdb

struct inject_plan {
	uint32_t kind;
	uint32_t spared; /* the process id of one that nothing happens to */
	uint64_t calls;  /* so many of the kind there have been */
	uint64_t fail_at;
	uint64_t injected; /* so many have failed, or were filled */
};

#endif
