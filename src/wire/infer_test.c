/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/infer.h"

#include <errno.h>
#include <string.h>

#include "base/testing.h"

static void test_infer_there_and_back(void **state)
{
	struct wire_tensor inputs[] = {
		{ .name = wire_string("x"),
		  .dtype = TENSOCK_FLOAT32,
		  .rank = 2,
		  .dims = { 2, 3 },
		  .bytes = 24 },
		{ .index = 1, .dtype = TENSOCK_BYTES, .rank = 1, .dims = { 2 }, .bytes = 11 },
	};
	struct wire_tensor wanted = { .index = 3 };
	struct wire_infer infer = { .model = { .kind = WIRE_BY_NAME, .name = wire_string("m") },
				    .deadline_ms = 77,
				    .n_inputs = 2,
				    .n_outputs = 1 },
			  got;
	_cleanup_free_ struct wire_tensor *tensors = NULL;
	unsigned char body[512];
	struct tsk_writer w = tsk_writer(body, sizeof(body));
	uint32_t meta_bytes;

	(void)state;
	assert_int_equal(wire_tensors_layout(inputs, 2, &infer.payload_bytes), 0);
	assert_int_equal(inputs[1].offset, 64);
	assert_int_equal(infer.payload_bytes, 75);
	wire_infer_write(&w, &infer, inputs, &wanted);
	assert_false(w.bad);
	assert_int_equal(wire_meta_bytes(body, tsk_writer_len(&w), &meta_bytes), 0);
	assert_int_equal(meta_bytes, tsk_writer_len(&w));
	assert_int_equal(wire_infer_read(body, meta_bytes, &got, &tensors), 0);
	assert_int_equal(got.deadline_ms, 77);
	assert_int_equal(got.n_inputs, 2);
	assert_int_equal(got.n_outputs, 1);
	assert_true(wire_string_equals(got.model.name, "m"));
	assert_true(wire_string_equals(tensors[0].name, "x"));
	assert_true(tensors[0].index == WIRE_INDEX_NONE);
	assert_int_equal(tensors[0].dims[1], 3);
	assert_int_equal(tensors[1].index, 1);
	assert_int_equal(tensors[1].offset, 64);
	assert_int_equal(tensors[2].index, 3);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TSK_TEST(test_infer_there_and_back),
	};

	return cmocka_run_group_tests_name("wire_infer", tests, NULL, NULL);
}
