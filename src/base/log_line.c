/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log_line.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/status.h"

#define TEXT_MAX 1024u /* of a message or a field */
#define DAY_S 86400u

/* Where a line is written.  Nothing is written beyond max: what does not fit is not begun. */
struct place {
	struct log_line *line;
	size_t max;
};

static size_t room(const struct place *place)
{
	return place->max - place->line->len;
}

static bool add(struct place *place, const char *bytes, size_t n)
{
	if (n > room(place))
		return false;
	memcpy(place->line->text + place->line->len, bytes, n);
	place->line->len += n;
	place->line->text[place->line->len] = '\0';
	return true;
}

static bool add_text(struct place *place, const char *text)
{
	return add(place, text, strlen(text));
}

/* In quotes, cut between two characters where need be; false where not even the quotes fit. */
static bool add_quoted(struct place *place, const char *text)
{
	char copy[TEXT_MAX];
	const char *p = copy;
	size_t n;

	snprintf(copy, sizeof(copy), "%s", text);
	tsk_make_printable(copy);
	if (room(place) < 2)
		return false;
	(void)add(place, "\"", 1);
	place->max--; /* the closing one */
	for (; *p; p += n) {
		char escaped[] = { '\\', *p };

		n = 1;
		while (((unsigned char)p[n] & 0xc0) == 0x80)
			n++;
		if (*p == '"' || *p == '\\' ? !add(place, escaped, 2) : !add(place, p, n))
			break;
	}
	place->max++;
	return add(place, "\"", 1);
}

/* "before NAME between VALUE", or nothing. */
static void add_member(struct place *place, const char *before, const struct tsk_log_field *field,
		       const char *between)
{
	size_t start = place->line->len;
	char number[24];

	snprintf(number, sizeof(number), "%" PRIu64, field->number);
	if (add_text(place, before) && add_text(place, field->name) && add_text(place, between) &&
	    (field->text ? add_quoted(place, field->text) : add_text(place, number)))
		return;
	place->line->len = start;
	place->line->text[start] = '\0';
}

void log_line_text(const struct log_words *words, struct log_line *ret)
{
	struct place place = { .line = ret, .max = LOG_LINE_TEXT_MAX };
	int n = snprintf(ret->text, LOG_LINE_TEXT_MAX + 1, "%s: %s: %s%s%s%s", words->program,
			 words->level, words->guest[0] ? "guest " : "", words->guest,
			 words->guest[0] ? ": " : "", words->message);

	ret->len = n < 0 ? 0 : (size_t)n > LOG_LINE_TEXT_MAX ? LOG_LINE_TEXT_MAX : (size_t)n;
	ret->text[ret->len] = '\0';
	tsk_make_printable(ret->text);
	for (unsigned i = 0; i < words->n_fields; i++)
		add_member(&place, " ", &words->fields[i], "=");
}

/* As RFC 3339 has it.  Not gmtime(), which opens files: this process may be sealed. */
static void time_text(uint64_t wall_ms, char *ret, size_t size)
{
	uint64_t s = wall_ms / 1000, day = s / DAY_S, of_day = s % DAY_S;
	/* Years begin in March here, and 400 of them with the day -719468. */
	uint64_t days = day + 719468, era = days / 146097, doe = days % 146097;
	uint64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	uint64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;
	uint64_t month = mp < 10 ? mp + 3 : mp - 9;

	snprintf(ret, size,
		 "%04" PRIu64 "-%02" PRIu64 "-%02" PRIu64 "T%02" PRIu64 ":%02" PRIu64 ":%02" PRIu64
		 ".%03" PRIu64 "Z",
		 era * 400 + yoe + (month <= 2), month, doy - (153 * mp + 2) / 5 + 1, of_day / 3600,
		 of_day / 60 % 60, of_day % 60, wall_ms % 1000);
}

void log_line_json(const struct log_words *words, struct log_line *ret)
{
	struct place place = { .line = ret, .max = LOG_LINE_JSON_MAX - 1 };
	char time[128];
	const struct tsk_log_field members[] = {
		{ .name = "time", .text = time },
		{ .name = "level", .text = words->level },
		{ .name = "program", .text = words->program },
		{ .name = "pid", .number = words->pid },
		{ .name = "message", .text = words->message },
	};
	const struct tsk_log_field guest = { .name = "guest", .text = words->guest };

	ret->len = 0;
	time_text(words->wall_ms, time, sizeof(time));
	for (unsigned i = 0; i < ARRAY_SIZE(members); i++)
		add_member(&place, i ? ",\"" : "{\"", &members[i], "\":");
	if (words->guest[0])
		add_member(&place, ",\"", &guest, "\":");
	for (unsigned i = 0; i < words->n_fields; i++)
		add_member(&place, ",\"", &words->fields[i], "\":");
	place.max++;
	(void)add(&place, "}", 1);
}
