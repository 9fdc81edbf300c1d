/* SPDX-License-Identifier: Apache-2.0 */
#include "front/protocol/json_text.h"

#include <string.h>

#include "base/bytes.h"
#include "base/checked.h"
#include "base/hex.h"
#include "base/utf8.h"
#include "front/protocol/json_number.h"

char *json_text_room(struct json_text *text, size_t n)
{
	size_t wanted, capacity;
	char *bytes;

	if (text->bad || !tsk_add(text->n, n, &wanted) || !tsk_add(wanted, wanted / 2, &capacity)) {
		text->bad = true;
		return NULL;
	}
	if (wanted > text->capacity) {
		/* The first one is what the writer expects: exactly so. */
		if (text->capacity == 0)
			capacity = wanted;
		bytes = realloc(text->bytes, capacity);
		if (!bytes) {
			text->bad = true;
			return NULL;
		}
		text->bytes = bytes;
		text->capacity = capacity;
	}
	return text->bytes + text->n;
}

static void put(struct json_text *text, const char *bytes, size_t n)
{
	char *room = json_text_room(text, n);

	if (!room)
		return;
	memcpy(room, bytes, n);
	text->n += n;
}

/* A string ends in a quote: so what the last character is says what comes before a value. */
static void begin_value(struct json_text *text)
{
	char last;

	if (text->bad || text->n == 0)
		return;
	last = text->bytes[text->n - 1];
	if (last != '{' && last != '[' && last != ':')
		put(text, ",", 1);
}

void json_text_open(struct json_text *text, char bracket)
{
	begin_value(text);
	put(text, &bracket, 1);
}

void json_text_close(struct json_text *text, char bracket)
{
	put(text, &bracket, 1);
}

void json_text_key(struct json_text *text, const char *key)
{
	begin_value(text);
	put(text, "\"", 1);
	put(text, key, strlen(key));
	put(text, "\":", 2);
}

static char *write_escaped(char *to, unsigned char c)
{
	*to++ = '\\';
	if (c == '"' || c == '\\') {
		*to++ = (char)c;
		return to;
	}
	memcpy(to, "u00", 3);
	return tsk_hex_write(to + 3, &c, 1);
}

/* The character at p, of n bytes that are there: *ret_used of them. */
static char *write_character(char *to, const unsigned char *p, size_t n, size_t *ret_used,
			     bool *is_valid)
{
	uint32_t c;

	*ret_used = 1;
	if (*p == '"' || *p == '\\' || *p < ' ')
		return write_escaped(to, *p);
	if (*p < 0x80) {
		*to = (char)*p;
		return to + 1;
	}
	*ret_used = tsk_utf8_next(p, n, &c);
	if (c == TSK_UTF8_INVALID) {
		*is_valid = false;
		memcpy(to, "\xef\xbf\xbd", 3);
		return to + 3;
	}
	memcpy(to, p, *ret_used);
	return to + *ret_used;
}

#define PIECE 512u
#define CHARACTER 4u /* bytes of the longest */
#define ESCAPED 6u   /* characters for a byte, at most */

/*
 * The n bytes of a piece.  Unless they are the last ones, a character may go on behind them: then its
 * first bytes are left.  Returns how many are used.
 */
static size_t put_piece(struct json_text *text, const unsigned char *piece, size_t n, bool is_last,
			bool *is_valid)
{
	char *room = json_text_room(text, n * ESCAPED), *to = room;
	size_t at = 0, used;

	if (!room)
		return n;
	while (at < n && (is_last || n - at >= CHARACTER)) {
		to = write_character(to, piece + at, n - at, &used, is_valid);
		at += used;
	}
	text->n += (size_t)(to - room);
	return at;
}

bool json_text_bytes(struct json_text *text, const void *bytes, size_t n)
{
	unsigned char piece[PIECE];
	const unsigned char *p = bytes;
	bool is_valid = true;

	begin_value(text);
	put(text, "\"", 1);
	while (n && !text->bad) {
		size_t part = n < PIECE ? n : PIECE, used;

		tsk_copy_once(piece, p, part);
		used = put_piece(text, piece, part, part == n, &is_valid);
		p += used;
		n -= used;
	}
	put(text, "\"", 1);
	return is_valid;
}

void json_text_string(struct json_text *text, const char *string)
{
	json_text_bytes(text, string, strlen(string));
}

void json_text_uint(struct json_text *text, uint64_t v)
{
	char *room;

	begin_value(text);
	room = json_text_room(text, JSON_NUMBER_MAX);
	if (room)
		text->n += (size_t)(json_write_uint(room, v) - room);
}

void json_text_int(struct json_text *text, int64_t v)
{
	char *room;

	begin_value(text);
	room = json_text_room(text, JSON_NUMBER_MAX);
	if (room)
		text->n += (size_t)(json_write_int(room, v) - room);
}

void json_text_bool(struct json_text *text, bool v)
{
	begin_value(text);
	put(text, v ? "true" : "false", v ? 4 : 5);
}

int json_text_take(struct json_text *text, char **ret, size_t *ret_n)
{
	char *bytes;

	if (text->bad || text->n == 0) {
		json_text_done(text);
		return -ENOMEM;
	}
	bytes = realloc(text->bytes, text->n);
	*ret = bytes ? bytes : text->bytes;
	*ret_n = text->n;
	*text = (struct json_text){ 0 };
	return 0;
}

void json_text_done(struct json_text *text)
{
	free(text->bytes);
	*text = (struct json_text){ .bad = text->bad };
}
