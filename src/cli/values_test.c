/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/values.h"

#include <stdlib.h>
#include <string.h>

#include <tensock/types.h>

#include "base/testing.h"

static char *text;
static size_t text_len;

static void is(FILE *out, const char *expected)
{
	fclose(out);
	assert_string_equal(text, expected);
	free(text);
}

static void prints(uint32_t dtype, const void *data, uint64_t bytes, uint64_t n_elems,
		   const char *expected)
{
	FILE *out = open_memstream(&text, &text_len);

	values_print(out, dtype, data, bytes, n_elems, VALUES_SHOWN);
	is(out, expected);
}

static void writes(uint32_t dtype, const void *data, uint64_t bytes, const char *expected)
{
	FILE *out = open_memstream(&text, &text_len);
	struct json json = json_of(out);

	json_array(&json);
	values_json(&json, dtype, data, bytes, VALUES_SHOWN);
	json_end_array(&json);
	is(out, expected);
}

static void test_values(void **state)
{
	static const float f[] = { 0.1f, 1.0f / 3 };

	(void)state;
	prints(TENSOCK_FLOAT32, f, 8, 2, "0.1 0.333333\n");
	writes(TENSOCK_FLOAT32, f, 8, "[[0.1,0.33333334]]\n");
	prints(TENSOCK_COMPLEX64, f, 8, 1, "(0.1,0.333333)\n");
	writes(TENSOCK_COMPLEX64, f, 8, "[[[0.1,0.33333334]]]\n");
	prints(TENSOCK_INT8, "\xff\x05", 2, 2, "-1 5\n");
	writes(TENSOCK_UINT64, "\xff\xff\xff\xff\xff\xff\xff\xff", 8, "[[18446744073709551615]]\n");
	writes(TENSOCK_BOOL, "\0\1", 2, "[[false,true]]\n");
	prints(TENSOCK_FLOAT32, NULL, 0, 0, "\n");
	writes(TENSOCK_FLOAT32, NULL, 0, "[[]]\n");
}

static void test_many(void **state)
{
	static const unsigned char zeros[100];
	char expected[200] = "";

	(void)state;
	for (unsigned i = 0; i < VALUES_SHOWN; i++)
		memcpy(expected + strlen(expected), "0 ", 3);
	memcpy(expected + strlen(expected), "... 49 more\n", 13);
	prints(TENSOCK_UINT8, zeros, 100, 100, expected);
}

/* What a host says is a text may be none, and may be cut short. */
static void test_texts(void **state)
{
	static const char texts[] = "\5\0\0\0a\x1b[1m\1\0\0\0\xff\xff\0\0\0x";

	(void)state;
	prints(TENSOCK_BYTES, texts, 14, 2, "\"a?[1m\" \"?\"\n");
	writes(TENSOCK_BYTES, texts, 14, "[[\"a\\u001b[1m\",\"\\ufffd\"]]\n");
	prints(TENSOCK_BYTES, texts, sizeof(texts) - 1, 3, "\"a?[1m\" \"?\" ... 1 more\n");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TSK_TEST(test_values),
		TSK_TEST(test_many),
		TSK_TEST(test_texts),
	};

	return cmocka_run_group_tests_name("values", tests, NULL, NULL);
}
