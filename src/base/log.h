/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log: one line to standard error an event, "PROGRAM: LEVEL: [guest NAME: ]text".  A line is
 * written with one write() that never blocks; what cannot be written, or exceeds the process's
 * budget of lines a second, is counted, and the count is told with the next line that gets through.
 * Processes may have a budget together, beside their own: it lies in memory that they share, so a hostile
 * one can silence those that it shares it with, or tell a wrong count, and nobody else.
 * Where JSON is wanted, a line is an object instead (log_line.h).
 * Control characters in the text come out as '?'.  One thread a process logs.
 */
#ifndef TSK_BASE_LOG_H
#define TSK_BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"

enum tsk_log_level {
	TSK_LOG_ERROR,
	TSK_LOG_WARNING,
	TSK_LOG_INFO,
	TSK_LOG_DEBUG,
	TSK_LOG_LEVEL_MAX
};

/*
 * program: a literal.  guest: the name put on every line, or NULL; copied.  Lines above max_level
 * are dropped uncounted.  lines_per_sec: 0 is without a bound.
 */
void tsk_log_init(const char *program, const char *guest, enum tsk_log_level max_level,
		  unsigned lines_per_sec);

/* From now on lines are JSON objects, or text. */
void tsk_log_set_json(bool is_json);

/* Beside a level, in the number by which one process tells another what to log. */
#define TSK_LOG_LEVEL_BITS 0xffu
#define TSK_LOG_JSON 0x100u
#define TSK_LOG_ACCESS 0x200u /* a line a request (front/access_log.h) */

/* The level of such a number; TSK_LOG_LEVEL_MAX: it is none. */
enum tsk_log_level tsk_log_level_of(uint64_t number);

/* "error", "warning", "info" or "debug" → level; -1 for any other text. */
int tsk_log_level_from_name(const char *name);

/*
 * A budget for several processes, as a memfd.  Each of them has it as TSK_LOG_BUDGET_FD at its start, and
 * says tsk_log_share(): from then on its lines_per_sec are those of all together.
 */
#define TSK_LOG_BUDGET_FD 4
int tsk_log_budget_new(int *ret_fd) _nodiscard_;

/* Closes fd.  What is no such memfd is left alone: who is started by hand has none. */
void tsk_log_share(int fd);

void tsk_log(enum tsk_log_level level, const char *fmt, ...) _printf_(2, 3);

/* What programs look for in a line, beside its text. */
struct tsk_log_field {
	const char *name; /* a JSON member's; letters and '_' */
	const char *text; /* NULL: number */
	uint64_t number;
};

void tsk_log_event(enum tsk_log_level level, const char *message,
		   const struct tsk_log_field *fields, unsigned n_fields);

/* Lines of this process that were dropped since the start. */
uint64_t tsk_log_dropped(void);

#define tsk_error(...) tsk_log(TSK_LOG_ERROR, __VA_ARGS__)
#define tsk_warning(...) tsk_log(TSK_LOG_WARNING, __VA_ARGS__)
#define tsk_info(...) tsk_log(TSK_LOG_INFO, __VA_ARGS__)
#define tsk_debug(...) tsk_log(TSK_LOG_DEBUG, __VA_ARGS__)

#endif
