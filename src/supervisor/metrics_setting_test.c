/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/metrics_setting.h"

#include <string.h>

#include "base/testing.h"

static struct tensock_error error;

static int set(struct metrics_setting *setting, const char *value)
{
	error = (struct tensock_error){ 0 };
	*setting = (struct metrics_setting){ 0 };
	return metrics_setting_set(setting, "metrics", value, &error);
}

static void test_addresses(void **state)
{
	static const char *const bad[] = { "",           "tcp:0.0.0.0:8002", "tcp:192.168.0.1:8002",
					   "vsock:8002", "hybrid:a=/run/a",  "8002" };
	struct metrics_setting setting;

	(void)state;
	assert_int_equal(set(&setting, "tcp:127.0.0.1:8002"), 1);
	assert_true(setting.is_on && setting.address.port == 8002);
	assert_int_equal(set(&setting, "unix:/run/a"), 1);
	assert_string_equal(setting.address.path, "/run/a");
	assert_true(metrics_setting_set(&setting, "metrics", "unix:/run/b", &error) < 0);
	assert_int_equal(metrics_setting_set(&setting, "listen", "unix:/run/b", &error), 0);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_true(set(&setting, bad[i]) < 0);
		assert_non_null(strstr(error.message, "metrics"));
		assert_false(setting.is_on);
	}
}

static void test_equal(void **state)
{
	struct metrics_setting off = { 0 }, tcp, other, path;

	(void)state;
	assert_int_equal(set(&tcp, "tcp:127.0.0.1:8002"), 1);
	assert_int_equal(set(&other, "tcp:127.0.0.1:8003"), 1);
	assert_int_equal(set(&path, "unix:/run/a"), 1);
	assert_true(metrics_setting_equals(&off, &off) && metrics_setting_equals(&tcp, &tcp));
	assert_false(metrics_setting_equals(&off, &tcp) || metrics_setting_equals(&tcp, &off));
	assert_false(metrics_setting_equals(&tcp, &other) || metrics_setting_equals(&tcp, &path));
}

int main(void)
{
	const struct CMUnitTest tests[] = { TSK_TEST(test_addresses), TSK_TEST(test_equal) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
