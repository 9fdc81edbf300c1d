/* SPDX-License-Identifier: Apache-2.0 */
#include "base/protowire.h"

#include "base/testing.h"

static bool one_field(const void *bytes, size_t n, struct proto_field *ret)
{
	struct tsk_reader wire = tsk_reader(bytes, n);

	return proto_next(&wire, ret) && !wire.bad && wire.p == wire.end;
}

static void assert_bad(const void *bytes, size_t n)
{
	struct tsk_reader wire = tsk_reader(bytes, n);
	struct proto_field field;

	while (proto_next(&wire, &field))
		;
	assert_true(wire.bad);
	assert_false(proto_next(&wire, &field));
}

#define BYTES(...) (const unsigned char[]){ __VA_ARGS__ }, sizeof((unsigned char[]){ __VA_ARGS__ })

static void test_fields(void **state)
{
	struct proto_field field;

	(void)state;
	assert_true(one_field(BYTES(0x08, 0x96, 0x01), &field));
	assert_int_equal(field.number, 1);
	assert_int_equal(field.v, 150);
	assert_true(one_field(BYTES(0x12, 0x02, 'h', 'i'), &field));
	assert_int_equal(field.number, 2);
	assert_int_equal(field.n_bytes, 2);
	assert_memory_equal(field.bytes, "hi", 2);
	assert_true(one_field(BYTES(0x15, 0, 0, 0x80, 0x3f), &field));
	assert_int_equal(field.v, 0x3f800000);
	assert_true(one_field(BYTES(0x82, 0x01, 0x00), &field)); /* of number 16, empty */
	assert_int_equal(field.number, 16);
	assert_int_equal(field.n_bytes, 0);
	assert_false(one_field(NULL, 0, &field));
}

static void test_longest_varint(void **state)
{
	struct proto_field field;

	(void)state;
	assert_true(
		one_field(BYTES(0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01),
			  &field));
	assert_int_equal(field.v, UINT64_MAX);
	/* a bit too many, and a byte too many */
	assert_bad(BYTES(0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02));
	assert_bad(BYTES(0x08, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01));
}

static void test_bad(void **state)
{
	(void)state;
	assert_bad(BYTES(0x08));                 /* no number */
	assert_bad(BYTES(0x08, 0x80));           /* half of one */
	assert_bad(BYTES(0x12, 0x03, 'h', 'i')); /* longer than the rest */
	assert_bad(BYTES(0x12, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 'h'));
	assert_bad(BYTES(0x15, 0, 0, 0));                            /* half of a float */
	assert_bad(BYTES(0x11, 0, 0, 0, 0, 0, 0));                   /* of a double */
	assert_bad(BYTES(0x0b, 0x0c));                               /* a group */
	assert_bad(BYTES(0x0e, 0x00));                               /* type 6 */
	assert_bad(BYTES(0x00, 0x00));                               /* field 0 */
	assert_bad(BYTES(0x80, 0x80, 0x80, 0x80, 0x80, 0x01, 0x00)); /* field 2^33 */
}

static void test_wrong_type(void **state)
{
	static const unsigned char bytes[] = { 0x08, 0x01, 0x08, 0x02 };
	struct tsk_reader wire = tsk_reader(bytes, sizeof(bytes));
	struct proto_field field;

	(void)state;
	assert_true(proto_next(&wire, &field));
	assert_int_equal(proto_int(&wire, &field), 1);
	assert_false(wire.bad);
	assert_true(proto_message(&wire, &field).bad);
	assert_true(wire.bad);
	assert_false(proto_next(&wire, &field));
}

static void test_floats(void **state)
{
	static const unsigned char bytes[] = { 0x0d, 0, 0, 0xc0, 0x3f, 0x11, 0,
					       0,    0, 0, 0,    0,    4,    0xc0 };
	struct tsk_reader wire = tsk_reader(bytes, sizeof(bytes));
	struct proto_field field;

	(void)state;
	assert_true(proto_next(&wire, &field));
	assert_true(proto_float(&wire, &field) == 1.5f);
	assert_true(proto_next(&wire, &field));
	assert_true(proto_double(&wire, &field) == -2.5);
	assert_false(wire.bad);
	assert_true(proto_float(&wire, &field) == 0);
	assert_true(wire.bad);
}

static void test_count(void **state)
{
	static const unsigned char bytes[] = { 0x08, 1, 0x10, 1, 0x08, 2, 0x0a, 0, 0x0b };

	(void)state;
	assert_int_equal(proto_count(tsk_reader(bytes, sizeof(bytes)), 1), 3);
	assert_int_equal(proto_count(tsk_reader(bytes, sizeof(bytes)), 2), 1);
	assert_int_equal(proto_count(tsk_reader(NULL, 0), 1), 0);
}

static void test_written(void **state)
{
	static const uint64_t values[] = { 0, 1, 127, 128, 16383, 16384, INT64_MAX, UINT64_MAX };

	(void)state;
	for (size_t i = 0; i < sizeof(values) / sizeof(*values); i++) {
		unsigned char bytes[1 + PROTO_VARINT_BYTES_MAX];
		size_t n = proto_put_varint(bytes, proto_tag(3, PROTO_VARINT));
		struct proto_field field;

		assert_int_equal(n, 1);
		n += proto_put_varint(bytes + n, values[i]);
		assert_true(one_field(bytes, n, &field));
		assert_int_equal(field.number, 3);
		assert_true(field.v == values[i]);
		assert_int_equal(n,
				 1 + (values[i] < 2
					      ? 1
					      : (63 - (size_t)__builtin_clzll(values[i])) / 7 + 1));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TSK_TEST(test_fields),     TSK_TEST(test_longest_varint), TSK_TEST(test_bad),
		TSK_TEST(test_wrong_type), TSK_TEST(test_floats),         TSK_TEST(test_count),
		TSK_TEST(test_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
