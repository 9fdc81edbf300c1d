/* SPDX-License-Identifier: Apache-2.0 */
#include "front/protocol/oip.h"

#include <string.h>

#include "base/testing.h"
#include "tensor/dtype.h"

static void test_string(void **state)
{
	struct tensock_error error = { 0 };
	struct wire_string string = wire_string("before");

	(void)state;
	assert_int_equal(oip_string("model", 5, 5, "name", &string, &error), 0);
	assert_true(wire_string_equals(string, "model"));
	assert_true(oip_string("mo\0el", 5, 5, "name", &string, &error) < 0);
	assert_string_equal(error.message, "the name has a zero byte in it");
	assert_true(oip_string("models", 6, 5, "name", &string, &error) < 0);
	assert_int_equal(error.status, TENSOCK_INVALID_ARGUMENT);
	assert_true(wire_string_equals(string, "model"));
	assert_int_equal(oip_string(NULL, 0, 5, "name", &string, &error), 0);
	assert_int_equal(string.len, 0);
}

static void test_dtype(void **state)
{
	(void)state;
	for (uint32_t dtype = 1; dtype < TENSOCK_DTYPE_MAX; dtype++)
		assert_int_equal(oip_dtype(wire_string(tsk_dtype_name(dtype))), dtype);
	assert_int_equal(oip_dtype(wire_string("FP32")), TENSOCK_FLOAT32);
	assert_int_equal(oip_dtype(wire_string("fp32")), TENSOCK_DTYPE_INVALID);
	assert_int_equal(oip_dtype(wire_string("FP321")), TENSOCK_DTYPE_INVALID);
	assert_int_equal(oip_dtype(wire_string("FP3")), TENSOCK_DTYPE_INVALID);
	assert_int_equal(oip_dtype(wire_string("")), TENSOCK_DTYPE_INVALID);
}

static struct oip_input new_input(void)
{
	return (struct oip_input){ .tensor = { .name = wire_string("in"), .dtype = 77 } };
}

static void refuse_shape(const char *datatype, const int64_t *dims, size_t rank,
			 enum tensock_status status)
{
	struct oip_input input = new_input();
	struct tensock_error error = { 0 };

	assert_true(oip_input_set_shape(&input, wire_string(datatype), dims, rank, &error) < 0);
	assert_int_equal(error.status, status);
	assert_non_null(strstr(error.message, "input 'in'"));
	assert_int_equal(input.tensor.dtype, 77);
}

static void test_shape(void **state)
{
	const int64_t dims[TENSOCK_RANK_MAX + 1] = { 2, 3 }, ones[TENSOCK_RANK_MAX + 1] = { 1 };
	struct oip_input input = new_input();

	(void)state;
	assert_int_equal(oip_input_set_shape(&input, wire_string("INT16"), dims, 2, NULL), 0);
	assert_int_equal(input.tensor.dtype, TENSOCK_INT16);
	assert_int_equal(input.tensor.rank, 2);
	assert_memory_equal(input.tensor.dims, dims, 2 * sizeof(*dims));
	assert_int_equal(input.tensor.bytes, 12);
	assert_int_equal(oip_input_set_shape(&input, wire_string("FP32"), NULL, 0, NULL), 0);
	assert_int_equal(input.tensor.bytes, 4);
	assert_int_equal(oip_input_set_shape(&input, wire_string("BYTES"), dims, 2, NULL), 0);
	assert_int_equal(input.tensor.bytes, 0);
	assert_int_equal(oip_input_set_shape(&input, wire_string("BOOL"), ones, TENSOCK_RANK_MAX,
					     NULL),
			 0);
	refuse_shape("FLOAT", dims, 2, TENSOCK_INVALID_ARGUMENT);
	refuse_shape("BOOL", ones, TENSOCK_RANK_MAX + 1, TENSOCK_INVALID_ARGUMENT);
	refuse_shape("BOOL", (int64_t[]){ 4, -1 }, 2, TENSOCK_INVALID_ARGUMENT);
	refuse_shape("BOOL", (int64_t[]){ INT64_MAX, 2 }, 2, TENSOCK_TOO_LARGE);
	refuse_shape("BYTES", (int64_t[]){ INT64_MAX, 2 }, 2, TENSOCK_TOO_LARGE);
	refuse_shape("FP64", (int64_t[]){ INT64_MAX }, 1, TENSOCK_TOO_LARGE);
}

static void test_bytes(void **state)
{
	struct oip_input input = new_input();
	struct tensock_error error = { 0 };

	(void)state;
	assert_int_equal(oip_input_set_shape(&input, wire_string("INT32"), (int64_t[]){ 4 }, 1,
					     NULL),
			 0);
	assert_int_equal(oip_input_set_bytes(&input, 16, &error), 0);
	assert_true(oip_input_set_bytes(&input, 15, &error) < 0);
	assert_string_equal(error.message,
			    "input byte size mismatch for input 'in'. Expected 16, got 15");
	assert_int_equal(oip_input_set_shape(&input, wire_string("BYTES"), (int64_t[]){ 2 }, 1,
					     NULL),
			 0);
	assert_true(oip_input_set_bytes(&input, 7, &error) < 0);
	assert_int_equal(oip_input_set_bytes(&input, 9, &error), 0);
	assert_int_equal(input.tensor.bytes, 9);
	assert_int_equal(oip_input_set_shape(&input, wire_string("BYTES"), (int64_t[]){ 0 }, 1,
					     NULL),
			 0);
	assert_true(oip_input_set_bytes(&input, 1, &error) < 0);
	assert_int_equal(oip_input_set_bytes(&input, 0, &error), 0);
	/* As many elements as nobody can have a length for. */
	assert_int_equal(oip_input_set_shape(&input, wire_string("BYTES"), (int64_t[]){ INT64_MAX },
					     1, NULL),
			 0);
	assert_true(oip_input_set_bytes(&input, UINT64_MAX, &error) < 0);
}

#define BOOL(k, v)                                                                  \
	{                                                                           \
		.key = { k, sizeof(k) - 1 }, .kind = OIP_PARAMETER_BOOL, .truth = v \
	}
#define INT(k, v)                                                              \
	{                                                                      \
		.key = { k, sizeof(k) - 1 }, .kind = OIP_PARAMETER_INT, .i = v \
	}
#define UINT(k, v)                                                              \
	{                                                                       \
		.key = { k, sizeof(k) - 1 }, .kind = OIP_PARAMETER_UINT, .u = v \
	}
#define STRING(k, v)                                                                   \
	{                                                                              \
		.key = { k, sizeof(k) - 1 }, .kind = OIP_PARAMETER_STRING, .string = { \
			v,                                                             \
			sizeof(v) - 1                                                  \
		}                                                                      \
	}
#define OTHER(k)                                                         \
	{                                                                \
		.key = { k, sizeof(k) - 1 }, .kind = OIP_PARAMETER_OTHER \
	}
#define NONE(k)                             \
	{                                   \
		.key = { k, sizeof(k) - 1 } \
	}

/* What passes changes nothing; all else is refused with a status. */
static void test_infer_parameter(void **state)
{
	static const struct {
		struct oip_parameter parameter;
		enum tensock_status status;
	} rows[] = {
		{ INT("sequence_id", 0), TENSOCK_OK },
		{ UINT("sequence_id", 0), TENSOCK_OK },
		{ STRING("sequence_id", ""), TENSOCK_OK },
		{ INT("sequence_id", 1), TENSOCK_UNSUPPORTED },
		{ UINT("sequence_id", UINT64_MAX), TENSOCK_UNSUPPORTED },
		{ STRING("sequence_id", "a"), TENSOCK_UNSUPPORTED },
		{ OTHER("sequence_id"), TENSOCK_INVALID_ARGUMENT },
		{ BOOL("sequence_start", false), TENSOCK_OK },
		{ BOOL("sequence_start", true), TENSOCK_UNSUPPORTED },
		{ BOOL("sequence_end", true), TENSOCK_UNSUPPORTED },
		{ INT("sequence_end", 0), TENSOCK_INVALID_ARGUMENT },
		{ UINT("priority", 3), TENSOCK_OK },
		{ INT("priority", 3), TENSOCK_OK },
		{ INT("priority", -1), TENSOCK_INVALID_ARGUMENT },
		{ INT("timeout", -1), TENSOCK_INVALID_ARGUMENT },
		{ STRING("timeout", "1"), TENSOCK_INVALID_ARGUMENT },
		{ NONE("timeout"), TENSOCK_INVALID_ARGUMENT },
		{ INT("binary_data_output", 1), TENSOCK_INVALID_ARGUMENT },
		{ BOOL("triton_enable_empty_final_response", true), TENSOCK_OK },
		{ INT("triton_enable_empty_final_response", 1), TENSOCK_INVALID_ARGUMENT },
		{ BOOL("triton_final_response", true), TENSOCK_INVALID_ARGUMENT },
		{ NONE("triton_"), TENSOCK_INVALID_ARGUMENT },
		{ NONE("triton"), TENSOCK_OK },
		{ OTHER("temperature"), TENSOCK_OK },
		{ NONE(""), TENSOCK_OK },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct tensock_error error = { 0 };
		struct oip_infer infer = { 0 };
		int r = oip_infer_parameter(&infer, &rows[i].parameter, &error);

		assert_int_equal(r < 0, rows[i].status != TENSOCK_OK);
		assert_int_equal(error.status, rows[i].status);
		assert_int_equal(infer.timeout_us, 0);
		assert_false(infer.is_binary);
	}
}

static void test_string_parameter(void **state)
{
	static char text[UINT16_MAX + 1];
	struct oip_parameter parameter = { 0 };

	(void)state;
	oip_parameter_set_string(&parameter, "a\0b", 1);
	assert_int_equal(parameter.kind, OIP_PARAMETER_STRING);
	assert_true(wire_string_equals(parameter.string, "a"));
	oip_parameter_set_string(&parameter, "a\0b", 3);
	assert_int_equal(parameter.kind, OIP_PARAMETER_OTHER);
	memset(text, 'x', sizeof(text));
	oip_parameter_set_string(&parameter, text, UINT16_MAX);
	assert_int_equal(parameter.kind, OIP_PARAMETER_STRING);
	oip_parameter_set_string(&parameter, text, UINT16_MAX + 1);
	assert_int_equal(parameter.kind, OIP_PARAMETER_OTHER);
}

static void test_infer_parameter_taken(void **state)
{
	struct oip_infer infer = { 0 };

	(void)state;
	assert_int_equal(oip_infer_parameter(&infer, &(struct oip_parameter)INT("timeout", 1500),
					     NULL),
			 0);
	assert_int_equal(infer.timeout_us, 1500);
	assert_int_equal(oip_infer_parameter(&infer,
					     &(struct oip_parameter)UINT("timeout", UINT64_MAX),
					     NULL),
			 0);
	assert_true(infer.timeout_us == UINT64_MAX);
	assert_int_equal(
		oip_infer_parameter(&infer, &(struct oip_parameter)BOOL("binary_data_output", true),
				    NULL),
		0);
	assert_true(infer.is_binary);
}

static int take(struct oip_tensor_parameters *ret, const struct oip_parameter *parameters, size_t n,
		struct tensock_error *error)
{
	*ret = (struct oip_tensor_parameters){ 0 };
	for (size_t i = 0; i < n; i++) {
		int r = oip_tensor_parameter(wire_string("t"), &parameters[i], ret, error);

		if (r < 0)
			return r;
	}
	return oip_tensor_parameters_end(wire_string("t"), ret, error);
}

#define TAKE(ret, error, ...)                                    \
	take(ret, (const struct oip_parameter[]){ __VA_ARGS__ }, \
	     ARRAY_SIZE(((const struct oip_parameter[]){ __VA_ARGS__ })), error)

static void test_region(void **state)
{
	struct oip_tensor_parameters p;
	struct tensock_error error;

	(void)state;
	assert_int_equal(TAKE(&p, NULL, UINT("shared_memory_byte_size", 64),
			      INT("shared_memory_offset", 8), STRING("shared_memory_region", "r")),
			 0);
	assert_true(wire_string_equals(p.region.name, "r"));
	assert_int_equal(p.region.offset, 8);
	assert_int_equal(p.region.bytes, 64);
	assert_int_equal(TAKE(&p, NULL, INT("shared_memory_byte_size", 64),
			      STRING("shared_memory_region", "r")),
			 0);
	assert_int_equal(p.region.offset, 0);
	assert_true(TAKE(&p, &error, STRING("shared_memory_region", "r")) < 0);
	assert_string_equal(error.message, "'shared_memory_byte_size' must be specified along with "
					   "'shared_memory_region' parameter for tensor 't'");
	assert_true(TAKE(&p, &error, INT("shared_memory_offset", 0)) < 0);
	assert_true(TAKE(&p, &error, INT("shared_memory_byte_size", 0)) < 0);
	assert_true(TAKE(&p, &error, INT("shared_memory_byte_size", -1),
			 STRING("shared_memory_region", "r")) < 0);
	assert_int_equal(error.status, TENSOCK_INVALID_ARGUMENT);
	assert_true(TAKE(&p, &error, INT("shared_memory_byte_size", 1),
			 STRING("shared_memory_region", "")) < 0);
	assert_true(TAKE(&p, &error, INT("shared_memory_byte_size", 1),
			 INT("shared_memory_region", 1)) < 0);
}

static void test_tensor_parameter(void **state)
{
	struct oip_tensor_parameters p;
	struct tensock_error error;

	(void)state;
	assert_int_equal(TAKE(&p, NULL, INT("classification", 5), INT("binary_data_size", 5),
			      NONE("other")),
			 0);
	assert_int_equal(p.classes, 5);
	assert_false(p.has_binary_data);
	assert_int_equal(TAKE(&p, NULL, INT("classification", INT64_MAX)), 0);
	assert_true(p.classes == UINT32_MAX);
	assert_int_equal(TAKE(&p, NULL, BOOL("binary_data", true)), 0);
	assert_true(p.has_binary_data && p.is_binary);
	assert_int_equal(TAKE(&p, NULL, BOOL("binary_data", false)), 0);
	assert_true(p.has_binary_data && !p.is_binary);
	assert_true(TAKE(&p, &error, INT("classification", 0)) < 0);
	assert_true(TAKE(&p, &error, BOOL("classification", true)) < 0);
	assert_true(TAKE(&p, &error, STRING("binary_data", "true")) < 0);
	assert_string_equal(
		error.message,
		"tensor 't': invalid value for 'binary_data' parameter, expected a bool");
	assert_true(TAKE(&p, &error, INT("classification", 1), INT("shared_memory_byte_size", 1),
			 STRING("shared_memory_region", "r")) < 0);
}

static void test_model(void **state)
{
	const struct tsk_model_info info = { .engine = (char *)"onnxruntime 1.28.0",
					     .format = (char *)"mindir" };
	const struct tsk_model_info plain = { .engine = (char *)"echo", .format = (char *)"" };
	char platform[OIP_PLATFORM_BYTES];

	(void)state;
	assert_true(wire_string_equals(oip_backend(&info), "onnxruntime"));
	assert_true(wire_string_equals(oip_backend(&plain), "echo"));
	oip_platform(&info, platform);
	assert_string_equal(platform, "onnxruntime_mindir");
	oip_platform(&plain, platform);
	assert_string_equal(platform, "echo_");
}

static void test_config_type(void **state)
{
	const char *name;

	(void)state;
	assert_int_equal(oip_config_type(TENSOCK_BYTES, &name), 13);
	assert_string_equal(name, "TYPE_STRING");
	assert_int_equal(oip_config_type(TENSOCK_FLOAT32, NULL), 11);
	assert_int_equal(oip_config_type(TENSOCK_UINT4, &name), 0);
	assert_string_equal(name, "TYPE_INVALID");
	assert_int_equal(oip_config_type(UINT32_MAX, &name), 0);
}

static void test_file_key(void **state)
{
	struct wire_string version = wire_string("before");

	(void)state;
	assert_true(oip_file_key(wire_string("file:12/model.onnx"), &version));
	assert_true(wire_string_equals(version, "12"));
	assert_true(oip_file_key(wire_string("file:model.onnx"), &version));
	assert_int_equal(version.len, 0);
	assert_true(oip_file_key(wire_string("file:"), &version));
	assert_false(oip_file_key(wire_string("file"), &version));
	assert_false(oip_file_key(wire_string("config"), &version));
	assert_false(oip_file_key(wire_string(""), &version));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TSK_TEST(test_string),          TSK_TEST(test_dtype),
		TSK_TEST(test_shape),           TSK_TEST(test_bytes),
		TSK_TEST(test_infer_parameter), TSK_TEST(test_infer_parameter_taken),
		TSK_TEST(test_region),          TSK_TEST(test_tensor_parameter),
		TSK_TEST(test_model),           TSK_TEST(test_config_type),
		TSK_TEST(test_file_key),        TSK_TEST(test_string_parameter),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
