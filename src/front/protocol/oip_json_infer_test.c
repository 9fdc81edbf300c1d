/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/testing.h"
#include "front/protocol/oip_json.h"

static struct tensock_error error;

/* Text with ' for ", to be read in C. */
static char *json_of(const char *text)
{
	char *copy = strdup(text);

	assert_non_null(copy);
	for (char *p = copy; *p; p++) {
		if (*p == '\'')
			*p = '"';
	}
	return copy;
}

static int read_text(const char *text, struct oip_infer *infer)
{
	static char *kept; /* strings may lie in the text */
	int r;

	free(kept);
	kept = json_of(text);
	error = (struct tensock_error){ 0 };
	*infer = (struct oip_infer){ 0 };
	r = oip_json_infer_read(kept, strlen(kept), infer, &error);
	if (r < 0) {
		free(kept);
		kept = NULL;
	}
	return r;
}

static void take(const char *text, struct oip_infer *infer)
{
	if (read_text(text, infer) < 0)
		fail_msg("%s: %s", text, error.message);
}

static void assert_refused(const char *text, enum tensock_status status, const char *message)
{
	struct oip_infer infer;

	if (read_text(text, &infer) == 0)
		fail_msg("taken: %s", text);
	assert_null(infer.own);
	if (error.status != status || !strstr(error.message, message))
		fail_msg("%s: %u %s", text, (unsigned)error.status, error.message);
}

/* As tritonclient sends it. */
static void test_binary(void **state)
{
	struct oip_infer infer;

	(void)state;
	take("{'id':'7','inputs':[{'name':'x','shape':[1,3],'datatype':'FP32',"
	     "'parameters':{'binary_data_size':12}}],"
	     "'outputs':[{'name':'y','parameters':{'binary_data':true}},{'name':'z','parameters':"
	     "{'classification':3,'binary_data':false}}],'parameters':{'priority':1,'timeout':2500}}",
	     &infer);
	assert_true(wire_string_equals(infer.id, "7"));
	assert_int_equal(infer.timeout_us, 2500);
	assert_false(infer.is_binary);
	assert_int_equal(infer.n_inputs, 1);
	assert_true(wire_string_equals(infer.inputs[0].tensor.name, "x"));
	assert_int_equal(infer.inputs[0].tensor.index, WIRE_INDEX_NONE);
	assert_int_equal(infer.inputs[0].tensor.dtype, TENSOCK_FLOAT32);
	assert_int_equal(infer.inputs[0].tensor.rank, 2);
	assert_int_equal(infer.inputs[0].tensor.dims[1], 3);
	assert_int_equal(infer.inputs[0].tensor.bytes, 12);
	assert_int_equal(infer.inputs[0].source, OIP_BINARY);
	assert_int_equal(infer.n_outputs, 2);
	assert_true(infer.outputs[0].is_binary);
	assert_false(infer.outputs[1].is_binary);
	assert_int_equal(infer.outputs[1].classes, 3);
	oip_infer_done(&infer);
	assert_null(infer.inputs);
}

static void test_values(void **state)
{
	struct oip_infer infer;
	int32_t values[2];

	(void)state;
	take("{'inputs':[{'name':'x','shape':[2,1],'datatype':'INT32','data':[[1],[-2]]},"
	     "{'datatype':'BYTES','shape':[1],'name':'s','data':['ab']}],"
	     "'parameters':{'binary_data_output':true},'outputs':[{'name':'y'}]}",
	     &infer);
	assert_int_equal(infer.inputs[0].source, OIP_VALUES);
	assert_int_equal(infer.inputs[0].tensor.bytes, 8);
	oip_json_values_write(&infer.inputs[0], values);
	assert_int_equal(values[0], 1);
	assert_int_equal(values[1], -2);
	assert_int_equal(infer.inputs[1].tensor.bytes, 6);
	assert_true(infer.is_binary);
	assert_true(infer.outputs[0].is_binary);
	oip_infer_done(&infer);
}

static void test_regions(void **state)
{
	struct oip_infer infer;

	(void)state;
	take("{'inputs':[{'name':'x','shape':[2],'datatype':'FP16','parameters':{"
	     "'shared_memory_region':'r','shared_memory_byte_size':4,'shared_memory_offset':64}}],"
	     "'outputs':[{'name':'y','parameters':{'shared_memory_region':'o',"
	     "'shared_memory_byte_size':100}}]}",
	     &infer);
	assert_int_equal(infer.inputs[0].source, OIP_REGION);
	assert_true(wire_string_equals(infer.inputs[0].region.name, "r"));
	assert_int_equal(infer.inputs[0].region.offset, 64);
	assert_int_equal(infer.inputs[0].region.bytes, 4);
	assert_true(wire_string_equals(infer.outputs[0].region.name, "o"));
	assert_int_equal(infer.outputs[0].region.bytes, 100);
	assert_int_equal(infer.outputs[0].region.offset, 0);
	oip_infer_done(&infer);
}

/* null is as good as nothing; what nobody knows is passed over; a model may have no input. */
static void test_what_is_optional(void **state)
{
	struct oip_infer infer;

	(void)state;
	take("{'id':null,'parameters':null,'outputs':null,'inputs':[],'more':{'inputs':[]}}",
	     &infer);
	assert_int_equal(infer.n_inputs, 0);
	assert_int_equal(infer.n_outputs, 0);
	oip_infer_done(&infer);
	take("{'inputs':[{'name':'x','shape':[],'datatype':'UINT8','data':[1],"
	     "'parameters':{'content_type':'np'}}],'parameters':{'sequence_id':0,"
	     "'sequence_start':false,'sequence_end':false,'mine':1.5,'headers':'x','huge':18446744073709551616,"
	     "'none':null,'zero':'a\\u0000b'}}",
	     &infer);
	oip_infer_done(&infer);
	take("{'inputs':[],'parameters':{'sequence_id':''}}", &infer);
	oip_infer_done(&infer);
}

#define WITH(more) "{'inputs':[{'name':'x','shape':[1],'datatype':'FP32'," more "}]}"

static void test_inputs_refused(void **state)
{
	static const char one_source[] =
		"input 'x': Input must set only one of the following fields";

	(void)state;
	assert_refused("[]", TENSOCK_INVALID_ARGUMENT, "the request is not a JSON object");
	assert_refused("{}", TENSOCK_INVALID_ARGUMENT, "'inputs' is missing");
	assert_refused("{'inputs':{}}", TENSOCK_INVALID_ARGUMENT, "'inputs' is not an array");
	assert_refused("{'inputs':[],'inputs':[]}", TENSOCK_INVALID_ARGUMENT, "'inputs' is twice");
	assert_refused("{'inputs':[3]}", TENSOCK_INVALID_ARGUMENT,
		       "input 0: it is not a JSON object");
	assert_refused("{'inputs':[{}]}", TENSOCK_INVALID_ARGUMENT, "input 0: 'name' is missing");
	assert_refused("{'inputs':[{'name':''}]}", TENSOCK_INVALID_ARGUMENT, "'name' is empty");
	assert_refused(WITH("'name':'y'"), TENSOCK_INVALID_ARGUMENT, "'name' is twice");
	assert_refused(WITH("'z':0"), TENSOCK_INVALID_ARGUMENT, one_source);
	assert_refused(WITH("'data':[1],'parameters':{'binary_data_size':4}"),
		       TENSOCK_INVALID_ARGUMENT, one_source);
	assert_refused(WITH("'parameters':{'binary_data_size':5}"), TENSOCK_INVALID_ARGUMENT,
		       "input byte size mismatch for input 'x'");
	assert_refused(WITH("'parameters':{'binary_data_size':-4}"), TENSOCK_INVALID_ARGUMENT,
		       "'binary_data_size' is not");
	assert_refused(WITH("'parameters':{'binary_data_size':4,'binary_data_size':4}"),
		       TENSOCK_INVALID_ARGUMENT, "twice");
	assert_refused(WITH("'parameters':[]"), TENSOCK_INVALID_ARGUMENT, "'parameters' is not");
	assert_refused(WITH("'parameters':{'shared_memory_region':'r'}"), TENSOCK_INVALID_ARGUMENT,
		       "'shared_memory_byte_size' must be specified");
	assert_refused(WITH("'parameters':{'shared_memory_region':'','shared_memory_byte_size':4}"),
		       TENSOCK_INVALID_ARGUMENT, "expected a region's name");
	assert_refused(
		WITH("'parameters':{'shared_memory_region':'r','shared_memory_byte_size':8}"),
		TENSOCK_INVALID_ARGUMENT, "input byte size mismatch");
	assert_refused(WITH("'parameters':{'binary_data_size':1.5}"), TENSOCK_INVALID_ARGUMENT,
		       "'binary_data_size' is not");
	assert_refused(WITH("'parameters':{'\\u0000':4}"), TENSOCK_INVALID_ARGUMENT, "zero byte");
	assert_refused(WITH("'parameters':{'shared_memory_byte_size':4}"), TENSOCK_INVALID_ARGUMENT,
		       "can not be specified without 'shared_memory_region'");
	assert_refused(WITH("'data':[1,2]"), TENSOCK_INVALID_ARGUMENT,
		       "input 'x': unable to parse 'data'");
}

static void test_shapes_and_types_refused(void **state)
{
	static const char huge[] = "{'inputs':[{'name':'x','datatype':'FP64','shape':"
				   "[4294967296,4294967296],'data':[]}]}";

	(void)state;
	assert_refused("{'inputs':[{'name':'x','datatype':'FP31','shape':[1],'data':[1]}]}",
		       TENSOCK_INVALID_ARGUMENT, "input 'x': there is no datatype 'FP31'");
	assert_refused("{'inputs':[{'name':'x','datatype':'INT4','shape':[1],'data':[1]}]}",
		       TENSOCK_UNSUPPORTED, "receiving INT4 data via JSON is not supported");
	assert_refused("{'inputs':[{'name':'x','datatype':'FP32','shape':[-1],'data':[1]}]}",
		       TENSOCK_INVALID_ARGUMENT, "input 'x': 'shape' holds something else");
	assert_refused("{'inputs':[{'name':'x','datatype':'FP32','shape':[1.0],'data':[1]}]}",
		       TENSOCK_INVALID_ARGUMENT, "input 'x': 'shape' holds something else");
	assert_refused(
		"{'inputs':[{'name':'x','datatype':'FP32','shape':[9223372036854775808],'data':"
		"[]}]}",
		TENSOCK_INVALID_ARGUMENT, "input 'x': 'shape' holds something else");
	assert_refused(huge, TENSOCK_TOO_LARGE, "its shape has too many elements");
	assert_refused("{'inputs':[{'name':'x','datatype':'FP32','shape':"
		       "[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1],'data':[1]}]}",
		       TENSOCK_TOO_LARGE, "'shape' has 17 elements");
	assert_refused("{'inputs':[{'name':'x','datatype':'BYTES','shape':[2],"
		       "'parameters':{'binary_data_size':7}}]}",
		       TENSOCK_INVALID_ARGUMENT, "at least 8, got 7");
	assert_refused("{'inputs':[{'name':'x','datatype':'BYTES','shape':[0],"
		       "'parameters':{'binary_data_size':7}}]}",
		       TENSOCK_INVALID_ARGUMENT, "input byte size mismatch");
	assert_refused("{'inputs':[{'name':'x','datatype':'FP16','shape':[1],'data':[1]}]}",
		       TENSOCK_UNSUPPORTED, "receiving FP16 data via JSON is not supported");
}

static void test_outputs_refused(void **state)
{
	(void)state;
	assert_refused("{'inputs':[],'outputs':[{}]}", TENSOCK_INVALID_ARGUMENT,
		       "output 0: 'name' is missing");
	assert_refused("{'inputs':[],'outputs':{}}", TENSOCK_INVALID_ARGUMENT, "'outputs' is not");
	assert_refused("{'inputs':[],'outputs':[{'name':'y','parameters':{'binary_data':1}}]}",
		       TENSOCK_INVALID_ARGUMENT,
		       "tensor 'y': invalid value for 'binary_data' parameter, expected a bool");
	assert_refused("{'inputs':[],'outputs':[{'name':'y','parameters':{'classification':-1}}]}",
		       TENSOCK_INVALID_ARGUMENT, "invalid value for 'classification'");
	assert_refused("{'inputs':[],'outputs':[{'name':'y','parameters':{'classification':1,"
		       "'shared_memory_region':'r','shared_memory_byte_size':8}}]}",
		       TENSOCK_INVALID_ARGUMENT, "can't set both");
	assert_refused("{'inputs':[],'outputs':[{'name':'y','parameters':{'binary_data':true,"
		       "'shared_memory_region':'r','shared_memory_byte_size':8}}]}",
		       TENSOCK_INVALID_ARGUMENT, "can't set both");
}

static void test_parameters_refused(void **state)
{
	(void)state;
	assert_refused("{'inputs':[],'parameters':{'sequence_id':5}}", TENSOCK_UNSUPPORTED,
		       "parameter 'sequence_id'");
	assert_refused("{'inputs':[],'parameters':{'sequence_id':'a'}}", TENSOCK_UNSUPPORTED,
		       "parameter 'sequence_id'");
	assert_refused("{'inputs':[],'parameters':{'sequence_id':'\\u0000'}}",
		       TENSOCK_INVALID_ARGUMENT, "invalid value for 'sequence_id'");
	assert_refused("{'inputs':[],'parameters':{'sequence_id':-1}}", TENSOCK_UNSUPPORTED,
		       "parameter 'sequence_id'");
	assert_refused("{'inputs':[],'parameters':{'sequence_start':true}}", TENSOCK_UNSUPPORTED,
		       "parameter 'sequence_start'");
	assert_refused("{'inputs':[],'parameters':{'sequence_end':true}}", TENSOCK_UNSUPPORTED,
		       "parameter 'sequence_end'");
	assert_refused("{'inputs':[],'parameters':{'sequence_end':1}}", TENSOCK_INVALID_ARGUMENT,
		       "expected a bool");
	assert_refused("{'inputs':[],'parameters':{'timeout':1,'timeout':2}}",
		       TENSOCK_INVALID_ARGUMENT, "parameter 'timeout' is there twice");
	assert_refused("{'inputs':[],'parameters':{'timeout':'1'}}", TENSOCK_INVALID_ARGUMENT,
		       "invalid value for 'timeout'");
	assert_refused("{'inputs':[],'parameters':{'priority':-1}}", TENSOCK_INVALID_ARGUMENT,
		       "invalid value for 'priority'");
	assert_refused("{'inputs':[],'parameters':{'triton_mine':true}}", TENSOCK_INVALID_ARGUMENT,
		       "parameter keys starting with 'triton_' are reserved");
	assert_refused("{'inputs':[],'parameters':{'mine':[]}}", TENSOCK_INVALID_ARGUMENT,
		       "parameter 'mine' has invalid type");
	assert_refused("{'inputs':[],'parameters':{'mine':1,'mine':1}}", TENSOCK_INVALID_ARGUMENT,
		       "parameter 'mine' is there twice");
	assert_refused("{'inputs':[],'id':5}", TENSOCK_INVALID_ARGUMENT, "'id' is not a string");
	assert_refused("{'inputs':[],'id':'\\u0000'}", TENSOCK_INVALID_ARGUMENT,
		       "has a zero byte in it");
}

/* One more than may be of each. */
static void test_too_many(void **state)
{
	char text[OIP_TENSORS_MAX * 3 + 64];
	size_t n = 0;

	(void)state;
	n += (size_t)snprintf(text, sizeof(text), "{'inputs':[{}");
	for (unsigned i = 0; i < OIP_TENSORS_MAX; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, ",{}");
	snprintf(text + n, sizeof(text) - n, "]}");
	assert_refused(text, TENSOCK_TOO_LARGE, "'inputs' has 1025 elements");

	n = (size_t)snprintf(text, sizeof(text), "{'inputs':[],'id':'");
	for (unsigned i = 0; i <= OIP_ID_MAX; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "x");
	snprintf(text + n, sizeof(text) - n, "'}");
	assert_refused(text, TENSOCK_INVALID_ARGUMENT, "'id' is 1025 bytes long");

	n = (size_t)snprintf(text, sizeof(text), "{'inputs':[],'parameters':{'");
	memset(text + n, 'k', OIP_KEY_MAX + 1);
	snprintf(text + n + OIP_KEY_MAX + 1, sizeof(text) - n - OIP_KEY_MAX - 1, "':1}}");
	assert_refused(text, TENSOCK_INVALID_ARGUMENT, "parameter's key is 1025 bytes long");
}

/* One more parameter than is compared with all others; as many as may be. */
static void test_many_parameters(void **state)
{
	struct oip_infer infer;
	char text[2048];

	(void)state;
	for (unsigned most = 64; most <= 65; most++) {
		size_t n = (size_t)snprintf(text, sizeof(text), "{'inputs':[],'parameters':{'p':1");

		for (unsigned i = 1; i < most; i++)
			n += (size_t)snprintf(text + n, sizeof(text) - n,
					      ",'p%u':18446744073709551615", i);
		snprintf(text + n, sizeof(text) - n, "}}");
		if (most == 64) {
			take(text, &infer);
			oip_infer_done(&infer);
		} else {
			assert_refused(text, TENSOCK_TOO_LARGE,
				       "'parameters' are 65, more than 64");
		}
	}
	take("{'inputs':[],'parameters':{'timeout':18446744073709551615}}", &infer);
	assert_true(infer.timeout_us == UINT64_MAX);
	oip_infer_done(&infer);
}

static void test_memory(void **state)
{
	(void)state;
	assert_true(oip_json_memory("{\"inputs\":[]}", 13) > 13);
	/* A model's file in base64: not much more than its length. */
	assert_true(oip_json_memory("\"AAAAAAAAAAAAAAAAAAAAAAAA\"", 26) < 26 + 8192);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TSK_TEST(test_binary),          TSK_TEST(test_values),
		TSK_TEST(test_regions),         TSK_TEST(test_what_is_optional),
		TSK_TEST(test_inputs_refused),  TSK_TEST(test_shapes_and_types_refused),
		TSK_TEST(test_outputs_refused), TSK_TEST(test_parameters_refused),
		TSK_TEST(test_too_many),        TSK_TEST(test_many_parameters),
		TSK_TEST(test_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
