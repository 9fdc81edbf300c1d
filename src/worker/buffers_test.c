/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/buffers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

static int memfd(uint64_t size)
{
	int fd;

	assert_int_equal(tsk_memfd_new("test", size, &fd), 0);
	return fd;
}

static void add(struct buffers *buffers, uint64_t id, uint64_t size, int wanted)
{
	_cleanup_close_ int fd = memfd(size);

	assert_int_equal(buffers_add(buffers, id, fd, size), wanted);
}

static void test_regions(void **state)
{
	static struct buffers buffers;
	unsigned char *start;

	(void)state;
	add(&buffers, 7, 8192, 0);
	start = buffers_region(&buffers, 7, 0, 8192);
	assert_non_null(start);
	assert_ptr_equal(buffers_region(&buffers, 7, 64, 8128), start + 64);
	assert_ptr_equal(buffers_region(&buffers, 7, 8192, 0), start + 8192);
	assert_null(buffers_region(&buffers, 7, 0, 8193));
	assert_null(buffers_region(&buffers, 7, 64, 8129));
	assert_null(buffers_region(&buffers, 7, 64, UINT64_MAX));
	assert_null(buffers_region(&buffers, 7, UINT64_MAX - 63, 64));
	assert_null(buffers_region(&buffers, 7, 1, 1));
	assert_null(buffers_region(&buffers, 8, 0, 1));
	buffers_drop(&buffers, 7);
	assert_null(buffers_region(&buffers, 7, 0, 1));
	buffers_done(&buffers);
}

static void test_refused(void **state)
{
	static struct buffers buffers;
	int unsealed = memfd_create("test", MFD_CLOEXEC);
	_cleanup_close_ int fd = memfd(4096);

	(void)state;
	assert_int_equal(ftruncate(unsealed, 4096), 0);
	assert_int_equal(buffers_add(&buffers, 1, unsealed, 4096), -EPROTO);
	close(unsealed);
	assert_int_equal(buffers_add(&buffers, 1, fd, 4097), -EPROTO);
	assert_int_equal(buffers_add(&buffers, 1, fd, 4095), -EPROTO);
	add(&buffers, 1, 0, -EPROTO);
	add(&buffers, 1, 4096, 0);
	add(&buffers, 1, 4096, -EEXIST);
	buffers_done(&buffers);
}

static void test_bound(void **state)
{
	static struct buffers buffers;

	(void)state;
	for (unsigned i = 0; i < BUFFERS_MAX; i++)
		add(&buffers, i, 64, 0);
	add(&buffers, 1000, 64, -EBUSY);
	/* A dropped one makes room; nothing happens for one that is gone. */
	buffers_drop(&buffers, 17);
	buffers_drop(&buffers, 17);
	add(&buffers, 1000, 64, 0);
	assert_non_null(buffers_region(&buffers, 1000, 0, 64));
	buffers_done(&buffers);
}

/* Of no seal, and larger or smaller than what is mapped: nothing of that is looked at. */
static void test_foreign(void **state)
{
	static struct buffers buffers;
	int fd = memfd_create("test", MFD_CLOEXEC);
	unsigned char *start;

	(void)state;
	assert_int_equal(ftruncate(fd, 8192), 0);
	assert_int_equal(pwrite(fd, "ab", 2, 4160), 2);
	assert_int_equal(buffers_add_foreign(&buffers, 3, fd, 0), -EPROTO);
	assert_int_equal(buffers_add_foreign(&buffers, 3, fd, 5000), 0);
	assert_int_equal(buffers_add_foreign(&buffers, 3, fd, 5000), -EEXIST);
	start = buffers_region(&buffers, 3, 4160, 2);
	assert_memory_equal(start, "ab", 2);
	assert_null(buffers_region(&buffers, 3, 0, 5001));
	start[0] = 'c';
	assert_int_equal(pread(fd, start + 1, 1, 4160), 1);
	assert_int_equal(start[1], 'c');
	assert_true(buffers_add_foreign(&buffers, 4, fd, UINT64_MAX) < 0);
	assert_int_equal(buffers_add_foreign(&buffers, 4, fd, 1 << 20), 0);
	assert_int_equal(ftruncate(fd, 0), 0);
	buffers_done(&buffers);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_regions),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_bound),
		cmocka_unit_test(test_foreign),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
