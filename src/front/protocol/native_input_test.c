/* SPDX-License-Identifier: Apache-2.0 */
#include "front/protocol/native_input.h"

#include <string.h>

#include "base/testing.h"

#define NAME(text) ((char *)(uintptr_t)(text))

static struct tsk_tensor_info infos_in[] = {
	{ .name = NAME("image"),
	  .dtype = TENSOCK_FLOAT32,
	  .rank = 4,
	  .dims = { -1, 3, 224, -1 },
	  .dim_names = { NAME("n"), NULL, NULL, NAME("w") } },
	{ .name = NAME("any"), .dtype = TENSOCK_INT64 },
};
static struct tsk_tensor_info infos_out[] = {
	{ .name = NAME("boxes"),
	  .dtype = TENSOCK_FLOAT32,
	  .rank = 3,
	  .dims = { -1, -1, 4 },
	  .dim_names = { NAME("n"), NAME("w"), NULL } },
	{ .name = NAME("text"), .dtype = TENSOCK_BYTES, .rank = 1, .dims = { -1 } },
};
static const struct tsk_model_info info = { .engine = NAME("e"),
					    .format = NAME("f"),
					    .inputs = infos_in,
					    .n_inputs = 2,
					    .outputs = infos_out,
					    .n_outputs = 2 };

static struct wire_tensor image(void)
{
	return (struct wire_tensor){ .name = wire_string("image"),
				     .index = WIRE_INDEX_NONE,
				     .dtype = TENSOCK_FLOAT32,
				     .rank = 4,
				     .dims = { 2, 3, 224, 5 },
				     .bytes = 4 * 2 * 3 * 224 * 5 };
}

static struct wire_tensor any(void)
{
	return (struct wire_tensor){
		.index = 1, .dtype = TENSOCK_INT64, .rank = 1, .dims = { 2 }, .bytes = 16
	};
}

/* The order is the guest's; a name or an index; from payload's start on it is the region's layout. */
static void test_resolved(void **state)
{
	struct wire_tensor in[] = { any(), image() };
	uint64_t payload_at, region, payload, out;
	struct run_tensor run[2];
	struct tensock_error error;

	(void)state;
	assert_int_equal(wire_tensors_layout(in, 2, &payload), 0);
	assert_int_equal(native_input_layout(in, 2, 0, &payload_at, &region), 0);
	assert_int_equal(payload_at, 384); /* 8 + 2 * 160, rounded up */
	assert_int_equal(region, 384 + 64 + 26880);
	/* Places are described as inputs are, and payload keeps its layout. */
	assert_int_equal(native_input_layout(in, 2, 3, &payload_at, &region), 0);
	assert_int_equal(payload_at, 832); /* 8 + 5 * 160, rounded up */
	assert_int_equal(region, 832 + 64 + 26880);
	/* Of more than a run can have, no more than it can have. */
	assert_int_equal(native_input_layout(in, 2, UINT32_MAX, &payload_at, &region), 0);
	assert_int_equal(payload_at, run_payload_at(RUN_TENSORS_MAX));
	assert_int_equal(native_input_layout(in, 2, 0, &payload_at, &region), 0);
	assert_int_equal(native_input_resolve(&info, in, 2, payload_at, run, &error), 0);
	assert_int_equal(run[0].index, 1);
	assert_int_equal(run[0].offset, 384);
	assert_int_equal(run[1].index, 0);
	assert_int_equal(run[1].offset, 384 + 64);
	assert_int_equal(run[1].bytes, 26880);
	assert_int_equal(run[1].dims[3], 5);
	/* n is 2, w is 5; and two texts, as the first input says. */
	assert_int_equal(run_layout((uint64_t[]){ 2 * 5 * 4 * 4, 2 * 16 }, 2, NULL, &out), 0);
	assert_int_equal(native_output_guess(&info, run, 2), out);
}

static void refused(struct wire_tensor *in, uint32_t n, enum tensock_status status,
		    const char *text)
{
	struct run_tensor run[3];
	struct tensock_error error = { 0 };

	assert_true(native_input_resolve(&info, in, n, 0, run, &error) < 0);
	assert_string_equal(error.message, text);
	assert_int_equal(error.status, status);
}

static void test_refused(void **state)
{
	struct wire_tensor in[3] = { image(), any(), any() };

	(void)state;
	refused(in, 1, TENSOCK_INVALID_ARGUMENT,
		"input \"any\" is missing: the model has 2, 1 came");
	refused(in + 1, 1, TENSOCK_INVALID_ARGUMENT,
		"input \"image\" is missing: the model has 2, 1 came");
	refused(in, 0, TENSOCK_INVALID_ARGUMENT,
		"input \"image\" is missing: the model has 2, 0 came");
	refused(in, 3, TENSOCK_INVALID_ARGUMENT, "input \"any\" comes twice");
	in[1].index = 2;
	refused(in, 2, TENSOCK_INVALID_ARGUMENT,
		"the model has no input number 2: it has 2 of them");
	in[1].name = wire_string("imag");
	refused(in, 2, TENSOCK_INVALID_ARGUMENT, "the model has no input \"imag\"");
	in[0].rank = 3;
	refused(in, 1, TENSOCK_INVALID_ARGUMENT,
		"input \"image\" is FP32 [-1,3,224,-1], not FP32 [2,3,224]");
	in[0] = image();
	in[0].dims[1] = 1;
	refused(in, 1, TENSOCK_INVALID_ARGUMENT,
		"input \"image\" is FP32 [-1,3,224,-1], not FP32 [2,1,224,5]");
	in[0] = image();
	in[0].dtype = TENSOCK_FLOAT16;
	refused(in, 1, TENSOCK_INVALID_ARGUMENT,
		"input \"image\" is FP32 [-1,3,224,-1], not FP16 [2,3,224,5]");
}

/* Names and shapes that fill any line. */
static void test_long_sentences(void **state)
{
	static char name[TSK_TENSOR_NAME_MAX + 1];
	struct tsk_tensor_info input = { .name = name, .dtype = TENSOCK_BYTES, .rank = 16 };
	struct tsk_model_info long_info = { .inputs = &input, .n_inputs = 1 };
	struct wire_tensor in = { .index = 0, .dtype = TENSOCK_FLOAT8E4M3FNUZ, .rank = 16 };
	struct tensock_error error;
	struct run_tensor run;

	(void)state;
	memset(name, '\n', sizeof(name) - 1);
	for (unsigned i = 0; i < 16; i++) {
		input.dims[i] = INT64_MAX;
		in.dims[i] = INT64_MAX - 1;
	}
	assert_true(native_input_resolve(&long_info, &in, 1, 0, &run, &error) < 0);
	assert_true(strlen(error.message) < sizeof(error.message));
	assert_null(strchr(error.message, '\n'));
	assert_non_null(strstr(error.message, "BYTES [9223372036854775807,9223372036854775807,"
					      "9223372036854775807...], not FP8E4M3FNUZ"));
	in = (struct wire_tensor){ .name = { name, TSK_TENSOR_NAME_MAX } };
	name[0] = 'x';
	assert_true(native_input_resolve(&long_info, &in, 1, 0, &run, &error) < 0);
	in.name.len--;
	assert_true(native_input_resolve(&long_info, &in, 1, 0, &run, &error) < 0);
	assert_int_equal(error.status, TENSOCK_INVALID_ARGUMENT);
}

static void test_wanted(void **state)
{
	struct wire_tensor wanted[2] = { { .name = wire_string("text") }, { .index = 0 } };
	struct tensock_error error = { 0 };
	uint32_t indexes[2];

	(void)state;
	assert_int_equal(native_wanted_resolve(&info, wanted, 2, indexes, &error), 0);
	assert_int_equal(indexes[0], 1);
	assert_int_equal(indexes[1], 0);
	wanted[1].index = 1;
	assert_true(native_wanted_resolve(&info, wanted, 2, indexes, &error) < 0);
	assert_string_equal(error.message, "output \"text\" comes twice");
	wanted[1].name = wire_string("image");
	assert_true(native_wanted_resolve(&info, wanted, 2, indexes, &error) < 0);
	assert_string_equal(error.message, "the model has no output \"image\"");
	assert_int_equal(error.status, TENSOCK_NOT_FOUND);
}

/* Sizes that no sum can hold. */
static void test_overflow(void **state)
{
	struct wire_tensor in[2] = { { .bytes = UINT64_MAX - 100 }, { .bytes = 200 } };
	struct run_tensor run = { .index = 0, .rank = 4, .dims = { INT64_MAX, 1, 1, INT64_MAX } };
	uint64_t at, region;

	(void)state;
	assert_true(native_input_layout(in, 2, 0, &at, &region) < 0);
	assert_int_equal(native_output_guess(&info, &run, 1), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TSK_TEST(test_resolved), TSK_TEST(test_refused),  TSK_TEST(test_long_sentences),
		TSK_TEST(test_wanted),   TSK_TEST(test_overflow),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
