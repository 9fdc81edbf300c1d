/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include <yyjson.h>

#include "base/testing.h"
#include "front/protocol/oip_json.h"

static struct tensock_error error;

static struct oip_result result_of(uint32_t dtype, int64_t n, const void *data, size_t bytes)
{
	return (struct oip_result){ .name = wire_string("y"),
				    .dtype = dtype,
				    .rank = 1,
				    .dims = { n },
				    .bytes = bytes,
				    .data = data };
}

/* In pieces for max bytes each; how many they were is *ret_pieces. */
static int write_pieces(const struct oip_answer *answer, size_t max, struct oip_json *ret,
			unsigned *ret_pieces)
{
	struct oip_json_answer writing;
	int r;

	*ret_pieces = 0;
	oip_json_answer_begin(&writing, answer);
	do {
		r = oip_json_answer_write(&writing, max, ret, &error);
		++*ret_pieces;
	} while (r > 0);
	oip_json_answer_done(&writing);
	return r;
}

/* At once; in pieces it is the same. */
static int write_answer(const struct oip_answer *answer, struct oip_json *ret)
{
	struct oip_json other;
	unsigned n;
	int r = write_pieces(answer, SIZE_MAX, ret, &n);

	assert_int_equal(n, 1);
	assert_int_equal(write_pieces(answer, 1, &other, &n), r);
	if (r == 0) {
		assert_true(n >= answer->n_results);
		assert_int_equal(other.n, ret->n);
		assert_memory_equal(other.bytes, ret->bytes, ret->n);
		free(other.bytes);
	}
	return r;
}

static int answer_of(const struct oip_result *results, uint32_t n, struct oip_json *ret)
{
	struct oip_answer answer = {
		.model = "m", .version = "1", .n_results = n, .results = results
	};
	int r = write_answer(&answer, ret);

	if (r == 0)
		assert_true(ret->n <= oip_json_answer_memory(&answer));
	return r;
}

static void assert_json(const struct oip_json *json, const char *wanted)
{
	if (json->n != strlen(wanted) || memcmp(json->bytes, wanted, json->n) != 0)
		fail_msg("%.*s", (int)json->n, json->bytes);
}

/* The whole of "data" of one result. */
static void assert_data(uint32_t dtype, int64_t n, const void *data, size_t bytes,
			const char *wanted)
{
	struct oip_result result = result_of(dtype, n, data, bytes);
	struct oip_json json;
	const char *begin;

	if (answer_of(&result, 1, &json) < 0)
		fail_msg("%s", error.message);
	begin = memmem(json.bytes, json.n, "\"data\":", 7);
	assert_non_null(begin);
	begin += 7;
	assert_int_equal(json.bytes + json.n - begin, strlen(wanted) + 3);
	assert_memory_equal(begin, wanted, strlen(wanted));
	free(json.bytes);
}

static void test_all_types(void **state)
{
	static const int8_t i8[] = { -128, 127 };
	static const uint16_t u16[] = { 0, 65535 };
	static const int16_t i16[] = { -32768, 32767 };
	static const uint32_t u32[] = { 0, UINT32_MAX };
	static const int32_t i32[] = { INT32_MIN, INT32_MAX };
	static const uint64_t u64[] = { 0, UINT64_MAX };
	static const int64_t i64[] = { INT64_MIN, INT64_MAX };
	static const float f32[] = { 0.1F, -2 };
	static const double f64[] = { 0.1, 1e300 };

	(void)state;
	assert_data(TENSOCK_BOOL, 3, "\0\1\2", 3, "[false,true,true]");
	assert_data(TENSOCK_UINT8, 2, "\0\xff", 2, "[0,255]");
	assert_data(TENSOCK_INT8, 2, i8, 2, "[-128,127]");
	assert_data(TENSOCK_UINT16, 2, u16, 4, "[0,65535]");
	assert_data(TENSOCK_INT16, 2, i16, 4, "[-32768,32767]");
	assert_data(TENSOCK_UINT32, 2, u32, 8, "[0,4294967295]");
	assert_data(TENSOCK_INT32, 2, i32, 8, "[-2147483648,2147483647]");
	assert_data(TENSOCK_UINT64, 2, u64, 16, "[0,18446744073709551615]");
	assert_data(TENSOCK_INT64, 2, i64, 16, "[-9223372036854775808,9223372036854775807]");
	assert_data(TENSOCK_FLOAT32, 2, f32, 8, "[0.1,-2.0]");
	assert_data(TENSOCK_FLOAT64, 2, f64, 16, "[0.1,1e300]");
	assert_data(TENSOCK_FLOAT32, 0, "", 0, "[]");
	assert_data(TENSOCK_FLOAT64, 0, "", 0, "[]");
}

static void test_not_finite(void **state)
{
	const float f32[] = { NAN, INFINITY, -INFINITY };
	const double f64[] = { NAN, INFINITY, -INFINITY };

	(void)state;
	assert_data(TENSOCK_FLOAT32, 3, f32, sizeof(f32), "[NaN,Infinity,-Infinity]");
	assert_data(TENSOCK_FLOAT64, 3, f64, sizeof(f64), "[NaN,Infinity,-Infinity]");
}

static void test_strings(void **state)
{
	static const char good[] = "\2\0\0\0a\"\0\0\0\0\2\0\0\0\xc3\xa4";

	(void)state;
	assert_data(TENSOCK_BYTES, 3, good, sizeof(good) - 1, "[\"a\\\"\",\"\",\"\xc3\xa4\"]");
	assert_data(TENSOCK_BYTES, 0, "", 0, "[]");
}

static void test_whole_answer(void **state)
{
	static const float f32[] = { 1, 2 };
	struct oip_result results[] = {
		result_of(TENSOCK_FLOAT32, 2, f32, 8),
		result_of(TENSOCK_FLOAT16, 2, f32, 4),
		result_of(TENSOCK_FLOAT16, 2, NULL, 4),
	};
	struct oip_answer answer = { .model = "m\"",
				     .version = "1",
				     .id = wire_string("7"),
				     .n_results = 3,
				     .results = results };
	struct oip_json json;

	(void)state;
	results[0].rank = 2;
	results[0].dims[1] = 1;
	results[1].is_binary = true;
	results[1].name = wire_string("\xff");
	results[2].is_binary = true;
	results[2].region =
		(struct oip_region){ .name = wire_string("r"), .offset = 64, .bytes = 9 };
	assert_int_equal(write_answer(&answer, &json), 0);
	assert_json(&json,
		    "{\"id\":\"7\",\"model_name\":\"m\\\"\",\"model_version\":\"1\",\"outputs\":["
		    "{\"name\":\"y\",\"datatype\":\"FP32\",\"shape\":[2,1],\"data\":[1.0,2.0]},"
		    "{\"name\":\"\xef\xbf\xbd\",\"datatype\":\"FP16\",\"shape\":[2],"
		    "\"parameters\":{\"binary_data_size\":4}},"
		    "{\"name\":\"y\",\"datatype\":\"FP16\",\"shape\":[2]}]}");
	free(json.bytes);
	assert_int_equal(answer_of(NULL, 0, &json), 0);
	assert_json(&json, "{\"model_name\":\"m\",\"model_version\":\"1\",\"outputs\":[]}");
	free(json.bytes);
}

static void assert_refused(struct oip_result result, enum tensock_status status,
			   const char *message)
{
	struct oip_json json;

	assert_true(answer_of(&result, 1, &json) < 0);
	if (error.status != status || !strstr(error.message, message))
		fail_msg("%u %s", (unsigned)error.status, error.message);
}

static void test_refused(void **state)
{
	static const char broken[] = "not as its shape and datatype say";

	(void)state;
	assert_refused(
		result_of(TENSOCK_FLOAT16, 1, "\0\0", 2), TENSOCK_UNSUPPORTED,
		"sending FP16 data via JSON is not supported. Please use the binary data format "
		"for output y");
	assert_refused(result_of(TENSOCK_BFLOAT16, 1, "\0\0", 2), TENSOCK_UNSUPPORTED, "BF16");
	assert_refused(result_of(TENSOCK_COMPLEX64, 1, "\0\0\0\0\0\0\0", 8), TENSOCK_UNSUPPORTED,
		       "COMP");
	assert_refused(result_of(TENSOCK_BYTES, 1, "\1\0\0\0\xff", 5), TENSOCK_UNSUPPORTED,
		       "ask for binary data");
	assert_refused(result_of(TENSOCK_BYTES, 1, "\2\0\0\0a", 5), TENSOCK_INTERNAL, broken);
	assert_refused(result_of(TENSOCK_BYTES, 1, "\0\0\0\0a", 5), TENSOCK_INTERNAL, broken);
	assert_refused(result_of(TENSOCK_BYTES, 2, "\1\0\0\0a", 5), TENSOCK_INTERNAL, broken);
	assert_refused(result_of(TENSOCK_FLOAT32, 2, "\0\0\0", 4), TENSOCK_INTERNAL, broken);
	assert_refused(result_of(TENSOCK_BYTES, 1, "\1\0\0", 3), TENSOCK_INTERNAL, broken);
	assert_refused(result_of(TENSOCK_FLOAT32, -1, "\0\0\0", 4), TENSOCK_INTERNAL, broken);
	assert_refused(result_of(TENSOCK_DTYPE_MAX, 1, "", 1), TENSOCK_INTERNAL, broken);
}

/* More than is copied at once; JSON of it is read by somebody else. */
static void test_many(void **state)
{
	enum {
		N = 1000
	};
	static double f64[N];
	struct oip_result result = result_of(TENSOCK_FLOAT64, N, f64, sizeof(f64));
	struct oip_json json;
	yyjson_doc *doc;
	yyjson_val *data;

	(void)state;
	for (int i = 0; i < N; i++)
		f64[i] = -1.0 / (i + 1);
	assert_int_equal(answer_of(&result, 1, &json), 0);
	doc = yyjson_read(json.bytes, json.n, 0);
	assert_non_null(doc);
	data = yyjson_obj_get(yyjson_arr_get_first(
				      yyjson_obj_get(yyjson_doc_get_root(doc), "outputs")),
			      "data");
	assert_int_equal(yyjson_arr_size(data), N);
	for (size_t i = 0; i < N; i++)
		assert_true(yyjson_get_real(yyjson_arr_get(data, i)) == f64[i]);
	yyjson_doc_free(doc);
	free(json.bytes);
}

/* A piece is of so many bytes: 1,000 elements of four are eight of 512, which go by 128 elements. */
static void test_pieces(void **state)
{
	static float f32[1000];
	struct oip_result results[] = { result_of(TENSOCK_FLOAT32, 1000, f32, sizeof(f32)),
					result_of(TENSOCK_FLOAT32, 1, f32, 4) };
	struct oip_answer answer = {
		.model = "m", .version = "1", .n_results = 2, .results = results
	};
	struct oip_json_answer writing;
	struct oip_json json;
	unsigned n;

	(void)state;
	assert_int_equal(write_pieces(&answer, 512, &json, &n), 0);
	assert_int_equal(n, 9);
	free(json.bytes);
	/* One that is let go of halfway. */
	oip_json_answer_begin(&writing, &answer);
	assert_int_equal(oip_json_answer_write(&writing, 512, &json, &error), 1);
	oip_json_answer_done(&writing);
	oip_json_answer_done(&writing);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TSK_TEST(test_all_types),    TSK_TEST(test_not_finite), TSK_TEST(test_strings),
		TSK_TEST(test_whole_answer), TSK_TEST(test_refused),    TSK_TEST(test_many),
		TSK_TEST(test_pieces),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
