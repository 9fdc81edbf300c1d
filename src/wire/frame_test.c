/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/frame.h"

#include <errno.h>
#include <string.h>

#include "base/testing.h"

static int read_header(uint32_t type, uint32_t id, uint64_t size)
{
	struct wire_header header = { .type = type, .id = id, .size = size }, got;
	unsigned char bytes[WIRE_HEADER_BYTES];
	int r;

	wire_header_write(bytes, &header);
	r = wire_header_read(bytes, &got);
	if (r == 0) {
		assert_int_equal(got.type, type);
		assert_int_equal(got.id, id);
		assert_true(got.size == size);
	}
	return r;
}

static void test_header_there_and_back(void **state)
{
	(void)state;
	assert_int_equal(read_header(WIRE_HELLO, 0, 100), 0);
	assert_int_equal(read_header(WIRE_INFER, UINT32_MAX, WIRE_BODY_MAX), 0);
	assert_int_equal(read_header(WIRE_PING, 0, 0), 0);
	assert_int_equal(read_header(WIRE_PING, 7, 0), 0);
}

static void test_header_refused(void **state)
{
	(void)state;
	assert_int_equal(read_header(1, 1, 100), -EPROTO);
	assert_int_equal(read_header(WIRE_GOAWAY + 1, 1, 0), -EPROTO);
	assert_int_equal(read_header(UINT32_MAX, 1, 0), -EPROTO);
	assert_int_equal(read_header(WIRE_HELLO, 1, 100), -EPROTO);
	assert_int_equal(read_header(WIRE_INFER, 0, 100), -EPROTO);
	assert_int_equal(read_header(WIRE_INFER, 1, WIRE_BODY_MAX + 1), -EPROTO);
	assert_int_equal(read_header(WIRE_INFER, 1, UINT64_MAX), -EPROTO);
	assert_int_equal(read_header(WIRE_CHUNK, 1, 0), -EPROTO);
	assert_int_equal(read_header(WIRE_LIST, 1, 1), -EPROTO);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TSK_TEST(test_header_there_and_back),
		TSK_TEST(test_header_refused),
	};

	return cmocka_run_group_tests_name("wire_frame", tests, NULL, NULL);
}
