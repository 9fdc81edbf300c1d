/* SPDX-License-Identifier: Apache-2.0 */
#include "readline_text.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/testing.h"

#define SCORES 5u /* none, the three of the list, the space */
#define COLUMNS_MAX 16u

static int read_list(const char *text, size_t n, struct readline_characters *ret,
		     unsigned *ret_line)
{
	FILE *file = fmemopen((void *)(uintptr_t)text, n, "r");

	assert_non_null(file);
	int r = readline_characters_read(file, ret, ret_line);
	fclose(file);
	return r;
}

static struct readline_characters the_list(void)
{
	struct readline_characters characters;
	unsigned line;

	assert_int_equal(read_list("a\nb\n\xe7\x96\x97\n", 8, &characters, &line), 0);
	assert_int_equal(characters.n, 3);
	assert_int_equal(readline_scores(&characters), SCORES);
	return characters;
}

/* Scores of which the best are these, column by column: 0.8, 0.7, 0.8, 0.7 ... */
static size_t scores_of(const char *best, float ret[static COLUMNS_MAX * SCORES])
{
	size_t n = strlen(best);

	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < SCORES; j++)
			ret[i * SCORES + j] = j != (size_t)(best[i] - '0') ? 0.05F
					      : i % 2                      ? 0.7F
									   : 0.8F;
	return n;
}

static void assert_text(const char *best, const char *text, double certainty)
{
	struct readline_characters characters = the_list();
	float scores[COLUMNS_MAX * SCORES];
	char *found = NULL;
	double mean = 7;

	size_t n = scores_of(best, scores);
	assert_int_equal(readline_text(&characters, scores, n, &found, &mean), 0);
	assert_string_equal(found, text);
	assert_true(fabs(mean - certainty) < 1e-6);
	free(found);
	readline_characters_done(&characters);
}

static void test_columns_become_text(void **state)
{
	(void)state;
	assert_text("", "", 0);
	assert_text("0000", "", 0);
	assert_text("1", "a", 0.8);
	assert_text("0122430", "ab \xe7\x96\x97", 0.75);
	/* Once for a run of columns; twice with a gap. */
	assert_text("1111", "a", 0.8);
	assert_text("1101", "aa", 0.75);
	assert_text("44", " ", 0.8);
	assert_text("1213", "aba\xe7\x96\x97", 0.75);
}

static void test_scores_that_are_none(void **state)
{
	static const float none[] = { NAN, INFINITY, -INFINITY, -1, 2 };
	struct readline_characters characters = the_list();
	float scores[COLUMNS_MAX * SCORES];
	char *text = NULL;
	double mean = 7;

	(void)state;
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
		for (size_t at = 0; at < 3 * SCORES; at++) {
			assert_int_equal(scores_of("123", scores), 3);
			scores[at] = none[i];
			assert_int_equal(readline_text(&characters, scores, 3, &text, &mean),
					 -EDOM);
			assert_null(text);
			assert_true(mean >= 7);
		}
	readline_characters_done(&characters);
}

static void test_files_that_are_no_list(void **state)
{
	struct readline_characters characters;
	unsigned line = 0;

	(void)state;
	assert_int_equal(read_list("a\n\nb\n", 5, &characters, &line), -EINVAL);
	assert_int_equal(line, 2);
	assert_int_equal(read_list("a\nb\n01234567890123456789012345678901\n", 37, &characters,
				   &line),
			 -EINVAL);
	assert_int_equal(line, 3);
	assert_int_equal(read_list("a\nb\0c\nd\n", 8, &characters, &line), -EINVAL);
	assert_int_equal(line, 2);
	/* The longest; and a last one without an end. */
	assert_int_equal(read_list("0123456789012345678901234567890\nb", 33, &characters, &line),
			 0);
	assert_int_equal(characters.n, 2);
	assert_string_equal(characters.characters[1], "b");
	readline_characters_done(&characters);
	readline_characters_done(&characters);
}

static void test_list_is_bounded(void **state)
{
	static char text[2 * (READLINE_CHARACTERS_MAX + 1)];
	struct readline_characters characters;
	FILE *empty = fopen("/dev/null", "r");
	unsigned line = 7;

	(void)state;
	assert_non_null(empty);
	assert_int_equal(readline_characters_read(empty, &characters, &line), -ENODATA);
	assert_int_equal(line, 0);
	fclose(empty);

	for (size_t i = 0; i < sizeof(text); i += 2)
		memcpy(text + i, "x\n", 2);
	assert_int_equal(read_list(text, sizeof(text) - 2, &characters, &line), 0);
	assert_int_equal(characters.n, READLINE_CHARACTERS_MAX);
	readline_characters_done(&characters);
	assert_int_equal(read_list(text, sizeof(text), &characters, &line), -E2BIG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TSK_TEST(test_columns_become_text),
		TSK_TEST(test_scores_that_are_none),
		TSK_TEST(test_files_that_are_no_list),
		TSK_TEST(test_list_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
