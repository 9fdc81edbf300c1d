/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/engines.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "supervisor/config.h"

/* A configuration, and --engine as many times as there are words in `only`. */
static int read_engines(const char *text, const char *only, struct engines *ret,
			struct tensock_error *error)
{
	char words[256], *rest = NULL;
	struct config config;
	int r;

	config_init(&config);
	r = config_parse(&config, "file", text, strlen(text), error);
	snprintf(words, sizeof(words), "%s", only);
	for (char *word = strtok_r(words, " ", &rest); word && r == 0;
	     word = strtok_r(NULL, " ", &rest))
		r = config_add_engine(&config, word, error);
	if (r == 0)
		r = config_finish(&config, error);
	*ret = config.engines;
	config_done(&config);
	return r;
}

/* "name name? ...": a '?' behind one that may be missing. */
static void expect(const char *text, const char *only, const char *names)
{
	struct tensock_error error = { 0 };
	struct engines engines;
	char found[256] = "";
	size_t len = 0;

	if (read_engines(text, only, &engines, &error) < 0)
		fail_msg("%s: %s", text, error.message);
	for (unsigned i = 0; i < engines.n; i++) {
		len += (size_t)snprintf(found + len, sizeof(found) - len, "%s%s%s", i ? " " : "",
					engines.list[i].name,
					engines.list[i].may_be_missing ? "?" : "");
		assert_true(engines.list[i].threads >= 1);
	}
	if (strcmp(found, names) != 0)
		fail_msg("%s with %s: %s, not %s", text, only, found, names);
}

static void refuse(const char *text, const char *only, const char *words)
{
	struct tensock_error error = { 0 };
	struct engines engines;

	if (read_engines(text, only, &engines, &error) >= 0)
		fail_msg("taken: %s with %s", text, only);
	if (!strstr(error.message, words))
		fail_msg("\"%s\" does not say \"%s\"", error.message, words);
}

#define ORT "[engine onnxruntime]\n"
#define LITE "[engine mindspore_lite]\n"
#define OWN "[engine own]\nplugin = /own.so\n"

static void test_default(void **state)
{
	(void)state;
	expect("", "", "onnxruntime mindspore_lite?");
	expect(ORT "threads = 3\n", "", "onnxruntime mindspore_lite?");
	/* The order of the sections is the preference. */
	expect(LITE "threads = 3\nfp16 = yes\n", "", "mindspore_lite? onnxruntime");
	expect(LITE ORT, "", "mindspore_lite? onnxruntime");
	/* Who says where the library is wants it. */
	expect(LITE "library = /x.so\n", "", "mindspore_lite onnxruntime");
}

static void test_own(void **state)
{
	(void)state;
	expect(OWN, "", "own");
	expect(OWN ORT, "", "own onnxruntime");
	expect(LITE OWN "[engine second]\nplugin = /2.so\n", "", "mindspore_lite? own second");
	/* A built-in engine's name with another plug-in: nothing of it is built in. */
	expect(LITE "plugin = /x.so\n", "", "mindspore_lite");
}

static void test_disabled(void **state)
{
	(void)state;
	expect(ORT "enabled = no\n", "", "mindspore_lite?");
	expect(LITE "enabled = no\n", "", "onnxruntime");
	expect(OWN "enabled = yes\n", "", "own");
	expect(OWN "enabled = no\n", "", "onnxruntime mindspore_lite?");
	refuse(ORT "enabled = no\n" LITE "enabled = no\n", "", "every engine is disabled");
	refuse(ORT "enabled = maybe\n", "", "yes or no");
	refuse(ORT "enabled = no\nenabled = no\n", "", "given twice");
}

static void test_only(void **state)
{
	(void)state;
	expect("", "onnxruntime", "onnxruntime");
	/* Who names it wants it. */
	expect("", "mindspore_lite onnxruntime", "mindspore_lite onnxruntime");
	expect(OWN, "onnxruntime", "onnxruntime");
	expect(OWN ORT, "onnxruntime own", "onnxruntime own");
	expect(LITE "enabled = no\n", "mindspore_lite", "mindspore_lite");
	refuse(OWN, "other", "no engine other; there are onnxruntime, mindspore_lite, own");
	refuse("", "onnxruntime onnxruntime", "given twice");
}

static void test_settings(void **state)
{
	struct tensock_error error = { 0 };
	struct engines engines;

	(void)state;
	assert_int_equal(read_engines(LITE "threads = 3\nfp16 = yes\nlibrary = /l.so\n" ORT, "",
				      &engines, &error),
			 0);
	assert_int_equal(engines.list[0].threads, 3);
	assert_int_equal(engines.list[0].fp16, 1);
	assert_int_equal(engines.list[0].generates_code, -1);
	assert_string_equal(engines.list[0].library, "/l.so");
	assert_int_equal(engines.list[1].threads, 1);
	assert_int_equal(engines.list[1].fp16, -1);
	assert_string_equal(engines.list[1].library, "");
	/* They go with it. */
	assert_int_equal(read_engines(LITE "threads = 3\nfp16 = no\n", "onnxruntime mindspore_lite",
				      &engines, &error),
			 0);
	assert_int_equal(engines.list[1].threads, 3);
	assert_int_equal(engines.list[1].fp16, 0);
	assert_int_equal(engines.list[1].parallel, 0);
	assert_int_equal(read_engines(ORT "parallel = 64\n", "", &engines, &error), 0);
	assert_int_equal(engines.list[0].parallel, 64);
}

static void test_bounds(void **state)
{
	char text[1024] = "", only[64] = "";

	(void)state;
	for (unsigned i = 0; i < ENGINES_MAX; i++) {
		size_t len = strlen(text);

		snprintf(text + len, sizeof(text) - len, "[engine e%u]\nplugin = /e.so\n", i);
		snprintf(only + 3 * i, sizeof(only) - 3 * i, "e%u ", i);
	}
	expect(text, "", "e0 e1 e2 e3 e4 e5 e6 e7");
	expect(text, only, "e0 e1 e2 e3 e4 e5 e6 e7");
	strncat(only, "onnxruntime", sizeof(only) - strlen(only) - 1);
	refuse(text, only, "more than 8 engines");
	strncat(text, OWN, sizeof(text) - strlen(text) - 1);
	refuse(text, "", "more than 8 engines");
	refuse(OWN "[engine own]\n", "", "twice");
	refuse(OWN "[engine other]\n", "", "[engine other] has no plugin");
	refuse(ORT "threads = 257\n", "", "to 256");
	refuse(ORT "parallel = 65\n", "", "to 64");
	refuse(ORT "generates-code = 1\n", "", "yes or no");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_default),  cmocka_unit_test(test_own),
		cmocka_unit_test(test_disabled), cmocka_unit_test(test_only),
		cmocka_unit_test(test_settings), cmocka_unit_test(test_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
