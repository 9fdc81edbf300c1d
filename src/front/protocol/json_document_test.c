/* SPDX-License-Identifier: Apache-2.0 */
#include "front/protocol/json_document.h"

#include <math.h>
#include <string.h>

#include "base/testing.h"

static struct tensock_error error;

static int read_text(const char *text, struct json_document *document)
{
	size_t n = strlen(text);
	/* Exactly sized, without a NUL byte behind it. */
	char *copy = malloc(n ? n : 1);
	int r;

	assert_non_null(copy);
	memcpy(copy, text, n);
	error = (struct tensock_error){ 0 };
	r = json_document_read(copy, n, document, &error);
	free(copy);
	return r;
}

/* Whether it is taken in place, too: what was behind it is not looked at, and strings lie in it. */
static bool is_taken_in_place(const char *text)
{
	struct json_document document = { 0 };
	size_t n = strlen(text);
	char *own = malloc(n + JSON_PADDING);
	const char *string;
	bool is_taken;

	assert_non_null(own);
	memcpy(own, text, n);
	memset(own + n, '"', JSON_PADDING);
	is_taken = json_document_read_in_place(own, n, &document, &error) == 0;
	string = is_taken ? yyjson_get_str(document.root) : NULL;
	assert_true(!string || (string > own && string < own + n));
	json_document_done(&document);
	free(own);
	return is_taken;
}

static void assert_refused(const char *text)
{
	struct json_document document;

	assert_false(is_taken_in_place(text));
	if (read_text(text, &document) == 0)
		fail_msg("taken: %s", text);
	assert_int_equal(error.status, TENSOCK_INVALID_ARGUMENT);
	assert_non_null(strstr(error.message, "failed to parse the request JSON buffer"));
}

static void assert_taken(const char *text)
{
	struct json_document document;

	assert_true(is_taken_in_place(text));
	if (read_text(text, &document) < 0)
		fail_msg("%s: %s", text, error.message);
	json_document_done(&document);
}

static void test_only_json(void **state)
{
	static const char *const bad[] = {
		"",
		" ",
		"{",
		"[1,]",
		"{\"a\":1,}",
		"{} {}",
		"{}x",
		"[1 2]",
		"/**/{}",
		"{a:1}",
		"\"\\x\"",
		"\"\n\"",
		"\"\xff\"",
		"\"\xc0\xaf\"",
		"\"\\ud800\"",
		"01",
		"+1",
		"1.",
		".1",
		"0x10",
		"tru",
		"[\"a\":1]",
		"\xef\xbb\xbf{}",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_refused(bad[i]);
	assert_taken(" {\"a\": [1, -2.5e3, true, null, \"\\u00e4\\ud83d\\ude00\"]}\n");
	assert_taken("[NaN,Infinity,-Infinity]");
}

/* As deep, or as many values, as a text may hold: the room that was reckoned is enough. */
static void test_room(void **state)
{
	static const char *const units[] = { "[",         "1,",     "[],", "\"\",",
					     "{\"\":1},", "{\"\":", " ",   "\n1," };

	(void)state;
	for (size_t unit = 0; unit < ARRAY_SIZE(units); unit++) {
		for (size_t n = 1; n < 3000; n = n * 5 / 4 + 1) {
			size_t length = strlen(units[unit]);
			char *text = malloc(n * length + 4);

			assert_non_null(text);
			text[0] = '[';
			for (size_t i = 0; i < n; i++)
				memcpy(text + 1 + i * length, units[unit], length);
			memcpy(text + 1 + n * length, "1", 2);
			assert_refused(text); /* and not: no memory */
			memcpy(text + 1 + n * length, "1]", 3);
			if (strchr(units[unit], ',') || *units[unit] == ' ')
				assert_taken(text);
			free(text);
		}
	}
}

static void test_numbers(void **state)
{
	struct json_document document;
	yyjson_val *v;
	double d;

	(void)state;
	assert_int_equal(
		read_text("[18446744073709551615,-9223372036854775808,18446744073709551616,"
			  "1e999,-1e999,NaN,1,-Infinity]",
			  &document),
		0);
	v = document.root + 1;
	assert_true(yyjson_get_uint(v) == UINT64_MAX);
	assert_true(yyjson_get_sint(v + 1) == INT64_MIN);
	assert_true(yyjson_is_raw(v + 2));
	assert_true(json_raw_number(v + 2, &d));
	assert_true(d == 0x1p64);
	assert_true(yyjson_is_raw(v + 3));
	assert_false(json_raw_number(v + 3, &d));
	assert_false(json_raw_number(v + 4, &d));
	assert_true(json_raw_number(v + 5, &d));
	assert_true(isnan(d));
	assert_false(json_raw_number(v + 6, &d));
	assert_true(json_raw_number(v + 7, &d));
	assert_true(isinf(d) && d < 0);
	json_document_done(&document);
}

static void test_fields(void **state)
{
	struct json_document document;
	yyjson_val *a, *b;
	const struct json_field fields[] = { { "a", &a }, { "b", &b } };

	(void)state;
	assert_int_equal(read_text("{\"x\":1,\"b\":null,\"a\":3,\"x\":2}", &document), 0);
	assert_int_equal(json_get_fields(document.root, "it", fields, 2, &error), 0);
	assert_int_equal(yyjson_get_uint(a), 3);
	assert_null(b);
	json_document_done(&document);

	assert_int_equal(read_text("{\"a\":null,\"a\":3}", &document), 0);
	assert_int_equal(json_get_fields(document.root, "it", fields, 2, &error), -EINVAL);
	assert_string_equal(error.message, "'a' is twice in it");
	json_document_done(&document);

	assert_int_equal(read_text("[1]", &document), 0);
	assert_int_equal(json_get_fields(document.root, "it", fields, 2, &error), -EINVAL);
	json_document_done(&document);
}

static void test_values(void **state)
{
	struct json_document document;
	struct wire_string string;
	yyjson_val *v;
	uint64_t u;
	bool b;

	(void)state;
	assert_int_equal(read_text("[\"ab\",\"a\\u0000\",7,-7,7.0,true,[1,2]]", &document), 0);
	v = document.root + 1;
	assert_int_equal(json_get_string(v, "it", 2, &string, &error), 0);
	assert_true(wire_string_equals(string, "ab"));
	assert_true(json_get_string(v, "it", 1, &string, &error) < 0);
	assert_true(json_get_string(v + 1, "it", 9, &string, &error) < 0);
	assert_true(json_get_string(v + 2, "it", 9, &string, &error) < 0);
	assert_true(json_get_string(NULL, "it", 9, &string, &error) < 0);
	assert_string_equal(error.message, "it is missing: a string");
	assert_int_equal(json_get_uint(v + 2, "it", &u, &error), 0);
	assert_int_equal(u, 7);
	assert_true(json_get_uint(v + 3, "it", &u, &error) < 0);
	assert_true(json_get_uint(v + 4, "it", &u, &error) < 0);
	assert_int_equal(json_get_bool(v + 5, "it", &b, &error), 0);
	assert_true(b);
	assert_true(json_get_bool(v + 2, "it", &b, &error) < 0);
	assert_int_equal(json_get_array(v + 6, "it", 2, &error), 0);
	assert_true(json_get_array(v + 6, "it", 1, &error) < 0);
	assert_int_equal(error.status, TENSOCK_TOO_LARGE);
	assert_true(json_get_array(v + 5, "it", 1, &error) < 0);
	json_document_done(&document);
}

static void test_keys(void **state)
{
	struct json_document document;

	(void)state;
	assert_int_equal(read_text("[\"fil\"]", &document), 0);
	assert_true(json_key_equals(document.root + 1, "fil"));
	assert_false(json_key_equals(document.root + 1, "file"));
	json_document_done(&document);
}

static void test_memory(void **state)
{
	(void)state;
	/* Five values at most: yyjson keeps 16 bytes for each. */
	assert_true(json_document_memory("[1,[2,3]]", 9) >= 9 + 5 * 16);
	/* A long string costs its length, once. */
	assert_true(json_document_memory("\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\"", 42) <
		    42 + 2048);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TSK_TEST(test_only_json), TSK_TEST(test_room),   TSK_TEST(test_numbers),
		TSK_TEST(test_fields),    TSK_TEST(test_values), TSK_TEST(test_keys),
		TSK_TEST(test_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
