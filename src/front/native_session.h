/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A connection that speaks native frames (docs/protocol.md): many calls under way at once, answered
 * in any order.
 *
 * Private memory of a connection: the decoder's buffer (16 KiB, for the time that long metadata takes
 * 128 KiB), the block of small answers (32 KiB), answers outside of it (NATIVE_PRIVATE_MAX, one frame
 * and the heads of the results under way).  Metadata of requests counts against the guest's memory.
 * A peer that does not take its answers is read no more once these are full.
 */
#ifndef FRONT_NATIVE_SESSION_H
#define FRONT_NATIVE_SESSION_H

#include "front/session.h"

/* Calls under way at once on one connection, if the guest may have as many. */
#define NATIVE_CALLS_MAX 256u

extern const struct protocol native_protocol;

#endif
