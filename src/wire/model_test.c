/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/model.h"

#include <errno.h>
#include <string.h>

#include "base/testing.h"

static void test_model_there_and_back(void **state)
{
	struct wire_model model = { .hash = { 1, [31] = 2 },
				    .size = UINT64_C(3) << 30,
				    .memory = 5,
				    .runs = 6,
				    .state = WIRE_MODEL_READY,
				    .name = wire_string("mnist"),
				    .version = wire_string("2") },
			  got;
	unsigned char body[512];
	struct tsk_writer w = tsk_writer(body, sizeof(body));
	const void *description;
	size_t n;

	(void)state;
	wire_model_write(&w, &model, "abc", 3);
	assert_false(w.bad);
	assert_int_equal(wire_model_read(body, tsk_writer_len(&w), &got, &description, &n), 0);
	assert_memory_equal(got.hash, model.hash, WIRE_HASH_BYTES);
	assert_true(got.size == model.size && got.memory == 5 && got.runs == 6);
	assert_int_equal(got.state, WIRE_MODEL_READY);
	assert_true(wire_string_equals(got.name, "mnist"));
	assert_true(wire_string_equals(got.version, "2"));
	assert_int_equal(n, 3);
	assert_memory_equal(description, "abc", 3);
	assert_int_equal(wire_model_read(body, tsk_writer_len(&w) - 1, &got, &description, &n),
			 -EPROTO);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TSK_TEST(test_model_there_and_back),
	};

	return cmocka_run_group_tests_name("wire_model", tests, NULL, NULL);
}
