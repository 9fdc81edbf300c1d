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

/* Lines a second: of a guest, of its front and of its device each, and of what is refused it: 13 in all. */
#define LOG_BUDGET_GUEST 4u
#define LOG_BUDGET_REFUSALS 1u

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

/* Logs "who: ..." of what a socket refuses, or cannot take, and how many lines were dropped before. */
void log_about_socket(struct log_budget *budget, const char *who, const char *fmt, ...)
	_printf_(3, 4);

/* The same of "guest NAME": what it is refused, and all else. */
void log_about_refusal(struct log_budget *budget, const char *name, const char *fmt, ...)
	_printf_(3, 4);
void log_about_guest(struct log_budget *budget, enum tsk_log_level level, const char *name,
		     const char *fmt, ...) _printf_(4, 5);

#endif
