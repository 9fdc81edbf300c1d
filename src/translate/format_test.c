/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/testing.h"
#include "translate/translate.h"

/* ir_version as ONNX has it, a number, and as MindIR has it, a text. */
static const unsigned char onnx[] = { 0x08, 9, 0x3a, 0 };
static const unsigned char mindir[] = { 0x0a, 3, '1', '.', '1', 0x3a, 0 };

static void test_by_content(void **state)
{
	static const char text[] = "#!/bin/sh\n", zip[] = "PK\3\4\24\0\0\0";

	(void)state;
	assert_int_equal(model_format(onnx, sizeof(onnx)), MODEL_FORMAT_ONNX);
	assert_int_equal(model_format(mindir, sizeof(mindir)), MODEL_FORMAT_MINDIR);
	assert_int_equal(model_format(text, sizeof(text)), MODEL_FORMAT_UNKNOWN);
	assert_int_equal(model_format(zip, sizeof(zip)), MODEL_FORMAT_UNKNOWN);
	assert_int_equal(model_format(NULL, 0), MODEL_FORMAT_UNKNOWN);
	assert_int_equal(model_format("\10", 1), MODEL_FORMAT_UNKNOWN);
}

/* The identifier at bytes 4 to 7 is MindSpore Lite's, also one of a generation to come. */
static void test_ms(void **state)
{
	unsigned char file[64] = { 16, 0, 0, 0, 'M', 'S', 'L', '2', [8] = 4, 0, 4, 0, [16] = 8 };

	(void)state;
	assert_int_equal(model_format(file, sizeof(file)), MODEL_FORMAT_MS);
	file[7] = '1';
	assert_int_equal(model_format(file, sizeof(file)), MODEL_FORMAT_MS);
	file[7] = '9';
	assert_int_equal(model_format(file, sizeof(file)), MODEL_FORMAT_MS);
	file[4] = 'X'; /* none: then the tables must be those of a model */
	assert_int_not_equal(model_format(file, sizeof(file)), MODEL_FORMAT_MS);
	file[4] = 'M';
	assert_int_not_equal(model_format(file, 7), MODEL_FORMAT_MS);
}

/* ONNX's producer_name stands where .ms files have their identifier. */
static void test_onnx_by_a_producer_of_such_a_name(void **state)
{
	static const unsigned char file[] = {
		0x08, 8, 0x12, 4, 'M', 'S', 'L', '2', 0x3a, 2, 0x12, 0
	};

	(void)state;
	assert_int_equal(model_format(file, sizeof(file)), MODEL_FORMAT_ONNX);
}

static void test_names(void **state)
{
	(void)state;
	assert_string_equal(model_format_name(MODEL_FORMAT_MS), "ms");
	assert_string_equal(model_format_name(MODEL_FORMAT_ONNX), "onnx");
	assert_null(model_format_name(MODEL_FORMAT_UNKNOWN));
	assert_null(model_format_name(MODEL_FORMAT_MAX));
}

static void test_what_is_not_translated(void **state)
{
	struct translation translation = { 0 };
	struct tensock_error error;

	(void)state;
	assert_true(translate(onnx, sizeof(onnx), &translation, &error) < 0);
	assert_int_equal(error.status, TENSOCK_INVALID_ARGUMENT);
	assert_true(translate(mindir, sizeof(mindir), &translation, &error) < 0);
	assert_int_equal(error.status, TENSOCK_INVALID_MODEL);
	assert_null(translation.onnx);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TSK_TEST(test_by_content),
		TSK_TEST(test_ms),
		TSK_TEST(test_onnx_by_a_producer_of_such_a_name),
		TSK_TEST(test_names),
		TSK_TEST(test_what_is_not_translated),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
