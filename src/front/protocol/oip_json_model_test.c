/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include <yyjson.h>

#include "base/testing.h"
#include "front/protocol/oip_config.h"
#include "front/protocol/oip_json.h"

static char engine[] = "onnxruntime 1.28.0", format[] = "onnx", x[] = "x", y[] = "y\"\xff";
static struct tsk_tensor_info input = {
	.name = x, .dtype = TENSOCK_FLOAT32, .rank = 2, .dims = { -1, 3 }
};
static struct tsk_tensor_info output = { .name = y, .dtype = TENSOCK_BYTES, .rank = 0 };
static const struct tsk_model_info info = {
	.engine = engine,
	.format = format,
	.inputs = &input,
	.outputs = &output,
	.n_inputs = 1,
	.n_outputs = 1,
};
static const char *const versions[] = { "1", "2", NULL };
static const struct oip_stats stats = {
	.last_ms = 1234,
	.success = { 3, 300 },
	.fail = { 1, 10 },
	.queue = { 3, 30 },
	.input = { 3, 3 },
	.infer = { 2, 200 },
	.output = { 3, 6 },
};
static const struct oip_model_view model = {
	.name = "m",
	.version = "2",
	.versions = versions,
	.info = &info,
	.stats = &stats,
	.state = "READY",
	.reason = "",
	.memory = 4096,
};
static const struct oip_stats no_stats;
static const struct oip_model_view unloaded = { .name = "n\n",
						.version = "1",
						.stats = &no_stats,
						.state = "UNAVAILABLE",
						.reason = "unloaded" };

static void assert_json(struct oip_json *json, const char *wanted)
{
	if (json->n != strlen(wanted) || memcmp(json->bytes, wanted, json->n) != 0)
		fail_msg("%.*s", (int)json->n, json->bytes);
	free(json->bytes);
}

static void test_small_ones(void **state)
{
	static const char *const extensions[] = { "statistics", "logging", NULL };
	struct oip_json json;

	(void)state;
	assert_int_equal(oip_json_error("no \"x\"", &json), 0);
	assert_json(&json, "{\"error\":\"no \\\"x\\\"\"}");
	assert_int_equal(oip_json_server("tensock", "0.1.0", extensions, &json), 0);
	assert_json(&json, "{\"name\":\"tensock\",\"version\":\"0.1.0\","
			   "\"extensions\":[\"statistics\",\"logging\"]}");
	assert_int_equal(oip_json_model_ready(&model, true, &json), 0);
	assert_json(&json, "{\"name\":\"m\",\"ready\":true}");
}

static void test_metadata(void **state)
{
	struct oip_json json;

	(void)state;
	assert_int_equal(oip_json_model_metadata(&model, &json), 0);
	assert_json(
		&json,
		"{\"name\":\"m\",\"versions\":[\"1\",\"2\"],\"platform\":\"onnxruntime_onnx\","
		"\"inputs\":[{\"name\":\"x\",\"datatype\":\"FP32\",\"shape\":[-1,3]}],"
		"\"outputs\":[{\"name\":\"y\\\"\xef\xbf\xbd\",\"datatype\":\"BYTES\",\"shape\":[]}]}");
}

/* What perf_analyzer looks for, by a reader of JSON. */
static void test_config(void **state)
{
	struct oip_json json;
	yyjson_val *root, *in, *out;
	yyjson_doc *doc;

	(void)state;
	assert_int_equal(oip_json_model_config(&model, &json), 0);
	doc = yyjson_read(json.bytes, json.n, 0);
	assert_non_null(doc);
	root = yyjson_doc_get_root(doc);
	assert_true(yyjson_equals_str(yyjson_obj_get(root, "name"), "m"));
	assert_true(yyjson_equals_str(yyjson_obj_get(root, "platform"), "onnxruntime_onnx"));
	assert_true(yyjson_equals_str(yyjson_obj_get(root, "backend"), "onnxruntime"));
	assert_true(yyjson_is_uint(yyjson_obj_get(root, "max_batch_size")));
	assert_int_equal(yyjson_get_uint(yyjson_obj_get(root, "max_batch_size")), 0);
	assert_false(yyjson_get_bool(
		yyjson_obj_get(yyjson_obj_get(root, "model_transaction_policy"), "decoupled")));
	in = yyjson_arr_get(yyjson_obj_get(root, "input"), 0);
	assert_true(yyjson_equals_str(yyjson_obj_get(in, "name"), "x"));
	assert_true(yyjson_equals_str(yyjson_obj_get(in, "data_type"), "TYPE_FP32"));
	assert_int_equal(yyjson_get_sint(yyjson_arr_get(yyjson_obj_get(in, "dims"), 0)), -1);
	assert_true(yyjson_is_bool(yyjson_obj_get(in, "is_shape_tensor")));
	out = yyjson_arr_get(yyjson_obj_get(root, "output"), 0);
	assert_true(yyjson_equals_str(yyjson_obj_get(out, "data_type"), "TYPE_STRING"));
	/* None of them says what perf_analyzer would take for a scheduler. */
	assert_null(yyjson_obj_get(root, "ensemble_scheduling"));
	assert_null(yyjson_obj_get(root, "sequence_batching"));
	assert_null(yyjson_obj_get(root, "dynamic_batching"));
	yyjson_doc_free(doc);
	free(json.bytes);
}

/* A model's own configuration is one that may be given for it. */
static void test_config_is_accepted(void **state)
{
	struct tensock_error error;
	struct oip_json json;
	static char plain[] = "y";

	(void)state;
	output.name = plain;
	assert_int_equal(oip_json_model_config(&model, &json), 0);
	output.name = y;
	if (oip_config_check((struct wire_string){ json.bytes, (uint16_t)json.n }, "m", NULL,
			     &error) < 0)
		fail_msg("%s", error.message);
	free(json.bytes);
}

#define SUMS                                                                                   \
	"\"compute_input\":{\"count\":3,\"ns\":3},\"compute_infer\":{\"count\":2,\"ns\":200}," \
	"\"compute_output\":{\"count\":3,\"ns\":6}"
#define NONE "{\"count\":0,\"ns\":0}"

static void test_stats(void **state)
{
	struct oip_model_view models[] = { model, unloaded };
	struct oip_json json;

	(void)state;
	assert_int_equal(oip_json_stats(models, 2, &json), 0);
	assert_json(
		&json,
		"{\"model_stats\":[{\"name\":\"m\",\"version\":\"2\",\"last_inference\":1234,"
		"\"inference_count\":3,\"execution_count\":2,\"inference_stats\":{"
		"\"success\":{\"count\":3,\"ns\":300},\"fail\":{\"count\":1,\"ns\":10},"
		"\"queue\":{\"count\":3,\"ns\":30}," SUMS ",\"cache_hit\":" NONE
		",\"cache_miss\":" NONE
		"},\"response_stats\":{},\"batch_stats\":[{\"batch_size\":1," SUMS "}],"
		"\"memory_usage\":[{\"type\":\"CPU\",\"id\":0,\"byte_size\":4096}]},"
		"{\"name\":\"n\\u000a\",\"version\":\"1\",\"last_inference\":0,\"inference_count\":0,"
		"\"execution_count\":0,\"inference_stats\":{\"success\":" NONE ",\"fail\":" NONE
		",\"queue\":" NONE ",\"compute_input\":" NONE ",\"compute_infer\":" NONE
		",\"compute_output\":" NONE ",\"cache_hit\":" NONE ",\"cache_miss\":" NONE
		"},\"response_stats\":{},\"batch_stats\":[],\"memory_usage\":[]}]}");
	assert_int_equal(oip_json_stats(NULL, 0, &json), 0);
	assert_json(&json, "{\"model_stats\":[]}");
}

static void test_index(void **state)
{
	struct oip_model_view models[] = { model, unloaded };
	struct oip_json json;

	(void)state;
	assert_int_equal(oip_json_index(models, 2, &json), 0);
	assert_json(&json,
		    "[{\"name\":\"m\",\"version\":\"2\",\"state\":\"READY\",\"reason\":\"\"},"
		    "{\"name\":\"n\\u000a\",\"version\":\"1\",\"state\":\"UNAVAILABLE\","
		    "\"reason\":\"unloaded\"}]");
	assert_int_equal(oip_json_index(NULL, 0, &json), 0);
	assert_json(&json, "[]");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TSK_TEST(test_small_ones),         TSK_TEST(test_metadata), TSK_TEST(test_config),
		TSK_TEST(test_config_is_accepted), TSK_TEST(test_stats),    TSK_TEST(test_index),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
