/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/store_setting.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/testing.h"

static struct tensock_error error;

static int set(struct store_setting *setting, const char *key, const char *value)
{
	error = (struct tensock_error){ 0 };
	return store_setting_set(setting, key, value, &error);
}

static void test_daemon(void **state)
{
	struct store_setting setting = { 0 };
	char longest[STORE_PATH_SIZE + 1];

	(void)state;
	assert_int_equal(set(&setting, "listen", "x"), 0);
	assert_true(set(&setting, "store", "relative") < 0);
	assert_non_null(strstr(error.message, "absolute"));
	assert_true(set(&setting, "store", "") < 0);
	memset(longest, '/', sizeof(longest));
	longest[STORE_PATH_SIZE] = '\0';
	assert_true(set(&setting, "store", longest) < 0);
	assert_int_equal(set(&setting, "store-size", "1GiB"), 1);
	assert_true(store_setting_finish(&setting, &error) < 0); /* of which store? */
	assert_int_equal(set(&setting, "store", "/var/lib/x//"), 1);
	assert_true(set(&setting, "store", "/var/lib/y") < 0);
	assert_true(set(&setting, "store-size", "1GiB") < 0);
	assert_int_equal(store_setting_finish(&setting, &error), 0);
	assert_string_equal(setting.path, "/var/lib/x");
	assert_int_equal(setting.bytes, 1 << 30);
	setting = (struct store_setting){ 0 };
	assert_true(set(&setting, "store-size", "0") < 0);
	assert_true(set(&setting, "store-size", "much") < 0);
	assert_true(set(&setting, "store-size", "99999999GiB") < 0);
	assert_int_equal(store_setting_finish(&setting, &error), 0);
	assert_int_equal(setting.bytes, UINT64_C(10) << 30);
	assert_int_equal(setting.path[0], '\0');
}

static void test_guest(void **state)
{
	struct store_of_guest guest = { .is_on = -1 };

	(void)state;
	assert_int_equal(store_of_guest_set(&guest, "cid", "3", &error), 0);
	assert_true(store_of_guest_set(&guest, "store", "/path", &error) < 0);
	assert_int_equal(store_of_guest_set(&guest, "store", "no", &error), 1);
	assert_int_equal(store_of_guest_set(&guest, "store-size", "5MiB", &error), 1);
	assert_true(store_of_guest_set(&guest, "store", "yes", &error) < 0);
	assert_int_equal(guest.is_on, 0);
	assert_int_equal(guest.bytes, 5 << 20);
}

static void test_allowed(void **state)
{
	const struct store_of_guest no = { .is_on = 0 }, yes = { .is_on = 1 }, silent = { -1, 0 };
	struct store_setting setting = { .path = "/x" };

	(void)state;
	assert_true(store_setting_allows(&setting, "web", NULL));
	assert_true(store_setting_allows(&setting, "uid-1000", NULL));
	assert_false(store_setting_allows(&setting, "cid-5", NULL));
	assert_false(store_setting_allows(&setting, "tcp", NULL));
	assert_true(store_setting_allows(&setting, "cid-5", &silent));
	assert_true(store_setting_allows(&setting, "tcp", &yes));
	assert_false(store_setting_allows(&setting, "web", &no));
	setting.path[0] = '\0';
	assert_false(store_setting_allows(&setting, "web", &yes));
}

static void expect_refused(const struct store_setting *setting, const char *why)
{
	int fd;

	error = (struct tensock_error){ 0 };
	assert_true(store_setting_open(setting, &fd, &error) < 0);
	assert_non_null(strstr(error.message, setting->path));
	if (!strstr(error.message, why))
		fail_msg("no \"%s\" in \"%s\"", why, error.message);
}

static void test_folder(void **state)
{
	char folder[] = "/tmp/tensock-setting-XXXXXX", link[64];
	struct store_setting setting = { 0 };
	struct stat st;
	int fd;

	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(setting.path, sizeof(setting.path), "%s/store", folder);
	assert_int_equal(store_setting_open(&setting, &fd, &error), 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	close(fd);
	assert_int_equal(store_setting_open(&setting, &fd, &error), 0); /* it is there */
	close(fd);
	chmod(setting.path, 0720);
	expect_refused(&setting, "nobody else");
	chmod(setting.path, 0702);
	expect_refused(&setting, "nobody else");
	if (geteuid() == 0) {
		chmod(setting.path, 0700);
		assert_int_equal(chown(setting.path, 12345, 0), 0);
		expect_refused(&setting, "of this user");
		assert_int_equal(chown(setting.path, 0, 0), 0);
	}
	chmod(setting.path, 0755);
	snprintf(link, sizeof(link), "%s/link", folder);
	assert_int_equal(symlink("store", link), 0);
	assert_int_equal(store_setting_open(&setting, &fd, &error), 0);
	close(fd);
	snprintf(setting.path, sizeof(setting.path), "%s/link", folder);
	expect_refused(&setting, "link");
	snprintf(setting.path, sizeof(setting.path), "%s/none/store", folder);
	expect_refused(&setting, "cannot be made");
	unlink(link);
	snprintf(setting.path, sizeof(setting.path), "%s/store", folder);
	assert_int_equal(rmdir(setting.path), 0);
	assert_int_equal(rmdir(folder), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = { TSK_TEST(test_daemon), TSK_TEST(test_guest),
					    TSK_TEST(test_allowed), TSK_TEST(test_folder) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
