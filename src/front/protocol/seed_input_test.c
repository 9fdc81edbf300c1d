/* SPDX-License-Identifier: Apache-2.0 */
#include "front/protocol/seed_input.h"

#include <string.h>

#include "base/status.h"
#include "base/testing.h"
#include "tensor/dtype.h"
#include "tensor/small_float.h"

static struct tsk_tensor_info tensor(uint32_t dtype, uint32_t rank, const int64_t *dims)
{
	struct tsk_tensor_info info = { .dtype = dtype, .rank = rank };

	if (rank)
		memcpy(info.dims, dims, rank * sizeof(*dims));
	return info;
}

#define TENSOR(dtype, ...)                                                  \
	tensor(dtype, sizeof((int64_t[]){ __VA_ARGS__ }) / sizeof(int64_t), \
	       (int64_t[]){ __VA_ARGS__ })

/* Fills all inputs of info into a region that held rubbish.  The caller frees it. */
static unsigned char *fill(const struct tsk_model_info *info, struct run_tensor *ret)
{
	struct tensock_error error;
	struct seed_input input;
	unsigned char *region;
	unsigned n;

	assert_int_equal(seed_input_init(&input, info, &error), 0);
	region = malloc(input.bytes);
	memset(region, 0xa5, input.bytes);
	while (seed_input_fill(&input, region))
		;
	/* What a worker will read is what was meant. */
	assert_int_equal(run_read(region, input.bytes, ret, RUN_TENSORS_MAX, &n), 0);
	assert_int_equal(n, info->n_inputs);
	seed_input_done(&input);
	return region;
}

static void test_open_dimensions(void **state)
{
	struct tsk_tensor_info inputs[] = {
		TENSOR(TENSOCK_UINT8, -1, 3, -1, -1), TENSOR(TENSOCK_UINT8, -1, 3, 48, -1),
		TENSOR(TENSOCK_UINT8, -1, -1),        TENSOR(TENSOCK_UINT8, 2, -1, -1, -1, -1),
		TENSOR(TENSOCK_UINT8, -1, -1, 5, 7),  tensor(TENSOCK_UINT8, 0, NULL),
		TENSOR(TENSOCK_UINT8, 3, 0, 4),
	};
	struct tsk_model_info info = { .inputs = inputs, .n_inputs = ARRAY_SIZE(inputs) };
	struct run_tensor *t = calloc(RUN_TENSORS_MAX, sizeof(*t));
	unsigned char *region = fill(&info, t);

	(void)state;
	assert_memory_equal(t[0].dims, ((int64_t[]){ 1, 3, 224, 224 }), 32);
	assert_memory_equal(t[1].dims, ((int64_t[]){ 1, 3, 48, 224 }), 32);
	assert_memory_equal(t[2].dims, ((int64_t[]){ 1, 1 }), 16);
	assert_memory_equal(t[3].dims, ((int64_t[]){ 2, 1, 1, 1, 1 }), 40);
	assert_memory_equal(t[4].dims, ((int64_t[]){ 1, 1, 5, 7 }), 32);
	assert_int_equal(t[5].bytes, 1);
	assert_int_equal(t[6].bytes, 0);
	free(region);
	free(t);
}

/* Each float input has the same numbers, whatever its width; also when filled in many slices. */
static void test_random_inputs(void **state)
{
	enum {
		N = 300000
	};
	struct tsk_tensor_info inputs[] = {
		TENSOR(TENSOCK_FLOAT32, N),  TENSOR(TENSOCK_FLOAT64, N), TENSOR(TENSOCK_FLOAT16, N),
		TENSOR(TENSOCK_BFLOAT16, N), TENSOR(TENSOCK_FLOAT32, 4),
	};
	struct tsk_model_info info = { .inputs = inputs, .n_inputs = ARRAY_SIZE(inputs) };
	struct run_tensor *t = calloc(RUN_TENSORS_MAX, sizeof(*t));
	unsigned char *region = fill(&info, t);
	struct seed_random random;

	(void)state;
	seed_random_init(&random);
	for (size_t i = 0; i < N; i++) {
		float f = seed_random_next(&random);
		double d = (double)f;
		uint16_t half = half_from_float(f), bfloat16 = bfloat16_from_float(f);

		assert_memory_equal(region + t[0].offset + 4 * i, &f, 4);
		assert_memory_equal(region + t[1].offset + 8 * i, &d, 8);
		assert_memory_equal(region + t[2].offset + 2 * i, &half, 2);
		assert_memory_equal(region + t[3].offset + 2 * i, &bfloat16, 2);
	}
	assert_memory_equal(region + t[4].offset, region + t[0].offset, 16);
	free(region);
	free(t);
}

/* Everything else is zero, over whatever the buffer held before. */
static void test_zero_inputs(void **state)
{
	for (uint32_t dtype = 1; dtype < TENSOCK_DTYPE_MAX; dtype++) {
		struct tsk_tensor_info inputs[] = { TENSOR(dtype, 3, 5) };
		struct tsk_model_info info = { .inputs = inputs, .n_inputs = 1 };
		struct run_tensor *t = calloc(RUN_TENSORS_MAX, sizeof(*t));
		unsigned char *region = fill(&info, t);
		bool is_zero = true;

		for (uint64_t i = 0; i < t->bytes; i++)
			is_zero &= region[t->offset + i] == 0;
		assert_int_equal(is_zero, dtype < TENSOCK_FLOAT16 || dtype > TENSOCK_BFLOAT16);
		if (dtype == TENSOCK_BYTES)
			assert_int_equal(t->bytes, 60);
		free(region);
		free(t);
	}
	(void)state;
}

static void test_too_large(void **state)
{
	struct tsk_tensor_info inputs[] = {
		TENSOR(TENSOCK_FLOAT32, INT64_C(1) << 62, 2),
		TENSOR(TENSOCK_BYTES, INT64_C(1) << 62),
		TENSOR(TENSOCK_UINT8, INT64_MAX, 2),
	};
	struct seed_input input;
	struct tensock_error error;

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(inputs); i++) {
		struct tsk_model_info info = {
			.inputs = &inputs[i], .n_inputs = 1, .outputs = &inputs[i], .n_outputs = 1
		};

		assert_int_equal(seed_input_init(&input, &info, &error), -EFBIG);
		assert_int_equal(error.status, TENSOCK_TOO_LARGE);
		assert_int_equal(seed_output_guess(&info), 0);
	}
}

static void test_output_guess(void **state)
{
	struct tsk_tensor_info outputs[] = { TENSOR(TENSOCK_FLOAT32, -1, 1000) };
	struct tsk_model_info info = { .outputs = outputs, .n_outputs = 1 };
	uint64_t bytes = seed_output_guess(&info);

	(void)state;
	assert_in_range(bytes, 4000, 4000 + 1024);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TSK_TEST(test_open_dimensions), TSK_TEST(test_random_inputs),
		TSK_TEST(test_zero_inputs),     TSK_TEST(test_too_large),
		TSK_TEST(test_output_guess),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
