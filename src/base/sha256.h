/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SHA-256 (FIPS 180-4) for where libc is all there is: a guest's library.  The host has libcrypto.
 * Uses the processor's SHA instructions where this build and this machine have them.
 */
#ifndef TSK_BASE_SHA256_H
#define TSK_BASE_SHA256_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TSK_SHA256_BYTES 32u
#define TSK_SHA256_BLOCK_BYTES 64u

/* Works n blocks into state. */
typedef void tsk_sha256_blocks(uint32_t state[8], const unsigned char *blocks, size_t n);

struct tsk_sha256 {
	tsk_sha256_blocks *blocks;
	uint64_t bytes; /* so far; those beyond the last whole block are in rest */
	uint32_t state[8];
	unsigned char rest[TSK_SHA256_BLOCK_BYTES];
};

void tsk_sha256_init(struct tsk_sha256 *sha);
/* bytes may be NULL for a len of 0. */
void tsk_sha256_update(struct tsk_sha256 *sha, const void *bytes, size_t len);
/* *sha must be begun anew afterwards. */
void tsk_sha256_final(struct tsk_sha256 *sha, unsigned char ret[TSK_SHA256_BYTES]);

/* Of one piece. */
void tsk_sha256(const void *bytes, size_t len, unsigned char ret[TSK_SHA256_BYTES]);

/* The two ways, of which _init picks one: to be set in its place by tests.  NULL: not on this machine. */
tsk_sha256_blocks *tsk_sha256_portable(void);
tsk_sha256_blocks *tsk_sha256_by_cpu(void);

#endif
