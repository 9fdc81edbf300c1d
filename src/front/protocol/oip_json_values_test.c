/* SPDX-License-Identifier: Apache-2.0 */
#include "front/protocol/oip_json_values.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "base/testing.h"
#include "front/protocol/json_document.h"
#include "front/protocol/oip_json.h"
#include "tensor/shape.h"

#define DIMS(...) (int64_t[]){ __VA_ARGS__ }, ARRAY_SIZE(((int64_t[]){ __VA_ARGS__ }))

static struct tensock_error error;

static struct wire_tensor tensor_of(uint32_t dtype, const int64_t *dims, size_t rank)
{
	struct wire_tensor tensor = { .name = wire_string("x"),
				      .dtype = dtype,
				      .rank = (uint32_t)rank };

	for (size_t i = 0; i < rank; i++)
		tensor.dims[i] = dims[i];
	if (dtype != TENSOCK_BYTES)
		assert_int_equal(tsk_shape_bytes(dtype, dims, tensor.rank, &tensor.bytes), 0);
	return tensor;
}

/* "data" of a type and shape is these bytes. */
static void assert_bytes(const char *data, uint32_t dtype, const int64_t *dims, size_t rank,
			 const void *wanted, size_t n)
{
	struct oip_input input = { .tensor = tensor_of(dtype, dims, rank), .source = OIP_VALUES };
	struct json_document document;
	void *bytes = malloc(n ? n : 1);

	assert_non_null(bytes);
	assert_int_equal(json_document_read(data, strlen(data), &document, &error), 0);
	if (oip_json_values_check(document.root, &input.tensor, &error) < 0)
		fail_msg("%s: %s", data, error.message);
	assert_int_equal(input.tensor.bytes, n);
	input.values = document.root;
	oip_json_values_write(&input, bytes);
	assert_memory_equal(bytes, wanted, n);
	json_document_done(&document);
	free(bytes);
}

static void assert_refused(const char *data, uint32_t dtype, const int64_t *dims, size_t rank,
			   const char *message)
{
	struct wire_tensor tensor = tensor_of(dtype, dims, rank);
	struct json_document document;

	assert_int_equal(json_document_read(data, strlen(data), &document, &error), 0);
	if (oip_json_values_check(document.root, &tensor, &error) == 0)
		fail_msg("taken: %s", data);
	if (!strstr(error.message, message))
		fail_msg("%s: %s", data, error.message);
	json_document_done(&document);
}

static void test_integers(void **state)
{
	static const uint8_t u8[] = { 0, 255 };
	static const int8_t i8[] = { -128, 127 };
	static const uint16_t u16[] = { 0, 65535 };
	static const int16_t i16[] = { -32768, 32767 };
	static const uint32_t u32[] = { 0, UINT32_MAX };
	static const int32_t i32[] = { INT32_MIN, INT32_MAX };
	static const uint64_t u64[] = { 9007199254740993, UINT64_MAX };
	static const int64_t i64[] = { INT64_MIN, INT64_MAX };

	(void)state;
	assert_bytes("[0,255]", TENSOCK_UINT8, DIMS(2), u8, sizeof(u8));
	assert_bytes("[-128,127]", TENSOCK_INT8, DIMS(2), i8, sizeof(i8));
	assert_bytes("[0,65535]", TENSOCK_UINT16, DIMS(2), u16, sizeof(u16));
	assert_bytes("[-32768,32767]", TENSOCK_INT16, DIMS(2), i16, sizeof(i16));
	assert_bytes("[0,4294967295]", TENSOCK_UINT32, DIMS(2), u32, sizeof(u32));
	assert_bytes("[-2147483648,2147483647]", TENSOCK_INT32, DIMS(2), i32, sizeof(i32));
	assert_bytes("[9007199254740993,18446744073709551615]", TENSOCK_UINT64, DIMS(2), u64,
		     sizeof(u64));
	assert_bytes("[-9223372036854775808,9223372036854775807]", TENSOCK_INT64, DIMS(2), i64,
		     sizeof(i64));
}

static void test_integers_out_of_range(void **state)
{
	static const struct {
		uint32_t dtype;
		const char *below, *above;
	} rows[] = {
		{ TENSOCK_UINT8, "[7,-1]", "[7,256]" },
		{ TENSOCK_INT8, "[7,-129]", "[7,128]" },
		{ TENSOCK_UINT16, "[7,-1]", "[7,65536]" },
		{ TENSOCK_INT16, "[7,-32769]", "[7,32768]" },
		{ TENSOCK_UINT32, "[7,-1]", "[7,4294967296]" },
		{ TENSOCK_INT32, "[7,-2147483649]", "[7,2147483648]" },
		{ TENSOCK_UINT64, "[7,-1]", "[7,18446744073709551616]" },
		{ TENSOCK_INT64, "[7,-9223372036854775809]", "[7,9223372036854775808]" },
	};
	static const char wanted[] = "is a number that this type cannot hold";

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_refused(rows[i].below, rows[i].dtype, DIMS(2), wanted);
		assert_refused(rows[i].above, rows[i].dtype, DIMS(2), wanted);
		assert_refused("[7,7.0]", rows[i].dtype, DIMS(2), wanted);
		assert_refused("[7,NaN]", rows[i].dtype, DIMS(2), wanted);
		assert_refused("[7,true]", rows[i].dtype, DIMS(2), "value 1 of");
	}
}

static void test_floats(void **state)
{
	static const float singles[] = { 0.1F, -3, 1e30F, FLT_MAX };
	static const double doubles[] = { 0.1, 0x1p64, -0x1p63, 1e308 };
	const float special[] = { INFINITY, -INFINITY };
	struct oip_input input = { .tensor = tensor_of(TENSOCK_FLOAT32, DIMS(1)) };
	struct json_document document;
	float nan;

	(void)state;
	assert_bytes("[0.1,-3,1000000000000000000000000000000,3.4028234e38]", TENSOCK_FLOAT32,
		     DIMS(4), singles, sizeof(singles));
	assert_bytes("[0.1,18446744073709551616,-9223372036854775808,1e308]", TENSOCK_FLOAT64,
		     DIMS(4), doubles, sizeof(doubles));
	assert_bytes("[Infinity,-Infinity]", TENSOCK_FLOAT32, DIMS(2), special, sizeof(special));
	assert_int_equal(json_document_read("[NaN]", 5, &document, &error), 0);
	assert_int_equal(oip_json_values_check(document.root, &input.tensor, &error), 0);
	input.values = document.root;
	oip_json_values_write(&input, &nan);
	assert_true(isnan(nan));
	json_document_done(&document);
}

static void test_floats_out_of_range(void **state)
{
	(void)state;
	assert_refused("[0,3.5e38]", TENSOCK_FLOAT32, DIMS(2), "value 1 of FP32");
	assert_refused("[0,-1e308]", TENSOCK_FLOAT32, DIMS(2), "value 1 of FP32");
	assert_refused("[1e309]", TENSOCK_FLOAT64, DIMS(1), "value 0 of FP64");
	assert_refused("[\"1\"]", TENSOCK_FLOAT64, DIMS(1), "is a string");
	assert_refused("[true]", TENSOCK_FLOAT32, DIMS(1), "is a boolean");
	assert_refused("[null]", TENSOCK_FLOAT32, DIMS(1), "is null");
	assert_refused("[{}]", TENSOCK_FLOAT32, DIMS(1), "is an object");
}

static void test_bools(void **state)
{
	(void)state;
	assert_bytes("[true,false,1,0]", TENSOCK_BOOL, DIMS(4), "\1\0\1\0", 4);
	assert_refused("[2]", TENSOCK_BOOL, DIMS(1), "cannot hold");
	assert_refused("[-1]", TENSOCK_BOOL, DIMS(1), "cannot hold");
	assert_refused("[\"true\"]", TENSOCK_BOOL, DIMS(1), "is a string");
}

static void test_strings(void **state)
{
	static const char bytes[] = "\3\0\0\0abc\0\0\0\0\3\0\0\0\xc3\xa4\0";

	(void)state;
	assert_bytes("[\"abc\",\"\",\"\\u00e4\\u0000\"]", TENSOCK_BYTES, DIMS(3), bytes, 18);
	assert_bytes("[[\"abc\"],[\"\"],[\"\\u00e4\\u0000\"]]", TENSOCK_BYTES, DIMS(3, 1), bytes,
		     18);
	assert_bytes("[]", TENSOCK_BYTES, DIMS(0), "", 0);
	assert_refused("[1]", TENSOCK_BYTES, DIMS(1), "cannot hold");
}

static void test_nesting(void **state)
{
	static const uint8_t six[] = { 1, 2, 3, 4, 5, 6 };

	(void)state;
	assert_bytes("[1,2,3,4,5,6]", TENSOCK_UINT8, DIMS(2, 3), six, 6);
	assert_bytes("[[1,2,3],[4,5,6]]", TENSOCK_UINT8, DIMS(2, 3), six, 6);
	assert_bytes("[[[1],[2]],[[3],[4]],[[5],[6]]]", TENSOCK_UINT8, DIMS(3, 2, 1), six, 6);
	assert_bytes("[[[[[1,2,3,4,5,6]]]]]", TENSOCK_UINT8, DIMS(1, 1, 1, 1, 6), six, 6);
	assert_bytes("[7]", TENSOCK_UINT8, NULL, 0, "\7", 1);
}

static void test_empty(void **state)
{
	(void)state;
	assert_bytes("[]", TENSOCK_FLOAT32, DIMS(0), "", 0);
	assert_bytes("[]", TENSOCK_FLOAT32, DIMS(0, 3), "", 0);
	assert_bytes("[]", TENSOCK_FLOAT32, DIMS(3, 0), "", 0);
	assert_bytes("[[],[],[]]", TENSOCK_FLOAT32, DIMS(3, 0), "", 0);
	assert_bytes("[[],[]]", TENSOCK_FLOAT32, DIMS(2, 0, 3), "", 0);
	assert_refused("[[]]", TENSOCK_FLOAT32, DIMS(0), "1 values where the shape has 0");
}

static void test_other_shapes(void **state)
{
	static const char ragged[] = "neither flat nor nested as the shape says";

	(void)state;
	assert_refused("[1,2]", TENSOCK_UINT8, DIMS(3), "2 values where the shape has 3");
	assert_refused("[1,2,3,4]", TENSOCK_UINT8, DIMS(3), "4 values where the shape has 3");
	assert_refused("[[1,2],[3]]", TENSOCK_UINT8, DIMS(2, 2), "1 values where the shape has 2");
	assert_refused("[[1,2],[3,4,5]]", TENSOCK_UINT8, DIMS(2, 2),
		       "3 values where the shape has 2");
	assert_refused("[[1,2],3]", TENSOCK_UINT8, DIMS(2, 2), "value 2 of UINT8");
	assert_refused("[1,2,3,[4]]", TENSOCK_UINT8, DIMS(2, 2), ragged);
	assert_refused("[[1,[2]],[3,4]]", TENSOCK_UINT8, DIMS(2, 2), ragged);
	assert_refused("[[1,2],[3,4]]", TENSOCK_UINT8, DIMS(4), "2 values where the shape has 4");
	assert_refused("[[1,2],[3,4]]", TENSOCK_UINT8, DIMS(2), ragged);
	assert_refused("[[1],[2]]", TENSOCK_UINT8, DIMS(1, 2), "2 values where the shape has 1");
	assert_refused("[[1,2],[3,4]]", TENSOCK_UINT8, DIMS(2, 2, 1), "value 0 of UINT8");
	assert_refused("[[[1,2],[3,4]]]", TENSOCK_UINT8, DIMS(2, 2),
		       "1 values where the shape has 2");
	assert_refused("[[]]", TENSOCK_UINT8, NULL, 0, ragged);
	assert_refused("{}", TENSOCK_UINT8, DIMS(1), "not an array");
	assert_refused("5", TENSOCK_UINT8, NULL, 0, "not an array");
	assert_refused("[1]", TENSOCK_UINT8, DIMS(INT64_MAX), "1 values where");
}

static void test_types_that_json_lacks(void **state)
{
	(void)state;
	assert_refused(
		"[1]", TENSOCK_FLOAT16, DIMS(1),
		"receiving FP16 data via JSON is not supported. Please use the binary data format "
		"for input x");
	assert_int_equal(error.status, TENSOCK_UNSUPPORTED);
	assert_refused("[1]", TENSOCK_BFLOAT16, DIMS(1), "receiving BF16 data via JSON");
	assert_refused("[1]", TENSOCK_INT4, DIMS(1), "receiving INT4 data via JSON");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TSK_TEST(test_integers),     TSK_TEST(test_integers_out_of_range),
		TSK_TEST(test_floats),       TSK_TEST(test_floats_out_of_range),
		TSK_TEST(test_bools),        TSK_TEST(test_strings),
		TSK_TEST(test_nesting),      TSK_TEST(test_empty),
		TSK_TEST(test_other_shapes), TSK_TEST(test_types_that_json_lacks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
