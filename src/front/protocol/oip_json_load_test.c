/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/testing.h"
#include "front/protocol/oip_json.h"

static struct tensock_error error;
static char *own; /* what is read, in place: exactly sized */

static int read_load(const char *text, struct oip_json_load *load)
{
	size_t n = strlen(text);

	own = malloc(n + OIP_JSON_PADDING);
	assert_non_null(own);
	memcpy(own, text, n);
	return oip_json_load_read(own, n, load, &error);
}

static void done(struct oip_json_load *load)
{
	oip_json_load_done(load);
	assert_null(load->own);
	free(own);
	own = NULL;
}

static void take(const char *text, struct oip_json_load *load)
{
	if (read_load(text, load) < 0)
		fail_msg("%s: %s", text, error.message);
}

static void assert_refused(const char *text, enum tensock_status status, const char *message)
{
	struct oip_json_load load = { 0 };

	if (read_load(text, &load) == 0)
		fail_msg("taken: %s", text);
	assert_null(load.own);
	done(&load);
	if (error.status != status || !strstr(error.message, message))
		fail_msg("%s: %u %s", text, (unsigned)error.status, error.message);
}

static void test_nothing_asked(void **state)
{
	static const char *const texts[] = {
		"",
		"{}",
		"{\"parameters\":null}",
		"{\"parameters\":{}}",
		"{\"parameters\":{\"unload_dependents\":false}}",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct oip_json_load load;

		take(texts[i], &load);
		assert_false(load.has_file);
		assert_int_equal(load.config.len, 0);
		done(&load);
	}
}

static void test_file(void **state)
{
	struct oip_json_load load;
	char *bytes;

	(void)state;
	take("{\"parameters\":{\"file:3/model.onnx\":\"Zm9v\\nYmE=\\n\",\"config\":\"{}\","
	     "\"unload_dependents\":true}}",
	     &load);
	assert_true(load.has_file);
	assert_true(wire_string_equals(load.version, "3"));
	assert_true(wire_string_equals(load.config, "{}"));
	assert_int_equal(load.file_bytes, 5);
	bytes = malloc(5);
	assert_non_null(bytes);
	oip_json_load_file(&load, bytes);
	assert_memory_equal(bytes, "fooba", 5);
	free(bytes);
	done(&load);

	take("{\"parameters\":{\"file:model.onnx\":\"Zg==\",\"config\":\"{}\"}}", &load);
	assert_int_equal(load.version.len, 0);
	done(&load);

	/* Triton wants a configuration with a file. */
	take("{\"parameters\":{\"file:1/m\":\"Zg==\"}}", &load);
	assert_true(load.has_file);
	assert_int_equal(load.config.len, 0);
	done(&load);
}

static void test_refused(void **state)
{
	(void)state;
	assert_refused("x", TENSOCK_INVALID_ARGUMENT, "failed to parse");
	assert_refused("[]", TENSOCK_INVALID_ARGUMENT, "the request is not a JSON object");
	assert_refused("{\"parameters\":1}", TENSOCK_INVALID_ARGUMENT, "'parameters' is not");
	assert_refused("{\"parameters\":{},\"parameters\":{}}", TENSOCK_INVALID_ARGUMENT, "twice");
	assert_refused("{\"parameters\":{\"mine\":1}}", TENSOCK_INVALID_ARGUMENT,
		       "unknown parameter 'mine'");
	assert_refused("{\"parameters\":{\"unload_dependents\":1}}", TENSOCK_INVALID_ARGUMENT,
		       "'unload_dependents' is not");
	assert_refused("{\"parameters\":{\"config\":{}}}", TENSOCK_INVALID_ARGUMENT,
		       "'config' is not a string");
	assert_refused("{\"parameters\":{\"config\":\"{}\",\"config\":\"{}\"}}",
		       TENSOCK_INVALID_ARGUMENT, "'config' is there twice");
	assert_refused("{\"parameters\":{\"config\":\"{}\",\"file:1/m\":\"Zg=\"}}",
		       TENSOCK_INVALID_ARGUMENT, "parameter 'file:1/m' is not base64");
	assert_refused("{\"parameters\":{\"config\":\"{}\",\"file:1/m\":7}}",
		       TENSOCK_INVALID_ARGUMENT, "is not base64");
	assert_refused("{\"parameters\":{\"config\":\"{}\",\"file:1/m\":\"\"}}",
		       TENSOCK_INVALID_ARGUMENT, "is empty");
	assert_refused(
		"{\"parameters\":{\"config\":\"{}\",\"file:1/m\":\"Zg==\",\"file:1/l\":\"Zg==\"}}",
		TENSOCK_UNSUPPORTED, "parameter 'file:1/l': a model is one file");
}

static void test_long_config(void **state)
{
	char *text = malloc(70000);
	int n;

	(void)state;
	assert_non_null(text);
	n = snprintf(text, 70000, "{\"parameters\":{\"config\":\"");
	memset(text + n, ' ', 65536);
	memcpy(text + n + 65536, "\"}}", 4);
	assert_refused(text, TENSOCK_INVALID_ARGUMENT, "'config' is 65536 bytes long");
	free(text);
}

/* Of base64 nothing is copied: reading it takes what a few values take. */
static void test_memory(void **state)
{
	size_t n = 1 << 20;
	char *text = malloc(n);

	(void)state;
	assert_non_null(text);
	memset(text, 'A', n);
	assert_true(oip_json_load_memory(text, n) < 4096);
	memset(text, ',', n);
	assert_true(oip_json_load_memory(text, n) > 16 * n);
	free(text);
}

static void test_index(void **state)
{
	bool ready = true;

	(void)state;
	assert_int_equal(oip_json_index_read("", 0, &ready, &error), 0);
	assert_false(ready);
	assert_int_equal(oip_json_index_read("{\"ready\":true}", 14, &ready, &error), 0);
	assert_true(ready);
	assert_int_equal(oip_json_index_read("{\"ready\":1}", 11, &ready, &error), -EINVAL);
	assert_true(ready);
	assert_int_equal(oip_json_index_read("{\"ready\":true,\"ready\":true}", 27, &ready, &error),
			 -EINVAL);
	assert_int_equal(oip_json_index_read("{}", 2, &ready, &error), 0);
	assert_false(ready);
	assert_int_equal(oip_json_index_read("[]", 2, &ready, &error), -EINVAL);
	assert_int_equal(oip_json_index_read("{", 1, &ready, &error), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TSK_TEST(test_nothing_asked), TSK_TEST(test_file),  TSK_TEST(test_refused),
		TSK_TEST(test_long_config),   TSK_TEST(test_index), TSK_TEST(test_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
