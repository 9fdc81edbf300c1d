/* SPDX-License-Identifier: Apache-2.0 */
#include "front/oip_call.h"

#include <assert.h>
#include <string.h>

#include "base/checked.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/status.h"
#include "front/handle.h"
#include "front/inputs.h"
#include "front/oip_classes.h"
#include "front/oip_models.h"
#include "front/oip_shared.h"
#include "front/protocol/native_input.h"

#define US_PER_MS 1000u

static_assert(OIP_TENSORS_MAX <= RUN_TENSORS_MAX, "a request has more inputs than a run");

static struct oip_call *call_of(struct request *request)
{
	return (struct oip_call *)(void *)((char *)request - offsetof(struct oip_call, request));
}

/*
 * ---- Ends
 */

static void log_error(const struct oip_call *call, const struct tensock_error *error)
{
	tsk_info("an inference of \"%.64s\": %s: %s", call->name ? call->name : "?",
		 tsk_status(error->status)->name, error->message);
}

static void count_error(struct oip_call *call, const struct tensock_error *error)
{
	call->is_done = true;
	call->guest->counters.error++;
	log_error(call, error);
}

static void answer_error(struct oip_call *call, const struct tensock_error *error)
{
	struct buffer *none = NULL;

	handle_free(TAKE_PTR(call->timer));
	count_error(call, error);
	call->ops->done(call, NULL, &none, error);
}

void oip_call_fail(struct oip_call *call, const struct tensock_error *error)
{
	handle_free(TAKE_PTR(call->timer));
	count_error(call, error);
}

void oip_call_untold(struct oip_call *call, const struct tensock_error *error)
{
	call->guest->counters.ok--;
	if (error)
		count_error(call, error);
	else
		call->is_done = false;
}

static void free_results(struct oip_call *call)
{
	for (uint32_t i = 0; i < call->n_results; i++)
		oip_classes_free(&call->results[i], &call->infer, i, &call->guest->account);
	free(TAKE_PTR(call->results));
	call->n_results = 0;
}

void oip_call_end(struct oip_call *call)
{
	struct guest *guest = call->guest;

	if (!call->is_counted)
		return;
	handle_free(TAKE_PTR(call->timer));
	models_cancel(guest->models, &call->request);
	if (!call->is_done && call->is_submitted)
		guest->counters.cancelled++;
	else if (!call->is_done)
		guest->counters.reset++;
	guest->n_calls--;
	buffer_pool_put(&guest->workers->buffers, TAKE_PTR(call->request.in));
	free_results(call);
	oip_shared_release(call);
	account_give(&guest->account, call->private_bytes);
	free(call->tensors);
	free(call->inputs);
	free(call->wanted);
	free(call->name);
	free(call->version);
	oip_infer_done(&call->infer);
	*call = (struct oip_call){ 0 };
}

/*
 * ---- Results
 */

/* As the worker has written it. */
static const struct run_tensor *written(const struct oip_call *call,
					const struct request_outputs *outputs, uint32_t i)
{
	return &outputs->tensors[call->wanted ? call->wanted[i] : i];
}

static struct oip_result result_of(const struct oip_call *call, const struct tsk_model_info *info,
				   const struct request_outputs *outputs, uint32_t i)
{
	const struct run_tensor *t = written(call, outputs, i);
	const struct oip_infer *infer = &call->infer;
	struct oip_result result = {
		.name = wire_string(info->outputs[t->index].name),
		.dtype = t->dtype,
		.rank = t->rank,
		.bytes = t->bytes,
		.data = t->foreign ? NULL : (const unsigned char *)outputs->region + t->offset,
		.is_binary = i < infer->n_outputs ? infer->outputs[i].is_binary : infer->is_binary,
	};

	memcpy(result.dims, t->dims, sizeof(result.dims));
	return result;
}

/* Room for n of them, and their names, which outlive the model's description. */
static bool take_results(struct oip_call *call, const struct request_outputs *outputs, uint32_t n)
{
	const struct tsk_model_info *info = models_info(call->model);
	size_t names = 0;

	for (uint32_t i = 0; i < n; i++)
		names += strlen(info->outputs[written(call, outputs, i)->index].name);
	call->results = calloc(1, ((size_t)n + 1) * sizeof(*call->results) + names);
	return call->results;
}

/* All of them, as they are wanted. */
static int make_results(struct oip_call *call, const struct request_outputs *outputs,
			struct tensock_error *reterr)
{
	const struct tsk_model_info *info = models_info(call->model);
	uint32_t n = call->infer.n_outputs ? call->infer.n_outputs : outputs->n_tensors;
	char *names;
	int r = 0;

	if (!take_results(call, outputs, n))
		return tsk_fail(reterr, TENSOCK_OUT_OF_MEMORY, "no memory for the answer");
	names = (char *)(call->results + n + 1);
	for (uint32_t i = 0; i < n && r == 0; i++) {
		struct wire_string *name = &call->results[i].name;

		call->results[i] = result_of(call, info, outputs, i);
		memcpy(names, name->bytes, name->len);
		name->bytes = names;
		names += name->len;
		call->n_results = i + 1;
		r = oip_classes_make(&call->results[i], &call->infer, i, &call->guest->account,
				     reterr);
		if (r == 0)
			r = oip_shared_put(call, &call->results[i], i, written(call, outputs, i),
					   reterr);
	}
	return r;
}

static void answer_results(struct oip_call *call, struct request_outputs *outputs)
{
	struct oip_answer answer = {
		.model = call->name,
		.version = call->version,
		.id = call->infer.id,
		.n_results = call->n_results,
		.results = call->results,
	};

	handle_free(TAKE_PTR(call->timer));
	call->is_done = true;
	call->guest->counters.ok++;
	call->ops->done(call, &answer, &outputs->buffer, NULL);
}

/*
 * ---- For models
 */

static int request_prepare(struct request *request, const struct tsk_model_info *info,
			   uint64_t *ret_in_bytes, uint64_t *ret_out_bytes,
			   struct tensock_error *reterr)
{
	struct oip_call *call = call_of(request);
	uint32_t n = call->infer.n_inputs;
	int r = native_input_resolve(info, call->tensors, n, call->payload_at, call->inputs,
				     reterr);

	if (r == 0)
		r = native_wanted_resolve(info, call->tensors + n, call->infer.n_outputs,
					  call->wanted, reterr);
	if (r == 0)
		r = oip_shared_prepare(call, info, reterr);
	if (r < 0)
		return r;
	*ret_in_bytes = call->region_bytes;
	*ret_out_bytes = native_output_guess(info, call->inputs, n);
	return 0;
}

static bool request_fill(struct request *request, void *region)
{
	const struct oip_call *call = call_of(request);

	/* The room was made for so many. */
	(void)!run_write_places(region, call->region_bytes, call->inputs, call->infer.n_inputs,
				request->places, request->n_places);
	return false;
}

static void request_done(struct request *request, struct request_outputs *outputs,
			 const struct tensock_error *error)
{
	struct oip_call *call = call_of(request);
	struct tensock_error own;

	if (!error && !outputs)
		(void)tsk_fail(&own, TENSOCK_INTERNAL, "the model has not been run");
	else if (!error && make_results(call, outputs, &own) == 0)
		own.status = TENSOCK_OK;
	if (error)
		answer_error(call, error);
	else if (own.status != TENSOCK_OK)
		answer_error(call, &own);
	else
		answer_results(call, outputs);
}

static const struct request_ops request_ops = {
	.prepare = request_prepare,
	.fill = request_fill,
	.done = request_done,
};

/*
 * ---- Its beginning
 */

int oip_call_begin(struct oip_call *call, struct guest *guest, const struct oip_call_ops *ops,
		   struct tensock_error *reterr)
{
	int r = guest_may_call(guest, reterr);

	guest->counters.accepted++;
	if (r < 0) {
		guest->counters.error++;
		return r;
	}
	*call = (struct oip_call){
		.ops = ops,
		.guest = guest,
		.request = { .ops = &request_ops, .origin = { .begun_ns = tsk_now_ns() } },
		.is_counted = true,
	};
	guest->n_calls++;
	return 0;
}

static void on_deadline(uv_timer_t *timer)
{
	struct oip_call *call = timer->data;
	struct tensock_error error;

	models_cancel(call->guest->models, &call->request);
	(void)tsk_fail(&error, TENSOCK_DEADLINE_EXCEEDED, "not answered within its deadline");
	answer_error(call, &error);
}

void oip_call_set_deadline(struct oip_call *call, uint64_t ms)
{
	if (!ms || call->is_done)
		return;
	if (!call->timer)
		call->timer = handle_timer_new(call->guest->loop, call);
	else if (uv_is_active((uv_handle_t *)call->timer) && uv_timer_get_due_in(call->timer) <= ms)
		return;
	/* Without memory for a timer the deadlines of the host hold. */
	if (call->timer)
		uv_timer_start(call->timer, on_deadline, ms, 0);
}

/* A region for n inputs and places, and the payload. */
static int lay_out(struct oip_call *call, uint32_t n, uint64_t payload_bytes,
		   struct tensock_error *reterr)
{
	uint64_t end;

	if (n > OIP_TENSORS_MAX)
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT, "%u inputs, above %u", n,
				OIP_TENSORS_MAX);
	call->payload_at = run_payload_at(n);
	if (!tsk_add(call->payload_at, payload_bytes, &end) ||
	    !tsk_align_up(end, RUN_ALIGN, &call->region_bytes))
		return inputs_check_size(&call->guest->limits, UINT64_MAX, reterr);
	call->n_room = n;
	call->room_bytes = call->region_bytes - call->payload_at;
	return inputs_check_size(&call->guest->limits, call->region_bytes, reterr);
}

/* The model that a request is probably for, or NULL. */
static struct model *probable(struct guest *guest, struct wire_string name)
{
	struct oip_model m;

	if (!name.len || oip_find(guest, name, (struct wire_string){ 0 }, &m, NULL) < 0)
		return NULL;
	return m.model;
}

int oip_call_take(struct oip_call *call, struct wire_string name, uint32_t n_described,
		  uint64_t payload_bytes, unsigned char **ret_room, struct tensock_error *reterr)
{
	struct guest *guest = call->guest;
	int r = lay_out(call, n_described, payload_bytes, reterr);

	buffer_pool_put(&guest->workers->buffers, TAKE_PTR(call->request.in));
	if (r < 0)
		return r;
	r = inputs_take(guest, probable(guest, name), call->region_bytes, &call->request.in,
			reterr);
	if (r < 0)
		return r;
	*ret_room = (unsigned char *)call->request.in->map.addr + call->payload_at;
	return 0;
}

/*
 * ---- Submission
 */

static int no_memory(struct tensock_error *reterr)
{
	return tsk_fail(reterr, TENSOCK_OUT_OF_MEMORY, "no memory for the request");
}

/* What its results take, and their names. */
static uint64_t results_bytes(const struct oip_infer *infer, const struct tsk_model_info *info)
{
	uint32_t out = infer->n_outputs, n = out || !info ? out : info->n_outputs;
	uint64_t bytes = n * sizeof(struct oip_result);

	for (uint32_t i = 0; i < n; i++)
		bytes += out ? infer->outputs[i].name.len : strlen(info->outputs[i].name);
	return bytes;
}

/* What is kept of it until its end, of the guest's memory. */
static int take_private(struct oip_call *call, const struct tsk_model_info *info,
			struct tensock_error *reterr)
{
	const struct oip_infer *infer = &call->infer;
	uint64_t in = infer->n_inputs, out = infer->n_outputs;
	uint64_t bytes = (in + out) * sizeof(struct wire_tensor) + in * sizeof(struct run_tensor) +
			 out * sizeof(uint32_t) + results_bytes(infer, info) +
			 oip_shared_bytes(infer);
	int r = inputs_account(call->guest, bytes, reterr);

	if (r < 0)
		return r;
	call->private_bytes = bytes;
	call->tensors = calloc(in + out + 1, sizeof(*call->tensors));
	call->inputs = calloc(in + 1, sizeof(*call->inputs));
	call->wanted = out ? calloc(out, sizeof(*call->wanted)) : NULL;
	return call->tensors && call->inputs && (!out || call->wanted) ? 0 : no_memory(reterr);
}

/* Each is where the session has said: within the room, aligned. */
static int check_places(const struct oip_call *call, struct tensock_error *reterr)
{
	for (uint32_t i = 0; i < call->infer.n_inputs; i++) {
		const struct oip_input *input = &call->infer.inputs[i];
		const struct wire_tensor *t = &input->tensor;

		if (input->source == OIP_REGION && input->region.bytes != t->bytes)
			return tsk_fail(reterr, TENSOCK_INTERNAL, "a part of another size");
		if (t->offset % RUN_ALIGN || t->offset > call->room_bytes ||
		    t->bytes > call->room_bytes - t->offset)
			return tsk_fail(reterr, TENSOCK_INTERNAL, "an input outside of its room");
	}
	return 0;
}

static void copy_tensors(struct oip_call *call)
{
	const struct oip_infer *infer = &call->infer;

	for (uint32_t i = 0; i < infer->n_inputs; i++)
		call->tensors[i] = infer->inputs[i].tensor;
	for (uint32_t i = 0; i < infer->n_outputs; i++)
		call->tensors[infer->n_inputs + i] = (struct wire_tensor){
			.name = infer->outputs[i].name,
			.index = WIRE_INDEX_NONE,
		};
}

static int set_names(struct oip_call *call, const struct oip_model *m, struct tensock_error *reterr)
{
	call->name = strdup(m->name);
	call->version = strdup(m->version);
	call->request.origin.model = call->name;
	call->request.origin.version = call->version ? call->version : "";
	return call->name && call->version ? 0 : no_memory(reterr);
}

static int prepare_submission(struct oip_call *call, struct wire_string name,
			      struct wire_string version, struct oip_model *ret,
			      struct tensock_error *reterr)
{
	unsigned char *room;
	int r = oip_find(call->guest, name, version, ret, reterr);

	if (r == 0)
		r = set_names(call, ret, reterr);
	if (r == 0 && !ret->is_ready && ret->reason[0])
		r = tsk_fail(reterr, TENSOCK_UNAVAILABLE,
			     "Request for unknown model: '%.64s' has no available versions",
			     ret->name);
	if (r == 0)
		r = take_private(call, ret->info, reterr);
	if (r == 0 && (!call->request.in || call->infer.n_inputs > call->n_room))
		r = oip_call_take(call, name, call->infer.n_inputs, 0, &room, reterr);
	if (r == 0)
		r = check_places(call, reterr);
	if (r == 0)
		r = oip_shared_hold(call, reterr);
	if (r == 0)
		copy_tensors(call);
	return r;
}

void oip_call_submit(struct oip_call *call, struct oip_infer *infer, struct wire_string name,
		     struct wire_string version)
{
	struct tensock_error error;
	struct oip_model m;

	assert(call->is_counted && !call->is_submitted);
	call->is_submitted = true;
	call->infer = *infer;
	*infer = (struct oip_infer){ 0 };
	if (prepare_submission(call, name, version, &m, &error) < 0) {
		answer_error(call, &error);
		return;
	}
	if (call->infer.timeout_us)
		oip_call_set_deadline(call, call->infer.timeout_us / US_PER_MS + 1);
	call->model = m.model;
	call->request.origin.text = call->infer.id;
	call->request.origin.bytes = call->room_bytes;
	models_request(call->guest->models, m.model, &call->request);
}
