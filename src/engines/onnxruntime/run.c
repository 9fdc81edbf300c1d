/* SPDX-License-Identifier: Apache-2.0 */
#include "engines/onnxruntime/ort.h"

#include <string.h>

/* Says that run_id is under way; false when it has been cancelled already. */
static bool begin(struct ort_model *model, uint64_t run_id)
{
	bool wanted;

	pthread_mutex_lock(&model->mutex);
	wanted = model->cancelled != run_id;
	if (wanted)
		model->running = run_id;
	pthread_mutex_unlock(&model->mutex);
	return wanted;
}

/* True when it was cancelled on its way.  The flag is cleared here: it would end the next run. */
static bool end(struct ort_model *model)
{
	OrtStatus *status = NULL;
	bool cancelled;

	pthread_mutex_lock(&model->mutex);
	cancelled = model->cancelled == model->running;
	if (cancelled)
		status = model->ort->api->RunOptionsUnsetTerminate(model->options);
	model->running = 0;
	pthread_mutex_unlock(&model->mutex);
	if (status)
		model->ort->api->ReleaseStatus(status);
	return cancelled;
}

void ort_cancel(void *arg, uint64_t run_id)
{
	struct ort_model *model = arg;
	OrtStatus *status = NULL;

	pthread_mutex_lock(&model->mutex);
	model->cancelled = run_id;
	if (model->running == run_id)
		status = model->ort->api->RunOptionsSetTerminate(model->options);
	pthread_mutex_unlock(&model->mutex);
	if (status)
		model->ort->api->ReleaseStatus(status);
}

static void release_values(struct ort_model *model)
{
	const OrtApi *api = model->ort->api;

	for (uint32_t i = 0; i < model->description.n_inputs; i++) {
		if (model->in_values[i])
			api->ReleaseValue(model->in_values[i]);
		model->in_values[i] = NULL;
	}
	for (uint32_t i = 0; i < model->description.n_outputs; i++) {
		if (model->out_values[i])
			api->ReleaseValue(model->out_values[i]);
		model->out_values[i] = NULL;
	}
}

static uint32_t make_values(struct ort_model *model, const struct tensock_tensor *inputs,
			    uint32_t n_inputs, const struct tensock_tensor *outputs,
			    uint32_t n_outputs, struct tensock_error *reterr)
{
	const struct tensock_model_description *d = &model->description;
	uint32_t s = TENSOCK_OK;

	for (uint32_t i = 0; s == TENSOCK_OK && i < n_inputs; i++) {
		model->input_names[i] = d->inputs[inputs[i].index].name;
		s = ort_value_new(model->ort, &inputs[i], &model->in_values[i], reterr);
	}
	for (uint32_t i = 0; s == TENSOCK_OK && i < n_outputs; i++) {
		model->output_names[i] = d->outputs[outputs[i].index].name;
		if (outputs[i].data && outputs[i].dtype == TENSOCK_BYTES)
			s = ort_fail(reterr, TENSOCK_UNSUPPORTED,
				     "strings are not written in place");
		else if (outputs[i].data)
			s = ort_value_new(model->ort, &outputs[i], &model->out_values[i], reterr);
	}
	return s;
}

static uint32_t take_outputs(struct ort_model *model, struct tensock_tensor *outputs,
			     uint32_t n_outputs, struct tensock_error *reterr)
{
	uint32_t s = TENSOCK_OK;
	uint32_t n;

	for (n = 0; s == TENSOCK_OK && n < n_outputs; n++) {
		if (outputs[n].data)
			continue;
		if (!model->out_values[n])
			s = ort_fail(reterr, TENSOCK_ENGINE_FAILED,
				     "output \"%.100s\" has no value", model->output_names[n]);
		else
			s = ort_value_to_tensor(model->ort, &model->out_values[n], &outputs[n],
						reterr);
	}
	for (uint32_t i = 0; s != TENSOCK_OK && i < n; i++) {
		if (outputs[i].release)
			outputs[i].release(&outputs[i]);
		outputs[i].release = NULL;
	}
	return s;
}

static const char *missing_input(const struct ort_model *model, const struct tensock_tensor *inputs,
				 uint32_t n_inputs)
{
	for (uint32_t i = 0; i < model->description.n_inputs; i++) {
		uint32_t given = 0;

		while (given < n_inputs && inputs[given].index != i)
			given++;
		if (given == n_inputs)
			return model->inputs[i].name;
	}
	return NULL;
}

static uint32_t run_values(struct ort_model *model, uint64_t run_id, uint32_t n_inputs,
			   uint32_t n_outputs, struct tensock_error *reterr)
{
	OrtStatus *status;
	uint32_t s;

	if (!begin(model, run_id))
		return ort_fail(reterr, TENSOCK_CANCELLED, "cancelled before it began");
	status = model->ort->api->Run(model->session, model->options, model->input_names,
				      (const OrtValue *const *)model->in_values, n_inputs,
				      model->output_names, n_outputs, model->out_values);
	s = ort_check(model->ort, status, reterr);
	/* A run that was done before the flag was seen is done. */
	if (end(model) && s != TENSOCK_OK)
		return ort_fail(reterr, TENSOCK_CANCELLED, "cancelled");
	return s;
}

uint32_t ort_run(void *arg, uint64_t run_id, const struct tensock_tensor *inputs, uint32_t n_inputs,
		 struct tensock_tensor *outputs, uint32_t n_outputs, struct tensock_error *reterr)
{
	struct ort_model *model = arg;
	const char *missing = NULL;
	uint32_t s;

	/* Indices come at most once each, so that as many as there are is all of them. */
	if (n_inputs < model->description.n_inputs)
		missing = missing_input(model, inputs, n_inputs);
	if (missing)
		return ort_fail(reterr, TENSOCK_INVALID_ARGUMENT, "input \"%.100s\" is missing",
				missing);
	s = make_values(model, inputs, n_inputs, outputs, n_outputs, reterr);
	if (s == TENSOCK_OK)
		s = run_values(model, run_id, n_inputs, n_outputs, reterr);
	if (s == TENSOCK_OK)
		s = take_outputs(model, outputs, n_outputs, reterr);
	release_values(model);
	return s;
}
