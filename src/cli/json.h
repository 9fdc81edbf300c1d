/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One JSON document, written as it goes.  Valid whatever the strings hold: bytes that are not UTF-8
 * become U+FFFD.  Numbers are exact; those that JSON lacks are the strings "NaN", "Infinity", "-Infinity".
 */
#ifndef CLI_JSON_H
#define CLI_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define JSON_DEPTH_MAX 16u

struct json {
	FILE *out;
	unsigned depth;
	bool has_items[JSON_DEPTH_MAX];
	bool has_key; /* a value comes next */
};

static inline struct json json_of(FILE *out)
{
	return (struct json){ .out = out };
}

void json_object(struct json *json);
void json_array(struct json *json);
void json_end_object(struct json *json);
void json_end_array(struct json *json);

/* key: of ours, in an object; one value follows. */
void json_key(struct json *json, const char *key);

void json_bytes(struct json *json, const void *text, size_t n);
void json_string(struct json *json, const char *text);
void json_uint(struct json *json, uint64_t v);
void json_int(struct json *json, int64_t v);
void json_bool(struct json *json, bool v);
void json_null(struct json *json);
/* is_double: else v is a float. */
void json_number(struct json *json, double v, bool is_double);

#endif
