/* SPDX-License-Identifier: Apache-2.0 */
#include "front/protocol/oip_settings.h"

#include <string.h>

#include "base/testing.h"

static struct tensock_error error;

static int check_string(const struct oip_settings *settings, const char *key, const char *string)
{
	struct oip_setting_value value = { .kind = OIP_SETTING_STRING,
					   .string = wire_string(string) };

	return oip_setting_check(settings, wire_string(key), &value, &error);
}

static int check_number(const struct oip_settings *settings, const char *key,
			enum oip_setting_kind kind, uint64_t number)
{
	struct oip_setting_value value = { .kind = kind, .number = number };

	return oip_setting_check(settings, wire_string(key), &value, &error);
}

static void test_trace(void **state)
{
	struct oip_settings settings;

	(void)state;
	oip_trace_settings(&settings);
	assert_true(settings.is_trace);
	for (unsigned i = 0; i < settings.n; i++) {
		const struct oip_setting *it = &settings.list[i];

		assert_int_equal(it->kind, OIP_SETTING_STRING);
		assert_int_equal(check_string(&settings, it->key, it->string), 0);
		assert_int_equal(oip_setting_check(&settings, wire_string(it->key), NULL, &error),
				 0);
		assert_true(check_string(&settings, it->key, "x") < 0);
		assert_int_equal(error.status, TENSOCK_UNSUPPORTED);
		assert_non_null(strstr(error.message, it->key));
	}
	assert_true(check_string(&settings, "trace_level", "TIMESTAMPS") < 0);
	assert_non_null(strstr(error.message, "'trace_level' stays \"OFF\""));
	/* As a number it is another one. */
	assert_true(check_number(&settings, "log_frequency", OIP_SETTING_NUMBER, 0) < 0);
	assert_true(check_string(&settings, "log_info", "") < 0);
	assert_int_equal(error.status, TENSOCK_INVALID_ARGUMENT);
	assert_string_equal(error.message, "there is no trace setting 'log_info'");
	assert_true(oip_setting_check(&settings, wire_string(""), NULL, &error) < 0);
}

static void test_log(void **state)
{
	struct oip_settings settings;

	(void)state;
	oip_log_settings(TSK_LOG_INFO, &settings);
	assert_false(settings.is_trace);
	assert_int_equal(check_number(&settings, "log_info", OIP_SETTING_BOOL, true), 0);
	assert_int_equal(check_number(&settings, "log_verbose_level", OIP_SETTING_NUMBER, 0), 0);
	assert_int_equal(check_string(&settings, "log_format", "default"), 0);
	assert_true(check_number(&settings, "log_info", OIP_SETTING_BOOL, false) < 0);
	assert_int_equal(error.status, TENSOCK_UNSUPPORTED);
	assert_non_null(strstr(error.message, "'log_info'"));
	assert_true(check_number(&settings, "log_info", OIP_SETTING_NUMBER, 1) < 0);
	assert_true(check_number(&settings, "log_verbose_level", OIP_SETTING_NUMBER,
				 UINT64_C(1) << 32) < 0);
	assert_true(check_string(&settings, "log_file", "/tmp/x") < 0);
	assert_true(check_string(&settings, "trace_level", "OFF") < 0);
	assert_int_equal(error.status, TENSOCK_INVALID_ARGUMENT);
	oip_log_settings(TSK_LOG_ERROR, &settings);
	assert_int_equal(check_number(&settings, "log_warning", OIP_SETTING_BOOL, false), 0);
	oip_log_settings(TSK_LOG_DEBUG, &settings);
	assert_int_equal(check_number(&settings, "log_verbose_level", OIP_SETTING_NUMBER, 1), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TSK_TEST(test_trace),
		TSK_TEST(test_log),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
