/* SPDX-License-Identifier: Apache-2.0 */
/* What vsock_load (in a guest) says to host_end: the first byte of a connection is one of these. */
#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H

#include <stddef.h>
#include <stdint.h>

enum load_op {
	LOAD_TOUCH = 'c', /* nothing follows; one byte comes back */
	LOAD_PUSH = 's',  /* a uint64_t n and n bytes; then one byte comes back */
	LOAD_PULL = 'r',  /* a uint64_t n; n bytes come back */
	LOAD_ECHO = 'e',  /* a uint64_t n; then messages of n bytes, each comes back */
};

#define LOAD_BYTES ((size_t)64 * 1024) /* of each write in the guest */

#endif
