/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log_line.h"

#include <stdbool.h>
#include <string.h>

#include "base/testing.h"

static struct log_line line;

static const struct tsk_log_field fields[] = {
	{ .name = "model", .text = "a \"b\" \\" },
	{ .name = "bytes", .number = UINT64_MAX },
};

static const struct log_words plain = {
	.program = "prog",
	.level = "info",
	.guest = "vm1",
	.message = "a\n\"b\"",
	.fields = fields,
	.n_fields = 2,
	.wall_ms = 1,
	.pid = 7,
};

static void test_text(void **state)
{
	(void)state;
	log_line_text(&plain, &line);
	assert_string_equal(line.text, "prog: info: guest vm1: a?\"b\" model=\"a \\\"b\\\" \\\\\" "
				       "bytes=18446744073709551615");
	assert_int_equal(line.len, strlen(line.text));
}

static void test_json(void **state)
{
	(void)state;
	log_line_json(&plain, &line);
	assert_string_equal(
		line.text,
		"{\"time\":\"1970-01-01T00:00:00.001Z\",\"level\":\"info\",\"program\":\"prog\","
		"\"pid\":7,\"message\":\"a?\\\"b\\\"\",\"guest\":\"vm1\",\"model\":\"a \\\"b\\\" \\\\\","
		"\"bytes\":18446744073709551615}");
}

static void test_times(void **state)
{
	static const struct {
		uint64_t s;
		const char *text;
	} times[] = { { 951782399, "2000-02-28T23:59:59.000Z" },
		      { 951782400, "2000-02-29T00:00:00.000Z" },
		      { 1709164800, "2024-02-29T00:00:00.000Z" },
		      { 1767225599, "2025-12-31T23:59:59.000Z" },
		      { 4107542400, "2100-03-01T00:00:00.000Z" } };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(times); i++) {
		struct log_words words = plain;

		words.wall_ms = times[i].s * 1000;
		log_line_json(&words, &line);
		assert_memory_equal(line.text + 9, times[i].text, strlen(times[i].text));
	}
}

/* Whether it is one object: strings end, and nothing is behind the brace. */
static bool is_whole(const char *text)
{
	bool is_in_string = false;
	const char *p = text;

	for (; *p; p++) {
		if (is_in_string && *p == '\\')
			p++;
		else if (*p == '"')
			is_in_string = !is_in_string;
		else if (!is_in_string && *p == '}')
			break;
		if (!*p)
			return false;
	}
	return text[0] == '{' && *p == '}' && !p[1];
}

/* Whatever is in them, and however long, a line is bounded and whole, and its characters are. */
static void test_long_and_hostile(void **state)
{
	static char message[4000], field[4000];
	const struct tsk_log_field many[] = { { .name = "a", .text = field },
					      { .name = "b", .text = field },
					      { .name = "c", .text = field },
					      { .name = "d", .number = 5 } };
	struct log_words words = plain;

	(void)state;
	words.message = message;
	words.fields = many;
	words.n_fields = 4;
	for (unsigned i = 0; i < 1300; i++) {
		static const char *const pieces[] = { "\"",           "\\",   "\xc3\xa4", "x",
						      "\xe2\x82\xac", "\xff", "\x1b" };
		const char *piece = pieces[i % ARRAY_SIZE(pieces)];

		memcpy(message + strlen(message), piece, strlen(piece));
		memcpy(field + strlen(field), piece, strlen(piece));
		log_line_json(&words, &line);
		assert_true(line.len <= LOG_LINE_JSON_MAX && line.len == strlen(line.text));
		assert_true(is_whole(line.text));
		assert_null(strpbrk(line.text, "\x1b\n\xff"));
		log_line_text(&words, &line);
		assert_true(line.len <= LOG_LINE_TEXT_MAX && line.len == strlen(line.text));
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = { TSK_TEST(test_text), TSK_TEST(test_json),
						   TSK_TEST(test_times),
						   TSK_TEST(test_long_and_hostile) };

	return cmocka_run_group_tests_name("log_line", tests, NULL, NULL);
}
