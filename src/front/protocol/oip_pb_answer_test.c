/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "front/protocol/oip_pb_testing.h"

static const struct oip_result results[] = {
	{
		.name = { "logits", 6 },
		.dtype = TENSOCK_FLOAT32,
		.rank = 2,
		.dims = { 1, 1000 },
		.bytes = 4000,
		.data = results,
		.is_binary = true,
	},
	{ .name = { "s", 1 }, .dtype = TENSOCK_BYTES, .bytes = 7, .data = results },
	{
		.name = { "far", 3 },
		.dtype = TENSOCK_INT8,
		.rank = 1,
		.dims = { 300 },
		.bytes = 300,
		.region = { .name = { "r", 1 }, .offset = 0, .bytes = 4096 },
	},
};

static const struct oip_answer answer = {
	.model = "densenet",
	.version = "3",
	.id = { "r-7", 3 },
	.n_results = 3,
	.results = results,
};

static Inference__InferParameter *
parameter(const Inference__ModelInferResponse__InferOutputTensor *output, const char *key)
{
	for (size_t i = 0; i < output->n_parameters; i++) {
		if (strcmp(output->parameters[i]->key, key) == 0)
			return output->parameters[i]->value;
	}
	fail();
	return NULL;
}

static void assert_region(const Inference__ModelInferResponse__InferOutputTensor *output)
{
	assert_int_equal(output->n_parameters, 3);
	assert_string_equal(parameter(output, "shared_memory_region")->string_param, "r");
	assert_int_equal(parameter(output, "shared_memory_offset")->parameter_choice_case,
			 INFERENCE__INFER_PARAMETER__PARAMETER_CHOICE_INT64_PARAM);
	assert_int_equal(parameter(output, "shared_memory_offset")->int64_param, 0);
	assert_int_equal(parameter(output, "shared_memory_byte_size")->int64_param, 300);
}

static void assert_final(const Inference__ModelInferResponse *response)
{
	assert_int_equal(response->n_parameters, 1);
	assert_string_equal(response->parameters[0]->key, "triton_final_response");
	assert_int_equal(response->parameters[0]->value->parameter_choice_case,
			 INFERENCE__INFER_PARAMETER__PARAMETER_CHOICE_BOOL_PARAM);
	assert_true(response->parameters[0]->value->bool_param);
}

static void assert_answer(const Inference__ModelInferResponse *response)
{
	assert_string_equal(response->model_name, "densenet");
	assert_string_equal(response->model_version, "3");
	assert_string_equal(response->id, "r-7");
	assert_final(response);
	assert_int_equal(response->n_outputs, 3);
	assert_string_equal(response->outputs[0]->name, "logits");
	assert_string_equal(response->outputs[0]->datatype, "FP32");
	assert_int_equal(response->outputs[0]->n_shape, 2);
	assert_int_equal(response->outputs[0]->shape[0], 1);
	assert_int_equal(response->outputs[0]->shape[1], 1000);
	assert_int_equal(response->outputs[0]->n_parameters, 0);
	assert_null(response->outputs[0]->contents);
	assert_string_equal(response->outputs[1]->datatype, "BYTES");
	assert_int_equal(response->outputs[1]->n_shape, 0);
	assert_region(response->outputs[2]);
}

static void test_answer(void **state)
{
	Inference__ModelInferResponse *response;
	struct oip_pb pb;

	(void)state;
	assert_int_equal(oip_pb_answer(&answer, &pb), 0);
	response = unpacked(&inference__model_infer_response__descriptor, &pb);
	assert_answer(response);
	assert_int_equal(response->n_raw_output_contents, 0);
	free_unpacked(response);
	free_pb(&pb);
}

static void append(struct oip_pb *pb, const void *bytes, size_t n)
{
	pb->bytes = realloc(pb->bytes, pb->n + n);
	assert_non_null(pb->bytes);
	memcpy(pb->bytes + pb->n, bytes, n);
	pb->n += n;
}

/* The whole of it: raw contents behind the answer, all in a stream's response. */
static void test_whole(void **state)
{
	unsigned char head[OIP_PB_RAW_MAX], data[4000] = { 1, 2, 3 };
	struct oip_pb pb, stream = { .bytes = NULL };
	Inference__ModelStreamInferResponse *response;
	Inference__ModelInferResponse *infer;

	(void)state;
	assert_int_equal(oip_pb_answer(&answer, &pb), 0);
	for (unsigned i = 0; i < 3; i++) {
		uint64_t n = results[i].data ? results[i].bytes : 0;

		append(&pb, head, oip_pb_raw_head(n, head));
		append(&pb, data, n);
	}
	append(&stream, head, oip_pb_stream_head(pb.n, head));
	append(&stream, pb.bytes, pb.n);
	response = unpacked(&inference__model_stream_infer_response__descriptor, &stream);
	assert_string_equal(response->error_message, "");
	infer = response->infer_response;
	assert_answer(infer);
	assert_int_equal(infer->n_raw_output_contents, 3);
	assert_int_equal(infer->raw_output_contents[0].len, 4000);
	assert_memory_equal(infer->raw_output_contents[0].data, data, 4000);
	assert_int_equal(infer->raw_output_contents[1].len, 7);
	assert_int_equal(infer->raw_output_contents[2].len, 0);
	free_unpacked(response);
	free_pb(&pb);
	free_pb(&stream);
}

static void test_heads(void **state)
{
	unsigned char head[OIP_PB_RAW_MAX];

	(void)state;
	assert_int_equal(oip_pb_raw_head(0, head), 2);
	assert_int_equal(oip_pb_raw_head(300, head), 3);
	assert_memory_equal(head, "\x32\xac\x02", 3);
	assert_int_equal(oip_pb_raw_head(UINT64_MAX, head), OIP_PB_RAW_MAX);
	assert_int_equal(oip_pb_stream_head(300, head), 3);
	assert_memory_equal(head, "\x12\xac\x02", 3);
}

/* Protobuf's readers refuse a message with a string that is not UTF-8. */
static void test_not_utf8(void **state)
{
	const struct oip_result result = { .name = { "a\xff\xe2\x82\xac\xc3", 6 },
					   .dtype = TENSOCK_BOOL };
	const struct oip_answer bad = {
		.model = "\x80m", .version = "", .n_results = 1, .results = &result
	};
	Inference__ModelInferResponse *response;
	struct oip_pb pb;

	(void)state;
	assert_int_equal(oip_pb_answer(&bad, &pb), 0);
	response = unpacked(&inference__model_infer_response__descriptor, &pb);
	assert_string_equal(response->model_name, "?m");
	assert_string_equal(response->model_version, "");
	assert_string_equal(response->outputs[0]->name, "a?\xe2\x82\xac?");
	free_unpacked(response);
	free_pb(&pb);
}

static void test_stream_error(void **state)
{
	Inference__ModelStreamInferResponse *response;
	struct oip_pb pb;

	(void)state;
	assert_int_equal(oip_pb_stream_error("it is late", wire_string("r-7"), &pb), 0);
	response = unpacked(&inference__model_stream_infer_response__descriptor, &pb);
	assert_string_equal(response->error_message, "it is late");
	assert_string_equal(response->infer_response->id, "r-7");
	assert_final(response->infer_response);
	free_unpacked(response);
	free_pb(&pb);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TSK_TEST(test_answer),   TSK_TEST(test_whole),        TSK_TEST(test_heads),
		TSK_TEST(test_not_utf8), TSK_TEST(test_stream_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
