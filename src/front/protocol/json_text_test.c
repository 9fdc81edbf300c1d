/* SPDX-License-Identifier: Apache-2.0 */
#include "front/protocol/json_text.h"

#include <string.h>

#include "base/testing.h"

static void assert_taken(struct json_text *text, const char *wanted)
{
	char *bytes;
	size_t n;

	assert_int_equal(json_text_take(text, &bytes, &n), 0);
	assert_int_equal(n, strlen(wanted));
	assert_memory_equal(bytes, wanted, n);
	free(bytes);
	assert_null(text->bytes);
}

static void test_commas(void **state)
{
	struct json_text text = { 0 };

	(void)state;
	json_text_open(&text, '{');
	json_text_key(&text, "a");
	json_text_open(&text, '[');
	json_text_uint(&text, UINT64_MAX);
	json_text_int(&text, -1);
	json_text_string(&text, "[");
	json_text_string(&text, "");
	json_text_open(&text, '[');
	json_text_close(&text, ']');
	json_text_open(&text, '{');
	json_text_close(&text, '}');
	json_text_close(&text, ']');
	json_text_key(&text, "b");
	json_text_bool(&text, true);
	json_text_key(&text, "c");
	json_text_bool(&text, false);
	json_text_close(&text, '}');
	assert_taken(&text,
		     "{\"a\":[18446744073709551615,-1,\"[\",\"\",[],{}],\"b\":true,\"c\":false}");
}

static void test_escapes(void **state)
{
	struct json_text text = { 0 };

	(void)state;
	assert_true(json_text_bytes(&text, "a\"\\\n\0\x1f\x7f/", 8));
	assert_taken(&text, "\"a\\\"\\\\\\u000a\\u0000\\u001f\x7f/\"");
}

static void assert_replaced(const char *bytes, const char *wanted)
{
	struct json_text text = { 0 };

	assert_false(json_text_bytes(&text, bytes, strlen(bytes)));
	assert_taken(&text, wanted);
}

#define R "\xef\xbf\xbd"

static void test_utf8(void **state)
{
	static const char good[] = "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\xf4\x8f\xbf\xbf";
	struct json_text text = { 0 };

	(void)state;
	assert_true(json_text_bytes(&text, good, sizeof(good) - 1));
	assert_taken(&text, "\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\xf4\x8f\xbf\xbf\"");
	assert_replaced("\xff", "\"" R "\"");
	assert_replaced("a\xc3", "\"a" R "\"");
	assert_replaced("\xe2\x82", "\"" R R "\"");
	assert_replaced("\xe2\x82\"", "\"" R R "\\\"\"");
	assert_replaced("\xc0\xaf", "\"" R R "\"");
	assert_replaced("\xed\xa0\x80", "\"" R R R "\"");
	assert_replaced("\xf4\x90\x80\x80", "\"" R R R R "\"");
}

/* Longer than a piece, with characters of each length across each piece's end. */
static void test_long_strings(void **state)
{
	for (size_t shift = 0; shift < 8; shift++) {
		struct json_text text = { 0 };
		char string[3000], *bytes;
		size_t n = shift, out;

		memset(string, 'x', n);
		while (n + 9 <= sizeof(string)) {
			memcpy(string + n, "\xf0\x9f\x98\x80\xe2\x82\xac\xc3\xa4", 9);
			n += 9;
		}
		assert_true(json_text_bytes(&text, string, n));
		assert_int_equal(json_text_take(&text, &bytes, &out), 0);
		assert_int_equal(out, n + 2);
		assert_memory_equal(bytes + 1, string, n);
		free(bytes);
	}
	(void)state;
}

static void test_bad_stays_bad(void **state)
{
	struct json_text text = { 0 };
	char *bytes = NULL;
	size_t n;

	(void)state;
	json_text_string(&text, "a");
	assert_null(json_text_room(&text, SIZE_MAX));
	json_text_string(&text, "b");
	assert_null(json_text_room(&text, 1));
	assert_int_equal(json_text_take(&text, &bytes, &n), -ENOMEM);
	assert_null(bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TSK_TEST(test_commas),       TSK_TEST(test_escapes),       TSK_TEST(test_utf8),
		TSK_TEST(test_long_strings), TSK_TEST(test_bad_stays_bad),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
