/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/args.h"

#include <string.h>

#include "base/testing.h"

enum {
	FULL = 1,
	SHAPE = 2,
	REPEAT = 3
};

static const struct arg_option options[] = {
	{ "full", 'f', false, FULL },
	{ "shape", '\0', true, SHAPE },
	{ "repeat", 'n', true, REPEAT },
	{ NULL },
};

/* line, cut at its spaces, gives these items: "1 2=x word", or the sentence of the refusal. */
static void parses(const char *line, const char *expected)
{
	char copy[200], text[400] = "", *words[10], *rest = copy, *word;
	struct tensock_error error = { 0 };
	struct args args = args_of("tensock test", 0, words);
	const char *value;
	size_t len = 0;
	int id;

	snprintf(copy, sizeof(copy), "%s", line);
	while ((word = strsep(&rest, " ")) && *line)
		words[args.n++] = word;
	while ((id = args_next(&args, options, &value, &error)) != ARG_END) {
		if (id < ARG_WORD) {
			assert_int_equal(error.status, TENSOCK_INVALID_ARGUMENT);
			assert_string_equal(error.message, expected);
			return;
		}
		if (id == ARG_WORD)
			len += (size_t)snprintf(text + len, sizeof(text) - len, "%s ", value);
		else
			len += (size_t)snprintf(text + len, sizeof(text) - len,
						value ? "%d=%s " : "%d ", id, value);
	}
	assert_string_equal(text, expected);
}

static void test_options(void **state)
{
	(void)state;
	parses("", "");
	parses("model --full other", "model 1 other ");
	parses("--shape x=1,3 -n 5", "2=x=1,3 3=5 ");
	parses("--shape=x=1 -n5 -fn7 -f", "2=x=1 3=5 1 3=7 1 ");
	parses("--shape= -n --full", "2= 3=--full ");
	parses("- --full -- --full -n", "- 1 --full -n ");
}

static void test_wrong_options(void **state)
{
	(void)state;
	parses("--ful", "'--ful' is no option here; see tensock test --help");
	parses("--fullest", "'--fullest' is no option here; see tensock test --help");
	parses("--full=1", "'--full=1' takes no value; see tensock test --help");
	parses("--shape", "'--shape' lacks its value; see tensock test --help");
	parses("-fn", "'-n' lacks its value; see tensock test --help");
	parses("-fx", "'-x' is no option here; see tensock test --help");
	parses("--\x1b[2J", "'--?[2J' is no option here; see tensock test --help");
}

static void test_numbers(void **state)
{
	static const char *const bad[] = { "",   " 1", "-1",  "+1",
					   "1x", "0",  "101", "99999999999999999999" };
	struct tensock_error error;
	uint64_t v = 7;

	(void)state;
	assert_int_equal(args_number("--n", "100", 1, 100, &v, &error), 0);
	assert_int_equal(v, 100);
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++)
		assert_true(args_number("--n", bad[i], 1, 100, &v, &error) < 0);
	assert_int_equal(v, 100);
	assert_string_equal(error.message,
			    "--n: '99999999999999999999' is no number from 1 to 100");
}

static void test_durations(void **state)
{
	static const struct {
		const char *text;
		uint64_t ns;
	} good[] = { { "5", 5000000000 }, { "2.5s", 2500000000 }, { "250ms", 250000000 },
		     { "10us", 10000 },   { "2m", 120000000000 }, { "24h", 86400000000000 },
		     { "0", 0 } };
	static const char *const bad[] = { "",    "s",   "-1s", "1d",  "25h", "nan",
					   "inf", "0x1", "1 s", "1e9", "1ss" };
	struct tensock_error error;
	uint64_t ns;

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(good); i++) {
		assert_int_equal(args_duration("--t", good[i].text, &ns, &error), 0);
		assert_int_equal(ns, good[i].ns);
	}
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++)
		assert_true(args_duration("--t", bad[i], &ns, &error) < 0);
}

static void test_fractions(void **state)
{
	static const char *const bad[] = { "", "-1", "nan", "1e999", "1e-3x", "0x1p3" };
	struct tensock_error error;
	double v;

	(void)state;
	assert_int_equal(args_fraction("--t", "1e-3", &v, &error), 0);
	assert_true(v == 1e-3);
	assert_int_equal(args_fraction("--t", "0", &v, &error), 0);
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++)
		assert_true(args_fraction("--t", bad[i], &v, &error) < 0);
}

static void test_shapes(void **state)
{
	static const char *const bad[] = { ",",
					   "1,",
					   ",1",
					   "1,,2",
					   "-1",
					   "1x2",
					   "9223372036854775808",
					   " 1",
					   "1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1" };
	struct tensock_error error;
	int64_t dims[TENSOCK_RANK_MAX];
	uint32_t rank;

	(void)state;
	assert_int_equal(args_shape("--shape", "1,3,0,224", dims, &rank, &error), 0);
	assert_int_equal(rank, 4);
	assert_memory_equal(dims, ((int64_t[]){ 1, 3, 0, 224 }), 32);
	assert_int_equal(args_shape("--shape", "", dims, &rank, &error), 0);
	assert_int_equal(rank, 0);
	assert_int_equal(args_shape("--shape", "9223372036854775807", dims, &rank, &error), 0);
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++)
		assert_true(args_shape("--shape", bad[i], dims, &rank, &error) < 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TSK_TEST(test_options),   TSK_TEST(test_wrong_options), TSK_TEST(test_numbers),
		TSK_TEST(test_durations), TSK_TEST(test_fractions),     TSK_TEST(test_shapes),
	};

	return cmocka_run_group_tests_name("args", tests, NULL, NULL);
}
