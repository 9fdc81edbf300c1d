/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A JSON text as it is written: commas are put where they belong, strings are valid whatever bytes they
 * hold.  Without memory it is bad, and what follows does nothing; ask once, by json_text_take().
 */
#ifndef PROTOCOL_JSON_TEXT_H
#define PROTOCOL_JSON_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"

struct json_text {
	char *bytes; /* from malloc */
	size_t n, capacity;
	bool bad;
};

/* Room for n more characters, to be written at what is returned and then counted in text->n; or NULL. */
char *json_text_room(struct json_text *text, size_t n);

/* '{' or '['; '}' or ']'. */
void json_text_open(struct json_text *text, char bracket);
void json_text_close(struct json_text *text, char bracket);

/* Of ours: ASCII without quotes.  One value follows. */
void json_text_key(struct json_text *text, const char *key);

/*
 * False where the bytes are not UTF-8: then U+FFFD stands for each one that belongs to no character.
 * Somebody else may write to them meanwhile.
 */
bool json_text_bytes(struct json_text *text, const void *bytes, size_t n);
void json_text_string(struct json_text *text, const char *string);
void json_text_uint(struct json_text *text, uint64_t v);
void json_text_int(struct json_text *text, int64_t v);
void json_text_bool(struct json_text *text, bool v);

/* What has been written, the caller's to free, as small as it is.  -ENOMEM; frees it then. */
int json_text_take(struct json_text *text, char **ret, size_t *ret_n) _nodiscard_;
void json_text_done(struct json_text *text);

#endif
