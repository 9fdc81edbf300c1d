/* SPDX-License-Identifier: Apache-2.0 */
#include "front/protocol/json_document.h"

#include <assert.h>
#include <string.h>

#include "base/checked.h"
#include "base/status.h"
#include "front/protocol/oip.h"

#define READ_FLAGS (YYJSON_READ_ALLOW_INF_AND_NAN | YYJSON_READ_BIGNUM_AS_RAW)

static_assert(JSON_PADDING >= YYJSON_PADDING_SIZE, "yyjson reads beyond a text in place");

#define SLACK 1024u /* yyjson's padding, its document, its allocator's lists */

static inline unsigned char begins_value(char c)
{
	return (c == ',') | (c == ':') | (c == '[') | (c == '{');
}

#define BLOCK 128u /* characters that are counted in a byte: the compiler takes many at once */

/* Each value but the first stands behind one of these; some stand in strings. */
static uint64_t values_max(const char *text, size_t n)
{
	uint64_t values = 1;
	size_t i = 0;

	for (; n - i >= BLOCK; i += BLOCK) {
		unsigned char in_block = 0;

		for (size_t k = 0; k < BLOCK; k++)
			in_block = (unsigned char)(in_block + begins_value(text[i + k]));
		values += in_block;
	}
	for (; i < n; i++)
		values += begins_value(text[i]);
	return values;
}

uint64_t json_document_memory(const char *text, size_t n)
{
	return n + json_document_memory_in_place(text, n);
}

uint64_t json_document_memory_in_place(const char *text, size_t n)
{
	return values_max(text, n) * sizeof(yyjson_val) + SLACK;
}

/*
 * yyjson begins with room for a value in six bytes, and takes half as much again where that is too
 * little.  What it does not write to is address space, and no memory.  copied: bytes of the text.
 */
static bool room_for(const char *text, size_t n, size_t copied, size_t *ret)
{
	uint64_t values = values_max(text, n), room;

	values += values / 2;
	if (values < n / 6)
		values = n / 6;
	return tsk_mul(values, sizeof(yyjson_val), &room) && tsk_add(room, copied + SLACK, ret);
}

static int fail_read(const yyjson_read_err *error, struct tensock_error *reterr)
{
	if (error->code == YYJSON_READ_ERROR_MEMORY_ALLOCATION)
		return tsk_fail(reterr, TENSOCK_OUT_OF_MEMORY, "no memory for the JSON");
	return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT,
			"failed to parse the request JSON buffer: %s at %zu", error->msg,
			error->pos);
}

static int read_document(char *text, size_t n, yyjson_read_flag flags, struct json_document *ret,
			 struct tensock_error *reterr)
{
	size_t copied = flags & YYJSON_READ_INSITU ? 0 : n;
	_cleanup_free_ void *memory = NULL;
	yyjson_read_err error;
	yyjson_alc pool;
	yyjson_doc *doc;
	size_t room;

	if (n == 0)
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT,
				"failed to parse the request JSON buffer: it is empty");
	if (room_for(text, n, copied, &room))
		memory = malloc(room);
	if (!memory || !yyjson_alc_pool_init(&pool, memory, room))
		return tsk_fail(reterr, TENSOCK_OUT_OF_MEMORY, "no memory for %zu bytes of JSON",
				n);
	doc = yyjson_read_opts(text, n, READ_FLAGS | flags, &pool, &error);
	if (!doc)
		return fail_read(&error, reterr);
	*ret = (struct json_document){ yyjson_doc_get_root(doc), TAKE_PTR(memory) };
	return 0;
}

int json_document_read(const char *text, size_t n, struct json_document *ret,
		       struct tensock_error *reterr)
{
	/* It does not write to the text: that is for YYJSON_READ_INSITU. */
	return read_document((char *)(uintptr_t)text, n, 0, ret, reterr);
}

int json_document_read_in_place(char *text, size_t n, struct json_document *ret,
				struct tensock_error *reterr)
{
	memset(text + n, 0, JSON_PADDING);
	return read_document(text, n, YYJSON_READ_INSITU, ret, reterr);
}

void json_document_done(struct json_document *document)
{
	free(document->memory);
	*document = (struct json_document){ 0 };
}

bool json_raw_number(yyjson_val *value, double *ret)
{
	const char *text = yyjson_get_raw(value);
	yyjson_read_flag flags = 0;
	yyjson_val number;

	if (!text)
		return false;
	/* With this flag 1e999 would be Infinity. */
	if (!strpbrk(text, "0123456789"))
		flags = YYJSON_READ_ALLOW_INF_AND_NAN;
	if (!yyjson_read_number(text, &number, flags, NULL, NULL))
		return false;
	*ret = yyjson_get_num(&number);
	return true;
}

bool json_key_equals(yyjson_val *key, const char *text)
{
	return yyjson_equals_str(key, text);
}

static const struct json_field *find_field(yyjson_val *key, const struct json_field *fields,
					   size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (json_key_equals(key, fields[i].key))
			return &fields[i];
	}
	return NULL;
}

static int fail_type(yyjson_val *value, const char *what, const char *wanted,
		     struct tensock_error *reterr)
{
	return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT,
			value ? "%s is not %s" : "%s is missing: %s", what, wanted);
}

int json_get_fields(yyjson_val *value, const char *what, const struct json_field *fields, size_t n,
		    struct tensock_error *reterr)
{
	yyjson_val *key, *field;
	size_t i, count;

	if (!yyjson_is_obj(value))
		return fail_type(value, what, "a JSON object", reterr);
	for (i = 0; i < n; i++)
		*fields[i].ret = NULL;
	yyjson_obj_foreach(value, i, count, key, field)
	{
		const struct json_field *known = find_field(key, fields, n);

		if (!known)
			continue;
		if (*known->ret)
			return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT, "'%s' is twice in %s",
					known->key, what);
		*known->ret = field;
	}
	for (i = 0; i < n; i++) {
		if (yyjson_is_null(*fields[i].ret))
			*fields[i].ret = NULL;
	}
	return 0;
}

int json_get_string(yyjson_val *value, const char *what, size_t max, struct wire_string *ret,
		    struct tensock_error *reterr)
{
	const char *text = yyjson_get_str(value);
	size_t n = yyjson_get_len(value);

	if (!text)
		return fail_type(value, what, "a string", reterr);
	return oip_string(text, n, max, what, ret, reterr);
}

int json_get_uint(yyjson_val *value, const char *what, uint64_t *ret, struct tensock_error *reterr)
{
	if (!yyjson_is_uint(value))
		return fail_type(value, what, "an integer from 0 to 18446744073709551615", reterr);
	*ret = yyjson_get_uint(value);
	return 0;
}

int json_get_bool(yyjson_val *value, const char *what, bool *ret, struct tensock_error *reterr)
{
	if (!yyjson_is_bool(value))
		return fail_type(value, what, "true or false", reterr);
	*ret = yyjson_get_bool(value);
	return 0;
}

int json_get_array(yyjson_val *value, const char *what, size_t max, struct tensock_error *reterr)
{
	if (!yyjson_is_arr(value))
		return fail_type(value, what, "an array", reterr);
	if (yyjson_arr_size(value) > max)
		return tsk_fail(reterr, TENSOCK_TOO_LARGE, "%s has %zu elements, and may have %zu",
				what, yyjson_arr_size(value), max);
	return 0;
}
