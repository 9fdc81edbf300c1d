/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/expect.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/testing.h"

static char folder[] = "/tmp/tensock-expect.XXXXXX";
static char path[64];

static float values[] = { 1, 2, 4 };

static struct tensock_output output(void)
{
	return (struct tensock_output){ .dtype = TENSOCK_FLOAT32,
					.rank = 1,
					.dims = { 3 },
					.data = values,
					.bytes = sizeof(values) };
}

static void test_saved_and_expected(void **state)
{
	struct tensock_output tensor = output();
	struct expectation e = { 0 };

	(void)state;
	assert_int_equal(expect_save(&tensor, path, NULL), 0);
	assert_int_equal(expect_file(&tensor, path, 0, &e, NULL), 0);
	assert_true(e.is_met && e.is_comparable && e.comparison.largest == 0);
	values[1] = 2.5f;
	assert_int_equal(expect_file(&tensor, path, 0.1, &e, NULL), 0);
	assert_true(!e.is_met && e.comparison.at == 1 && e.comparison.largest == 0.5);
	assert_int_equal(expect_file(&tensor, path, 0.125, &e, NULL), 0);
	assert_true(e.is_met);
	values[1] = NAN;
	assert_int_equal(expect_file(&tensor, path, 1e9, &e, NULL), 0);
	assert_false(e.is_met);
	values[1] = 2;
}

static void test_not_comparable(void **state)
{
	struct tensock_output tensor = output();
	struct tensock_error error;
	struct expectation e = { .is_met = true };

	(void)state;
	tensor.rank = 2;
	tensor.dims[1] = 1;
	assert_int_equal(expect_file(&tensor, path, 1, &e, NULL), 0);
	assert_false(e.is_met || e.is_comparable);
	tensor = output();
	tensor.dtype = TENSOCK_INT32;
	e = (struct expectation){ .is_met = true };
	assert_int_equal(expect_file(&tensor, path, 1, &e, NULL), 0);
	assert_false(e.is_met || e.is_comparable);
	assert_non_null(strstr(e.why, "INT32"));
	assert_true(expect_file(&tensor, "/nonexistent/x.npy", 1, &e, &error) < 0);
	assert_int_equal(error.status, TENSOCK_NOT_FOUND);
}

/* What cannot be written leaves what was there, and nothing half done. */
static void test_failed_save(void **state)
{
	struct tensock_output tensor = output();
	struct tensock_error error;
	struct expectation e;
	char command[128];

	(void)state;
	tensor.bytes--; /* as of a host that lies */
	assert_true(expect_save(&tensor, path, &error) < 0);
	assert_int_equal(error.status, TENSOCK_PROTOCOL);
	tensor.bytes++;
	assert_int_equal(expect_file(&tensor, path, 0, &e, NULL), 0);
	assert_true(e.is_met);
	assert_true(expect_save(&tensor, "/dev/full", &error) < 0);
	assert_true(expect_save(&tensor, folder, &error) < 0);
	assert_int_equal(unlink(path), 0);
	snprintf(command, sizeof(command), "@%s", path);
	assert_int_equal(expect_save(&tensor, command, NULL), 0);
	assert_int_equal(unlink(path), 0);
}

static int make_folder(void **state)
{
	(void)state;
	if (!mkdtemp(folder))
		return -1;
	snprintf(path, sizeof(path), "%s/y.npy", folder);
	return 0;
}

static int remove_folder(void **state)
{
	(void)state;
	return rmdir(folder); /* nothing is left in it */
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TSK_TEST(test_saved_and_expected),
		TSK_TEST(test_not_comparable),
		TSK_TEST(test_failed_save),
	};

	return cmocka_run_group_tests_name("expect", tests, make_folder, remove_folder);
}
