/* SPDX-License-Identifier: Apache-2.0 */
/* One line of the log (log.h), as text or as a JSON object.  Pure. */
#ifndef TSK_BASE_LOG_LINE_H
#define TSK_BASE_LOG_LINE_H

#include <stddef.h>
#include <stdint.h>

#include "base/log.h"

#define LOG_LINE_TEXT_MAX \
	1022u /* bytes of a line of text, and of one of JSON, without its newline */
#define LOG_LINE_JSON_MAX 3070u /* less than a pipe takes whole (PIPE_BUF) */

struct log_line {
	char text[LOG_LINE_JSON_MAX + 2]; /* terminated, with room for a newline more */
	size_t len;
};

/* What a line says.  Texts of any bytes: what steers a terminal, or is no UTF-8, comes out as '?'. */
struct log_words {
	const char *program, *level;
	const char *guest; /* or "" */
	const char *message;
	const struct tsk_log_field *fields;
	unsigned n_fields;
	uint64_t wall_ms, pid; /* JSON only */
};

/* "PROGRAM: LEVEL: [guest NAME: ]MESSAGE[ field=1][ field=\"text\"]"; what does not fit is cut. */
void log_line_text(const struct log_words *words, struct log_line *ret);

/*
 * {"time":"2026-01-31T23:59:59.123Z","level":...,"program":...,["guest":...,]"pid":1,"message":...} and the
 * fields, as members.  Texts are cut so that it is whole; a field that does not fit at all is left out.
 */
void log_line_json(const struct log_words *words, struct log_line *ret);

#endif
