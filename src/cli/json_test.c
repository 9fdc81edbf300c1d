/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/json.h"

#include <math.h>
#include <stdlib.h>

#include "base/testing.h"

static char *text;
static size_t text_len;

static struct json start(void)
{
	return json_of(open_memstream(&text, &text_len));
}

static void is(struct json *json, const char *expected)
{
	fclose(json->out);
	assert_string_equal(text, expected);
	free(text);
}

static void test_nesting(void **state)
{
	struct json json = start();

	(void)state;
	json_object(&json);
	json_key(&json, "a");
	json_array(&json);
	json_uint(&json, UINT64_MAX);
	json_int(&json, INT64_MIN);
	json_array(&json);
	json_end_array(&json);
	json_object(&json);
	json_end_object(&json);
	json_end_array(&json);
	json_key(&json, "b");
	json_null(&json);
	json_key(&json, "c");
	json_bool(&json, true);
	json_end_object(&json);
	is(&json,
	   "{\"a\":[18446744073709551615,-9223372036854775808,[],{}],\"b\":null,\"c\":true}\n");
}

static void test_strings(void **state)
{
	struct json json = start();

	(void)state;
	json_array(&json);
	json_string(&json, "a\"b\\c/ä名\xf0\x9f\x98\x80");
	json_bytes(&json, "\0\x1b\n\x7f\xc2\x9b", 6);
	json_bytes(&json, "\xff\xed\xa0\x80\xc3", 5);
	json_string(&json, "\xe2\x80\xae");
	json_end_array(&json);
	is(&json, "[\"a\\\"b\\\\c/ä名\xf0\x9f\x98\x80\",\"\\u0000\\u001b\\u000a\\u007f\\u009b\","
		  "\"\\ufffd\\ufffd\\ufffd\\ufffd\\ufffd\",\"\\u202e\"]\n");
}

static void test_numbers(void **state)
{
	struct json json = start();

	(void)state;
	json_array(&json);
	json_number(&json, (double)0.1f, false);
	json_number(&json, 0.1, true);
	json_number(&json, 1e300, true);
	json_number(&json, -0.0, true);
	json_number(&json, NAN, true);
	json_number(&json, INFINITY, false);
	json_number(&json, -INFINITY, false);
	json_end_array(&json);
	is(&json, "[0.1,0.1,1e+300,-0,\"NaN\",\"Infinity\",\"-Infinity\"]\n");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TSK_TEST(test_nesting),
		TSK_TEST(test_strings),
		TSK_TEST(test_numbers),
	};

	return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}
