/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How often this front's guest was refused something, or had something ended, by a limit: to be told
 * where that happens, by the key whose name the refusal says.
 */
#ifndef FRONT_LIMIT_HITS_H
#define FRONT_LIMIT_HITS_H

#include <stdint.h>

#include "channel/metrics_family.h"

void limit_hit(enum metrics_limit limit);

/* tsk_fail() for who does no more than refuse. */
#define limit_fail(limit, ...) (limit_hit(limit), tsk_fail(__VA_ARGS__))

/* Since the process's start. */
uint64_t limit_hits(enum metrics_limit limit);

#endif
