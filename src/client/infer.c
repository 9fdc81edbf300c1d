/* SPDX-License-Identifier: Apache-2.0 */
/* One run of a model: tensors there, tensors back. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "base/clock.h"
#include "base/status.h"
#include "client/client.h"
#include "client/infer_memory.h"
#include "client/model.h"
#include "client/options.h"
#include "wire/infer.h"

/* meta_bytes, payload_bytes, deadline, reference by hash, two counts. */
#define META_FIXED_BYTES (4u + 8 + 4 + 1 + WIRE_HASH_BYTES + 4 + 4)
/* Without the name. */
#define META_INPUT_BYTES (2u + 4 + 4 + 4 + 8 * TENSOCK_RANK_MAX + 8)
#define META_WANTED_BYTES (2u + 4)

/* A result that nobody has room for is read to its end up to this; above, the connection is given up. */
#define DISCARD_BYTES_MAX ((uint64_t)16 * 1024 * 1024)

/* An output that has been described. */
struct infer_output {
	bool is_there;
	void *data;
	bool is_allocated;
	struct wire_tensor tensor; /* without its name */
};

struct infer_request {
	struct tensock_request request;
	struct infer_memory memory;
	struct tensock_output *outputs; /* the caller's */
	uint32_t n_outputs;
	struct infer_output *got;
	bool does_not_fit; /* of all, bytes are told */
	uint64_t queue_ns, compute_ns;
	struct tensock_infer_options options;
};

static struct infer_request *infer_of(struct tensock_request *request)
{
	return (struct infer_request *)(void *)request;
}

/*
 * ---- The question
 */

static int check_name(const char *name, uint32_t index, struct tensock_error *reterr)
{
	if (name && (!*name || strlen(name) > TSK_TENSOR_NAME_MAX))
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT,
				"a tensor's name has 1 to %u bytes; without one its index counts",
				TSK_TENSOR_NAME_MAX);
	if (!name && index >= WIRE_TENSORS_MAX)
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT, "no model has a tensor %u",
				index);
	return 0;
}

/* What it is called in messages. */
static const char *label(const char *name, uint32_t index, char buffer[16])
{
	if (name)
		return name;
	snprintf(buffer, 16, "%u", index);
	return buffer;
}

static int describe_input(const struct tensock_input *input, struct wire_tensor *ret,
			  struct tensock_error *reterr)
{
	char buffer[16];
	uint64_t payload;
	int r = check_name(input->name, input->index, reterr);

	if (r < 0)
		return r;
	*ret = (struct wire_tensor){
		.name = wire_string(input->name),
		.index = input->name ? WIRE_INDEX_NONE : input->index,
		.dtype = input->dtype,
		.rank = input->rank,
		.bytes = input->bytes,
	};
	memcpy(ret->dims, input->dims, sizeof(ret->dims));
	if (input->reserved || (!input->data && input->bytes) ||
	    wire_tensors_layout(ret, 1, &payload) < 0)
		return tsk_fail(
			reterr, TENSOCK_INVALID_ARGUMENT,
			"input %.100s: type %u, %u dimensions and %llu bytes do not go together",
			label(input->name, input->index, buffer), input->dtype, input->rank,
			(unsigned long long)input->bytes);
	return 0;
}

static int describe(const struct tensock_input *inputs, uint32_t n_inputs,
		    const struct tensock_output *outputs, uint32_t n_outputs,
		    struct wire_tensor *ret_inputs, struct wire_tensor *ret_wanted,
		    struct tensock_error *reterr)
{
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < n_inputs; i++)
		r = describe_input(&inputs[i], &ret_inputs[i], reterr);
	for (uint32_t i = 0; r == 0 && i < n_outputs; i++) {
		r = check_name(outputs[i].name, outputs[i].index, reterr);
		ret_wanted[i] = (struct wire_tensor){
			.name = wire_string(outputs[i].name),
			.index = outputs[i].name ? WIRE_INDEX_NONE : outputs[i].index,
		};
		if (r == 0 && outputs[i].flags)
			r = tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT,
				     "the flags of an output that is wanted are 0");
	}
	return r;
}

/* The caller's memory in its order, with what aligns each tensor. */
static int gather(struct tensock_request *request, const struct tensock_input *inputs,
		  const struct wire_tensor *tensors, uint32_t n)
{
	uint64_t end = 0;

	if (pieces_init(&request->out, 2 * n) < 0)
		return -ENOMEM;
	for (uint32_t i = 0; i < n; i++) {
		pieces_add(&request->out, NULL, tensors[i].offset - end);
		pieces_add(&request->out, inputs[i].data, tensors[i].bytes);
		end = tensors[i].offset + tensors[i].bytes;
	}
	return 0;
}

static size_t meta_size(const struct wire_tensor *inputs, uint32_t n_inputs,
			const struct wire_tensor *wanted, uint32_t n_wanted)
{
	size_t size = META_FIXED_BYTES;

	for (uint32_t i = 0; i < n_inputs; i++)
		size += META_INPUT_BYTES + inputs[i].name.len;
	for (uint32_t i = 0; i < n_wanted; i++)
		size += META_WANTED_BYTES + wanted[i].name.len;
	return size;
}

static int write_head(struct tensock_request *request, const struct wire_infer *infer,
		      const struct wire_tensor *inputs, const struct wire_tensor *wanted,
		      struct tensock_error *reterr)
{
	size_t size = meta_size(inputs, infer->n_inputs, wanted, infer->n_outputs), offset;
	struct tsk_writer w;
	uint64_t first;

	if (request_head_init(request, size, &w) < 0)
		return tsk_fail(reterr, TENSOCK_OUT_OF_MEMORY, "no memory for a request");
	wire_infer_write(&w, infer, inputs, wanted);
	if (w.bad)
		return tsk_fail(reterr, TENSOCK_TOO_LARGE,
				"the names and shapes of these tensors take more than %u bytes",
				WIRE_META_MAX);
	first = wire_first_payload(tsk_writer_len(&w), infer->payload_bytes, &offset);
	request_head_done(request, WIRE_INFER, offset, first);
	return 0;
}

/* The connection is known: so is how it is asked. */
static void infer_begin(struct tensock_request *request)
{
	struct infer_request *infer = infer_of(request);

	infer_memory_ask(&infer->memory, request, infer->outputs, infer->n_outputs);
}

/*
 * ---- The answer
 */

static void forget_outputs(struct infer_request *infer)
{
	for (uint32_t i = 0; i < infer->n_outputs; i++) {
		if (infer->got[i].is_allocated)
			free(infer->got[i].data);
		infer->got[i] = (struct infer_output){ 0 };
	}
}

static bool is_the_one(const struct tensock_output *output, const struct wire_tensor *tensor)
{
	return output->name ? wire_string_equals(tensor->name, output->name)
			    : tensor->index == output->index;
}

/* The output that is meant, mostly the one in the same place; NULL: none that was asked for, or one
 * that has come already. */
static struct infer_output *find_output(struct infer_request *infer, uint32_t place,
					const struct wire_tensor *tensor)
{
	for (uint32_t k = 0; k < infer->n_outputs; k++) {
		uint32_t i = (place + k) % infer->n_outputs;

		if (!infer->got[i].is_there && is_the_one(&infer->outputs[i], tensor))
			return &infer->got[i];
	}
	return NULL;
}

/* Memory for one output.  A failure of the request alone. */
static int place_output(struct infer_request *infer, struct infer_output *got,
			struct tensock_error *reterr)
{
	const struct tensock_output *output = &infer->outputs[got - infer->got];
	uint64_t bytes = got->tensor.bytes;
	char buffer[16];

	if (output->data && bytes <= output->capacity) {
		got->data = output->data;
		return 0;
	}
	if (output->data) {
		infer->does_not_fit = true;
		return tsk_fail(reterr, TENSOCK_TOO_LARGE,
				"output %.100s takes %llu bytes, there is room for %llu",
				label(output->name, output->index, buffer),
				(unsigned long long)bytes, (unsigned long long)output->capacity);
	}
	got->data = bytes <= SIZE_MAX / 2 ? malloc(bytes ? (size_t)bytes : 1) : NULL;
	got->is_allocated = true;
	if (!got->data)
		return tsk_fail(reterr, TENSOCK_OUT_OF_MEMORY,
				"no memory for output %.100s of %llu bytes",
				label(output->name, output->index, buffer),
				(unsigned long long)bytes);
	return 0;
}

/* Each output has its place, and payload goes there in the order that it comes in.  All are looked
 * at, so that each that does not fit is known.  -EPROTO: the host's fault. */
static int place_outputs(struct infer_request *infer, const struct wire_tensor *tensors, uint32_t n,
			 struct tensock_error *reterr)
{
	struct tensock_request *request = &infer->request;
	uint64_t end = 0;

	for (uint32_t i = 0; i < n; i++) {
		struct infer_output *got = find_output(infer, i, &tensors[i]);
		struct tensock_error error;

		if (!got)
			return connection_protocol_error(reterr,
							 "an output that was not asked for");
		got->is_there = true;
		got->tensor = tensors[i];
		got->tensor.name = wire_string(NULL);
		if (place_output(infer, got, &error) < 0)
			request_fail(request, &error);
		pieces_add(&request->in, NULL, tensors[i].offset - end);
		pieces_add(&request->in, got->data, tensors[i].bytes);
		end = tensors[i].offset + tensors[i].bytes;
	}
	return 0;
}

/* One that has failed here: what comes of it is nobody's. */
static int discard(struct infer_request *infer, struct tensock_error *reterr)
{
	struct pieces *in = &infer->request.in;

	if (in->left > DISCARD_BYTES_MAX)
		return tsk_fail(reterr, TENSOCK_UNAVAILABLE,
				"a result that there is no room for is too long to be skipped");
	pieces_discard(in, in->left);
	return 0;
}

/* Each output from its place to where the caller wants it. */
static void copy_outputs(struct infer_request *infer)
{
	for (uint32_t i = 0; i < infer->n_outputs; i++)
		infer_memory_copy(&infer->memory, &infer->request, i, infer->got[i].data,
				  infer->got[i].tensor.bytes);
}

static int take_result(struct infer_request *infer, const struct wire_result *result,
		       const struct wire_tensor *tensors, bool is_in_memory,
		       struct tensock_error *reterr)
{
	uint64_t bytes_max = infer->request.client->host.request_bytes_max;
	int r;

	if (result->n_outputs != infer->n_outputs)
		return connection_protocol_error(reterr, "%u outputs where %u were asked for",
						 result->n_outputs, infer->n_outputs);
	if (result->payload_bytes > bytes_max)
		return connection_protocol_error(
			reterr, "a RESULT of %llu bytes where it allows %llu itself",
			(unsigned long long)result->payload_bytes, (unsigned long long)bytes_max);
	forget_outputs(infer);
	if (pieces_init(&infer->request.in, 2 * result->n_outputs) < 0)
		return tsk_fail(reterr, TENSOCK_OUT_OF_MEMORY, "no memory for a result");
	r = place_outputs(infer, tensors, result->n_outputs, reterr);
	if (r < 0)
		return r;
	infer->queue_ns = result->queue_ns;
	infer->compute_ns = result->compute_ns;
	if (!is_in_memory)
		return infer->request.has_failed ? discard(infer, reterr) : 1;
	if (!infer->request.has_failed)
		copy_outputs(infer);
	return 1;
}

/* The host has no use for the memory: it is asked again, without. */
static int ask_inline(struct infer_request *infer)
{
	struct tensock_request *request = &infer->request;
	struct tensock_error error;

	infer_memory_refuse(&infer->memory, request);
	if (!request->cancel_is_wanted) {
		request_ask_again(request);
		return 0;
	}
	(void)tsk_fail(&error, TENSOCK_CANCELLED, "cancelled before the host did it");
	request_fail(request, &error);
	return 1;
}

static int infer_answer(struct tensock_request *request, uint32_t type, const void *body,
			size_t size, struct tensock_error *reterr)
{
	_cleanup_free_ struct wire_tensor *tensors = NULL;
	struct infer_request *infer = infer_of(request);
	struct wire_result result;
	int r;

	if (!infer_memory_is_answered_by(&infer->memory, type))
		return connection_protocol_error(reterr, "%s answers an INFER%s",
						 wire_type_name(type),
						 infer_memory_is_asked(&infer->memory) ? "_MEMORY"
										       : "");
	if (type == WIRE_INLINE)
		return ask_inline(infer);
	r = wire_result_read(body, size, &result, &tensors);
	if (r == -ENOMEM)
		return tsk_fail(reterr, TENSOCK_OUT_OF_MEMORY, "no memory for a result");
	if (r < 0)
		return connection_protocol_error(reterr, "a broken %s", wire_type_name(type));
	r = take_result(infer, &result, tensors, type == WIRE_RESULT_MEMORY, reterr);
	if (r >= 0)
		infer_memory_leave(&infer->memory, request, false);
	return r;
}

static void infer_restart(struct tensock_request *request)
{
	struct infer_request *infer = infer_of(request);

	forget_outputs(infer);
	infer_memory_leave(&infer->memory, request, true);
	infer_memory_set_inline(&infer->memory, request);
}

static void hand_over(struct infer_request *infer, uint32_t i)
{
	struct tensock_output *output = &infer->outputs[i];
	struct infer_output *got = &infer->got[i];

	output->index = got->tensor.index;
	output->dtype = got->tensor.dtype;
	output->rank = got->tensor.rank;
	memcpy(output->dims, got->tensor.dims, sizeof(output->dims));
	output->bytes = got->tensor.bytes;
	if (!got->is_allocated)
		return;
	output->data = TAKE_PTR(got->data);
	output->flags = TENSOCK_OUTPUT_ALLOCATED;
	output->capacity = output->bytes;
}

static void infer_done(struct tensock_request *request, const struct tensock_error *error)
{
	struct infer_request *infer = infer_of(request);

	/* The caller finds its memory so that nobody else writes to it. */
	if (error)
		infer_memory_leave(&infer->memory, request, request->head_is_sent);
	for (uint32_t i = 0; !error && i < infer->n_outputs; i++)
		hand_over(infer, i);
	if (error && error->status == TENSOCK_TOO_LARGE && infer->does_not_fit) {
		for (uint32_t i = 0; i < infer->n_outputs; i++)
			infer->outputs[i].bytes = infer->got[i].tensor.bytes;
	}
	if (error)
		return;
	if (infer->options.ret_queue_ns)
		*infer->options.ret_queue_ns = infer->queue_ns;
	if (infer->options.ret_compute_ns)
		*infer->options.ret_compute_ns = infer->compute_ns;
}

static void infer_free(struct tensock_request *request)
{
	struct infer_request *infer = infer_of(request);

	if (infer->got)
		forget_outputs(infer);
	infer_memory_done(&infer->memory, request);
	free(infer->got);
	free(infer);
}

static const struct request_ops infer_ops = {
	.begin = infer_begin,
	.answer = infer_answer,
	.restart = infer_restart,
	.done = infer_done,
	.free = infer_free,
};

/*
 * ---- Its start
 */

static int ask(struct infer_request *infer, const struct tensock_model *model,
	       const struct tensock_input *inputs, uint32_t n_inputs, struct tensock_error *reterr)
{
	_cleanup_free_ struct wire_tensor *tensors =
		calloc((size_t)n_inputs + infer->n_outputs, sizeof(*tensors));
	struct wire_infer wire = {
		.model.kind = WIRE_BY_HASH,
		.deadline_ms = infer->options.deadline_ms,
		.n_inputs = n_inputs,
		.n_outputs = infer->n_outputs,
	};
	struct wire_tensor *wanted = tensors + n_inputs;
	int r;

	if (!tensors)
		return tsk_fail(reterr, TENSOCK_OUT_OF_MEMORY, "no memory for a request");
	r = describe(inputs, n_inputs, infer->outputs, infer->n_outputs, tensors, wanted, reterr);
	if (r < 0)
		return r;
	if (wire_tensors_layout(tensors, n_inputs, &wire.payload_bytes) < 0)
		return tsk_fail(reterr, TENSOCK_TOO_LARGE, "the inputs together are too large");
	if (gather(&infer->request, inputs, tensors, n_inputs) < 0)
		return tsk_fail(reterr, TENSOCK_OUT_OF_MEMORY, "no memory for a request");
	memcpy(wire.model.hash, model->hash, sizeof(wire.model.hash));
	return write_head(&infer->request, &wire, tensors, wanted, reterr);
}

static int check_counts(uint32_t n_inputs, uint32_t n_outputs, struct tensock_error *reterr)
{
	if (n_inputs > WIRE_TENSORS_MAX || n_outputs > WIRE_TENSORS_MAX)
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT, "more than %u tensors",
				WIRE_TENSORS_MAX);
	if (!n_outputs)
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT,
				"no output is wanted: then there is nothing to run for");
	return 0;
}

static void infer_freep(struct infer_request **infer)
{
	if (*infer)
		request_drop(&(*infer)->request);
}

static int infer_new(const struct tensock_model *model, const struct tensock_input *inputs,
		     uint32_t n_inputs, struct tensock_output *outputs, uint32_t n_outputs,
		     const struct tensock_infer_options *options, struct infer_request **ret,
		     struct tensock_error *reterr)
{
	_cleanup_(infer_freep) struct infer_request *infer = NULL;
	int r = check_counts(n_inputs, n_outputs, reterr);

	if (r < 0)
		return r;
	infer = calloc(1, sizeof(*infer));
	if (infer)
		infer->request.ops = &infer_ops;
	if (infer)
		infer->got = calloc(n_outputs, sizeof(*infer->got));
	if (!infer || !infer->got)
		return tsk_fail(reterr, TENSOCK_OUT_OF_MEMORY, "no memory for a request");
	infer->outputs = outputs;
	infer->n_outputs = n_outputs;
	r = options_read(&infer->options, sizeof(infer->options), options, reterr);
	if (r == 0)
		r = ask(infer, model, inputs, n_inputs, reterr);
	if (r == 0)
		*ret = TAKE_PTR(infer);
	return r;
}

int tensock_infer_start(struct tensock_client *client, const struct tensock_model *model,
			const struct tensock_input *inputs, uint32_t n_inputs,
			struct tensock_output *outputs, uint32_t n_outputs,
			const struct tensock_infer_options *options,
			const struct tensock_completion *completion, struct tensock_request **ret,
			struct tensock_error *reterr)
{
	struct infer_request *infer;
	struct tensock_error error;

	if (infer_new(model, inputs, n_inputs, outputs, n_outputs, options, &infer, &error) < 0)
		return client_failed(&error, reterr);
	request_start(&infer->request, client, completion, false);
	if (ret)
		*ret = &infer->request;
	return TENSOCK_OK;
}

int tensock_infer(struct tensock_client *client, const struct tensock_model *model,
		  const struct tensock_input *inputs, uint32_t n_inputs,
		  struct tensock_output *outputs, uint32_t n_outputs,
		  const struct tensock_infer_options *options, struct tensock_error *reterr)
{
	struct infer_request *infer;
	struct tensock_error error;
	uint64_t timeout_ns;

	if (infer_new(model, inputs, n_inputs, outputs, n_outputs, options, &infer, &error) < 0)
		return client_failed(&error, reterr);
	/* The host's deadline comes first. */
	timeout_ns = infer->options.deadline_ms * TSK_NS_PER_MS;
	if (timeout_ns)
		timeout_ns += client->options.heartbeat_ns;
	return client_call(client, &infer->request, false, timeout_ns, reterr);
}

void tensock_outputs_done(struct tensock_output *outputs, uint32_t n_outputs)
{
	for (uint32_t i = 0; outputs && i < n_outputs; i++) {
		if (!(outputs[i].flags & TENSOCK_OUTPUT_ALLOCATED))
			continue;
		free(TAKE_PTR(outputs[i].data));
		outputs[i].flags = 0;
		outputs[i].capacity = 0;
	}
}
