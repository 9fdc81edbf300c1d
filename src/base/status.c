/* SPDX-License-Identifier: Apache-2.0 */
#include "base/status.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct tsk_status_row rows[] = {
	[TENSOCK_OK] = { "ok", "done", 0, 200, 0 },
	[TENSOCK_INVALID_ARGUMENT] = { "invalid-argument", "a value does not fit", EINVAL, 400, 3 },
	[TENSOCK_INVALID_MODEL] = { "invalid-model", "not a readable model", ENOEXEC, 400, 3 },
	[TENSOCK_UNSUPPORTED] = { "unsupported", "this host does not do that", ENOTSUP, 501, 12 },
	[TENSOCK_NOT_FOUND] = { "not-found", "no such thing", ENOENT, 404, 5 },
	[TENSOCK_TOO_LARGE] = { "too-large", "above the limit", EFBIG, 413, 8 },
	[TENSOCK_PERMISSION_DENIED] = { "permission-denied", "not allowed", EACCES, 403, 7 },
	[TENSOCK_PROTOCOL] = { "protocol", "the rules of the wire were broken", EPROTO, 400, 3 },
	[TENSOCK_LIMIT_REACHED] = { "limit-reached", "too many at once", EBUSY, 429, 8 },
	[TENSOCK_OUT_OF_MEMORY] = { "out-of-memory", "not enough memory", ENOMEM, 503, 8 },
	[TENSOCK_UNAVAILABLE] = { "unavailable", "not available now", EAGAIN, 503, 14 },
	[TENSOCK_DEADLINE_EXCEEDED] = { "deadline-exceeded", "the time was up", ETIMEDOUT, 504, 4 },
	[TENSOCK_CANCELLED] = { "cancelled", "cancelled", ECANCELED, 499, 1 },
	[TENSOCK_WORKER_DIED] = { "worker-died", "the model's process died", EOWNERDEAD, 500, 13 },
	[TENSOCK_ENGINE_FAILED] = { "engine-failed", "the engine failed", EIO, 500, 13 },
	[TENSOCK_INTERNAL] = { "internal", "a fault of this host", EFAULT, 500, 13 },
	/* Triton's servers answer 400 by HTTP. */
	[TENSOCK_ALREADY_EXISTS] = { "already-exists", "it is there already", EEXIST, 400, 6 },
};
static_assert(ARRAY_SIZE(rows) == TENSOCK_STATUS_MAX, "a status lacks its row");

const struct tsk_status_row *tsk_status(uint32_t status)
{
	return &rows[status < TENSOCK_STATUS_MAX ? status : TENSOCK_INTERNAL];
}

enum tensock_status tsk_status_from_errno(int errno_value)
{
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		if (rows[i].errno_value == errno_value)
			return (enum tensock_status)i;
	}
	switch (errno_value) {
	case EMFILE:
	case ENFILE:
	case ENOSPC:
	case EDQUOT:
		return TENSOCK_LIMIT_REACHED;
	default:
		return TENSOCK_INTERNAL;
	}
}

/* The length of the UTF-8 character at p, which a NUL byte ends; 0 where there is none. */
static size_t character_bytes(const unsigned char *p)
{
	static const struct {
		unsigned char from, to;  /* the first byte */
		unsigned char low, high; /* the second one: no overlong form, no surrogate */
		size_t bytes;
	} forms[] = {
		{ 0xc2, 0xdf, 0x80, 0xbf, 2 }, { 0xe0, 0xe0, 0xa0, 0xbf, 3 },
		{ 0xe1, 0xec, 0x80, 0xbf, 3 }, { 0xed, 0xed, 0x80, 0x9f, 3 },
		{ 0xee, 0xef, 0x80, 0xbf, 3 }, { 0xf0, 0xf0, 0x90, 0xbf, 4 },
		{ 0xf1, 0xf3, 0x80, 0xbf, 4 }, { 0xf4, 0xf4, 0x80, 0x8f, 4 },
	};

	if (*p < 0x80)
		return *p >= ' ' && *p != 0x7f;
	for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
		if (*p < forms[i].from || *p > forms[i].to)
			continue;
		if (p[1] < forms[i].low || p[1] > forms[i].high)
			return 0;
		for (size_t k = 2; k < forms[i].bytes; k++) {
			if ((p[k] & 0xc0) != 0x80)
				return 0;
		}
		return forms[i].bytes;
	}
	return 0;
}

bool tsk_is_steering(uint32_t c)
{
	/* Controls, marks and overrides of direction, separators of lines. */
	return (c >= 0x80 && c < 0xa0) || (c >= 0x200e && c <= 0x200f) ||
	       (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) || c == 0x061c ||
	       c == 0xfeff;
}

/* The character of n bytes, more than one, at p. */
static uint32_t character(const unsigned char *p, size_t n)
{
	uint32_t c = *p & (0x7fU >> n);

	for (size_t i = 1; i < n; i++)
		c = c << 6 | (p[i] & 0x3fU);
	return c;
}

void tsk_make_printable(char *text)
{
	unsigned char *p = (unsigned char *)text;

	while (*p) {
		size_t n = character_bytes(p);

		if (n > 1 && tsk_is_steering(character(p, n)))
			n = 0;
		if (n == 0)
			*p = '?';
		p += n ? n : 1;
	}
}

int tsk_fail(struct tensock_error *reterr, enum tensock_status status, const char *fmt, ...)
{
	va_list args;

	if (reterr) {
		reterr->status = status;
		va_start(args, fmt);
		vsnprintf(reterr->message, sizeof(reterr->message), fmt, args);
		va_end(args);
		tsk_make_printable(reterr->message);
	}
	return -tsk_status(status)->errno_value;
}

void tsk_error_prefix(struct tensock_error *reterr, const char *fmt, ...)
{
	char prefixed[sizeof(reterr->message)] = ""; /* all of it travels */
	va_list args;
	int n;

	if (!reterr)
		return;
	va_start(args, fmt);
	n = vsnprintf(prefixed, sizeof(prefixed), fmt, args);
	va_end(args);
	if (n < 0)
		return;
	if ((size_t)n < sizeof(prefixed))
		snprintf(prefixed + n, sizeof(prefixed) - (size_t)n, ": %.200s", reterr->message);
	tsk_make_printable(prefixed);
	memcpy(reterr->message, prefixed, sizeof(prefixed));
}
