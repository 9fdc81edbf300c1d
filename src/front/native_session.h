/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A connection that speaks native frames (docs/protocol.md): many calls under way at once, answered
 * in any order.
 *
 * Private memory of a connection: the decoder's buffer (16 KiB, for the time that long metadata takes
 * 128 KiB), the block of small answers (32 KiB), answers outside of it (NATIVE_PRIVATE_MAX and one
 * list of models).  Metadata of requests counts against the guest's memory.  A peer that does not take
 * its answers is read no more once these are full.  Answers to what was asked before, a MODEL or the
 * head of a RESULT (128 KiB at most), count as requests under way until they have gone.
 */
#ifndef FRONT_NATIVE_SESSION_H
#define FRONT_NATIVE_SESSION_H

#include "front/session.h"

/* Calls under way at once on one connection, if the guest may have as many. */
#define NATIVE_CALLS_MAX 256u

extern const struct protocol native_protocol;

#endif
