/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/model.h"

#include <string.h>

#include "base/status.h"
#include "base/testing.h"
#include "tensor/model_info.h"

static const char *version(void *engine)
{
	(void)engine;
	return "1";
}

static const struct tensock_engine engine = { .size = sizeof(engine),
					      .name = "test",
					      .version = version };
static const struct plugin plugin = { .engine = &engine };
static const struct tensock_tensor_info input = { .name = "x", .dtype = TENSOCK_FLOAT32 };
static const struct tensock_model_description description = { .size = sizeof(description),
							      .n_inputs = 1,
							      .inputs = &input };

static struct tsk_model_info encode(const struct model *model, size_t room, size_t *ret_len)
{
	unsigned char bytes[256];
	struct tensock_error error;
	struct tsk_model_info info;

	assert_true(room <= sizeof(bytes));
	assert_int_equal(model_encode(model, bytes, room, ret_len, &error), 0);
	assert_int_equal(tsk_model_info_decode(bytes, *ret_len, &info), 0);
	assert_string_equal(info.engine, "test 1");
	assert_string_equal(info.format, "onnx");
	assert_string_equal(info.inputs[0].name, "x");
	return info;
}

/* What is told for people only is no reason to refuse a model. */
static void test_operators_that_do_not_fit(void **state)
{
	struct model model = { .plugin = &plugin,
			       .description = &description,
			       .format = "onnx",
			       .operators = "Relu 1" };
	struct tsk_model_info info;
	unsigned char bytes[256];
	struct tensock_error error;
	size_t whole, len;

	(void)state;
	info = encode(&model, sizeof(bytes), &whole);
	assert_string_equal(info.operators, "Relu 1");
	tsk_model_info_done(&info);
	info = encode(&model, whole, &len);
	assert_string_equal(info.operators, "Relu 1");
	tsk_model_info_done(&info);
	info = encode(&model, whole - 1, &len);
	assert_null(info.operators);
	tsk_model_info_done(&info);
	assert_true(model_encode(&model, bytes, len - 1, &whole, &error) < 0);
	assert_int_equal(error.status, TENSOCK_TOO_LARGE);
}

int main(void)
{
	const struct CMUnitTest tests[] = { TSK_TEST(test_operators_that_do_not_fit) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
