/* SPDX-License-Identifier: Apache-2.0 */
#include "base/bytes.h"

#include "base/cleanup.h"
#include "base/testing.h"

static void test_reads_little_endian(void **state)
{
	static const unsigned char bytes[] = { 0xff, 0x02, 0x01, 0x06, 0x05, 0x04, 0x03, 0x88,
					       0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11 };
	struct tsk_reader r = tsk_reader(bytes, sizeof(bytes));

	(void)state;
	assert_int_equal(tsk_read_u8(&r), 0xff);
	assert_int_equal(tsk_read_u16(&r), 0x0102);
	assert_int_equal(tsk_read_u32(&r), 0x03040506);
	assert_false(tsk_reader_end(&r));
	assert_int_equal(tsk_read_u64(&r), 0x1122334455667788);
	assert_true(tsk_reader_end(&r));
}

static void test_bad_reader_stays_bad(void **state)
{
	static const unsigned char bytes[] = { 1, 2, 3 };
	struct tsk_reader r = tsk_reader(bytes, sizeof(bytes));

	(void)state;
	assert_int_equal(tsk_read_u32(&r), 0);
	assert_int_equal(tsk_read_u8(&r), 0);
	assert_null(tsk_read_bytes(&r, 0));
	assert_int_equal(tsk_reader_left(&r), 3);
	assert_false(tsk_reader_end(&r));
	tsk_read_bytes(&r, 3);
	assert_false(tsk_reader_end(&r));
}

static void test_huge_length_does_not_wrap(void **state)
{
	static const unsigned char bytes[8];
	static const size_t lengths[] = { 9, SIZE_MAX, SIZE_MAX - 7, (size_t)1 << 63 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
		struct tsk_reader r = tsk_reader(bytes, sizeof(bytes));

		assert_null(tsk_read_bytes(&r, lengths[i]));
		assert_true(r.bad);
	}
}

static void test_empty_reader(void **state)
{
	struct tsk_reader r = tsk_reader(NULL, 0);

	(void)state;
	assert_true(tsk_reader_end(&r));
	assert_int_equal(tsk_reader_left(&r), 0);
	assert_int_equal(tsk_read_u8(&r), 0);
	assert_false(tsk_reader_end(&r));
}

static void test_reads_in_place(void **state)
{
	static const unsigned char bytes[] = { 1, 2, 3 };
	struct tsk_reader r = tsk_reader(bytes, sizeof(bytes));

	(void)state;
	assert_ptr_equal(tsk_read_bytes(&r, 0), bytes);
	assert_ptr_equal(tsk_read_bytes(&r, 2), bytes);
	assert_ptr_equal(tsk_read_bytes(&r, 1), bytes + 2);
	assert_true(tsk_reader_end(&r));
}

static void test_writes_what_is_read(void **state)
{
	unsigned char bytes[18];
	struct tsk_writer w = tsk_writer(bytes, sizeof(bytes));
	struct tsk_reader r = tsk_reader(bytes, sizeof(bytes));

	(void)state;
	tsk_write_u8(&w, 0xfe);
	tsk_write_u16(&w, 0xfedc);
	tsk_write_u32(&w, 0xfedcba98);
	tsk_write_u64(&w, 0xfedcba9876543210);
	tsk_write_bytes(&w, "abc", 3);
	assert_false(w.bad);
	assert_int_equal(tsk_writer_len(&w), sizeof(bytes));
	assert_int_equal(tsk_read_u8(&r), 0xfe);
	assert_int_equal(tsk_read_u16(&r), 0xfedc);
	assert_int_equal(tsk_read_u32(&r), 0xfedcba98);
	assert_int_equal(tsk_read_u64(&r), 0xfedcba9876543210);
	assert_memory_equal(tsk_read_bytes(&r, 3), "abc", 3);
	assert_true(tsk_reader_end(&r));
}

static void test_writer_never_leaves_its_span(void **state)
{
	unsigned char bytes[8] = { [5] = 0xaa, 0xaa, 0xaa };
	struct tsk_writer w = tsk_writer(bytes, 5);

	(void)state;
	tsk_write_u32(&w, 1);
	tsk_write_u16(&w, 0xffff);
	assert_true(w.bad);
	tsk_write_u8(&w, 0xff);
	assert_null(tsk_write_room(&w, 0));
	assert_null(tsk_write_room(&w, SIZE_MAX));
	assert_int_equal(tsk_writer_len(&w), 4);
	assert_int_equal(bytes[4], 0);
	assert_int_equal(bytes[5], 0xaa);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TSK_TEST(test_reads_little_endian),
		TSK_TEST(test_bad_reader_stays_bad),
		TSK_TEST(test_huge_length_does_not_wrap),
		TSK_TEST(test_empty_reader),
		TSK_TEST(test_reads_in_place),
		TSK_TEST(test_writes_what_is_read),
		TSK_TEST(test_writer_never_leaves_its_span),
	};

	return cmocka_run_group_tests_name("bytes", tests, NULL, NULL);
}
