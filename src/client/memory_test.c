/* SPDX-License-Identifier: Apache-2.0 */
#include "client/memory.h"

#include "base/testing.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define MIB ((uint64_t)1 << 20)
#define PAGE 4096u
#define PAGES (MEMORY_BYTES_MIN / PAGE)

static void test_sizes(void **state)
{
	static const struct {
		uint64_t bytes, size;
	} sizes[] = {
		{ 1, 64 * MIB },          { 32 * MIB, 64 * MIB },    { 32 * MIB + 1, 65 * MIB },
		{ 100 * MIB, 200 * MIB }, { 700 * MIB, 1024 * MIB }, { 1024 * MIB, 1024 * MIB },
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct memory_slice slice = { 0 };
		struct memory memory;
		struct stat st;

		memory_init(&memory);
		assert_true(memory_take(&memory, sizes[i].bytes, &slice));
		assert_int_equal(memory.bytes, sizes[i].size);
		assert_int_equal(fstat(memory.fd, &st), 0);
		assert_int_equal(st.st_size, sizes[i].size);
		assert_int_equal(st.st_blocks, 0);
		assert_int_equal(memory.state, MEMORY_NEW);
		assert_int_equal(slice.at, 0);
		memory.start[sizes[i].bytes - 1] = 1;
		memory_done(&memory);
		assert_int_equal(slice.bytes, 0);
		assert_int_equal(memory.fd, -1);
	}
}

/* Whoever is handed the descriptor cannot pull pages from under it. */
static void test_sealed(void **state)
{
	struct memory_slice slice = { 0 };
	struct memory memory;

	(void)state;
	memory_init(&memory);
	assert_true(memory_take(&memory, 1, &slice));
	assert_int_equal(ftruncate(memory.fd, 0), -1);
	assert_int_equal(ftruncate(memory.fd, (off_t)(2 * memory.bytes)), -1);
	assert_int_equal(fcntl(memory.fd, F_GETFD), FD_CLOEXEC);
	memory_done(&memory);
}

static void test_too_much(void **state)
{
	struct memory_slice slice = { 0 };
	struct memory memory;

	(void)state;
	memory_init(&memory);
	assert_false(memory_take(&memory, MEMORY_BYTES_MAX + 1, &slice));
	assert_false(memory_take(&memory, UINT64_MAX, &slice));
	assert_int_equal(slice.bytes, 0);
	assert_int_equal(memory.state, MEMORY_NONE);
	memory_done(&memory);
}

static void abandon(struct memory *memory, struct memory_slice *slice)
{
	memory_give_up(memory, slice);
	memory_give(memory, slice);
}

/* A larger one takes its place, but not under somebody's feet, nor while its descriptor goes. */
static void test_growth(void **state)
{
	struct memory_slice small = { 0 }, large = { 0 };
	struct memory memory;

	(void)state;
	memory_init(&memory);
	assert_true(memory_take(&memory, MIB, &small));
	memory.state = MEMORY_SHARED;
	assert_false(memory_take(&memory, 64 * MIB, &large));
	memory_give(&memory, &small);
	memory.state = MEMORY_GOING;
	assert_false(memory_take(&memory, 65 * MIB, &large));
	assert_int_equal(memory.state, MEMORY_GOING);
	memory.state = MEMORY_SHARED;
	/* It fits: nothing new. */
	assert_true(memory_take(&memory, 64 * MIB, &large));
	assert_int_equal(memory.state, MEMORY_SHARED);
	memory_give(&memory, &large);
	assert_true(memory_take(&memory, 65 * MIB, &large));
	assert_int_equal(memory.state, MEMORY_NEW);
	assert_int_equal(memory.bytes, 130 * MIB);
	memory_done(&memory);
}

static void test_abandoned(void **state)
{
	struct memory_slice a = { 0 }, b = { 0 }, c = { 0 };
	struct memory memory;
	unsigned char *start;

	(void)state;
	memory_init(&memory);
	assert_true(memory_take(&memory, MIB, &a));
	assert_true(memory_take(&memory, MIB, &b));
	memory.state = MEMORY_SHARED;
	start = memory.start;
	abandon(&memory, &a);
	/* The other has its memory still; nobody gets any more of it. */
	assert_false(memory_take(&memory, MIB, &c));
	assert_ptr_equal(memory.start, start);
	start[b.at] = 1;
	memory_give(&memory, &b);
	assert_null(memory.start);
	assert_true(memory_take(&memory, MIB, &c));
	assert_int_equal(memory.state, MEMORY_NEW);
	/* Twice is once. */
	abandon(&memory, &a);
	memory_give(&memory, &b);
	assert_int_equal(c.bytes, MIB);
	assert_false(memory.is_given_up);
	abandon(&memory, &c);
	assert_int_equal(memory.fd, -1);
	memory_done(&memory);
}

static void test_off(void **state)
{
	struct memory_slice a = { 0 }, b = { 0 };
	struct memory memory;

	(void)state;
	memory_init(&memory);
	assert_true(memory_take(&memory, MIB, &a));
	memory_off(&memory);
	assert_false(memory_take(&memory, MIB, &b));
	memory.start[a.at] = 1;
	memory_give(&memory, &a);
	assert_null(memory.start);
	assert_false(memory_take(&memory, MIB, &b));
	/* The next connection may. */
	memory_done(&memory);
	assert_true(memory_take(&memory, MIB, &b));
	memory_done(&memory);
}

/* A file that is too long would be a signal. */
static void test_limited(void **state)
{
	struct memory_slice slice = { 0 };
	struct rlimit limit, less;
	struct memory memory;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	less = limit;
	less.rlim_cur = 1024 * 1024;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &less), 0);
	memory_init(&memory);
	assert_false(memory_take(&memory, MIB, &slice));
	assert_int_equal(memory.state, MEMORY_OFF);
	memory_done(&memory);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/*
 * ---- Against a map of pages
 */

/* Who has each page; 0: nobody. */
static unsigned char owners[PAGES];

static uint64_t first_gap(uint64_t pages)
{
	uint64_t run = 0;

	for (uint64_t i = 0; i < PAGES; i++) {
		run = owners[i] ? 0 : run + 1;
		if (run == pages)
			return i + 1 - pages;
	}
	return UINT64_MAX;
}

static void give(struct memory *memory, struct memory_slice *slice, unsigned who)
{
	for (uint64_t i = slice->at / PAGE; i < (slice->at + slice->bytes) / PAGE; i++) {
		assert_int_equal(owners[i], who);
		owners[i] = 0;
	}
	memory_give(memory, slice);
	assert_int_equal(slice->bytes, 0);
}

static void take(struct memory *memory, struct memory_slice *slice, unsigned who)
{
	uint64_t bytes = 1 + (uint64_t)random() % (random() % 4 ? MIB : 20 * MIB);
	uint64_t pages = (bytes + PAGE - 1) / PAGE, at = first_gap(pages);

	assert_int_equal(memory_take(memory, bytes, slice), at != UINT64_MAX);
	if (at == UINT64_MAX) {
		assert_int_equal(slice->bytes, 0);
		return;
	}
	assert_int_equal(slice->at, at * PAGE);
	assert_int_equal(slice->bytes, pages * PAGE);
	memset(owners + at, (int)who, pages);
}

static void test_random(void **state)
{
	enum {
		SLICES = 50
	};
	struct memory_slice slices[SLICES] = { 0 };
	unsigned refused = 0;
	struct memory memory;

	(void)state;
	srandom(5);
	memory_init(&memory);
	for (unsigned turn = 0; turn < 5000; turn++) {
		unsigned i = (unsigned)random() % SLICES;

		if (slices[i].bytes)
			give(&memory, &slices[i], i + 1);
		else
			take(&memory, &slices[i], i + 1);
		refused += !slices[i].bytes;
		assert_int_equal(memory.bytes, MEMORY_BYTES_MIN);
	}
	assert_true(refused > 100);
	memory_done(&memory);
	for (unsigned i = 0; i < SLICES; i++)
		assert_int_equal(slices[i].bytes, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TSK_TEST(test_sizes),   TSK_TEST(test_sealed),    TSK_TEST(test_too_much),
		TSK_TEST(test_growth),  TSK_TEST(test_abandoned), TSK_TEST(test_off),
		TSK_TEST(test_limited), TSK_TEST(test_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
