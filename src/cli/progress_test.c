/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/progress.h"

#include <string.h>

#include "base/testing.h"

#define MIB (UINT64_C(1) << 20)
#define SECOND UINT64_C(1000000000)

static void test_line(void **state)
{
	char line[256];

	(void)state;
	progress_line(line, sizeof(line), 79, 50 * MIB, 100 * MIB, 50 * MIB, 10 * SECOND);
	assert_string_equal(line, "[#############              ]  50%  50.0 MiB of 100.0 MiB  "
				  "5.0 MiB/s  0:10 left");
	/* What the host had before tells nothing about the rate. */
	progress_line(line, sizeof(line), 79, 50 * MIB, 100 * MIB, 10 * MIB, 10 * SECOND);
	assert_non_null(strstr(line, "1.0 MiB/s  0:50 left"));
	progress_line(line, sizeof(line), 79, MIB, 4097 * MIB, MIB, SECOND);
	assert_non_null(strstr(line, "  0%"));
	assert_non_null(strstr(line, "1:08:16 left"));
}

static void test_hash_line(void **state)
{
	char line[256];

	(void)state;
	progress_hash_line(line, sizeof(line), 79, 3 * 1024 * MIB);
	assert_string_equal(line, "hashing 3.0 GiB");
	progress_hash_line(line, sizeof(line), 9, UINT64_MAX);
	assert_int_equal(strlen(line), 9);
}

/* Never wider than the terminal; and no figure of a host leads astray. */
static void test_bounds(void **state)
{
	static const uint64_t figures[] = { 0, 1, 1000, MIB, UINT64_MAX / 2, UINT64_MAX };
	char line[256];

	(void)state;
	for (unsigned width = 0; width < 200; width++) {
		for (unsigned i = 0; i < 6; i++) {
			for (unsigned j = 0; j < 6; j++) {
				progress_line(line, sizeof(line), width, figures[i], figures[j],
					      figures[(i + j) % 6], figures[j] / 3);
				assert_true(strlen(line) <= width);
			}
		}
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TSK_TEST(test_line),
		TSK_TEST(test_hash_line),
		TSK_TEST(test_bounds),
	};

	return cmocka_run_group_tests_name("progress", tests, NULL, NULL);
}
