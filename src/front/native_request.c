/* SPDX-License-Identifier: Apache-2.0 */
/*
 * INFER → RESULT.  Payload is received into the buffer that the worker will read, behind the place of
 * the run's descriptors; these are written when the model stands ready and says what it takes.
 * INFER_MEMORY → RESULT_MEMORY or RESULT: the same, but for where payload lies (native_memory.h).
 */
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "base/clock.h"
#include "base/status.h"
#include "front/inputs.h"
#include "front/native_call.h"
#include "front/native_memory.h"
#include "front/protocol/native_input.h"
#include "front/protocol/native_result.h"
#include "wire/infer.h"

struct native_request {
	struct native_call call;
	struct request request;
	unsigned char hash[MODEL_HASH_BYTES];
	struct model *model; /* since models have the request */

	uint32_t n_inputs, n_wanted;
	struct wire_tensor *tensors; /* inputs, then wanted outputs; their names lie in meta */
	struct run_tensor *inputs;   /* what the worker is told of them; since prepare() */
	uint32_t *wanted;

	uint64_t payload_at, region_bytes, payload_bytes, received;
	struct native_memory memory;
	uint64_t private_bytes; /* of all this, accounted for */
	char meta[];
};

static struct native_request *of_call(struct native_call *call)
{
	return (struct native_request *)(void *)call;
}

static struct native_request *of_request(struct request *request)
{
	return (struct native_request *)(void *)((char *)request -
						 offsetof(struct native_request, request));
}

/*
 * ---- For models
 */

static int request_prepare(struct request *request, const struct tsk_model_info *info,
			   uint64_t *ret_in_bytes, uint64_t *ret_out_bytes,
			   struct tensock_error *reterr)
{
	struct native_request *r = of_request(request);
	int err = native_input_resolve(info, r->tensors, r->n_inputs, r->payload_at, r->inputs,
				       reterr);

	if (err == 0)
		err = native_wanted_resolve(info, r->tensors + r->n_inputs, r->n_wanted, r->wanted,
					    reterr);
	if (err == 0 && r->memory.region)
		err = native_memory_prepare(&r->memory, request, r->tensors, r->inputs, r->n_inputs,
					    info, r->wanted, reterr);
	if (err < 0)
		return err;
	*ret_in_bytes = r->region_bytes;
	*ret_out_bytes = native_output_guess(info, r->inputs, r->n_inputs);
	return 0;
}

static bool request_fill(struct request *request, void *region)
{
	const struct native_request *r = of_request(request);

	/* The layout was made for these: they fit. */
	(void)!run_write_places(region, r->region_bytes, r->inputs, r->n_inputs, request->places,
				request->n_places);
	return false;
}

/* In the place of the RESULT's payload. */
static int put_result(struct native_request *r, const struct native_result *result,
		      const struct request_outputs *outputs, struct tensock_error *reterr)
{
	struct native_output *output = native_answers(r->call.session);
	struct tsk_writer w;
	int err = native_memory_put(&r->memory, result, outputs, reterr);

	if (err < 0)
		return err;
	w = native_output_begin(output, result->meta_bytes);
	wire_result_write(&w, &result->wire, result->outputs);
	native_output_commit(output, &w, WIRE_RESULT_MEMORY, r->call.id);
	return 0;
}

static int send_result(struct native_request *r, struct request_outputs *outputs,
		       struct tensock_error *reterr)
{
	struct native_output *output = native_answers(r->call.session);
	struct native_result result;
	int err = native_result_init(&result, models_info(r->model), outputs->tensors, r->wanted,
				     r->n_wanted);

	if (err == -EINVAL)
		return tsk_fail(reterr, TENSOCK_UNSUPPORTED,
				"the model's outputs cannot be described in one message");
	if (err < 0)
		return tsk_fail(reterr, TENSOCK_OUT_OF_MEMORY, "no memory for the answer");
	result.wire.queue_ns = outputs->queue_ns;
	result.wire.compute_ns = outputs->compute_ns;
	if (r->memory.n_places) {
		err = put_result(r, &result, outputs, reterr);
	} else {
		err = native_output_result(output, r->call.id, &result, outputs->tensors,
					   outputs->region, &outputs->buffer);
		if (err < 0)
			(void)tsk_fail(reterr, TENSOCK_OUT_OF_MEMORY, "no memory for the answer");
	}
	native_result_done(&result);
	return err;
}

static void request_done(struct request *request, struct request_outputs *outputs,
			 const struct tensock_error *error)
{
	struct native_request *r = of_request(request);
	struct tensock_error own;

	if (!error && !outputs) {
		(void)tsk_fail(&own, TENSOCK_INTERNAL, "the model has not been run");
		error = &own;
	} else if (!error && send_result(r, outputs, &own) < 0) {
		error = &own;
	}
	if (error)
		native_call_failed(&r->call, error);
	else
		native_call_answered(&r->call);
}

static const struct request_ops request_ops = {
	.prepare = request_prepare,
	.fill = request_fill,
	.done = request_done,
};

/*
 * ---- As a call
 */

/* All payload has come. */
static void submit(struct native_request *r)
{
	const struct model_name name = { .hash = r->hash };
	struct models *models = native_guest(r->call.session)->models;
	struct tensock_error error;

	native_call_set_receiving(&r->call, false);
	/* It may have gone meanwhile. */
	r->model = models_find(models, &name);
	if (!r->model) {
		(void)tsk_fail(&error, TENSOCK_NOT_FOUND, "the model has been removed");
		native_call_failed(&r->call, &error);
		return;
	}
	models_request(models, r->model, &r->request);
}

static uint64_t request_room(struct native_call *call, void **ret_room)
{
	struct native_request *r = of_call(call);

	*ret_room = (unsigned char *)r->request.in->map.addr + r->payload_at + r->received;
	return r->payload_bytes - r->received;
}

static void request_received(struct native_call *call, uint64_t n)
{
	struct native_request *r = of_call(call);

	r->received += n;
	if (r->received == r->payload_bytes)
		submit(r);
}

static void request_done_with(struct guest *guest, struct native_request *r)
{
	buffer_pool_put(&guest->workers->buffers, TAKE_PTR(r->request.in));
	account_give(&guest->account, r->private_bytes);
	native_memory_done(&r->memory, &guest->regions);
	free(r->tensors);
	free(r->inputs);
	free(r->wanted);
	free(r);
}

static void request_free(struct native_call *call, bool is_unwanted)
{
	struct native_request *r = of_call(call);
	struct guest *guest = native_guest(call->session);

	(void)is_unwanted;
	models_cancel(guest->models, &r->request);
	request_done_with(guest, r);
}

static const struct native_call_ops call_ops = {
	.room = request_room,
	.received = request_received,
	.free = request_free,
};

/*
 * ---- Its beginning
 */

/* What a message asks for. */
struct question {
	struct wire_infer_memory wire; /* of an INFER nothing but its infer counts */
	struct wire_tensor *tensors;   /* until a request has them */
	struct wire_place *places;     /* the same */
	struct region *region;         /* that payload lies in; NULL: in frames */
	const void *meta;
	size_t meta_bytes;
};

static int no_memory(struct tensock_error *reterr)
{
	return tsk_fail(reterr, TENSOCK_OUT_OF_MEMORY, "no memory for the request");
}

/* The names stand in the message, which goes: to the copy of it. */
static void rebase(struct native_request *r, const void *meta)
{
	for (uint32_t i = 0; i < r->n_inputs + r->n_wanted; i++) {
		struct wire_string *name = &r->tensors[i].name;

		if (name->len)
			name->bytes = r->meta + (name->bytes - (const char *)meta);
	}
}

static int request_new(struct question *q, struct native_request **ret,
		       struct tensock_error *reterr)
{
	const struct wire_infer *infer = &q->wire.infer;
	struct native_request *r = malloc(sizeof(*r) + q->meta_bytes);

	if (!r)
		return no_memory(reterr);
	*r = (struct native_request){
		.call = { .ops = &call_ops },
		.request = { .ops = &request_ops,
			     .origin = { .begun_ns = tsk_now_ns(),
					 .bytes = infer->payload_bytes } },
		.n_inputs = infer->n_inputs,
		.n_wanted = infer->n_outputs,
		.payload_bytes = infer->payload_bytes,
		.inputs = calloc((size_t)infer->n_inputs + 1, sizeof(*r->inputs)),
		.wanted = calloc((size_t)infer->n_outputs + 1, sizeof(*r->wanted)),
	};
	if (!r->inputs || !r->wanted) {
		free(r->inputs);
		free(r->wanted);
		free(r);
		return no_memory(reterr);
	}
	r->call.request = &r->request;
	r->tensors = TAKE_PTR(q->tensors);
	memcpy(r->meta, q->meta, q->meta_bytes);
	rebase(r, q->meta);
	*ret = r;
	return 0;
}

/* What its records take, of the guest's memory. */
static uint64_t private_bytes(const struct question *q)
{
	const struct wire_infer *infer = &q->wire.infer;

	return sizeof(struct native_request) + q->meta_bytes +
	       infer->n_inputs * (sizeof(struct wire_tensor) + sizeof(struct run_tensor)) +
	       infer->n_outputs * (sizeof(struct wire_tensor) + sizeof(uint32_t)) +
	       (q->region ? native_memory_bytes(&q->wire) : 0);
}

/* The model, and a buffer for the inputs. */
static int begin_inputs(struct guest *guest, const struct wire_infer *infer,
			struct native_request *r, struct tensock_error *reterr)
{
	struct model *model = native_model_find(guest, &infer->model, reterr);

	if (!model)
		return -ENOENT;
	memcpy(r->hash, models_hash(model), sizeof(r->hash));
	return inputs_take(guest, model, r->region_bytes, &r->request.in, reterr);
}

/* The descriptors of a run, with those of places, and payload behind them. */
static int lay_out(const struct guest *guest, struct native_request *r,
		   struct tensock_error *reterr)
{
	int err = native_input_layout(r->tensors, r->n_inputs, r->memory.n_places, &r->payload_at,
				      &r->region_bytes);

	if (err == -ENOMEM)
		return no_memory(reterr);
	return inputs_check_size(&guest->limits, err < 0 ? UINT64_MAX : r->region_bytes, reterr);
}

/* All that it is made of. */
static int fill_in(struct guest *guest, struct question *q, struct native_request *r,
		   struct tensock_error *reterr)
{
	int err = 0;

	if (q->region)
		err = native_memory_init(&r->memory, q->region, &q->wire, &q->places, reterr);
	if (err == 0)
		err = lay_out(guest, r, reterr);
	if (err == 0)
		err = begin_inputs(guest, &q->wire.infer, r, reterr);
	return err;
}

/* Records of it, which count against the guest's memory. */
static int accept_request(struct guest *guest, struct question *q, struct native_request **ret,
			  struct tensock_error *reterr)
{
	uint64_t private = private_bytes(q);
	struct native_request *r = NULL;
	int err = inputs_check_size(&guest->limits, q->wire.infer.payload_bytes, reterr);

	if (err < 0)
		return err;
	err = inputs_account(guest, private, reterr);
	if (err < 0)
		return err;
	err = request_new(q, &r, reterr);
	if (err < 0) {
		account_give(&guest->account, private);
		return err;
	}
	r->private_bytes = private;
	err = fill_in(guest, q, r, reterr);
	if (err < 0) {
		request_done_with(guest, r);
		return err;
	}
	*ret = r;
	return 0;
}

static int read_question(struct question *q, bool is_in_memory)
{
	if (is_in_memory)
		return wire_infer_memory_read(q->meta, q->meta_bytes, &q->wire, &q->tensors,
					      &q->places);
	return wire_infer_read(q->meta, q->meta_bytes, &q->wire.infer, &q->tensors);
}

static int begin(struct native_session *session, uint32_t id, struct question *q)
{
	struct native_request *r = NULL;
	struct tensock_error error;
	int err = read_question(q, q->region != NULL);

	if (err == -EPROTO)
		return err;
	if (err < 0)
		(void)no_memory(&error);
	else
		err = accept_request(native_guest(session), q, &r, &error);
	if (err < 0) {
		native_refuse(session, id, &error);
		return 0;
	}
	native_call_begin(session, &r->call, id);
	native_call_set_deadline(&r->call, q->wire.infer.deadline_ms);
	if (r->payload_bytes && !q->region)
		native_call_set_receiving(&r->call, true);
	else
		submit(r);
	return 0;
}

int native_request_begin(struct native_session *session, uint32_t id, const void *meta,
			 size_t meta_bytes, struct region *region)
{
	struct question q = { .region = region, .meta = meta, .meta_bytes = meta_bytes };
	int err = begin(session, id, &q);

	free(q.tensors);
	free(q.places);
	return err;
}
