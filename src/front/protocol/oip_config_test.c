/* SPDX-License-Identifier: Apache-2.0 */
#include "front/protocol/oip_config.h"

#include <string.h>

#include "base/testing.h"

static struct tensock_error error;
static char engine[] = "onnxruntime 1.28.0", format[] = "onnx", x[] = "x", y[] = "y", s[] = "s";
static struct tsk_tensor_info inputs[] = {
	{ .name = x, .dtype = TENSOCK_FLOAT32, .rank = 2, .dims = { -1, 3 } },
	{ .name = s, .dtype = TENSOCK_BYTES, .rank = 0 },
};
static struct tsk_tensor_info output = {
	.name = y, .dtype = TENSOCK_INT64, .rank = 1, .dims = { 2 }
};
static const struct tsk_model_info info = {
	.engine = engine,
	.format = format,
	.inputs = inputs,
	.outputs = &output,
	.n_inputs = 2,
	.n_outputs = 1,
};

/* Text with ' for ", to be read in C. */
static int check(const char *text, const struct tsk_model_info *known)
{
	char *copy = strdup(text);
	int r;

	assert_non_null(copy);
	for (char *p = copy; *p; p++) {
		if (*p == '\'')
			*p = '"';
	}
	r = oip_config_check(wire_string(copy), "m", known, &error);
	free(copy);
	return r;
}

static void assert_taken(const char *text)
{
	if (check(text, &info) < 0 || check(text, NULL) < 0)
		fail_msg("%s: %s", text, error.message);
}

static void assert_refused(const char *text, enum tensock_status status, const char *message)
{
	if (check(text, &info) == 0)
		fail_msg("taken: %s", text);
	if (error.status != status || !strstr(error.message, message))
		fail_msg("%s: %u %s", text, (unsigned)error.status, error.message);
}

static void test_what_is_so(void **state)
{
	(void)state;
	assert_taken("{}");
	assert_taken("{'name':'m','platform':'onnxruntime_onnx','backend':'onnxruntime',"
		     "'max_batch_size':0}");
	assert_taken("{'name':'','platform':'','input':[],'output':null}");
	assert_taken(
		"{'input':[{'name':'x','data_type':'TYPE_FP32','dims':[-1,3],'format':'FORMAT_NONE'},"
		"{'name':'s','data_type':'TYPE_STRING','dims':[1]}],"
		"'output':[{'name':'y','data_type':'TYPE_INT64','dims':[2],'label_filename':''}]}");
	assert_taken("{'input':[{'name':'x','data_type':'TYPE_FP32','dims':[4,3]}]}");
}

/* What Triton itself writes for such a model. */
static void test_tritons_own(void **state)
{
	(void)state;
	assert_taken(
		"{'name':'m','platform':'onnxruntime_onnx','backend':'onnxruntime','runtime':'',"
		"'version_policy':{'latest':{'num_versions':1}},'max_batch_size':0,'input':[],"
		"'output':[],'batch_input':[],'batch_output':[],'optimization':{"
		"'priority':'PRIORITY_DEFAULT','input_pinned_memory':{'enable':true},"
		"'output_pinned_memory':{'enable':true},'gather_kernel_buffer_threshold':0,"
		"'eager_batching':false},'instance_group':[{'name':'m','kind':'KIND_CPU','count':1,"
		"'gpus':[],'secondary_devices':[],'profile':[],'passive':false,'host_policy':''}],"
		"'default_model_filename':'model.onnx','cc_model_filenames':{},'metric_tags':{},"
		"'parameters':{},'model_warmup':[],'model_transaction_policy':{'decoupled':false}}");
}

static void test_what_is_not_so(void **state)
{
	(void)state;
	assert_refused("{'name':'n'}", TENSOCK_INVALID_ARGUMENT,
		       "says the name is 'n', and it is 'm'");
	assert_refused("{'platform':'tensorrt_plan'}", TENSOCK_INVALID_ARGUMENT,
		       "'onnxruntime_onnx'");
	assert_refused("{'backend':'python'}", TENSOCK_INVALID_ARGUMENT, "it is 'onnxruntime'");
	assert_refused("{'backend':7}", TENSOCK_INVALID_ARGUMENT, "'backend' is not a string");
	assert_refused("{'input':[{'name':'z'}]}", TENSOCK_INVALID_ARGUMENT,
		       "input 0 of the model's configuration: the model has no input 'z'");
	assert_refused("{'input':[{'name':'y'}]}", TENSOCK_INVALID_ARGUMENT, "no input 'y'");
	assert_refused("{'output':[{'name':'x'}]}", TENSOCK_INVALID_ARGUMENT, "no output 'x'");
	assert_refused("{'input':[{'data_type':'TYPE_FP32'}]}", TENSOCK_INVALID_ARGUMENT,
		       "'name' is missing");
	assert_refused("{'input':[{'name':'x','data_type':'TYPE_INT8'}]}", TENSOCK_INVALID_ARGUMENT,
		       "data_type is TYPE_FP32");
	assert_refused("{'input':[{'name':'x','data_type':'FP32'}]}", TENSOCK_INVALID_ARGUMENT,
		       "'data_type' is none");
	assert_refused("{'input':[{'name':'x','dims':[3]}]}", TENSOCK_INVALID_ARGUMENT,
		       "the model has 2 dims, not 1");
	assert_refused("{'input':[{'name':'x','dims':[1,4]}]}", TENSOCK_INVALID_ARGUMENT,
		       "number 1 of 'dims'");
	assert_refused("{'input':[{'name':'x','dims':[1,-1]}]}", TENSOCK_INVALID_ARGUMENT,
		       "of 'dims'");
	assert_refused("{'input':[{'name':'x','dims':[-2,3]}]}", TENSOCK_INVALID_ARGUMENT,
		       "of 'dims'");
	assert_refused("{'input':[{'name':'x','dims':[18446744073709551615,3]}]}",
		       TENSOCK_INVALID_ARGUMENT, "of 'dims'");
	assert_refused("{'input':[{'name':'x','dims':'3'}]}", TENSOCK_INVALID_ARGUMENT,
		       "'dims' is not");
	assert_refused("{'input':{}}", TENSOCK_INVALID_ARGUMENT, "is not an array");
	assert_refused("{'input':[1]}", TENSOCK_INVALID_ARGUMENT, "is not a JSON object");
}

static void test_what_is_not_done(void **state)
{
	static const char *const rows[][2] = {
		{ "{'max_batch_size':8}", "'max_batch_size'" },
		{ "{'dynamic_batching':{}}", "'dynamic_batching'" },
		{ "{'sequence_batching':{}}", "'sequence_batching'" },
		{ "{'ensemble_scheduling':{}}", "'ensemble_scheduling'" },
		{ "{'version_policy':{'specific':{'versions':[1]}}}", "'specific'" },
		{ "{'instance_group':[{'kind':'KIND_GPU'}]}", "'kind'" },
		{ "{'instance_group':[{'gpus':[0]}]}", "'gpus'" },
		{ "{'model_transaction_policy':{'decoupled':true}}", "'decoupled'" },
		{ "{'response_cache':{'enable':true}}", "'enable'" },
		{ "{'optimization':{'execution_accelerators':{'gpu_execution_accelerator':[]}}}",
		  "'execution_accelerators'" },
		{ "{'parameters':{'a':{'string_value':'b'}}}", "'parameters'" },
		{ "{'model_warmup':[{}]}", "'model_warmup'" },
		{ "{'runtime':'x'}", "'runtime'" },
		{ "{'input':[{'name':'x','reshape':{'shape':[]}}]}", "'reshape'" },
		{ "{'input':[{'name':'x','optional':true}]}", "'optional'" },
		{ "{'input':[{'name':'x','format':'FORMAT_NCHW'}]}", "'format'" },
		{ "{'output':[{'name':'y','label_filename':'l'}]}", "'label_filename'" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_refused(rows[i][0], TENSOCK_UNSUPPORTED, rows[i][1]);
}

static void test_what_is_none(void **state)
{
	(void)state;
	assert_refused("", TENSOCK_INVALID_ARGUMENT, "the model's configuration: failed to parse");
	assert_refused("name: 'm'", TENSOCK_INVALID_ARGUMENT, "failed to parse");
	assert_refused("[]", TENSOCK_INVALID_ARGUMENT, "is not a JSON object");
	assert_refused("{'nam':'m'}", TENSOCK_INVALID_ARGUMENT, "has an unknown field 'nam'");
	assert_refused("{'name':'m','name':'m'}", TENSOCK_INVALID_ARGUMENT,
		       "twice the field 'name'");
	assert_refused("{'input':[{'name':'x','more':1}]}", TENSOCK_INVALID_ARGUMENT,
		       "unknown field 'more'");
	assert_refused("{'instance_group':{}}", TENSOCK_INVALID_ARGUMENT,
		       "'instance_group' is not");
	assert_refused("{'instance_group':[7]}", TENSOCK_INVALID_ARGUMENT,
		       "'instance_group' is not");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TSK_TEST(test_what_is_so),     TSK_TEST(test_tritons_own),
		TSK_TEST(test_what_is_not_so), TSK_TEST(test_what_is_not_done),
		TSK_TEST(test_what_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
