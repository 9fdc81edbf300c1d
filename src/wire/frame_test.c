/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/frame.h"

#include <errno.h>
#include <string.h>

#include "wire/testing.h"

static int read_header(uint32_t type, uint32_t id, uint64_t size)
{
	struct wire_header header = { .type = type, .id = id, .size = size };
	struct wire_header got = { .type = 77 };
	unsigned char bytes[WIRE_HEADER_BYTES];
	int r;

	wire_header_write(bytes, &header);
	r = wire_header_read(bytes, &got);
	if (r == 0) {
		assert_int_equal(got.type, type);
		assert_int_equal(got.id, id);
		assert_true(got.size == size);
	} else {
		assert_int_equal(got.type, 77);
	}
	return r;
}

/* Byte for byte: what tells this protocol from the others on its port. */
static void test_form(void **state)
{
	static const unsigned char wanted[WIRE_HEADER_BYTES] = { 16, 0, 0, 0, 0, 0, 0, 0, 1, 2 };
	struct wire_header header = { .type = WIRE_HELLO, .id = 0, .size = 0x201 };
	unsigned char bytes[WIRE_HEADER_BYTES];

	(void)state;
	wire_header_write(bytes, &header);
	assert_memory_equal(bytes, wanted, sizeof(wanted));
}

/* The longest body of each type, where it does not depend on another module's sizes. */
static const struct {
	uint32_t type;
	bool id_none, id_some; /* which ids it may have */
	uint64_t min, max;
} limits[] = {
	{ WIRE_HELLO, true, false, 1, 1024 },
	{ WIRE_OFFER, false, true, 1, 362 },
	{ WIRE_INFO, false, true, 1, 327 },
	{ WIRE_LIST, false, true, 0, 0 },
	{ WIRE_UNLOAD, false, true, 1, 327 },
	{ WIRE_INFER, false, true, 1, WIRE_BODY_MAX },
	{ WIRE_CANCEL, false, true, 0, 0 },
	{ WIRE_STATS, false, true, 0, 0 },
	{ WIRE_MEMORY, true, false, 1, 8 },
	{ WIRE_INFER_MEMORY, false, true, 1, WIRE_META_MAX },
	{ WIRE_CHUNK, false, true, 1, WIRE_BODY_MAX },
	{ WIRE_PING, true, true, 0, 0 },
	{ WIRE_PONG, true, true, 0, 0 },
	{ WIRE_WELCOME, true, false, 1, 1024 },
	{ WIRE_SEND, false, true, 1, 8 },
	{ WIRE_MODEL, false, true, 1, 131458 },
	{ WIRE_MODELS, false, true, 1, 195588 },
	{ WIRE_DONE, false, true, 0, 0 },
	{ WIRE_RESULT, false, true, 1, WIRE_BODY_MAX },
	{ WIRE_COUNTERS, false, true, 1, 4676 },
	{ WIRE_ERROR, true, true, 1, 257 },
	{ WIRE_GOAWAY, true, false, 1, 257 },
	{ WIRE_RESULT_MEMORY, false, true, 1, WIRE_META_MAX },
	{ WIRE_INLINE, false, true, 0, 0 },
};

static void test_each_type(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
		uint32_t type = limits[i].type, id = limits[i].id_some ? 1 : 0;

		assert_non_null(wire_type_name(type));
		assert_int_equal(read_header(type, id, limits[i].min), 0);
		assert_int_equal(read_header(type, id, limits[i].max), 0);
		assert_int_equal(read_header(type, id, limits[i].max + 1), -EPROTO);
		assert_int_equal(read_header(type, id, limits[i].max | UINT64_C(1) << 32), -EPROTO);
		assert_int_equal(read_header(type, id, UINT64_MAX), -EPROTO);
		if (limits[i].min)
			assert_int_equal(read_header(type, id, 0), -EPROTO);
		assert_int_equal(read_header(type, 0, limits[i].max),
				 limits[i].id_none ? 0 : -EPROTO);
		assert_int_equal(read_header(type, 1, limits[i].max),
				 limits[i].id_some ? 0 : -EPROTO);
		assert_int_equal(read_header(type, UINT32_MAX, limits[i].max),
				 limits[i].id_some ? 0 : -EPROTO);
	}
}

static void test_types_that_are_none(void **state)
{
	unsigned known = 0;

	(void)state;
	for (uint32_t type = 0; type < 1000; type++) {
		if (wire_type_name(type))
			known++;
		else
			assert_int_equal(read_header(type, 1, 1), -EPROTO);
	}
	assert_int_equal(known, ARRAY_SIZE(limits));
	assert_null(wire_type_name(UINT32_MAX));
	assert_int_equal(read_header(UINT32_MAX, 1, 1), -EPROTO);
	assert_int_equal(read_header(WIRE_LIST | 1u << 31, 1, 0), -EPROTO);
	assert_string_equal(wire_type_name(WIRE_HELLO), "HELLO");
	assert_string_equal(wire_type_name(WIRE_GOAWAY), "GOAWAY");
}

static void test_string(void **state)
{
	static char long_text[70000];

	(void)state;
	assert_int_equal(wire_string(NULL).len, 0);
	assert_non_null(wire_string(NULL).bytes);
	assert_int_equal(wire_string("abc").len, 3);
	memset(long_text, 'x', sizeof(long_text) - 1);
	assert_int_equal(wire_string(long_text).len, UINT16_MAX);
	assert_true(wire_string_equals(wire_string("abc"), "abc"));
	assert_false(wire_string_equals(wire_string("abc"), "ab"));
	assert_false(wire_string_equals(wire_string("abc"), "abd"));
	assert_false(wire_string_equals(wire_string("abc"), "abcd"));
	assert_true(wire_string_equals(wire_string(NULL), ""));
}

static bool string_fits(struct wire_string string, size_t max, size_t room)
{
	unsigned char bytes[64];
	struct tsk_writer w = tsk_writer(bytes, room);

	wire_string_write(&w, string, max);
	return !w.bad;
}

static void test_string_written(void **state)
{
	struct wire_string with_zero = { .bytes = "a\0b", .len = 3 };

	(void)state;
	assert_true(string_fits(wire_string("abc"), 3, 5));
	assert_false(string_fits(wire_string("abc"), 3, 4));
	assert_false(string_fits(wire_string("abc"), 2, 64));
	assert_false(string_fits(with_zero, 3, 64));
	assert_true(string_fits((struct wire_string){ 0 }, 0, 2));
}

static void test_string_read(void **state)
{
	static const unsigned char bytes[] = { 3, 0, 'a', 'b', 'c', 0, 0, 2, 0, 'x', 0 };
	struct tsk_reader r = tsk_reader(bytes, sizeof(bytes));

	(void)state;
	assert_true(wire_string_equals(wire_string_read(&r, 3), "abc"));
	assert_true(wire_string_equals(wire_string_read(&r, 0), ""));
	assert_false(r.bad);
	assert_int_equal(wire_string_read(&r, 2).len, 0); /* the 0 in it */
	assert_true(r.bad);
	assert_int_equal(wire_string_read(&r, 2).len, 0);

	r = tsk_reader(bytes, sizeof(bytes));
	assert_int_equal(wire_string_read(&r, 2).len, 0); /* longer than may be */
	assert_true(r.bad);
	r = tsk_reader(bytes, 4);
	assert_int_equal(wire_string_read(&r, 3).len, 0); /* longer than there is */
	assert_true(r.bad);
	r = tsk_reader(bytes, 1);
	assert_int_equal(wire_string_read(&r, 3).len, 0);
	assert_true(r.bad);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TSK_TEST(test_form),
		TSK_TEST(test_each_type),
		TSK_TEST(test_types_that_are_none),
		TSK_TEST(test_string),
		TSK_TEST(test_string_written),
		TSK_TEST(test_string_read),
	};

	return cmocka_run_group_tests_name("wire_frame", tests, NULL, NULL);
}
