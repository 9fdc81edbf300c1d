/* SPDX-License-Identifier: Apache-2.0 */
/* For unit tests only: cmocka, and a check around each test that it leaves no fd open. */
#ifndef TSK_BASE_TESTING_H
#define TSK_BASE_TESTING_H

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static int tsk_test_fds;

static inline int tsk_open_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int n = 0;

	while (dir && readdir(dir))
		n++;
	if (dir)
		closedir(dir);
	return n;
}

static int tsk_test_setup(void **state)
{
	(void)state;
	tsk_test_fds = tsk_open_fds();
	return 0;
}

static int tsk_test_teardown(void **state)
{
	int n = tsk_open_fds();

	(void)state;
	if (n == tsk_test_fds)
		return 0;
	fprintf(stderr, "the test began with %d fds and ends with %d\n", tsk_test_fds, n);
	return -1;
}

#define TSK_TEST(f) cmocka_unit_test_setup_teardown(f, tsk_test_setup, tsk_test_teardown)

#endif
