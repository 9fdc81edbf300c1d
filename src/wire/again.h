/* SPDX-License-Identifier: Apache-2.0 */
/* For tests and fuzzing only: any message read, and written anew from what was read. */
#ifndef TSK_WIRE_AGAIN_H
#define TSK_WIRE_AGAIN_H

#include "wire/frame.h"

/*
 * body of the type, which is one, into w, which has room for size bytes.  -EPROTO where the reader
 * (or there is none: where a body must be empty) refuses it; -ENOMEM.
 */
int wire_again(uint32_t type, const void *body, size_t size, struct tsk_writer *w) _nodiscard_;

/* Whether each body that is read is written to the same bytes.  HELLO, WELCOME: to the beginning of
 * them.  ERROR, GOAWAY: only what has been read and written once before. */
bool wire_is_exact(uint32_t type);

/* Whether a header that is read, under one id or another, may stand before a body of that size. */
bool wire_is_announced(uint32_t type, uint64_t size);

#endif
