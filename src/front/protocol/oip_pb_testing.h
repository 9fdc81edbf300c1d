/* SPDX-License-Identifier: Apache-2.0 */
/* For tests: messages written and read by protobuf-c. */
#ifndef PROTOCOL_OIP_PB_TESTING_H
#define PROTOCOL_OIP_PB_TESTING_H

#include <stdlib.h>

#include "base/testing.h"
#include "front/protocol/oip.pb-c.h"
#include "front/protocol/oip_pb.h"

/* The message as protobuf-c writes it; exact, so that a byte read beyond it is found. */
static inline struct oip_pb packed(const void *message)
{
	struct oip_pb pb = { .n = protobuf_c_message_get_packed_size(message) };

	pb.bytes = malloc(pb.n ? pb.n : 1);
	assert_non_null(pb.bytes);
	assert_int_equal(protobuf_c_message_pack(message, pb.bytes), pb.n);
	return pb;
}

static inline void free_pb(struct oip_pb *pb)
{
	free(pb->bytes);
	*pb = (struct oip_pb){ 0 };
}

/* What protobuf-c reads; to be freed with protobuf_c_message_free_unpacked(). */
static inline void *unpacked(const ProtobufCMessageDescriptor *type, const struct oip_pb *pb)
{
	void *message = protobuf_c_message_unpack(type, NULL, pb->n, pb->bytes);

	assert_non_null(message);
	return message;
}

static inline void free_unpacked(void *message)
{
	protobuf_c_message_free_unpacked(message, NULL);
}

/* A test's request, small enough to be written down at once. */
#define TENSORS_MAX 4u

struct test_request {
	Inference__ModelInferRequest message;
	Inference__ModelInferRequest__InferInputTensor inputs[TENSORS_MAX], *p_inputs[TENSORS_MAX];
	Inference__ModelInferRequest__InferRequestedOutputTensor outputs[TENSORS_MAX],
		*p_outputs[TENSORS_MAX];
	Inference__InferTensorContents contents[TENSORS_MAX];
};

static inline void request_init(struct test_request *r)
{
	inference__model_infer_request__init(&r->message);
	r->message.model_name = "m";
	r->message.inputs = r->p_inputs;
	r->message.outputs = r->p_outputs;
}

static inline Inference__ModelInferRequest__InferInputTensor *
request_input(struct test_request *r, char *name, char *datatype, int64_t *shape, size_t rank)
{
	size_t i = r->message.n_inputs++;
	Inference__ModelInferRequest__InferInputTensor *input = &r->inputs[i];

	assert_true(i < TENSORS_MAX);
	r->p_inputs[i] = input;
	inference__model_infer_request__infer_input_tensor__init(input);
	inference__infer_tensor_contents__init(&r->contents[i]);
	input->name = name;
	input->datatype = datatype;
	input->shape = shape;
	input->n_shape = rank;
	return input;
}

/* Those of the input that was added last. */
static inline Inference__InferTensorContents *request_contents(struct test_request *r)
{
	size_t i = r->message.n_inputs - 1;

	r->inputs[i].contents = &r->contents[i];
	return &r->contents[i];
}

static inline Inference__ModelInferRequest__InferRequestedOutputTensor *
request_output(struct test_request *r, char *name)
{
	size_t i = r->message.n_outputs++;
	Inference__ModelInferRequest__InferRequestedOutputTensor *output = &r->outputs[i];

	assert_true(i < TENSORS_MAX);
	r->p_outputs[i] = output;
	inference__model_infer_request__infer_requested_output_tensor__init(output);
	output->name = name;
	return output;
}

#endif
