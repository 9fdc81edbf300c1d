/* SPDX-License-Identifier: Apache-2.0 */
/* Messages about the connection: HELLO, WELCOME, ERROR, GOAWAY, COUNTERS. */
#ifndef TSK_WIRE_SESSION_H
#define TSK_WIRE_SESSION_H

#include "wire/frame.h"

/* Features: bits of HELLO and WELCOME. */
#define WIRE_FEATURE_OPERATORS \
	UINT64_C(1) /* descriptions of form 2: they name the model's operators */
/* MEMORY and what belongs to it; offered where descriptors can be passed. */
#define WIRE_FEATURE_MEMORY UINT64_C(2)
#define WIRE_FEATURES (WIRE_FEATURE_OPERATORS | WIRE_FEATURE_MEMORY)

/*
 * u32 version_min, u32 version_max, u64 features (offered), string program.  Bytes beyond are for later
 * versions: not looked at.  version_min ≤ version_max, both at least 1.
 */
struct wire_hello {
	uint32_t version_min, version_max;
	uint64_t features;
	struct wire_string program; /* "libtensock 0.1.0": for the host's log; WIRE_LABEL_MAX */
};

void wire_hello_write(struct tsk_writer *w, const struct wire_hello *hello);
int wire_hello_read(const void *body, size_t size, struct wire_hello *ret) _nodiscard_;

/*
 * u32 version (chosen), u32 requests_max, u64 features (of those), u64 model_bytes_max,
 * u64 request_bytes_max, string program, string guest.  Bytes beyond are not looked at.  version and
 * requests_max are not 0; whether version was asked for, only who asked can tell.
 */
struct wire_welcome {
	uint32_t version;
	uint32_t requests_max; /* under way at once on one connection */
	uint64_t features;
	uint64_t model_bytes_max;
	uint64_t request_bytes_max; /* tensors of one request, in and out together */
	struct wire_string program;
	struct wire_string guest; /* the name that the host knows this guest by; WIRE_LABEL_MAX */
};

void wire_welcome_write(struct tsk_writer *w, const struct wire_welcome *welcome);
int wire_welcome_read(const void *body, size_t size, struct wire_welcome *ret) _nodiscard_;

/* MEMORY: u64 bytes (not 0) of the memory, from its start on. */
void wire_memory_write(struct tsk_writer *w, uint64_t bytes);
int wire_memory_read(const void *body, size_t size, uint64_t *ret_bytes) _nodiscard_;

/* ERROR and GOAWAY: u32 status (not OK), string message (WIRE_ERROR_TEXT_MAX). */
void wire_error_write(struct tsk_writer *w, const struct tensock_error *error);
/* A status that this side does not know becomes TENSOCK_INTERNAL; control characters become '?'. */
int wire_error_read(const void *body, size_t size, struct tensock_error *ret) _nodiscard_;

/* COUNTERS: u32 n, then n times {string name (not empty), u64 value}. */
#define WIRE_COUNTERS_MAX 64u

struct wire_counter {
	struct wire_string name; /* WIRE_LABEL_MAX */
	uint64_t value;
};

void wire_counters_write(struct tsk_writer *w, const struct wire_counter *counters, unsigned n);
int wire_counters_read(const void *body, size_t size, struct wire_counter ret[WIRE_COUNTERS_MAX],
		       unsigned *ret_n) _nodiscard_;

#endif
