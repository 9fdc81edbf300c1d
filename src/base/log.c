/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/status.h"

static const char *const level_names[] = {
	[TSK_LOG_ERROR] = "error",
	[TSK_LOG_WARNING] = "warning",
	[TSK_LOG_INFO] = "info",
	[TSK_LOG_DEBUG] = "debug",
};
static_assert(ARRAY_SIZE(level_names) == TSK_LOG_LEVEL_MAX, "a level lacks its name");

static struct {
	const char *program;
	char guest[80];
	enum tsk_log_level max_level;
	unsigned lines_per_sec;

	uint64_t second;       /* the second that `lines` counts */
	unsigned lines;        /* written in that second */
	uint64_t dropped;      /* since the start */
	uint64_t dropped_told; /* of these, told in a line */
} logger = { .program = "tensock", .max_level = TSK_LOG_INFO };

void tsk_log_init(const char *program, const char *guest, enum tsk_log_level max_level,
		  unsigned lines_per_sec)
{
	logger.program = program;
	logger.max_level = max_level;
	logger.lines_per_sec = lines_per_sec;
	logger.guest[0] = '\0';
	if (guest)
		snprintf(logger.guest, sizeof(logger.guest), "guest %.64s: ", guest);
}

int tsk_log_level_from_name(const char *name)
{
	for (int i = 0; i < TSK_LOG_LEVEL_MAX; i++) {
		if (strcmp(name, level_names[i]) == 0)
			return i;
	}
	return -1;
}

uint64_t tsk_log_dropped(void)
{
	return logger.dropped;
}

static bool within_budget(void)
{
	uint64_t second = tsk_now_ns() / TSK_NS_PER_SEC;

	if (!logger.lines_per_sec)
		return true;
	if (second != logger.second) {
		logger.second = second;
		logger.lines = 0;
	}
	return logger.lines++ < logger.lines_per_sec;
}

/*
 * Writes text, made printable and ended by one newline, in one write.  Standard error may be a pipe
 * that no one reads any more.  Its O_NONBLOCK is not ours to set (a terminal shares it with the
 * shell), so ask first: a pipe that is ready for writing takes a page whole.
 */
static bool write_line(char *text, size_t size)
{
	struct pollfd ready = { .fd = STDERR_FILENO, .events = POLLOUT };
	size_t len = strnlen(text, size - 2);
	ssize_t written;

	if (poll(&ready, 1, 0) != 1 || !(ready.revents & POLLOUT))
		return false;
	text[len] = '\0';
	tsk_make_printable(text);
	text[len++] = '\n';
	do
		written = write(STDERR_FILENO, text, len);
	while (written < 0 && errno == EINTR);
	return written == (ssize_t)len;
}

static void tell_dropped(void)
{
	char line[160];
	uint64_t dropped = logger.dropped;

	if (dropped == logger.dropped_told)
		return;
	snprintf(line, sizeof(line), "%s: warning: %s%llu log lines were dropped", logger.program,
		 logger.guest, (unsigned long long)(dropped - logger.dropped_told));
	if (write_line(line, sizeof(line)))
		logger.dropped_told = dropped;
	logger.lines++; /* it is one of this second's, too */
}

void tsk_log(enum tsk_log_level level, const char *fmt, ...)
{
	char line[1024];
	va_list args;
	int n;

	if (level > logger.max_level)
		return;
	if (!within_budget()) {
		logger.dropped++;
		return;
	}
	tell_dropped();
	n = snprintf(line, sizeof(line), "%s: %s: %s", logger.program, level_names[level],
		     logger.guest);
	va_start(args, fmt);
	vsnprintf(line + n, sizeof(line) - (size_t)n, fmt, args);
	va_end(args);
	if (!write_line(line, sizeof(line)))
		logger.dropped++;
}
