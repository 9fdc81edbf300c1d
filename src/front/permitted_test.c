/* SPDX-License-Identifier: Apache-2.0 */
#include "front/permitted.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "base/testing.h"

static const unsigned char hashes[3][MODEL_HASH_BYTES] = { { 1 }, { 2 }, { 3 } };

/* A memfd of the first n hashes, frozen or not. */
static int list_of(unsigned n, bool is_frozen)
{
	struct tsk_map map;
	int fd;

	assert_int_equal(tsk_memfd_new("test", n * MODEL_HASH_BYTES, &fd), 0);
	assert_int_equal(tsk_map_new(fd, n * MODEL_HASH_BYTES, true, &map), 0);
	memcpy(map.addr, hashes, n * MODEL_HASH_BYTES);
	tsk_map_done(&map);
	if (is_frozen)
		assert_int_equal(tsk_memfd_freeze(fd), 0);
	return fd;
}

static void test_any(void **state)
{
	struct permitted permitted;
	int fd = list_of(1, true);

	(void)state;
	permitted_init(&permitted, 0);
	assert_true(permitted_has(&permitted, hashes[0]));
	assert_int_equal(permitted_take(&permitted, fd), -EPROTO);
	assert_true(permitted_has(&permitted, hashes[1]));
	permitted_done(&permitted);
	tsk_close(fd);
}

/* Until the list is there, nothing may run. */
static void test_listed(void **state)
{
	struct permitted permitted;
	int fd = list_of(2, true);

	(void)state;
	permitted_init(&permitted, 2);
	assert_false(permitted_has(&permitted, hashes[0]));
	assert_int_equal(permitted_take(&permitted, fd), 0);
	assert_true(permitted_has(&permitted, hashes[0]));
	assert_true(permitted_has(&permitted, hashes[1]));
	assert_false(permitted_has(&permitted, hashes[2]));
	assert_int_equal(permitted_take(&permitted, fd), -EPROTO);
	permitted_done(&permitted);
	tsk_close(fd);
}

static void test_bad_lists(void **state)
{
	struct permitted permitted;
	int longer = list_of(3, true), open = list_of(2, false);

	(void)state;
	permitted_init(&permitted, 2);
	assert_int_equal(permitted_take(&permitted, longer), -EPROTO);
	assert_int_equal(permitted_take(&permitted, open), -EPROTO);
	assert_true(permitted_take(&permitted, 0) < 0); /* no memfd */
	assert_false(permitted_has(&permitted, hashes[0]));
	permitted_done(&permitted);
	tsk_close(longer);
	tsk_close(open);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TSK_TEST(test_any),
		TSK_TEST(test_listed),
		TSK_TEST(test_bad_lists),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
