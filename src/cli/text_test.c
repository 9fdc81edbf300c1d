/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/testing.h"

static void prints(const char *text, const char *expected)
{
	_cleanup_free_ char *printed = NULL;
	size_t n;
	FILE *out = open_memstream(&printed, &n);

	text_print(out, text);
	fclose(out);
	assert_string_equal(printed, expected);
}

static void test_harmless(void **state)
{
	(void)state;
	prints("", "");
	prints("input.1 näme 名前 \xf0\x9f\x98\x80", "input.1 näme 名前 \xf0\x9f\x98\x80");
	prints("a\x1b[2Jb\r\n\t\x7f", "a?[2Jb????");
	prints("\xc2\x9b"
	       "31m",
	       "?31m"); /* CSI in one character */
	prints("\xe2\x80\xae"
	       "exe.onnx",
	       "?exe.onnx"); /* right to left */
	prints("\xe2\x80\xa8"
	       "x\xe2\x81\xa6y",
	       "?x?y"); /* line separator, isolate */
}

/* Each byte that begins no character is one '?'. */
static void test_not_utf8(void **state)
{
	(void)state;
	prints("a\xff\xfe", "a??");
	prints("\xc3", "?");
	prints("\xc3(", "?(");
	prints("\xe2\x82", "??");
	prints("\xc0\x9b", "??"); /* escape, too long */
	prints("\xe0\x80\x9b", "???");
	prints("\xed\xa0\x80", "???");      /* half of a pair */
	prints("\xf4\x90\x80\x80", "????"); /* above the last */
	prints("\xf0\x9f\x98", "???");
}

static void test_quantities(void **state)
{
	char buf[TEXT_QUANTITY_BYTES];

	(void)state;
	assert_string_equal(text_size(0, buf), "0 B");
	assert_string_equal(text_size(1023, buf), "1023 B");
	assert_string_equal(text_size(1536, buf), "1.5 KiB");
	assert_string_equal(text_size((1 << 20) - 1, buf), "1.0 MiB");
	assert_string_equal(text_size(UINT64_MAX, buf), "16.0 EiB");
	assert_string_equal(text_duration(0, buf), "0.00 µs");
	assert_string_equal(text_duration(12300, buf), "12.3 µs");
	assert_string_equal(text_duration(999600, buf), "1.00 ms");
	assert_string_equal(text_duration(123456789, buf), "123 ms");
	assert_string_equal(text_duration(999900000, buf), "1.00 s");
}

static void test_numbers(void **state)
{
	static const double doubles[] = { 0.1, 1.0 / 3, 1e308, 5e-324, -0.0, 123456789012345678.0 };
	static const float floats[] = { 0.1f, 1.0f / 3, 3.4e38f, 1e-45f, 16777216.0f };
	char buf[TEXT_QUANTITY_BYTES];

	(void)state;
	assert_string_equal(text_number((double)0.1f, false, buf), "0.1");
	assert_string_equal(text_number(0.1, true, buf), "0.1");
	assert_string_equal(text_number(-0.0, true, buf), "-0");
	assert_string_equal(text_number(1.0 / 3, true, buf), "0.3333333333333333");
	for (unsigned i = 0; i < ARRAY_SIZE(doubles); i++)
		assert_true(strtod(text_number(doubles[i], true, buf), NULL) == doubles[i]);
	for (unsigned i = 0; i < ARRAY_SIZE(floats); i++)
		assert_true(strtof(text_number((double)floats[i], false, buf), NULL) == floats[i]);
	assert_string_equal(text_number(NAN, true, buf), "nan");
	assert_string_equal(text_number(-INFINITY, false, buf), "-inf");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TSK_TEST(test_harmless),
		TSK_TEST(test_not_utf8),
		TSK_TEST(test_quantities),
		TSK_TEST(test_numbers),
	};

	return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
