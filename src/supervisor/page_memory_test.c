/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/page_memory.h"

#include <sys/mman.h>

#include "base/memfd.h"
#include "base/testing.h"

/* By what tensock-metrics has, nothing can be written, and what the front writes is seen. */
static void test_read_only(void **state)
{
	struct tsk_map written, read;
	int fd, read_fd;
	uint64_t size;

	(void)state;
	assert_int_equal(page_memory_new(4096, &fd, &read_fd), 0);
	assert_int_equal(tsk_memfd_check(read_fd, false, &size), 0);
	assert_int_equal(size, 4096);
	assert_int_equal(tsk_map_new(fd, size, true, &written), 0);
	assert_true(tsk_map_new(read_fd, size, true, &read) < 0);
	assert_int_equal(tsk_map_new(read_fd, size, false, &read), 0);
	assert_true(mprotect(read.addr, read.size, PROT_READ | PROT_WRITE) < 0);
	*(char *)written.addr = 'x';
	assert_int_equal(*(char *)read.addr, 'x');
	assert_true(write(read_fd, "y", 1) < 0);
	tsk_map_done(&written);
	tsk_map_done(&read);
	close(fd);
	close(read_fd);
}

static void test_renewed(void **state)
{
	struct guest_page page = { .read_fd = -1, .is_told = true };
	int first, second;

	(void)state;
	assert_int_equal(guest_page_renew(&page, &first), 0);
	assert_false(page.is_told);
	page.is_told = page.is_loss_told = true;
	assert_int_equal(guest_page_renew(&page, &second), 0);
	assert_false(page.is_told || page.is_loss_told);
	guest_page_done(&page, NULL, "vm1");
	assert_int_equal(page.read_fd, -1);
	close(first);
	close(second);
}

int main(void)
{
	const struct CMUnitTest tests[] = { TSK_TEST(test_read_only), TSK_TEST(test_renewed) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
