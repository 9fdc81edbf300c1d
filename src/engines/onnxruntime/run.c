/* SPDX-License-Identifier: Apache-2.0 */
#include "engines/onnxruntime/ort.h"

#include <stdlib.h>
#include <string.h>

uint32_t ort_run_new(struct ort_model *model, struct ort_run **ret, struct tensock_error *reterr)
{
	const struct tensock_model_description *d = &model->description;
	struct ort_run *run = calloc(1, sizeof(*run));
	uint32_t s = TENSOCK_OUT_OF_MEMORY;

	if (run) {
		run->input_names = calloc(d->n_inputs + 1, sizeof(*run->input_names));
		run->output_names = calloc(d->n_outputs + 1, sizeof(*run->output_names));
		run->in_values = calloc(d->n_inputs + 1, sizeof(OrtValue *));
		run->out_values = calloc(d->n_outputs + 1, sizeof(OrtValue *));
	}
	if (!run || !run->input_names || !run->output_names || !run->in_values || !run->out_values)
		ort_fail(reterr, s, "not enough memory");
	else
		s = ort_check(model->ort, model->ort->api->CreateRunOptions(&run->options), reterr);
	if (s == TENSOCK_OK)
		*ret = run;
	else
		ort_run_free(model, run);
	return s;
}

void ort_run_free(struct ort_model *model, struct ort_run *run)
{
	if (!run)
		return;
	if (run->options)
		model->ort->api->ReleaseRunOptions(run->options);
	free(run->input_names);
	free(run->output_names);
	free(run->in_values);
	free(run->out_values);
	free(run);
}

static struct ort_run *find(const struct ort_model *model, uint64_t run_id)
{
	struct ort_run *run = model->runs;

	while (run && run->id != run_id)
		run = run->next;
	return run;
}

static bool was_cancelled(const struct ort_model *model, uint64_t run_id)
{
	for (unsigned i = 0; i < model->n_cancelled && i < ORT_CANCELLED_MAX; i++) {
		if (model->cancelled[i] == run_id)
			return true;
	}
	return false;
}

/* A free one, which is this run's from here on; NULL where none is free. */
static struct ort_run *take_free(struct ort_model *model, uint64_t run_id, bool *ret_cancelled)
{
	struct ort_run *run;

	pthread_mutex_lock(&model->mutex);
	*ret_cancelled = was_cancelled(model, run_id);
	run = find(model, 0);
	if (run && !*ret_cancelled)
		run->id = run_id;
	pthread_mutex_unlock(&model->mutex);
	return run;
}

static void add(struct ort_model *model, struct ort_run *run)
{
	pthread_mutex_lock(&model->mutex);
	run->number = model->runs ? model->runs->number + 1 : 0;
	run->next = model->runs;
	model->runs = run;
	pthread_mutex_unlock(&model->mutex);
}

/* Says that run_id is under way. */
static uint32_t begin(struct ort_model *model, uint64_t run_id, struct ort_run **ret,
		      struct tensock_error *reterr)
{
	bool cancelled;

	for (;;) {
		struct ort_run *run = take_free(model, run_id, &cancelled);
		uint32_t s;

		if (cancelled)
			return ort_fail(reterr, TENSOCK_CANCELLED, "cancelled before it began");
		if (run) {
			*ret = run;
			return TENSOCK_OK;
		}
		/* Another thread may take it; then there will be one more. */
		s = ort_run_new(model, &run, reterr);
		if (s != TENSOCK_OK)
			return s;
		add(model, run);
	}
}

/* True when it was cancelled on its way.  The flag is cleared here: it would end the next run. */
static bool end(struct ort_model *model, struct ort_run *run)
{
	OrtStatus *status = NULL;
	bool cancelled;

	pthread_mutex_lock(&model->mutex);
	cancelled = run->is_cancelled;
	if (cancelled)
		status = model->ort->api->RunOptionsUnsetTerminate(run->options);
	run->id = 0;
	run->is_cancelled = false;
	pthread_mutex_unlock(&model->mutex);
	if (status)
		model->ort->api->ReleaseStatus(status);
	return cancelled;
}

void ort_cancel(void *arg, uint64_t run_id)
{
	struct ort_model *model = arg;
	OrtStatus *status = NULL;
	struct ort_run *run;

	pthread_mutex_lock(&model->mutex);
	run = find(model, run_id);
	if (run) {
		run->is_cancelled = true;
		status = model->ort->api->RunOptionsSetTerminate(run->options);
	} else if (!was_cancelled(model, run_id)) {
		model->cancelled[model->n_cancelled % ORT_CANCELLED_MAX] = run_id;
		model->n_cancelled++;
	}
	pthread_mutex_unlock(&model->mutex);
	if (status)
		model->ort->api->ReleaseStatus(status);
}

static void release_values(const struct ort_model *model, struct ort_run *run)
{
	const OrtApi *api = model->ort->api;

	for (uint32_t i = 0; i < model->description.n_inputs; i++) {
		if (run->in_values[i])
			api->ReleaseValue(run->in_values[i]);
		run->in_values[i] = NULL;
	}
	for (uint32_t i = 0; i < model->description.n_outputs; i++) {
		if (run->out_values[i])
			api->ReleaseValue(run->out_values[i]);
		run->out_values[i] = NULL;
	}
}

static uint32_t make_values(const struct ort_model *model, struct ort_run *run,
			    const struct tensock_tensor *inputs, uint32_t n_inputs,
			    const struct tensock_tensor *outputs, uint32_t n_outputs,
			    struct tensock_error *reterr)
{
	const struct tensock_model_description *d = &model->description;
	uint32_t s = TENSOCK_OK;

	for (uint32_t i = 0; s == TENSOCK_OK && i < n_inputs; i++) {
		run->input_names[i] = d->inputs[inputs[i].index].name;
		s = ort_value_new(model->ort, &inputs[i], &run->in_values[i], reterr);
	}
	for (uint32_t i = 0; s == TENSOCK_OK && i < n_outputs; i++) {
		run->output_names[i] = d->outputs[outputs[i].index].name;
		if (outputs[i].data && outputs[i].dtype == TENSOCK_BYTES)
			s = ort_fail(reterr, TENSOCK_UNSUPPORTED,
				     "strings are not written in place");
		else if (outputs[i].data)
			s = ort_value_new(model->ort, &outputs[i], &run->out_values[i], reterr);
	}
	return s;
}

static uint32_t take_outputs(const struct ort_model *model, struct ort_run *run,
			     struct tensock_tensor *outputs, uint32_t n_outputs,
			     struct tensock_error *reterr)
{
	uint32_t s = TENSOCK_OK;
	uint32_t n;

	for (n = 0; s == TENSOCK_OK && n < n_outputs; n++) {
		if (outputs[n].data)
			continue;
		if (!run->out_values[n])
			s = ort_fail(reterr, TENSOCK_ENGINE_FAILED,
				     "output \"%.100s\" has no value", run->output_names[n]);
		else
			s = ort_value_to_tensor(model->ort, &run->out_values[n], &outputs[n],
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

uint32_t ort_run(void *arg, uint64_t run_id, const struct tensock_tensor *inputs, uint32_t n_inputs,
		 struct tensock_tensor *outputs, uint32_t n_outputs, struct tensock_error *reterr)
{
	struct ort_model *model = arg;
	const char *missing = NULL;
	struct ort_run *run = NULL;
	uint32_t s;

	/* Indices come at most once each, so that as many as there are is all of them. */
	if (n_inputs < model->description.n_inputs)
		missing = missing_input(model, inputs, n_inputs);
	if (missing)
		return ort_fail(reterr, TENSOCK_INVALID_ARGUMENT, "input \"%.100s\" is missing",
				missing);
	s = begin(model, run_id, &run, reterr);
	if (s != TENSOCK_OK)
		return s;
	ort_arenas_use(run->number);
	s = make_values(model, run, inputs, n_inputs, outputs, n_outputs, reterr);
	if (s == TENSOCK_OK)
		s = ort_check(model->ort,
			      model->ort->api->Run(model->session, run->options, run->input_names,
						   (const OrtValue *const *)run->in_values,
						   n_inputs, run->output_names, n_outputs,
						   run->out_values),
			      reterr);
	if (s == TENSOCK_OK)
		s = take_outputs(model, run, outputs, n_outputs, reterr);
	release_values(model, run);
	ort_arenas_use(0);
	/* A run that was done before the flag was seen is done. */
	if (end(model, run) && s != TENSOCK_OK)
		return ort_fail(reterr, TENSOCK_CANCELLED, "cancelled");
	return s;
}
