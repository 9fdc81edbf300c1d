/* SPDX-License-Identifier: Apache-2.0 */
#include "translate/ms/flatbuffer.h"

#include "base/testing.h"
#include "translate/ms/flatbuffer_testing.h"

static struct build build;
static struct flatbuffer file;

static struct fb_table opened(void)
{
	fb_open(&file, build.bytes, build.n);
	return fb_root(&file);
}

static void test_scalars(void **state)
{
	const float f = 1.5F;
	const double d = -0.25;
	size_t root = build_root(&build, NULL, 6);
	struct fb_table table;
	uint64_t bits = 0;

	(void)state;
	build_scalar(&build, root, 0, 0xfe);
	build_scalar(&build, root, 1, (uint64_t)-3);
	memcpy(&bits, &f, sizeof(f));
	build_scalar(&build, root, 2, bits);
	memcpy(&bits, &d, sizeof(d));
	build_scalar(&build, root, 3, bits);
	table = opened();
	assert_int_equal(fb_u8(&table, 0, 7), 0xfe);
	assert_int_equal(fb_i8(&table, 0, 7), -2);
	assert_true(fb_bool(&table, 0, false));
	assert_int_equal(fb_i32(&table, 1, 7), -3);
	assert_int_equal(fb_u32(&table, 1, 7), 0xfffffffd);
	assert_int_equal(fb_i64(&table, 1, 7), -3);
	assert_true(fb_f32(&table, 2, 7) == f);
	assert_true(fb_f64(&table, 3, 7) == d);
	assert_false(file.bad);
}

static void test_absent_fields_give_the_default(void **state)
{
	struct fb_table table;

	(void)state;
	build_root(&build, NULL, 2);
	table = opened();
	for (unsigned field = 0; field < 100; field += 33) {
		struct fb_table child = fb_child(&table, field);

		assert_false(fb_has(&table, field));
		assert_int_equal(fb_i32(&table, field, -7), -7);
		assert_int_equal(fb_i64(&table, field, -7), -7);
		assert_true(fb_f32(&table, field, 0.5F) == 0.5F);
		assert_true(fb_bool(&table, field, true));
		assert_int_equal(fb_vector(&table, field, 4).n, 0);
		assert_false(fb_is_there(&child));
		assert_int_equal(fb_i32(&child, field, 5), 5);
	}
	assert_false(file.bad);
}

static void test_vectors(void **state)
{
	size_t root = build_root(&build, NULL, 3), at;
	struct fb_table table, element;
	struct fb_vector ints, tables;

	(void)state;
	build_ints(&build, root, 0, (const int32_t[]){ 5, -6 }, 2);
	build_text(&build, root, 1, "name");
	at = build_vector(&build, root, 2, 2, 4);
	build_scalar(&build, build_element(&build, at, 0, 1), 0, 8);
	build_scalar(&build, build_element(&build, at, 1, 1), 0, 9);
	table = opened();
	ints = fb_vector(&table, 0, 4);
	assert_int_equal(ints.n, 2);
	assert_int_equal(fb_int_at(&ints, 1), -6);
	assert_int_equal(fb_u32_at(&ints, 1), 0xfffffffa);
	assert_int_equal(fb_int_at(&ints, 2), 0);
	assert_int_equal(fb_string(&table, 1).n, 4);
	assert_memory_equal(fb_string(&table, 1).bytes, "name", 4);
	tables = fb_vector(&table, 2, FB_OFFSET);
	element = fb_table_at(&tables, 1);
	assert_int_equal(fb_i32(&element, 0, 0), 9);
	element = fb_table_at(&tables, 2);
	assert_false(fb_is_there(&element));
	assert_false(file.bad);
}

/* What no field of a good file has: each leaves the file bad, and gives the default. */
static void test_what_leads_outside(void **state)
{
	static const uint32_t offsets[] = { 0x7fffffff, 0xffffffff, 0x10000, 4096 };

	(void)state;
	for (size_t i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++) {
		size_t root = build_root(&build, NULL, 2);
		struct fb_table table;

		build_put(&build, build_field(&build, root, 0), offsets[i], 4);
		table = opened();
		assert_int_equal(fb_vector(&table, 0, 4).n, 0);
		assert_true(file.bad);
		table = opened();
		table = fb_child(&table, 0);
		assert_false(fb_is_there(&table));
		assert_true(file.bad);
	}
}

static void test_counts_beyond_the_file(void **state)
{
	static const uint32_t counts[] = { 3, 0x3fffffff, 0x40000001, 0xffffffff };

	(void)state;
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		size_t root = build_root(&build, NULL, 1);
		size_t at = build_vector(&build, root, 0, 2, 4);
		struct fb_table table;

		build_put(&build, at - 4, counts[i], 4);
		table = opened();
		assert_int_equal(fb_vector(&table, 0, 4).n, 0);
		assert_true(file.bad);
	}
}

/* A vtable of an odd size, too short, or with a field outside of its table. */
static void test_vtables(void **state)
{
	static const struct {
		size_t at; /* from the vtable */
		uint16_t v;
	} wrong[] = { { 0, 7 },      { 0, 2 }, { 0, 0xfffe }, { 2, 3 },
		      { 2, 0xffff }, { 4, 3 }, { 4, 13 } };

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		size_t root = build_root(&build, NULL, 1);
		struct fb_table table;

		build_scalar(&build, root, 0, 1);
		build_put(&build, 4 + wrong[i].at, wrong[i].v, 2);
		table = opened();
		assert_int_equal(fb_i32(&table, 0, 7), 7);
		assert_true(file.bad);
	}
}

/* Where a table's vtable is said to be: before the file, behind it, and half in it. */
static void test_vtables_that_are_elsewhere(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		size_t root = build_root(&build, NULL, 1);
		const int64_t places[] = { -1, -0x40000000, (int64_t)build.n - 3,
					   (int64_t)build.n };
		struct fb_table table;

		build_scalar(&build, root, 0, 1);
		build_put(&build, root, (uint32_t)((int64_t)root - places[i]), 4);
		table = opened();
		assert_false(fb_is_there(&table));
		assert_int_equal(fb_i32(&table, 0, 7), 7);
		assert_true(file.bad);
	}
}

/* The same bytes as elements of each width, the last of which are negative. */
static void test_integers_of_each_width(void **state)
{
	static const uint32_t widths[] = { 1, 2, 4, 8 };
	static const int64_t wanted[] = { 0x01, 0x0201, 0x04030201, 0x0807060504030201 };
	size_t root = build_root(&build, NULL, 1);
	size_t at = build_vector(&build, root, 0, 16, 1);

	(void)state;
	build_put(&build, at, 0x0807060504030201, 8);
	build_put(&build, at + 8, UINT64_MAX - 1, 8);
	for (size_t i = 0; i < 4; i++) {
		struct fb_table table;
		struct fb_vector ints;

		build_put(&build, at - 4, 16 / widths[i], 4);
		table = opened();
		ints = fb_vector(&table, 0, widths[i]);
		assert_int_equal(fb_int_at(&ints, 0), wanted[i]);
		assert_int_equal(fb_int_at(&ints, 8 / widths[i]), -2);
		assert_int_equal(fb_int_at(&ints, 16 / widths[i]), 0);
		assert_false(file.bad);
	}
}

static void test_roots(void **state)
{
	struct fb_table table;

	(void)state;
	build_root(&build, "MSL2", 1);
	table = opened();
	assert_true(fb_is_there(&table));
	assert_true(fb_has_identifier(&file, "MSL2"));
	assert_false(fb_has_identifier(&file, "MSL1"));
	for (size_t n = 0; n < build.n; n++) {
		fb_open(&file, build.bytes, n);
		table = fb_root(&file);
		assert_false(fb_is_there(&table));
		assert_true(file.bad);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TSK_TEST(test_scalars),
		TSK_TEST(test_absent_fields_give_the_default),
		TSK_TEST(test_vectors),
		TSK_TEST(test_what_leads_outside),
		TSK_TEST(test_counts_beyond_the_file),
		TSK_TEST(test_vtables),
		TSK_TEST(test_vtables_that_are_elsewhere),
		TSK_TEST(test_integers_of_each_width),
		TSK_TEST(test_roots),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
