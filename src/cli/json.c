/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/json.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/utf8.h"
#include "cli/text.h"

/* What stands before the next value. */
static void begin_value(struct json *json)
{
	if (json->has_key) {
		json->has_key = false;
		return;
	}
	if (json->has_items[json->depth])
		fputc(',', json->out);
	json->has_items[json->depth] = true;
}

static void begin(struct json *json, char bracket)
{
	begin_value(json);
	fputc(bracket, json->out);
	assert(json->depth + 1 < JSON_DEPTH_MAX);
	json->has_items[++json->depth] = false;
}

static void end(struct json *json, char bracket)
{
	assert(json->depth && !json->has_key);
	json->depth--;
	fputc(bracket, json->out);
	if (json->depth == 0)
		fputc('\n', json->out);
}

void json_object(struct json *json)
{
	begin(json, '{');
}

void json_array(struct json *json)
{
	begin(json, '[');
}

void json_end_object(struct json *json)
{
	end(json, '}');
}

void json_end_array(struct json *json)
{
	end(json, ']');
}

void json_key(struct json *json, const char *key)
{
	json_string(json, key);
	fputc(':', json->out);
	json->has_key = true;
}

static void put_char(FILE *out, const unsigned char *p, size_t length, uint32_t c)
{
	if (c == TSK_UTF8_INVALID)
		fputs("\\ufffd", out);
	else if (c == '"' || c == '\\')
		fprintf(out, "\\%c", (int)c);
	else if (c < ' ' || (c >= 0x7f && c < 0xa0) || (c >= 0x2028 && c <= 0x202e))
		fprintf(out, "\\u%04" PRIx32, c);
	else
		fwrite(p, 1, length, out);
}

void json_bytes(struct json *json, const void *text, size_t n)
{
	const unsigned char *p = text;

	begin_value(json);
	fputc('"', json->out);
	while (n) {
		uint32_t c;
		size_t length = tsk_utf8_next(p, n, &c);

		put_char(json->out, p, length, c);
		p += length;
		n -= length;
	}
	fputc('"', json->out);
}

void json_string(struct json *json, const char *text)
{
	json_bytes(json, text, strlen(text));
}

void json_uint(struct json *json, uint64_t v)
{
	begin_value(json);
	fprintf(json->out, "%" PRIu64, v);
}

void json_int(struct json *json, int64_t v)
{
	begin_value(json);
	fprintf(json->out, "%" PRId64, v);
}

void json_bool(struct json *json, bool v)
{
	begin_value(json);
	fputs(v ? "true" : "false", json->out);
}

void json_null(struct json *json)
{
	begin_value(json);
	fputs("null", json->out);
}

void json_number(struct json *json, double v, bool is_double)
{
	char buf[TEXT_QUANTITY_BYTES];

	if (!isfinite(v)) {
		json_string(json, isnan(v) ? "NaN" : v > 0 ? "Infinity" : "-Infinity");
		return;
	}
	begin_value(json);
	fputs(text_number(v, is_double, buf), json->out);
}
