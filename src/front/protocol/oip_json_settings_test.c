/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/testing.h"
#include "front/protocol/oip_json.h"

static struct oip_settings trace, logging;
static struct tensock_error error;

static void assert_taken(const struct oip_settings *settings, const char *text)
{
	if (oip_json_settings_check(text, strlen(text), settings, &error) < 0)
		fail_msg("%s: %s", text, error.message);
}

static void assert_refused(const struct oip_settings *settings, const char *text,
			   enum tensock_status status, const char *message)
{
	if (oip_json_settings_check(text, strlen(text), settings, &error) == 0)
		fail_msg("taken: %s", text);
	if (error.status != status || !strstr(error.message, message))
		fail_msg("%s: %u %s", text, (unsigned)error.status, error.message);
}

static void test_no_change(void **state)
{
	(void)state;
	assert_taken(&trace, "");
	assert_taken(&trace, " { } ");
	/* As Triton's clients write them: levels as a list, what is cleared as null. */
	assert_taken(&trace,
		     "{\"trace_level\":[\"OFF\"],\"trace_rate\":\"1000\",\"trace_count\":null}");
	assert_taken(&trace,
		     "{\"trace_level\":\"OFF\",\"trace_file\":[\"\"],\"log_frequency\":[]}");
	assert_taken(&logging, "{\"log_info\":true,\"log_verbose_level\":0,\"log_file\":\"\"}");
}

static void test_changes(void **state)
{
	(void)state;
	assert_refused(&trace, "{\"trace_level\":[\"OFF\",\"TENSORS\"]}", TENSOCK_UNSUPPORTED,
		       "'trace_level'");
	assert_refused(&trace, "{\"trace_level\":[\"OFF\"],\"trace_rate\":\"1\"}",
		       TENSOCK_UNSUPPORTED, "'trace_rate'");
	assert_refused(&logging, "{\"log_verbose_level\":9}", TENSOCK_UNSUPPORTED,
		       "'log_verbose_level'");
	/* A key that is there twice, last as it holds. */
	assert_refused(&trace, "{\"trace_rate\":\"1\",\"trace_rate\":\"1000\"}",
		       TENSOCK_UNSUPPORTED, "'trace_rate'");
}

static void test_what_is_none(void **state)
{
	(void)state;
	assert_refused(&trace, "[]", TENSOCK_INVALID_ARGUMENT, "not a JSON object");
	assert_refused(&trace, "{", TENSOCK_INVALID_ARGUMENT, "");
	assert_refused(&trace, "{\"level\":\"OFF\"}", TENSOCK_INVALID_ARGUMENT,
		       "no trace setting 'level'");
	assert_refused(&trace, "{\"level\":[]}", TENSOCK_INVALID_ARGUMENT, "no trace setting");
	assert_refused(&trace, "{\"level\":null}", TENSOCK_INVALID_ARGUMENT, "no trace setting");
	assert_refused(&trace, "{\"trace_level\":[[\"OFF\"]]}", TENSOCK_INVALID_ARGUMENT,
		       "neither a string");
	assert_refused(&trace, "{\"trace_level\":{}}", TENSOCK_INVALID_ARGUMENT,
		       "neither a string");
	assert_refused(&trace,
		       "{\"trace_level\":[\"OFF\",\"OFF\",\"OFF\",\"OFF\",\"OFF\",\"OFF\","
		       "\"OFF\",\"OFF\",\"OFF\",\"OFF\",\"OFF\",\"OFF\",\"OFF\",\"OFF\","
		       "\"OFF\",\"OFF\",\"OFF\"]}",
		       TENSOCK_TOO_LARGE, "a setting's value");
	/* Lists are of tracing. */
	assert_refused(&logging, "{\"log_info\":[true]}", TENSOCK_INVALID_ARGUMENT,
		       "neither a string");
	assert_refused(&logging, "{\"log_verbose_level\":-1}", TENSOCK_INVALID_ARGUMENT,
		       "neither a string");
}

/* A key that is as long as it may be is looked at; a longer one is not. */
static void test_bounds(void **state)
{
	char text[OIP_KEY_MAX + 16];

	(void)state;
	memset(text, 'k', sizeof(text));
	memcpy(text, "{\"", 2);
	memcpy(text + 2 + OIP_KEY_MAX, "\":1}", 5);
	assert_refused(&trace, text, TENSOCK_INVALID_ARGUMENT, "there is no trace setting");
	memcpy(text + 2 + OIP_KEY_MAX, "k\":1}", 6);
	assert_refused(&trace, text, TENSOCK_INVALID_ARGUMENT, "1025 bytes long, more than 1024");
}

static void test_written(void **state)
{
	static const char said[] =
		"{\"trace_level\":[\"OFF\"],\"trace_rate\":\"1000\",\"trace_count\":\"-1\","
		"\"log_frequency\":\"0\",\"trace_file\":\"\",\"trace_mode\":\"triton\"}";
	static const char said_of_log[] =
		"{\"log_file\":\"\",\"log_info\":true,\"log_warning\":true,\"log_error\":true,"
		"\"log_verbose_level\":0,\"log_format\":\"default\"}";
	struct oip_json json;

	(void)state;
	assert_int_equal(oip_json_settings(&trace, &json), 0);
	assert_int_equal(json.n, sizeof(said) - 1);
	assert_memory_equal(json.bytes, said, json.n);
	/* What is told may be set. */
	assert_int_equal(oip_json_settings_check(json.bytes, json.n, &trace, &error), 0);
	free(json.bytes);
	assert_int_equal(oip_json_settings(&logging, &json), 0);
	assert_int_equal(json.n, sizeof(said_of_log) - 1);
	assert_memory_equal(json.bytes, said_of_log, json.n);
	assert_int_equal(oip_json_settings_check(json.bytes, json.n, &logging, &error), 0);
	free(json.bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TSK_TEST(test_no_change), TSK_TEST(test_changes), TSK_TEST(test_what_is_none),
		TSK_TEST(test_bounds),    TSK_TEST(test_written),
	};

	oip_trace_settings(&trace);
	oip_log_settings(TSK_LOG_INFO, &logging);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
