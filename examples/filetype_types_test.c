/* SPDX-License-Identifier: Apache-2.0 */
#include "filetype_types.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/testing.h"

static int read_text(const char *text, size_t n, struct filetype_types *ret, unsigned *ret_line)
{
	FILE *file = fmemopen((void *)(uintptr_t)text, n, "r");

	assert_non_null(file);
	int r = filetype_types_read(file, ret, ret_line);
	fclose(file);
	return r;
}

static const char table[] = "# what it says to people\n"
			    "c\t0.5\tc\ttxt\n"
			    "markdown\t0.75\tmarkdown\ttxt\n"
			    "randombytes\t0.5\tunknown\tunknown\n";

static struct filetype_types the_table(void)
{
	struct filetype_types types;
	unsigned line = 0;

	assert_int_equal(read_text(table, strlen(table), &types, &line), 0);
	return types;
}

static void test_lines_become_types(void **state)
{
	struct filetype_types types = the_table();

	(void)state;
	assert_int_equal(types.n, 3);
	assert_string_equal(types.types[0].name, "c");
	assert_string_equal(types.types[1].otherwise, "txt");
	assert_true(types.types[1].threshold >= 0.75 && types.types[1].threshold <= 0.75);
	assert_string_equal(types.types[2].known_as, "unknown");
	filetype_types_done(&types);
	filetype_types_done(&types);
}

static void assert_verdict(const struct filetype_types *types, const float *scores,
			   const char *name, const char *guess)
{
	struct filetype_verdict verdict;

	assert_true(filetype_judge(types, scores, &verdict));
	assert_string_equal(verdict.name, name);
	assert_true(!guess == !verdict.guess);
	if (guess)
		assert_string_equal(verdict.guess, guess);
}

static void test_what_an_answer_means(void **state)
{
	struct filetype_types types = the_table();

	(void)state;
	assert_verdict(&types, (const float[]){ 0.5F, 0.3F, 0.2F }, "c", NULL);
	assert_verdict(&types, (const float[]){ 0.2F, 0.75F, 0.05F }, "markdown", NULL);
	/* Believed from its own threshold on. */
	assert_verdict(&types, (const float[]){ 0.2F, 0.7F, 0.1F }, "txt", "markdown");
	assert_verdict(&types, (const float[]){ 0.1F, 0.1F, 0.8F }, "unknown", NULL);
	assert_verdict(&types, (const float[]){ 0.3F, 0.3F, 0.4F }, "unknown", "randombytes");
	/* The first of equals. */
	assert_verdict(&types, (const float[]){ 0.5F, 0.5F, 0 }, "c", NULL);
	filetype_types_done(&types);
}

static void test_answer_that_is_none(void **state)
{
	struct filetype_types types = the_table();
	struct filetype_verdict verdict = { .certainty = 7 };
	static const float none[][3] = {
		{ NAN, 0.5F, 0.5F }, { 0.5F, 0.5F, NAN }, { INFINITY, 0, 0 },
		{ -0.1F, 0.9F, 0 },  { 0.5F, 1.5F, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
		assert_false(filetype_judge(&types, none[i], &verdict));
	assert_true(verdict.certainty >= 7);
	filetype_types_done(&types);
}

static void test_files_that_are_no_table(void **state)
{
	static const struct {
		const char *text;
		unsigned line;
	} none[] = {
		{ "\n", 1 },
		{ "c\n", 1 },
		{ "c\t0.5\tc\n", 1 },
		{ "c\t0.5\tc\ttxt\tmore\n", 1 },
		{ "c\t0.5\tc\ttxt\t\n", 1 },
		{ "c\t0.5\t\ttxt\n", 1 },
		{ "#\nc\thalf\tc\ttxt\n", 2 },
		{ "c\t0.5\tc\ttxt\nc\t1.5\tc\ttxt\n", 2 },
		{ "c\tnan\tc\ttxt\n", 1 },
		{ "c\t-1\tc\ttxt\n", 1 },
		{ "{\"beg_size\":1024,\"mid_size\":0}", 1 },
		{ "0123456789012345678901234567890123456789\t0.5\tc\ttxt\n", 1 },
	};
	struct filetype_types types;

	(void)state;
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
		unsigned line = 0;

		assert_int_equal(read_text(none[i].text, strlen(none[i].text), &types, &line),
				 -EINVAL);
		assert_int_equal(line, none[i].line);
	}
}

static void test_sizes_are_bounded(void **state)
{
	static char text[(FILETYPE_TYPES_MAX + 1) * 10 + 1];
	struct filetype_types types;
	unsigned line = 7;

	(void)state;
	assert_int_equal(read_text("# nothing\n", 10, &types, &line), -ENODATA);
	assert_int_equal(line, 0);
	/* A line without end, and one with a NUL byte. */
	memset(text, 'x', 2000);
	assert_int_equal(read_text(text, 2000, &types, &line), -EINVAL);
	assert_int_equal(line, 1);
	assert_int_equal(read_text("c\t0.5\0\tc\ttxt\n", 13, &types, &line), -EINVAL);

	for (size_t i = 0; i <= FILETYPE_TYPES_MAX; i++)
		memcpy(text + i * 10, "c\t.5\tc\tt\t\n", 10);
	for (size_t i = 0; i <= FILETYPE_TYPES_MAX; i++)
		text[i * 10 + 8] = 'x';
	assert_int_equal(read_text(text, FILETYPE_TYPES_MAX * 10, &types, &line), 0);
	assert_int_equal(types.n, FILETYPE_TYPES_MAX);
	filetype_types_done(&types);
	assert_int_equal(read_text(text, (FILETYPE_TYPES_MAX + 1) * 10, &types, &line), -E2BIG);
	assert_int_equal(line, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TSK_TEST(test_lines_become_types),  TSK_TEST(test_what_an_answer_means),
		TSK_TEST(test_answer_that_is_none), TSK_TEST(test_files_that_are_no_table),
		TSK_TEST(test_sizes_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
