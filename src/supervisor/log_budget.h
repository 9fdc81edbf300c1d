/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The supervisor's log is everybody's (base/log.h bounds it as a whole): what it has to say about one
 * guest, or of one socket, has a small share of it, so that nobody's flood hides what there is to
 * say about others.
 */
#ifndef SUPERVISOR_LOG_BUDGET_H
#define SUPERVISOR_LOG_BUDGET_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/log.h"

#define LOG_BUDGET_GUEST 5u /* lines a second, of a guest and of its front each: ten in all */
#define LOG_BUDGET_SOCKET 1u

/* All zero at first. */
struct log_budget {
	uint64_t second; /* that `lines` counts */
	unsigned lines;
	uint64_t dropped; /* that were not told yet */
};

/*
 * Whether one more line may be written.  *ret_dropped: how many were not since the last time that
 * one was, and are to be told with it.
 */
bool log_budget_allows(struct log_budget *budget, unsigned per_second, uint64_t now_ns,
		       uint64_t *ret_dropped);

/* Logs "who: ...", where the budget allows it, and what was dropped before. */
void log_about(struct log_budget *budget, unsigned per_second, enum tsk_log_level level,
	       const char *who, const char *fmt, ...) _printf_(5, 6);

/* The same of "guest NAME", by the budget of guests. */
void log_about_guest(struct log_budget *budget, enum tsk_log_level level, const char *name,
		     const char *fmt, ...) _printf_(4, 5);

#endif
