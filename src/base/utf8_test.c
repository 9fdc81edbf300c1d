/* SPDX-License-Identifier: Apache-2.0 */
#include "base/utf8.h"

#include <string.h>

#include "base/testing.h"

/* All of the text's bytes are one character, c. */
static void is_one(const char *text, uint32_t c)
{
	uint32_t read = 0;

	assert_int_equal(tsk_utf8_next((const unsigned char *)text, strlen(text), &read),
			 strlen(text));
	assert_int_equal(read, c);
}

static void is_none(const char *bytes, size_t n)
{
	uint32_t read = 0;

	assert_int_equal(tsk_utf8_next((const unsigned char *)bytes, n, &read), 1);
	assert_true(read == TSK_UTF8_INVALID);
}

static void test_characters(void **state)
{
	(void)state;
	is_one("a", 'a');
	is_one("\x7f", 0x7f);
	is_one("\xc2\x80", 0x80);
	is_one("\xdf\xbf", 0x7ff);
	is_one("\xe0\xa0\x80", 0x800);
	is_one("\xed\x9f\xbf", 0xd7ff);
	is_one("\xee\x80\x80", 0xe000);
	is_one("\xf0\x90\x80\x80", 0x10000);
	is_one("\xf4\x8f\xbf\xbf", 0x10ffff);
}

static void test_none(void **state)
{
	(void)state;
	is_none("\x80", 1);
	is_none("\xff", 1);
	is_none("\xc1\xbf", 2);     /* too long */
	is_none("\xe0\x9f\xbf", 3); /* too long */
	is_none("\xed\xa0\x80", 3); /* half of a pair */
	is_none("\xf4\x90\x80\x80", 4);
	is_none("\xf0\x8f\xbf\xbf", 4);
	is_none("\xc3(", 2);
	is_none("\xe2\x82\xac", 2); /* it goes on beyond the end */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TSK_TEST(test_characters),
		TSK_TEST(test_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
