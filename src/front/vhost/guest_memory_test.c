/* SPDX-License-Identifier: Apache-2.0 */
#include "front/vhost/guest_memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "base/memfd.h"

#define PAGE 4096u
#define LOW UINT64_C(0x100000)
#define USER UINT64_C(0x7f0000000000)

/* A file whose 64-bit words hold their own offsets. */
static int numbered_file(uint64_t size)
{
	struct tsk_map map;
	int fd;

	assert_int_equal(tsk_memfd_new("guest", size, &fd), 0);
	assert_int_equal(tsk_map_new(fd, size, true, &map), 0);
	for (uint64_t i = 0; i + 8 <= size; i += 8)
		memcpy((char *)map.addr + i, &i, 8);
	tsk_map_done(&map);
	return fd;
}

static uint64_t word_at(const void *p)
{
	uint64_t v;

	memcpy(&v, p, 8);
	return v;
}

static int try_one(struct guest_region region, int fd)
{
	struct guest_memory *mem = NULL;
	int r = guest_memory_new(&region, &fd, 1, &mem);

	assert_true((r == 0) == (mem != NULL));
	guest_memory_unref(mem);
	return r;
}

static void translates_within_a_region(void **state)
{
	_cleanup_close_ int fd = numbered_file(4 * PAGE);
	struct guest_region region = { LOW, 2 * PAGE, USER, PAGE };
	struct guest_memory *mem;
	struct iovec iov[2];

	(void)state;
	assert_int_equal(guest_memory_new(&region, &fd, 1, &mem), 0);
	assert_int_equal(guest_memory_iov(mem, LOW + 16, 8, iov, 2), 1);
	assert_int_equal(iov[0].iov_len, 8);
	assert_int_equal(word_at(iov[0].iov_base), PAGE + 16);
	assert_ptr_equal(guest_memory_user(mem, USER + 16, 8), iov[0].iov_base);
	/* The last byte, and one more. */
	assert_int_equal(guest_memory_iov(mem, LOW + 2 * PAGE - 1, 1, iov, 2), 1);
	assert_int_equal(guest_memory_iov(mem, LOW + 2 * PAGE - 1, 2, iov, 2), -EFAULT);
	assert_int_equal(guest_memory_iov(mem, LOW - 1, 1, iov, 2), -EFAULT);
	assert_int_equal(guest_memory_iov(mem, LOW, UINT64_MAX, iov, 2), -EFAULT);
	assert_int_equal(guest_memory_iov(mem, UINT64_MAX, 2, iov, 2), -EFAULT);
	assert_int_equal(guest_memory_iov(mem, 0, 0, iov, 2), 0);
	assert_int_equal(guest_memory_iov(mem, LOW, 1, iov, 0), -E2BIG);
	assert_non_null(guest_memory_user(mem, USER, 2 * PAGE));
	assert_null(guest_memory_user(mem, USER, 2 * PAGE + 1));
	assert_null(guest_memory_user(mem, USER + 8, UINT64_MAX));
	assert_null(guest_memory_user(mem, USER - 1, 1));
	assert_null(guest_memory_user(mem, USER + 2 * PAGE, 0));
	guest_memory_unref(mem);
}

static void a_range_crosses_adjoining_regions(void **state)
{
	_cleanup_close_ int a = numbered_file(2 * PAGE), b = numbered_file(2 * PAGE);
	/* Given in falling order; a hole behind the second. */
	struct guest_region regions[] = {
		{ LOW + 2 * PAGE, PAGE, USER + 64 * PAGE, PAGE },
		{ LOW, 2 * PAGE, USER, 0 },
	};
	int fds[] = { b, a };
	unsigned char bytes[16];
	struct guest_memory *mem;
	struct iovec iov[2];

	(void)state;
	assert_int_equal(guest_memory_new(regions, fds, 2, &mem), 0);
	assert_int_equal(guest_memory_iov(mem, LOW + PAGE, 2 * PAGE, iov, 2), 2);
	assert_int_equal(iov[0].iov_len, PAGE);
	assert_int_equal(iov[1].iov_len, PAGE);
	assert_int_equal(word_at(iov[0].iov_base), PAGE);
	assert_int_equal(word_at(iov[1].iov_base), PAGE);
	assert_int_equal(guest_memory_iov(mem, LOW + PAGE, 2 * PAGE, iov, 1), -E2BIG);
	assert_int_equal(guest_memory_iov(mem, LOW + PAGE, 2 * PAGE + 1, iov, 2), -EFAULT);

	assert_int_equal(guest_memory_read(mem, LOW + 2 * PAGE - 8, bytes, 16), 0);
	assert_int_equal(word_at(bytes), 2 * PAGE - 8);
	assert_int_equal(word_at(bytes + 8), PAGE);
	assert_int_equal(guest_memory_read(mem, LOW + 3 * PAGE - 8, bytes, 16), -EFAULT);

	/* A ring does not cross regions, which lie anywhere in the VMM. */
	assert_null(guest_memory_user(mem, USER + 2 * PAGE - 8, 16));
	guest_memory_unref(mem);
}

/* Two regions that adjoin, a gap, one alone, and one that ends where addresses end. */
#define TOP (UINT64_MAX - PAGE)
static const struct guest_region edgy[] = {
	{ LOW, 2 * PAGE, USER, 0 },
	{ LOW + 2 * PAGE, PAGE, USER + 64 * PAGE, 2 * PAGE },
	{ LOW + 4 * PAGE, PAGE, USER + 2 * PAGE, 3 * PAGE },
	{ TOP, PAGE, UINT64_MAX - 2 * PAGE, 4 * PAGE },
};

static struct guest_memory *edgy_memory(void)
{
	_cleanup_close_ int fd = numbered_file(5 * PAGE);
	int fds[] = { fd, fd, fd, fd };
	struct guest_memory *mem;

	assert_int_equal(guest_memory_new(edgy, fds, ARRAY_SIZE(edgy), &mem), 0);
	return mem;
}

static void guest_addresses_at_every_edge(void **state)
{
	static const struct {
		uint64_t addr, len;
		unsigned max;
		int result;
	} rows[] = {
		/* the first byte and around it */
		{ LOW, 0, 8, 0 },
		{ LOW, 1, 8, 1 },
		{ LOW - 1, 1, 8, -EFAULT },
		{ LOW - 1, 2, 8, -EFAULT },
		{ LOW + 1, 1, 8, 1 },
		/* the border of two that adjoin */
		{ LOW, 2 * PAGE - 1, 8, 1 },
		{ LOW, 2 * PAGE, 8, 1 },
		{ LOW, 2 * PAGE + 1, 8, 2 },
		{ LOW + 2 * PAGE - 1, 1, 8, 1 },
		{ LOW + 2 * PAGE - 1, 2, 8, 2 },
		{ LOW + 2 * PAGE, 1, 8, 1 },
		{ LOW, 3 * PAGE, 8, 2 },
		{ LOW, 3 * PAGE, 2, 2 },
		{ LOW, 3 * PAGE, 1, -E2BIG },
		{ LOW, 3 * PAGE, 0, -E2BIG },
		/* the gap */
		{ LOW, 3 * PAGE + 1, 8, -EFAULT },
		{ LOW + 2 * PAGE, PAGE, 8, 1 },
		{ LOW + 2 * PAGE, PAGE + 1, 8, -EFAULT },
		{ LOW + 3 * PAGE - 1, 1, 8, 1 },
		{ LOW + 3 * PAGE - 1, 2, 8, -EFAULT },
		{ LOW + 3 * PAGE, 1, 8, -EFAULT },
		{ LOW + 4 * PAGE - 1, 1, 8, -EFAULT },
		{ LOW + 4 * PAGE - 1, 2, 8, -EFAULT },
		{ LOW + 3 * PAGE - 1, PAGE + 2, 8, -EFAULT },
		/* one alone */
		{ LOW + 4 * PAGE, PAGE, 8, 1 },
		{ LOW + 4 * PAGE, PAGE + 1, 8, -EFAULT },
		{ LOW + 5 * PAGE - 1, 1, 8, 1 },
		{ LOW + 5 * PAGE, 1, 8, -EFAULT },
		/* where addresses end, and begin again */
		{ TOP - 1, 1, 8, -EFAULT },
		{ TOP, 1, 8, 1 },
		{ TOP, PAGE, 8, 1 },
		{ TOP, PAGE + 1, 8, -EFAULT },
		{ UINT64_MAX - 1, 1, 8, 1 },
		{ UINT64_MAX - 1, 2, 8, -EFAULT },
		{ UINT64_MAX, 1, 8, -EFAULT },
		{ UINT64_MAX, UINT64_MAX, 8, -EFAULT },
		{ TOP, UINT64_MAX, 8, -EFAULT },
		{ LOW, UINT64_MAX, 8, -EFAULT },
		{ LOW, UINT64_MAX - LOW + 1, 8, -EFAULT },
		{ 0, 1, 8, -EFAULT },
		/* nothing, anywhere */
		{ 0, 0, 0, 0 },
		{ UINT64_MAX, 0, 8, 0 },
	};
	struct guest_memory *mem = edgy_memory();
	struct iovec iov[8];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		int n = guest_memory_iov(mem, rows[i].addr, rows[i].len, iov, rows[i].max);
		uint64_t sum = 0;

		if (n != rows[i].result)
			fail_msg("row %zu gives %d", i, n);
		for (int j = 0; j < n; j++)
			sum += iov[j].iov_len;
		assert_true(n < 0 || sum == rows[i].len);
	}
	guest_memory_unref(mem);
}

static void addresses_of_the_vmm_at_every_edge(void **state)
{
	/* offset: where in the file the address lies; -1: nowhere, as a whole. */
	static const struct {
		uint64_t addr, len;
		int64_t offset;
	} rows[] = {
		{ USER - 1, 1, -1 },
		{ USER - 1, 2, -1 },
		{ USER, 0, 0 },
		{ USER, 2 * PAGE, 0 },
		{ USER, 2 * PAGE + 1, -1 }, /* the next byte is of another region */
		{ USER + 2 * PAGE - 8, 8, 2 * PAGE - 8 },
		{ USER + 2 * PAGE - 1, 1, 2 * PAGE - 1 },
		{ USER + 2 * PAGE - 1, 2, -1 },
		{ USER + 2 * PAGE, PAGE, 3 * PAGE },
		{ USER + 3 * PAGE - 1, 1, 4 * PAGE - 1 },
		{ USER + 3 * PAGE - 1, 2, -1 },
		{ USER + 3 * PAGE, 0, -1 },
		{ USER + 64 * PAGE - 1, 1, -1 },
		{ USER + 64 * PAGE, PAGE, 2 * PAGE },
		{ USER + 65 * PAGE, 1, -1 },
		{ UINT64_MAX - 2 * PAGE - 1, 1, -1 },
		{ UINT64_MAX - 2 * PAGE, PAGE, 4 * PAGE },
		{ UINT64_MAX - PAGE - 1, 1, 5 * PAGE - 1 },
		{ UINT64_MAX - PAGE - 1, UINT64_MAX, -1 },
		{ UINT64_MAX - PAGE, 1, -1 },
		{ UINT64_MAX, 1, -1 },
		{ USER, UINT64_MAX, -1 },
		{ 0, 0, -1 },
	};
	struct guest_memory *mem = edgy_memory();

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const unsigned char *p = guest_memory_user(mem, rows[i].addr, rows[i].len);
		uint64_t in_word = (uintptr_t)p & 7;

		if ((p != NULL) != (rows[i].offset >= 0))
			fail_msg("row %zu", i);
		if (p && rows[i].len)
			assert_int_equal(word_at(p - in_word), (uint64_t)rows[i].offset - in_word);
	}
	guest_memory_unref(mem);
}

static void memory_is_shared_with_the_vmm(void **state)
{
	_cleanup_close_ int fd = numbered_file(2 * PAGE);
	struct guest_region region = { LOW, PAGE, USER, PAGE };
	struct guest_memory *mem;
	struct tsk_map vmm;
	char *here;

	(void)state;
	assert_int_equal(tsk_map_new(fd, 2 * PAGE, true, &vmm), 0);
	assert_int_equal(guest_memory_new(&region, &fd, 1, &mem), 0);
	here = guest_memory_user(mem, USER, PAGE);
	memcpy(here, "to the VMM", 11);
	assert_string_equal((char *)vmm.addr + PAGE, "to the VMM");
	memcpy((char *)vmm.addr + PAGE, "from the VMM", 13);
	assert_string_equal(here, "from the VMM");
	guest_memory_unref(mem);
	tsk_map_done(&vmm);
}

static void an_offset_may_be_odd(void **state)
{
	_cleanup_close_ int fd = numbered_file(4 * PAGE);
	struct guest_region region = { LOW, PAGE, USER, PAGE + 24 };
	struct guest_memory *mem;
	struct iovec iov[1];

	(void)state;
	assert_int_equal(guest_memory_new(&region, &fd, 1, &mem), 0);
	assert_int_equal(guest_memory_iov(mem, LOW, PAGE, iov, 1), 1);
	assert_int_equal(word_at(iov[0].iov_base), PAGE + 24);
	guest_memory_unref(mem);
}

static bool is_mapped(void *p)
{
	unsigned char vec;

	return mincore((void *)((uintptr_t)p & ~(uintptr_t)(PAGE - 1)), PAGE, &vec) == 0;
}

/* munmap() of a huge mapping fails unless its length is rounded as mmap() did. */
static void a_huge_page_file_is_unmapped_whole(void **state)
{
	_cleanup_close_ int fd = memfd_create("huge", MFD_CLOEXEC | MFD_HUGETLB);
	struct guest_region region = { LOW, 3 << 20, USER, PAGE };
	struct guest_memory *mem;
	void *here;

	(void)state;
	if (fd < 0 || ftruncate(fd, 4 << 20) < 0)
		skip();
	assert_int_equal(guest_memory_new(&region, &fd, 1, &mem), 0);
	here = guest_memory_user(mem, USER, 1);
	assert_true(is_mapped(here));
	guest_memory_unref(mem);
	assert_false(is_mapped(here));
}

static void impossible_regions_are_refused(void **state)
{
	_cleanup_close_ int fd = numbered_file(2 * PAGE);
	_cleanup_close_ int event = eventfd(0, EFD_CLOEXEC);
	struct guest_memory *mem = NULL;

	(void)state;
	assert_int_equal(try_one((struct guest_region){ LOW, 2 * PAGE, USER, 0 }, fd), 0);
	assert_int_equal(guest_memory_new(NULL, NULL, 0, &mem), -EINVAL);
	assert_int_equal(try_one((struct guest_region){ LOW, 0, USER, 0 }, fd), -EINVAL);
	assert_int_equal(try_one((struct guest_region){ LOW, 2 * PAGE + 1, USER, 0 }, fd), -EINVAL);
	assert_int_equal(try_one((struct guest_region){ LOW, PAGE, USER, PAGE + 1 }, fd), -EINVAL);
	assert_int_equal(try_one((struct guest_region){ 0 - (uint64_t)PAGE, PAGE, USER, 0 }, fd),
			 -EINVAL);
	assert_int_equal(try_one((struct guest_region){ LOW, PAGE, 0 - (uint64_t)PAGE, 0 }, fd),
			 -EINVAL);
	assert_int_equal(try_one((struct guest_region){ LOW, PAGE, USER, 0 - (uint64_t)PAGE }, fd),
			 -EINVAL);
	assert_int_equal(try_one((struct guest_region){ LOW, UINT64_MAX, 0, 0 }, fd), -EINVAL);
	assert_int_equal(try_one((struct guest_region){ LOW, 8, USER, 0 }, event), -EINVAL);
	assert_int_equal(try_one((struct guest_region){ LOW, 8, USER, 0 }, -1), -EBADF);
	assert_null(mem);
}

static void overlaps_are_refused(void **state)
{
	_cleanup_close_ int fd = numbered_file(4 * PAGE);
	int fds[] = { fd, fd };
	struct guest_memory *mem = NULL;
	/* A page before, within, at and behind the first one, in each of the two spaces. */
	static const struct {
		int64_t guest, user;
		int result;
	} second[] = {
		{ -2 * (int)PAGE, 8 * PAGE, 0 },
		{ -1, 8 * PAGE, -EINVAL },
		{ 0, 8 * PAGE, -EINVAL },
		{ PAGE, 8 * PAGE, -EINVAL },
		{ 2 * PAGE - 1, 8 * PAGE, -EINVAL },
		{ 2 * PAGE, 8 * PAGE, 0 },
		{ 8 * PAGE, -2 * (int)PAGE, 0 },
		{ 8 * PAGE, -1, -EINVAL },
		{ 8 * PAGE, 2 * PAGE - 1, -EINVAL },
		{ 8 * PAGE, 2 * PAGE, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(second); i++) {
		struct guest_region regions[] = {
			{ LOW, 2 * PAGE, USER, 0 },
			{ LOW + (uint64_t)second[i].guest, 2 * PAGE,
			  USER + (uint64_t)second[i].user, 0 },
		};

		mem = NULL;
		assert_int_equal(guest_memory_new(regions, fds, 2, &mem), second[i].result);
		guest_memory_unref(mem);
	}
}

static void there_are_at_most_so_many(void **state)
{
	_cleanup_close_ int fd = numbered_file(PAGE);
	struct guest_region regions[GUEST_MEMORY_REGIONS_MAX + 1];
	int fds[GUEST_MEMORY_REGIONS_MAX + 1];
	struct guest_memory *mem = NULL, *more = NULL;

	(void)state;
	for (unsigned i = 0; i <= GUEST_MEMORY_REGIONS_MAX; i++) {
		regions[i] = (struct guest_region){ LOW + i * PAGE, PAGE, USER + i * PAGE, 0 };
		fds[i] = fd;
	}
	assert_int_equal(guest_memory_new(regions, fds, GUEST_MEMORY_REGIONS_MAX + 1, &mem),
			 -EINVAL);
	assert_int_equal(guest_memory_new(regions, fds, GUEST_MEMORY_REGIONS_MAX, &mem), 0);
	assert_int_equal(guest_memory_add(mem, &regions[GUEST_MEMORY_REGIONS_MAX], fd, &more),
			 -EINVAL);
	assert_null(more);
	guest_memory_unref(mem);
}

static void tables_share_what_they_have_in_common(void **state)
{
	_cleanup_close_ int fd = numbered_file(2 * PAGE);
	struct guest_region a = { LOW, PAGE, USER, 0 };
	struct guest_region b = { LOW + PAGE, PAGE, USER + PAGE, PAGE };
	struct guest_memory *first, *both, *second, *none;
	void *in_a, *in_b;

	(void)state;
	assert_int_equal(guest_memory_add(NULL, &a, fd, &first), 0);
	assert_int_equal(guest_memory_add(first, &b, fd, &both), 0);
	in_a = guest_memory_user(first, USER, PAGE);
	in_b = guest_memory_user(both, USER + PAGE, PAGE);
	assert_null(guest_memory_user(first, USER + PAGE, PAGE));
	assert_ptr_equal(guest_memory_user(both, USER, PAGE), in_a);
	/* The offset does not count: QEMU leaves it out here. */
	a.mmap_offset = 77;
	assert_int_equal(guest_memory_remove(both, &a, &second), 0);
	assert_null(guest_memory_user(second, USER, PAGE));
	assert_ptr_equal(guest_memory_user(second, USER + PAGE, PAGE), in_b);

	assert_int_equal(guest_memory_remove(second, &a, &none), -ENOENT);
	b.size--;
	assert_int_equal(guest_memory_remove(second, &b, &none), -ENOENT);
	assert_int_equal(guest_memory_remove(NULL, &b, &none), -ENOENT);
	b.size++;
	assert_int_equal(guest_memory_remove(second, &b, &none), 0);
	guest_memory_unref(none);

	/* Mapped for as long as any table holds it. */
	guest_memory_unref(first);
	assert_true(is_mapped(in_a));
	guest_memory_ref(both);
	guest_memory_unref(both);
	assert_true(is_mapped(in_a));
	guest_memory_unref(both);
	assert_false(is_mapped(in_a));
	assert_true(is_mapped(in_b));
	guest_memory_unref(second);
	assert_false(is_mapped(in_b));
	assert_null(guest_memory_unref(NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(translates_within_a_region),
		cmocka_unit_test(a_range_crosses_adjoining_regions),
		cmocka_unit_test(guest_addresses_at_every_edge),
		cmocka_unit_test(addresses_of_the_vmm_at_every_edge),
		cmocka_unit_test(memory_is_shared_with_the_vmm),
		cmocka_unit_test(an_offset_may_be_odd),
		cmocka_unit_test(a_huge_page_file_is_unmapped_whole),
		cmocka_unit_test(impossible_regions_are_refused),
		cmocka_unit_test(overlaps_are_refused),
		cmocka_unit_test(there_are_at_most_so_many),
		cmocka_unit_test(tables_share_what_they_have_in_common),
	};

	return cmocka_run_group_tests_name("guest_memory", tests, NULL, NULL);
}
