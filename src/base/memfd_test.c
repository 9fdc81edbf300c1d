/* SPDX-License-Identifier: Apache-2.0 */
#include "base/memfd.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

#include "base/testing.h"

static void test_new_is_zero_sized_and_sealed(void **state)
{
	_cleanup_close_ int fd = -1;
	unsigned char bytes[4096], zero[4096] = { 0 };

	(void)state;
	assert_int_equal(tsk_memfd_new("test", sizeof(bytes), &fd), 0);
	assert_int_equal(pread(fd, bytes, sizeof(bytes), 0), sizeof(bytes));
	assert_memory_equal(bytes, zero, sizeof(bytes));
	assert_int_equal(ftruncate(fd, 4095), -1);
	assert_int_equal(ftruncate(fd, 4097), -1);
	assert_int_equal(pwrite(fd, "x", 1, 4096), -1);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
}

static void test_size_out_of_range(void **state)
{
	int fd = -7;

	(void)state;
	assert_int_equal(tsk_memfd_new("test", (uint64_t)INT64_MAX + 1, &fd), -EFBIG);
	assert_int_equal(tsk_memfd_new("test", UINT64_MAX, &fd), -EFBIG);
	assert_int_equal(fd, -7);
}

static void test_freeze(void **state)
{
	_cleanup_close_ int fd = -1;
	struct tsk_map map;
	uint64_t size = 0;

	(void)state;
	assert_int_equal(tsk_memfd_new("test", 100, &fd), 0);
	assert_int_equal(tsk_memfd_check(fd, true, &size), -EPROTO);
	assert_int_equal(tsk_map_new(fd, 100, true, &map), 0);
	memcpy(map.addr, "model", 5);
	assert_int_equal(tsk_memfd_freeze(fd), -EBUSY);
	tsk_map_done(&map);
	assert_int_equal(tsk_memfd_freeze(fd), 0);
	assert_int_equal(tsk_memfd_check(fd, true, &size), 0);
	assert_int_equal(size, 100);
	assert_int_equal(pwrite(fd, "x", 1, 0), -1);
	assert_true(tsk_map_new(fd, 100, true, &map) < 0);
	assert_int_equal(tsk_map_new(fd, 100, false, &map), 0);
	assert_memory_equal(map.addr, "model", 5);
	tsk_map_done(&map);
}

static void test_check_refuses_what_can_change_its_size(void **state)
{
	static const int seals[] = { 0, F_SEAL_SHRINK, F_SEAL_GROW, F_SEAL_WRITE, F_SEAL_SEAL };
	uint64_t size = 7;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(seals); i++) {
		_cleanup_close_ int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);

		assert_true(fd >= 0);
		assert_int_equal(fcntl(fd, F_ADD_SEALS, seals[i]), 0);
		assert_int_equal(tsk_memfd_check(fd, false, &size), -EPROTO);
	}
	assert_int_equal(size, 7);
}

static void test_check_refuses_what_is_no_memfd(void **state)
{
	_cleanup_close_ int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	_cleanup_close_ int read_fd = -1, write_fd = -1;
	uint64_t size = 7;
	int fds[2];

	(void)state;
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	read_fd = fds[0];
	write_fd = fds[1];
	assert_int_equal(tsk_memfd_check(null_fd, false, &size), -EPROTO);
	assert_int_equal(tsk_memfd_check(read_fd, false, &size), -EPROTO);
	assert_int_equal(tsk_memfd_check(-1, false, &size), -EPROTO);
	assert_int_equal(size, 7);
}

static void test_map_is_shared(void **state)
{
	_cleanup_close_ int fd = -1;
	struct tsk_map a, b;

	(void)state;
	assert_int_equal(tsk_memfd_new("test", 4096, &fd), 0);
	assert_int_equal(tsk_map_new(fd, 4096, true, &a), 0);
	assert_int_equal(tsk_map_new(fd, 4096, false, &b), 0);
	memcpy(a.addr, "shared", 6);
	assert_memory_equal(b.addr, "shared", 6);
	tsk_map_done(&a);
	tsk_map_done(&b);
	assert_null(a.addr);
	tsk_map_done(&a);
}

static void test_map_of_nothing(void **state)
{
	_cleanup_close_ int fd = -1;
	struct tsk_map map = { .addr = &fd, .size = 3 };

	(void)state;
	assert_int_equal(tsk_memfd_new("test", 0, &fd), 0);
	assert_int_equal(tsk_map_new(fd, 0, true, &map), 0);
	assert_null(map.addr);
	assert_int_equal(map.size, 0);
	tsk_map_done(&map);
	assert_int_equal(tsk_map_new(-1, 1, true, &map), -EBADF);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TSK_TEST(test_new_is_zero_sized_and_sealed),
		TSK_TEST(test_size_out_of_range),
		TSK_TEST(test_freeze),
		TSK_TEST(test_check_refuses_what_can_change_its_size),
		TSK_TEST(test_check_refuses_what_is_no_memfd),
		TSK_TEST(test_map_is_shared),
		TSK_TEST(test_map_of_nothing),
	};

	return cmocka_run_group_tests_name("memfd", tests, NULL, NULL);
}
