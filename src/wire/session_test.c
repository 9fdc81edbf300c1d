/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/session.h"

#include <errno.h>
#include <string.h>

#include "base/status.h"
#include "base/testing.h"

static void test_hello_there_and_back(void **state)
{
	struct wire_hello hello = { .version_min = 1,
				    .version_max = 3,
				    .features = UINT64_C(1) << 63,
				    .program = wire_string("libtensock 0.1.0") },
			  got;
	unsigned char body[256];
	struct tsk_writer w = tsk_writer(body, sizeof(body));

	(void)state;
	wire_hello_write(&w, &hello);
	assert_false(w.bad);
	assert_int_equal(wire_hello_read(body, tsk_writer_len(&w), &got), 0);
	assert_int_equal(got.version_min, 1);
	assert_int_equal(got.version_max, 3);
	assert_true(got.features == hello.features);
	assert_true(wire_string_equals(got.program, "libtensock 0.1.0"));
}

static void test_error_there_and_back(void **state)
{
	struct tensock_error error, got;
	unsigned char body[512];
	struct tsk_writer w = tsk_writer(body, sizeof(body));

	(void)state;
	(void)tsk_fail(&error, TENSOCK_TOO_LARGE, "5 bytes are above the limit of 4");
	wire_error_write(&w, &error);
	assert_false(w.bad);
	assert_int_equal(wire_error_read(body, tsk_writer_len(&w), &got), 0);
	assert_int_equal(got.status, TENSOCK_TOO_LARGE);
	assert_string_equal(got.message, error.message);
	body[0] = 200;
	assert_int_equal(wire_error_read(body, tsk_writer_len(&w), &got), 0);
	assert_int_equal(got.status, TENSOCK_INTERNAL);
	body[0] = TENSOCK_OK;
	assert_int_equal(wire_error_read(body, tsk_writer_len(&w), &got), -EPROTO);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TSK_TEST(test_hello_there_and_back),
		TSK_TEST(test_error_there_and_back),
	};

	return cmocka_run_group_tests_name("wire_session", tests, NULL, NULL);
}
