/* SPDX-License-Identifier: Apache-2.0 */
#include "front/protocol/seed_output.h"

#include <string.h>

#include "base/testing.h"

static struct run_tensor tensor(uint32_t dtype, int64_t elems, uint64_t bytes)
{
	return (struct run_tensor){ .dtype = dtype, .rank = 1, .bytes = bytes, .dims = { elems } };
}

static void prints(const void *payload, struct run_tensor t, const char *expected)
{
	/* Exactly sized: a sanitizer sees a byte read beyond it. */
	void *region = malloc(t.bytes ? t.bytes : 1);
	char *text = NULL;
	size_t len;

	memcpy(region, payload, t.bytes);
	assert_int_equal(seed_output_text(region, &t, 1, &text, &len), 0);
	assert_string_equal(text, expected);
	assert_int_equal(len, strlen(expected));
	free(text);
	free(region);
}

#define PRINTS(dtype, type, expected, ...)                                   \
	prints((type[]){ __VA_ARGS__ },                                      \
	       tensor(dtype, sizeof((type[]){ __VA_ARGS__ }) / sizeof(type), \
		      sizeof((type[]){ __VA_ARGS__ })),                      \
	       expected)

static void test_numbers(void **state)
{
	(void)state;
	PRINTS(TENSOCK_FLOAT32, float, "output data is:0.112986 0.887014 1e+10 -inf nan \n",
	       0.112986f, 0.887014f, 1e10f, -1.0f / 0.0f, __builtin_nanf(""));
	PRINTS(TENSOCK_FLOAT64, double, "output data is:0.1 1e-300 \n", 0.1, 1e-300);
	PRINTS(TENSOCK_FLOAT16, uint16_t, "output data is:1 65504 \n", 0x3c00, 0x7bff);
	PRINTS(TENSOCK_BFLOAT16, uint16_t, "output data is:1 \n", 0x3f80);
	PRINTS(TENSOCK_INT8, int8_t, "output data is:-128 127 \n", -128, 127);
	PRINTS(TENSOCK_UINT8, uint8_t, "output data is:255 \n", 255);
	PRINTS(TENSOCK_INT16, int16_t, "output data is:-32768 \n", -32768);
	PRINTS(TENSOCK_INT32, int32_t, "output data is:-1 \n", -1);
	PRINTS(TENSOCK_UINT32, uint32_t, "output data is:4294967295 \n", UINT32_MAX);
	PRINTS(TENSOCK_INT64, int64_t, "output data is:-9223372036854775808 \n", INT64_MIN);
	PRINTS(TENSOCK_UINT64, uint64_t, "output data is:18446744073709551615 \n", UINT64_MAX);
	PRINTS(TENSOCK_BOOL, uint8_t, "output data is:1 0 1 \n", 1, 0, 2);
	PRINTS(TENSOCK_COMPLEX64, uint64_t, "output data is:(0,0) \n", 0);
	PRINTS(TENSOCK_FLOAT8E4M3FN, uint8_t, "output data is:448 \n", 0x7e);
}

static void test_nibbles(void **state)
{
	(void)state;
	prints("\x8f\x07", tensor(TENSOCK_INT4, 3, 2), "output data is:-1 -8 7 \n");
	prints("\x8f\x07", tensor(TENSOCK_UINT4, 3, 2), "output data is:15 8 7 \n");
	prints("\x97", tensor(TENSOCK_FLOAT4E2M1, 2, 1), "output data is:6 -0.5 \n");
}

static void test_fifty_one(void **state)
{
	uint8_t many[60];
	char expected[256] = "output data is:";
	char *end = expected + strlen(expected);

	(void)state;
	memset(many, 7, sizeof(many));
	for (unsigned i = 0; i < SEED_OUTPUT_VALUES; i++, end += 2)
		memcpy(end, "7 ", 2);
	memcpy(end, "\n", 2);
	prints(many, tensor(TENSOCK_UINT8, 60, 60), expected);
	prints(many, tensor(TENSOCK_UINT8, 0, 0), "output data is:\n");
}

static void test_text(void **state)
{
	static const unsigned char two[] = {
		2, 0, 0, 0, 'h', 'i', 4, 0, 0, 0, '\n', 0x1b, 'x', 0x7f
	};
	static const unsigned char lying[] = { 1, 0, 0, 0, 'a', 0xff, 0xff, 0xff, 0xff, 'b' };
	unsigned char longer[4 + 1000] = { 0xe8, 3 };
	char expected[400] = "output data is:";
	char *end = expected + strlen(expected);

	(void)state;
	prints(two, tensor(TENSOCK_BYTES, 2, sizeof(two)), "output data is:hi ??x? \n");
	/* A length that leads out of the payload ends the line, not the front. */
	prints(lying, tensor(TENSOCK_BYTES, 2, sizeof(lying)), "output data is:a \n");
	memset(longer + 4, 'z', 1000);
	memset(end, 'z', SEED_OUTPUT_TEXT);
	memcpy(end + SEED_OUTPUT_TEXT, " \n", 3);
	prints(longer, tensor(TENSOCK_BYTES, 1, sizeof(longer)), expected);
}

static void test_line_per_output(void **state)
{
	const struct run_tensor t[] = { tensor(TENSOCK_UINT8, 1, 1),
					{ .dtype = TENSOCK_UINT8, .offset = 1, .bytes = 1 } };
	char *text;
	size_t len;

	(void)state;
	assert_int_equal(seed_output_text("\1\2", t, 2, &text, &len), 0);
	assert_string_equal(text, "output data is:1 \noutput data is:2 \n");
	free(text);
	assert_int_equal(seed_output_text("", t, 0, &text, &len), 0);
	assert_int_equal(len, 0);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TSK_TEST(test_numbers), TSK_TEST(test_nibbles),         TSK_TEST(test_fifty_one),
		TSK_TEST(test_text),    TSK_TEST(test_line_per_output),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
