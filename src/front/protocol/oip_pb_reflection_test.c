/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/protowire.h"
#include "front/protocol/oip_pb_testing.h"
#include "front/protocol/reflection_v1.pb-c.h"

typedef Grpc__Reflection__V1__ServerReflectionRequest request_t;
typedef Grpc__Reflection__V1__ServerReflectionResponse response_t;

#define ASKED(x) GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_##x
#define ANSWERED(x) GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_##x

/* What is asked for, and its string, which is one for all that have one. */
static response_t *ask(Grpc__Reflection__V1__ServerReflectionRequest__MessageRequestCase choice,
		       const char *what)
{
	request_t request = GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__INIT;
	struct oip_pb pb, answer;
	response_t *response;

	request.host = (char *)"here";
	request.message_request_case = choice;
	request.list_services = (char *)what;
	pb = packed(&request);
	assert_int_equal(oip_pb_reflection(pb.bytes, pb.n, &answer, NULL), 0);
	response = unpacked(&grpc__reflection__v1__server_reflection_response__descriptor, &answer);
	assert_string_equal(response->valid_host, "here");
	assert_non_null(response->original_request);
	assert_int_equal(response->original_request->message_request_case, choice);
	if (what)
		assert_string_equal(response->original_request->list_services, what);
	free_pb(&pb);
	free_pb(&answer);
	return response;
}

static void test_services(void **state)
{
	static const char *const names[] = {
		"grpc.health.v1.Health",
		"grpc.reflection.v1.ServerReflection",
		"grpc.reflection.v1alpha.ServerReflection",
		"inference.GRPCInferenceService",
	};
	response_t *response = ask(ASKED(LIST_SERVICES), "*");
	unsigned seen = 0;

	(void)state;
	assert_int_equal(response->message_response_case, ANSWERED(LIST_SERVICES_RESPONSE));
	assert_int_equal(response->list_services_response->n_service, 4);
	for (unsigned i = 0; i < 4; i++) {
		for (unsigned k = 0; k < 4; k++) {
			if (strcmp(response->list_services_response->service[i]->name, names[k]) ==
			    0)
				seen |= 1u << k;
		}
	}
	assert_int_equal(seen, 15);
	free_unpacked(response);
}

/* The file's name, as its FileDescriptorProto has it. */
static void assert_file(response_t *response, const char *name)
{
	const ProtobufCBinaryData *file;
	struct tsk_reader reader;
	struct proto_field field;

	assert_int_equal(response->message_response_case, ANSWERED(FILE_DESCRIPTOR_RESPONSE));
	assert_int_equal(response->file_descriptor_response->n_file_descriptor_proto, 1);
	file = response->file_descriptor_response->file_descriptor_proto;
	reader = tsk_reader(file->data, file->len);
	assert_true(proto_next(&reader, &field));
	assert_int_equal(field.number, 1);
	assert_int_equal(field.n_bytes, strlen(name));
	assert_memory_equal(field.bytes, name, field.n_bytes);
	while (proto_next(&reader, &field))
		;
	assert_false(reader.bad);
	free_unpacked(response);
}

static void assert_error(response_t *response, int code)
{
	assert_int_equal(response->message_response_case, ANSWERED(ERROR_RESPONSE));
	assert_int_equal(response->error_response->error_code, code);
	assert_true(strlen(response->error_response->error_message) > 0);
	free_unpacked(response);
}

static void test_symbol(void **state)
{
	static const char *const rows[][2] = {
		{ "inference.GRPCInferenceService", "oip.proto" },
		{ "inference.GRPCInferenceService.ModelStreamInfer", "oip.proto" },
		{ "inference.ModelInferRequest", "oip.proto" },
		{ "inference.ModelInferRequest.InferInputTensor", "oip.proto" },
		{ "inference.ModelInferRequest.InferInputTensor.contents", "oip.proto" },
		{ "inference.ModelInferRequest.ParametersEntry", "oip.proto" },
		{ "inference.DataType", "oip.proto" },
		{ "grpc.health.v1.Health.Check", "health.proto" },
		{ "grpc.health.v1.HealthCheckResponse.ServingStatus", "health.proto" },
		{ "grpc.reflection.v1.ServerReflection", "reflection_v1.proto" },
		{ "grpc.reflection.v1alpha.ErrorResponse", "reflection_v1alpha.proto" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		assert_file(ask(ASKED(FILE_CONTAINING_SYMBOL), rows[i][0]), rows[i][1]);
}

static void test_no_symbol(void **state)
{
	static const char *const rows[] = {
		"",
		".",
		"inference",
		"inference.",
		"inferenc.ModelInferRequest",
		"inferenceModelInferRequest",
		"inference.ModelInferReques",
		"inference.ModelInferRequestX",
		"inference.ModelInferRequest.contents",
		"inference.GRPCInferenceService.Model",
		"grpc.reflection.v1",
		"grpc.reflection.v2.ServerReflection",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		assert_error(ask(ASKED(FILE_CONTAINING_SYMBOL), rows[i]), 5);
}

static void test_file(void **state)
{
	(void)state;
	assert_file(ask(ASKED(FILE_BY_FILENAME), "oip.proto"), "oip.proto");
	assert_file(ask(ASKED(FILE_BY_FILENAME), "reflection_v1.proto"), "reflection_v1.proto");
	assert_error(ask(ASKED(FILE_BY_FILENAME), "google/protobuf/descriptor.proto"), 5);
	assert_error(ask(ASKED(FILE_BY_FILENAME), ""), 5);
}

static void test_others(void **state)
{
	Grpc__Reflection__V1__ExtensionRequest extension =
		GRPC__REFLECTION__V1__EXTENSION_REQUEST__INIT;
	request_t request = GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__INIT;
	response_t *response;
	struct oip_pb pb, answer;

	(void)state;
	assert_error(ask(ASKED(ALL_EXTENSION_NUMBERS_OF_TYPE), "inference.ModelInferRequest"), 5);
	assert_error(ask(ASKED(_NOT_SET), NULL), 12);
	request.message_request_case = ASKED(FILE_CONTAINING_EXTENSION);
	request.file_containing_extension = &extension;
	pb = packed(&request);
	assert_int_equal(oip_pb_reflection(pb.bytes, pb.n, &answer, NULL), 0);
	response = unpacked(&grpc__reflection__v1__server_reflection_response__descriptor, &answer);
	assert_error(response, 5);
	free_pb(&pb);
	free_pb(&answer);
}

static void assert_refused(const void *bytes, size_t n, const char *message)
{
	struct oip_pb answer = { .n = 99 };
	struct tensock_error error = { 0 };

	assert_true(oip_pb_reflection(bytes, n, &answer, &error) < 0);
	assert_int_equal(error.status, TENSOCK_INVALID_ARGUMENT);
	assert_string_equal(error.message, message);
	assert_int_equal(answer.n, 99);
}

static void test_refused(void **state)
{
	static const char malformed[] =
		"the bytes are no ServerReflectionRequest: they end within a "
		"field, or a field is not of its type";

	(void)state;
	assert_refused("\x22\x05"
		       "abc",
		       5, malformed);
	assert_refused("\x20\x05", 2, malformed);
	assert_refused("\x28\x05", 2, malformed);
	assert_refused("\x08\x05", 2, malformed);
	assert_refused("\x22\x03"
		       "a\0b",
		       5, "the symbol has a zero byte in it");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TSK_TEST(test_services), TSK_TEST(test_symbol), TSK_TEST(test_no_symbol),
		TSK_TEST(test_file),     TSK_TEST(test_others), TSK_TEST(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
