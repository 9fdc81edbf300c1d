/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/log_setting.h"

#include <string.h>

#include "base/log.h"
#include "base/testing.h"

static void test_keys(void **state)
{
	struct log_setting setting = { -1, -1 };
	struct tensock_error error;

	(void)state;
	assert_int_equal(log_setting_bits(&setting), 0);
	assert_int_equal(log_setting_set(&setting, "log-level", "info", &error), 0);
	assert_true(log_setting_set(&setting, "log-format", "xml", &error) < 0);
	assert_non_null(strstr(error.message, "text or json"));
	assert_true(log_setting_set(&setting, "access-log", "json", &error) < 0);
	assert_int_equal(log_setting_set(&setting, "log-format", "json", &error), 1);
	assert_int_equal(log_setting_bits(&setting), TSK_LOG_JSON);
	assert_int_equal(log_setting_set(&setting, "access-log", "yes", &error), 1);
	assert_int_equal(log_setting_bits(&setting), TSK_LOG_JSON | TSK_LOG_ACCESS);
	assert_true(log_setting_set(&setting, "log-format", "text", &error) < 0);
	assert_true(log_setting_set(&setting, "access-log", "no", &error) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = { TSK_TEST(test_keys) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
