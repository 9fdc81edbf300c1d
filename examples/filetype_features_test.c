/* SPDX-License-Identifier: Apache-2.0 */
#include "filetype_features.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/testing.h"

/* The ends of a file with these bytes. */
static void ends_of(const void *bytes, size_t n, struct filetype_ends *ret)
{
	FILE *file = tmpfile();

	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, n, file), n);
	assert_int_equal(fflush(file), 0);
	assert_int_equal(filetype_ends_read(fileno(file), ret), 0);
	fclose(file);
}

static const char *rule_of(const char *bytes, size_t n)
{
	struct filetype_ends ends;

	ends_of(bytes, n, &ends);
	return filetype_by_rule(&ends);
}

static void assert_rule(const char *text, const char *rule)
{
	const char *found = rule_of(text, strlen(text));

	assert_non_null(found);
	assert_string_equal(found, rule);
}

static void test_few_bytes_are_judged_by_rule(void **state)
{
	(void)state;
	assert_rule("", "empty");
	assert_rule("a", "txt");
	assert_rule("1234567", "txt");
	assert_null(rule_of("12345678", 8));
	/* White space does not count, neither before nor after. */
	assert_rule("  \t\n\v\f\r1234567", "txt");
	assert_null(rule_of("  \t\n\v\f\r1234567\x1c", 15));
	assert_rule("         \xff", "unknown");
}

static void test_utf8_to_the_letter(void **state)
{
	(void)state;
	assert_rule("\xc3\xa9", "txt");
	assert_rule("\xe2\x82\xac", "txt");
	assert_rule("\xf0\x9f\x98\x80", "txt");
	assert_rule("\xf4\x8f\xbf\xbf", "txt");
	static const char *const none[] = {
		"\x80",
		"\xc3",
		"\xe2\x82",
		"\xf0\x9f\x98",
		"\xc3(",
		"\xc0\x80",
		"\xc1\xbf",
		"\xe0\x9f\xbf",
		"\xed\xa0\x80",
		"\xed\xbf\xbf",
		"\xf0\x8f\xbf\xbf",
		"\xf4\x90\x80\x80",
		"\xf8\x88\x80\x80",
		"\xff",
		"a\xe2(\xa1",
	};
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
		assert_rule(none[i], "unknown");
}

static void test_short_file_is_at_both_ends(void **state)
{
	int32_t tokens[FILETYPE_TOKENS];
	struct filetype_ends ends;

	(void)state;
	ends_of("\n int x;\xff!  \n", 13, &ends);
	filetype_tokens(&ends, tokens);
	/* From the first that is no space on: "int x;\xff!  \n". */
	assert_int_equal(tokens[0], 'i');
	assert_int_equal(tokens[6], 0xff);
	assert_int_equal(tokens[10], '\n');
	assert_int_equal(tokens[11], FILETYPE_PADDING);
	assert_int_equal(tokens[FILETYPE_BEGIN_TOKENS - 1], FILETYPE_PADDING);
	/* To the last that is no space: "\n int x;\xff!". */
	assert_int_equal(tokens[FILETYPE_TOKENS - 1], '!');
	assert_int_equal(tokens[FILETYPE_TOKENS - 2], 0xff);
	assert_int_equal(tokens[FILETYPE_TOKENS - 10], '\n');
	assert_int_equal(tokens[FILETYPE_TOKENS - 11], FILETYPE_PADDING);
	assert_int_equal(tokens[FILETYPE_BEGIN_TOKENS], FILETYPE_PADDING);
}

static void test_long_file_has_a_block_of_each_end(void **state)
{
	static uint8_t bytes[3 * FILETYPE_BLOCK_BYTES];
	int32_t tokens[FILETYPE_TOKENS];
	struct filetype_ends ends;

	(void)state;
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)('!' + i % 90);
	ends_of(bytes, sizeof(bytes), &ends);
	filetype_tokens(&ends, tokens);
	for (size_t i = 0; i < FILETYPE_BEGIN_TOKENS; i++)
		assert_int_equal(tokens[i], bytes[i]);
	for (size_t i = 0; i < FILETYPE_END_TOKENS; i++)
		assert_int_equal(tokens[FILETYPE_BEGIN_TOKENS + i],
				 bytes[sizeof(bytes) - FILETYPE_END_TOKENS + i]);
}

static void test_what_lies_beyond_a_block_of_spaces_is_not_seen(void **state)
{
	static char bytes[2 * FILETYPE_BLOCK_BYTES];
	int32_t tokens[FILETYPE_TOKENS];
	struct filetype_ends ends;

	(void)state;
	memset(bytes, ' ', sizeof(bytes));
	memcpy(bytes + FILETYPE_BLOCK_BYTES - 8, "beginend", 8);
	ends_of(bytes, sizeof(bytes), &ends);
	assert_null(filetype_by_rule(&ends));
	filetype_tokens(&ends, tokens);
	assert_int_equal(tokens[0], 'b');
	assert_int_equal(tokens[7], 'd');
	assert_int_equal(tokens[8], FILETYPE_PADDING);
	for (size_t i = FILETYPE_BEGIN_TOKENS; i < FILETYPE_TOKENS; i++)
		assert_int_equal(tokens[i], FILETYPE_PADDING);

	/* With one byte less there is too little for the model, whatever follows. */
	bytes[FILETYPE_BLOCK_BYTES - 8] = ' ';
	memset(bytes + FILETYPE_BLOCK_BYTES, 'x', 100);
	ends_of(bytes, sizeof(bytes), &ends);
	assert_string_equal(filetype_by_rule(&ends), "txt");
}

static void test_what_cannot_be_read(void **state)
{
	struct filetype_ends ends;
	int ends_of_pipe[2];

	(void)state;
	assert_true(filetype_ends_read(-1, &ends) < 0);
	/* A pipe has no size. */
	assert_int_equal(pipe(ends_of_pipe), 0);
	assert_int_equal(filetype_ends_read(ends_of_pipe[0], &ends), 0);
	assert_string_equal(filetype_by_rule(&ends), "empty");
	close(ends_of_pipe[0]);
	close(ends_of_pipe[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TSK_TEST(test_few_bytes_are_judged_by_rule),
		TSK_TEST(test_utf8_to_the_letter),
		TSK_TEST(test_short_file_is_at_both_ends),
		TSK_TEST(test_long_file_has_a_block_of_each_end),
		TSK_TEST(test_what_lies_beyond_a_block_of_spaces_is_not_seen),
		TSK_TEST(test_what_cannot_be_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
