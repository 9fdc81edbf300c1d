/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log_line.h"
#include "base/memfd.h"
#include "base/status.h"

/* To take a line from a budget that others take from, too. */
#define SHARED_TRIES 16u

static const char *const level_names[] = {
	[TSK_LOG_ERROR] = "error",
	[TSK_LOG_WARNING] = "warning",
	[TSK_LOG_INFO] = "info",
	[TSK_LOG_DEBUG] = "debug",
};
static_assert(ARRAY_SIZE(level_names) == TSK_LOG_LEVEL_MAX, "a level lacks its name");

/* In memory that others write, too. */
struct shared_budget {
	_Atomic uint64_t taken;   /* the second, in the upper half, and the lines written in it */
	_Atomic uint64_t dropped; /* that were not told yet */
};

static struct {
	const char *program;
	char guest[65];
	uint64_t pid;
	bool is_json;
	enum tsk_log_level max_level;
	unsigned lines_per_sec;

	uint64_t second;       /* the second that `lines` counts */
	unsigned lines;        /* written in that second */
	uint64_t dropped;      /* since the start */
	uint64_t dropped_told; /* of these, told in a line; or left to whoever of `shared` tells */
	struct shared_budget *shared; /* NULL: none */
} logger = { .program = "tensock", .max_level = TSK_LOG_INFO };

void tsk_log_init(const char *program, const char *guest, enum tsk_log_level max_level,
		  unsigned lines_per_sec)
{
	logger.program = program;
	logger.max_level = max_level;
	logger.lines_per_sec = lines_per_sec;
	logger.guest[0] = '\0';
	if (guest)
		snprintf(logger.guest, sizeof(logger.guest), "%.64s", guest);
	logger.pid = (uint64_t)getpid();
}

void tsk_log_set_json(bool is_json)
{
	logger.is_json = is_json;
}

enum tsk_log_level tsk_log_level_of(uint64_t number)
{
	uint64_t level = number & TSK_LOG_LEVEL_BITS;

	if (number & ~(uint64_t)(TSK_LOG_LEVEL_BITS | TSK_LOG_JSON | TSK_LOG_ACCESS) ||
	    level >= TSK_LOG_LEVEL_MAX)
		return TSK_LOG_LEVEL_MAX;
	return (enum tsk_log_level)level;
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

int tsk_log_budget_new(int *ret_fd)
{
	return tsk_memfd_new("tensock-log", sizeof(struct shared_budget), ret_fd);
}

void tsk_log_share(int fd)
{
	struct tsk_map map;
	uint64_t size;

	if (tsk_memfd_check(fd, false, &size) < 0 || size != sizeof(struct shared_budget))
		return;
	if (tsk_map_new(fd, size, true, &map) == 0)
		logger.shared = map.addr;
	tsk_close(fd);
}

/* One that writes there all the time gets no more than that the others' lines are dropped. */
static bool take_shared(uint64_t second)
{
	uint64_t taken, lines;

	if (!logger.shared)
		return true;
	taken = atomic_load(&logger.shared->taken);
	for (unsigned i = 0; i < SHARED_TRIES; i++) {
		lines = taken >> 32 == (uint32_t)second ? (uint32_t)taken : 0;
		if (lines >= logger.lines_per_sec)
			return false;
		if (atomic_compare_exchange_weak(&logger.shared->taken, &taken,
						 second << 32 | (lines + 1)))
			return true;
	}
	return false;
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
	return logger.lines++ < logger.lines_per_sec && take_shared(second);
}

static void count_dropped(uint64_t n)
{
	logger.dropped += n;
	if (logger.shared) {
		atomic_fetch_add(&logger.shared->dropped, n);
		logger.dropped_told = logger.dropped;
	}
}

/*
 * Writes the line and a newline in one write.  Standard error may be a pipe that no one reads any more.
 * Its O_NONBLOCK is not ours to set (a terminal shares it with the shell), so ask first: a pipe that is
 * ready for writing takes a page whole.
 */
static bool write_line(struct log_line *line)
{
	struct pollfd ready = { .fd = STDERR_FILENO, .events = POLLOUT };
	ssize_t written;

	if (poll(&ready, 1, 0) != 1 || !(ready.revents & POLLOUT))
		return false;
	line->text[line->len++] = '\n';
	do
		written = write(STDERR_FILENO, line->text, line->len);
	while (written < 0 && errno == EINTR);
	return written == (ssize_t)line->len;
}

static bool say(enum tsk_log_level level, const char *message, const struct tsk_log_field *fields,
		unsigned n_fields)
{
	struct log_words words = { .program = logger.program,
				   .level = level_names[level],
				   .guest = logger.guest,
				   .message = message,
				   .fields = fields,
				   .n_fields = n_fields,
				   .pid = logger.pid };
	struct log_line line;

	if (logger.is_json) {
		words.wall_ms = tsk_wall_ms();
		log_line_json(&words, &line);
	} else {
		log_line_text(&words, &line);
	}
	return write_line(&line);
}

static void tell_dropped(void)
{
	char message[64];
	uint64_t own = logger.dropped - logger.dropped_told;
	uint64_t shared = logger.shared ? atomic_exchange(&logger.shared->dropped, 0) : 0;

	if (!own && !shared)
		return;
	snprintf(message, sizeof(message), "%llu log lines were dropped",
		 (unsigned long long)(own + shared));
	if (say(TSK_LOG_WARNING, message, NULL, 0))
		logger.dropped_told += own;
	else if (shared)
		atomic_fetch_add(&logger.shared->dropped, shared);
	logger.lines++; /* it is one of this second's, too */
	if (logger.shared)
		atomic_fetch_add(&logger.shared->taken, 1);
}

void tsk_log_event(enum tsk_log_level level, const char *message,
		   const struct tsk_log_field *fields, unsigned n_fields)
{
	if (level > logger.max_level)
		return;
	if (!within_budget()) {
		count_dropped(1);
		return;
	}
	tell_dropped();
	if (!say(level, message, fields, n_fields))
		count_dropped(1);
}

void tsk_log(enum tsk_log_level level, const char *fmt, ...)
{
	char message[1024];
	va_list args;

	if (level > logger.max_level)
		return;
	va_start(args, fmt);
	vsnprintf(message, sizeof(message), fmt, args);
	va_end(args);
	tsk_log_event(level, message, NULL, 0);
}
