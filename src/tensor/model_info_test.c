/* SPDX-License-Identifier: Apache-2.0 */
#include "tensor/model_info.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/testing.h"

#define ENCODED_MAX 4096

/* The encoder reads only, so literals may stand in. */
#define TEXT(s) ((char *)(uintptr_t)(s))

static struct tsk_tensor_info inputs[] = {
	{
		.name = TEXT("x"),
		.dtype = TENSOCK_FLOAT32,
		.rank = 4,
		.dims = { -1, 3, -1, -1 },
		.dim_names = { TEXT("batch"), NULL, TEXT("height"), NULL },
	},
	{ .name = TEXT(""), .dtype = TENSOCK_BYTES, .rank = 0 },
};
static struct tsk_tensor_info outputs[] = {
	{
		.name = TEXT("softmax_0.tmp_0"),
		.dtype = TENSOCK_FLOAT4E2M1,
		.rank = TENSOCK_RANK_MAX,
		.dims = { INT64_MAX, 0, 1, [15] = -1 },
		.dim_names = { [15] = TEXT("last") },
	},
};
static const struct tsk_model_info sample = {
	.engine = TEXT("onnxruntime 1.28.0"),
	.format = TEXT("onnx"),
	.inputs = inputs,
	.outputs = outputs,
	.n_inputs = 2,
	.n_outputs = 1,
};

static size_t encode_sample(unsigned char buf[ENCODED_MAX])
{
	size_t len = 0;

	assert_int_equal(tsk_model_info_encode(&sample, buf, ENCODED_MAX, &len), 0);
	return len;
}

/* Decodes from memory of exactly len bytes, so that a sanitizer sees a byte read too far. */
static int decode(const unsigned char *bytes, size_t len, struct tsk_model_info *ret)
{
	unsigned char *exact = malloc(len ? len : 1);
	int r;

	assert_non_null(exact);
	memcpy(exact, bytes, len);
	r = tsk_model_info_decode(exact, len, ret);
	free(exact);
	return r;
}

static void assert_same_text(const char *a, const char *b)
{
	assert_int_equal(!a, !b);
	if (a)
		assert_string_equal(a, b);
}

static void assert_same_tensor(const struct tsk_tensor_info *a, const struct tsk_tensor_info *b)
{
	assert_string_equal(a->name, b->name);
	assert_int_equal(a->dtype, b->dtype);
	assert_int_equal(a->rank, b->rank);
	for (uint32_t d = 0; d < TENSOCK_RANK_MAX; d++) {
		assert_true(a->dims[d] == b->dims[d]);
		assert_same_text(a->dim_names[d], b->dim_names[d]);
	}
}

static void test_there_and_back(void **state)
{
	unsigned char buf[ENCODED_MAX];
	size_t len = encode_sample(buf);
	struct tsk_model_info info;

	(void)state;
	assert_int_equal(decode(buf, len, &info), 0);
	assert_string_equal(info.engine, sample.engine);
	assert_string_equal(info.format, sample.format);
	assert_int_equal(info.n_inputs, 2);
	assert_int_equal(info.n_outputs, 1);
	assert_same_tensor(&info.inputs[0], &inputs[0]);
	assert_same_tensor(&info.inputs[1], &inputs[1]);
	assert_same_tensor(&info.outputs[0], &outputs[0]);
	tsk_model_info_done(&info);
	assert_null(info.engine);
	tsk_model_info_done(&info);
	tsk_model_info_done(NULL);
}

/* The form is one that guests will read: byte for byte. */
static void test_form(void **state)
{
	/* A line a field. */
	/* clang-format off */
	static const unsigned char wanted[] = {
		1, 0, 0, 0,
		1, 0, 'E', 2, 0, 'f', 'o',
		1, 0, 0, 0, 0, 0, 0, 0,                                    /* inputs, outputs */
		1, 0, 'x', 11, 0, 0, 0, 2, 0, 0, 0,                        /* name, dtype, rank */
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 0, 'N', /* -1 "N" */
		2, 1, 0, 0, 0, 0, 0, 0, 0, 0,                              /* 258 */
	};
	/* clang-format on */
	struct tsk_tensor_info input = { .name = TEXT("x"),
					 .dtype = TENSOCK_FLOAT32,
					 .rank = 2,
					 .dims = { -1, 258 },
					 .dim_names = { TEXT("N"), TEXT("") } };
	struct tsk_model_info info = {
		.engine = TEXT("E"), .format = TEXT("fo"), .inputs = &input, .n_inputs = 1
	};
	unsigned char buf[ENCODED_MAX];
	size_t len = 0;

	(void)state;
	assert_int_equal(tsk_model_info_encode(&info, buf, sizeof(buf), &len), 0);
	assert_int_equal(len, sizeof(wanted));
	assert_memory_equal(buf, wanted, sizeof(wanted));
}

static void test_truncated_at_each_byte(void **state)
{
	unsigned char buf[ENCODED_MAX];
	size_t len = encode_sample(buf);
	struct tsk_model_info info = { .n_inputs = 77 };

	(void)state;
	for (size_t i = 0; i < len; i++)
		assert_int_equal(decode(buf, i, &info), -EPROTO);
	buf[len] = 0;
	assert_int_equal(decode(buf, len + 1, &info), -EPROTO);
	assert_int_equal(tsk_model_info_decode(NULL, 0, &info), -EPROTO);
	assert_int_equal(info.n_inputs, 77);
}

/* Each flipped bit is refused, or is the form of what was decoded from it. */
static void test_each_bit_flipped(void **state)
{
	unsigned char buf[ENCODED_MAX], again[ENCODED_MAX];
	size_t len = encode_sample(buf);
	unsigned refused = 0;

	(void)state;
	for (size_t bit = 0; bit < 8 * len; bit++) {
		struct tsk_model_info info;
		size_t again_len = 0;

		buf[bit / 8] ^= (unsigned char)(1u << bit % 8);
		if (decode(buf, len, &info) == 0) {
			assert_int_equal(tsk_model_info_encode(&info, again, sizeof(again),
							       &again_len),
					 0);
			assert_int_equal(again_len, len);
			assert_memory_equal(again, buf, len);
			tsk_model_info_done(&info);
		} else {
			refused++;
		}
		buf[bit / 8] ^= (unsigned char)(1u << bit % 8);
	}
	/* At least: version, five lengths, counts, dtypes' and ranks' upper bytes. */
	assert_in_range(refused, 300, 8 * len - 1);
}

static void test_room(void **state)
{
	unsigned char buf[ENCODED_MAX];
	size_t len = encode_sample(buf), got = 77;

	(void)state;
	for (size_t i = 0; i < len; i++) {
		unsigned char *exact = malloc(i ? i : 1);

		assert_non_null(exact);
		assert_int_equal(tsk_model_info_encode(&sample, exact, i, &got), -ENOSPC);
		free(exact);
	}
	assert_int_equal(got, 77);
	assert_int_equal(tsk_model_info_encode(&sample, buf, len, &got), 0);
	assert_int_equal(got, len);
}

static int encode_one(const struct tsk_tensor_info *input)
{
	struct tsk_model_info info = sample;
	unsigned char buf[ENCODED_MAX];
	struct tsk_tensor_info copy = *input;
	size_t len;

	info.inputs = &copy;
	info.n_inputs = 1;
	return tsk_model_info_encode(&info, buf, sizeof(buf), &len);
}

static void test_encode_refuses_what_breaks_a_bound(void **state)
{
	static char longest[TSK_TENSOR_NAME_MAX + 1], too_long[TSK_TENSOR_NAME_MAX + 2];
	struct tsk_model_info info = sample;
	struct tsk_tensor_info t;
	size_t len;

	(void)state;
	memset(longest, 'n', sizeof(longest) - 1);
	memset(too_long, 'n', sizeof(too_long) - 1);
	t = inputs[0], t.name = longest;
	assert_int_equal(encode_one(&t), 0);
	t = inputs[0], t.name = too_long;
	assert_int_equal(encode_one(&t), -EINVAL);
	t = inputs[0], t.name = NULL;
	assert_int_equal(encode_one(&t), -EINVAL);
	t = inputs[0], t.dim_names[1] = too_long;
	assert_int_equal(encode_one(&t), -EINVAL);
	t = inputs[0], t.dtype = TENSOCK_DTYPE_INVALID;
	assert_int_equal(encode_one(&t), -EINVAL);
	t = inputs[0], t.dtype = TENSOCK_DTYPE_MAX;
	assert_int_equal(encode_one(&t), -EINVAL);
	t = inputs[0], t.rank = TENSOCK_RANK_MAX + 1;
	assert_int_equal(encode_one(&t), -EINVAL);
	t = inputs[0], t.dims[3] = -2;
	assert_int_equal(encode_one(&t), -EINVAL);
	info.engine = NULL;
	assert_int_equal(tsk_model_info_encode(&info, NULL, 0, &len), -EINVAL);
	info = sample, info.format = too_long;
	assert_int_equal(tsk_model_info_encode(&info, NULL, 0, &len), -EINVAL);
	info = sample, info.n_outputs = TSK_MODEL_TENSORS_MAX + 1;
	assert_int_equal(tsk_model_info_encode(&info, NULL, 0, &len), -EINVAL);
}

struct change {
	const char *what;
	size_t at; /* in what encode_small() makes */
	unsigned char bytes[8];
	unsigned n;
};

/* A model of one input "x", FP32 [5], engine and format empty. */
static size_t encode_small(unsigned char *buf)
{
	struct tsk_tensor_info input = {
		.name = TEXT("x"), .dtype = TENSOCK_FLOAT32, .rank = 1, .dims = { 5 }
	};
	struct tsk_model_info info = {
		.engine = TEXT(""), .format = TEXT(""), .inputs = &input, .n_inputs = 1
	};
	size_t len = 0;

	assert_int_equal(tsk_model_info_encode(&info, buf, ENCODED_MAX, &len), 0);
	assert_int_equal(len, 37);
	return len;
}

static void test_hostile_fields(void **state)
{
	static const struct change changes[] = {
		{ "version 0", 0, { 0 }, 4 },
		{ "form 2, without what it adds", 0, { 2 }, 4 },
		{ "form 3", 0, { 3 }, 4 },
		{ "no input: bytes are left over", 8, { 0 }, 4 },
		{ "two inputs", 8, { 2 }, 4 },
		{ "1025 inputs", 8, { 0x01, 0x04 }, 4 },
		{ "2^32-1 inputs", 8, { 0xff, 0xff, 0xff, 0xff }, 4 },
		{ "2^32-1 outputs", 12, { 0xff, 0xff, 0xff, 0xff }, 4 },
		{ "name beyond the end", 16, { 0xff, 0xff }, 2 },
		{ "NUL in a name", 18, { 0 }, 1 },
		{ "dtype 0", 19, { 0 }, 4 },
		{ "dtype that is none", 19, { TENSOCK_DTYPE_MAX }, 4 },
		{ "dtype 2^32-1", 19, { 0xff, 0xff, 0xff, 0xff }, 4 },
		{ "rank 17", 23, { 17 }, 4 },
		{ "rank 2^32-1", 23, { 0xff, 0xff, 0xff, 0xff }, 4 },
		{ "dim -2", 27, { 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff }, 8 },
		{ "dim INT64_MIN", 27, { 0, 0, 0, 0, 0, 0, 0, 0x80 }, 8 },
		{ "dim's name beyond the end", 35, { 1 }, 2 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(changes); i++) {
		struct tsk_model_info info;
		unsigned char buf[ENCODED_MAX];
		size_t len = encode_small(buf);
		int r;

		memcpy(buf + changes[i].at, changes[i].bytes, changes[i].n);
		r = decode(buf, len, &info);
		if (r != -EPROTO)
			fail_msg("%s: %d", changes[i].what, r);
	}
}

/* Each length is within the bytes there are, but longer than a name may be. */
static void test_string_too_long(void **state)
{
	unsigned char buf[ENCODED_MAX];
	size_t len = encode_small(buf), more = TSK_TENSOR_NAME_MAX;
	struct tsk_model_info info;

	(void)state;
	memmove(buf + 19 + more, buf + 19, len - 19);
	memset(buf + 18, 'n', more + 1);
	buf[16] = 0x01;
	buf[17] = 0x04;
	assert_int_equal(decode(buf, len + more, &info), -EPROTO);
	memmove(buf + 18, buf + 19, len + more - 19);
	buf[16] = 0x00;
	assert_int_equal(decode(buf, len + more - 1, &info), 0);
	assert_int_equal(strlen(info.inputs[0].name), TSK_TENSOR_NAME_MAX);
	tsk_model_info_done(&info);
}

static void test_engine_too_long(void **state)
{
	unsigned char buf[ENCODED_MAX];
	size_t len = encode_small(buf), more = TSK_TENSOR_NAME_MAX + 1;
	struct tsk_model_info info;

	(void)state;
	memmove(buf + 6 + more, buf + 6, len - 6);
	memset(buf + 6, 'n', more);
	buf[4] = 0x01;
	buf[5] = 0x04;
	assert_int_equal(decode(buf, len + more, &info), -EPROTO);
}

/* With all the dimensions that the rank promises. */
static void test_rank_too_large(void **state)
{
	unsigned char buf[ENCODED_MAX];
	size_t len = encode_small(buf), dim = len - 27;
	struct tsk_model_info info;

	(void)state;
	for (unsigned rank = 2; rank <= 200; rank++) {
		memcpy(buf + len, buf + 27, dim);
		len += dim;
		buf[23] = (unsigned char)rank;
		assert_int_equal(decode(buf, len, &info), rank <= TENSOCK_RANK_MAX ? 0 : -EPROTO);
		if (rank <= TENSOCK_RANK_MAX)
			tsk_model_info_done(&info);
	}
}

static void test_operators(void **state)
{
	struct tsk_model_info info = sample, got;
	unsigned char buf[ENCODED_MAX], plain[ENCODED_MAX];
	size_t len, plain_len = encode_sample(plain);
	char too_long[TSK_TENSOR_NAME_MAX + 2];

	(void)state;
	info.operators = TEXT("Conv 52");
	assert_int_equal(tsk_model_info_encode(&info, buf, sizeof(buf), &len), 0);
	/* Form 2 is form 1 and a string. */
	assert_int_equal(len, plain_len + 2 + strlen("Conv 52"));
	assert_int_equal(buf[0], 2);
	assert_memory_equal(buf + 4, plain + 4, plain_len - 4);
	for (size_t i = 0; i < len; i++)
		assert_int_equal(decode(buf, i, &got), -EPROTO);
	assert_int_equal(decode(buf, len, &got), 0);
	assert_string_equal(got.operators, "Conv 52");
	assert_true(tsk_model_info_bytes(&got) > strlen("Conv 52") + tsk_model_info_bytes(&sample));
	tsk_model_info_done(&got);
	assert_int_equal(decode(plain, plain_len, &got), 0);
	assert_null(got.operators);
	tsk_model_info_done(&got);
	memset(too_long, 'C', sizeof(too_long) - 1);
	too_long[sizeof(too_long) - 1] = '\0';
	info.operators = too_long;
	assert_int_equal(tsk_model_info_encode(&info, buf, sizeof(buf), &len), -EINVAL);
}

static void test_as_many_tensors_as_may_be(void **state)
{
	struct tsk_tensor_info *many = calloc(TSK_MODEL_TENSORS_MAX, sizeof(*many));
	struct tsk_model_info info = sample, got;
	size_t size = (size_t)128 * 1024, len; /* what a worker may say of its model */
	unsigned char *buf = malloc(size);

	(void)state;
	assert_non_null(many);
	assert_non_null(buf);
	for (unsigned i = 0; i < TSK_MODEL_TENSORS_MAX; i++)
		many[i] = inputs[0];
	info.inputs = info.outputs = many;
	info.n_inputs = info.n_outputs = TSK_MODEL_TENSORS_MAX;
	assert_int_equal(tsk_model_info_encode(&info, buf, size, &len), 0);
	assert_int_equal(decode(buf, len, &got), 0);
	assert_int_equal(got.n_inputs, TSK_MODEL_TENSORS_MAX);
	assert_int_equal(got.n_outputs, TSK_MODEL_TENSORS_MAX);
	assert_same_tensor(&got.outputs[TSK_MODEL_TENSORS_MAX - 1], &inputs[0]);
	tsk_model_info_done(&got);
	free(buf);
	free(many);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TSK_TEST(test_there_and_back),
		TSK_TEST(test_form),
		TSK_TEST(test_truncated_at_each_byte),
		TSK_TEST(test_each_bit_flipped),
		TSK_TEST(test_room),
		TSK_TEST(test_encode_refuses_what_breaks_a_bound),
		TSK_TEST(test_hostile_fields),
		TSK_TEST(test_string_too_long),
		TSK_TEST(test_engine_too_long),
		TSK_TEST(test_rank_too_large),
		TSK_TEST(test_operators),
		TSK_TEST(test_as_many_tensors_as_may_be),
	};

	return cmocka_run_group_tests_name("model_info", tests, NULL, NULL);
}
