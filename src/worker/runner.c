/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/runner.h"

#include <errno.h>
#include <string.h>

#include "base/status.h"
#include "tensor/dtype.h"
#include "tensor/shape.h"

static const struct tensock_model_description *description(const struct runner *runner)
{
	return runner->model->description;
}

static void free_arrays(struct runner *runner)
{
	free(runner->descriptors);
	free(runner->results);
	free(runner->places);
	free(runner->sizes);
	free(runner->laid);
	free(runner->offsets);
	free(runner->inputs);
	free(runner->outputs);
}

int runner_init(struct runner *runner, const struct model *model, runner_find *find_foreign)
{
	size_t n_inputs = model->description->n_inputs, n_outputs = model->description->n_outputs;
	size_t n = n_inputs + n_outputs;

	/* One more than needed: calloc(0) may give NULL. */
	*runner = (struct runner){ .model = model,
				   .find_foreign = find_foreign,
				   .in_place = true,
				   .descriptors = calloc(n + 1, sizeof(*runner->descriptors)),
				   .results = calloc(n_outputs + 1, sizeof(*runner->results)),
				   .places = calloc(n_outputs + 1, sizeof(*runner->places)),
				   .sizes = calloc(n_outputs + 1, sizeof(*runner->sizes)),
				   .laid = calloc(n_outputs + 1, sizeof(*runner->laid)),
				   .offsets = calloc(n_outputs + 1, sizeof(*runner->offsets)),
				   .inputs = calloc(n_inputs + 1, sizeof(*runner->inputs)),
				   .outputs = calloc(n_outputs + 1, sizeof(*runner->outputs)) };
	if (runner->descriptors && runner->results && runner->places && runner->sizes &&
	    runner->laid && runner->offsets && runner->inputs && runner->outputs)
		return 0;
	free_arrays(runner);
	*runner = (struct runner){ 0 };
	return -ENOMEM;
}

void runner_done(struct runner *runner)
{
	if (!runner || !runner->model)
		return;
	free_arrays(runner);
	*runner = (struct runner){ 0 };
}

static bool shape_suits(const struct tensock_tensor_info *info, const struct run_tensor *t)
{
	/* Rank 0 may also mean that the model does not say; then the engine judges. */
	if (info->rank == 0)
		return true;
	if (info->rank != t->rank)
		return false;
	for (uint32_t d = 0; d < info->rank; d++) {
		if (info->dims[d] >= 0 && info->dims[d] != t->dims[d])
			return false;
	}
	return true;
}

static int check_input(struct runner *runner, const struct run_tensor *t, uint32_t n_before,
		       struct tensock_error *reterr)
{
	const struct tensock_tensor_info *info;

	if (t->index >= description(runner)->n_inputs)
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT,
				"the model has no input number %u", t->index);
	info = &description(runner)->inputs[t->index];
	for (uint32_t i = 0; i < n_before; i++) {
		if (runner->inputs[i].index == t->index)
			return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT,
					"input \"%.100s\" is given twice", info->name);
	}
	if (t->dtype != info->dtype)
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT, "input \"%.100s\" is %s, not %s",
				info->name, tsk_dtype_name(info->dtype), tsk_dtype_name(t->dtype));
	if (!shape_suits(info, t))
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT,
				"the shape does not suit input \"%.100s\"", info->name);
	return 0;
}

/* Where its payload lies, in the region or elsewhere; NULL: nowhere. */
static void *find_payload(const struct runner *runner, const struct region *in,
			  const struct run_tensor *t)
{
	if (t->foreign)
		return runner->find_foreign(t->foreign, t->offset, t->bytes);
	return in->start + t->offset;
}

static int take_input(struct runner *runner, const struct region *in, uint32_t i,
		      struct tensock_error *reterr)
{
	const struct run_tensor *t = &runner->descriptors[i];
	int r = check_input(runner, t, i, reterr);

	if (r < 0)
		return r;
	runner->inputs[i] = (struct tensock_tensor){ .index = t->index,
						     .dtype = t->dtype,
						     .rank = t->rank,
						     .data = find_payload(runner, in, t),
						     .bytes = t->bytes };
	memcpy(runner->inputs[i].dims, t->dims, sizeof(t->dims));
	if (!runner->inputs[i].data)
		return tsk_fail(reterr, TENSOCK_PROTOCOL, "an input lies in no memory");
	return 0;
}

static void forget_places(struct runner *runner)
{
	memset(runner->places, 0, description(runner)->n_outputs * sizeof(*runner->places));
}

/* Of outputs that the model has, each at most once. */
static int take_places(struct runner *runner, const struct run_tensor *at, uint32_t n,
		       struct tensock_error *reterr)
{
	for (uint32_t i = 0; i < n; i++) {
		struct runner_place *place;

		if (at[i].index >= description(runner)->n_outputs)
			return tsk_fail(reterr, TENSOCK_PROTOCOL, "a place for no output");
		place = &runner->places[at[i].index];
		if (!place->start)
			*place = (struct runner_place){
				.start = runner->find_foreign(at[i].foreign, at[i].offset,
							      at[i].bytes),
				.at = &at[i],
			};
		if (place->at != &at[i] || !place->start)
			return tsk_fail(reterr, TENSOCK_PROTOCOL, "a place in no memory");
	}
	return 0;
}

/* From the input region to runner->inputs and runner->places. */
static int read_inputs(struct runner *runner, const struct region *in, uint32_t *ret_n,
		       struct tensock_error *reterr)
{
	const struct tensock_model_description *d = description(runner);
	unsigned n, n_places;
	int r;

	forget_places(runner);
	if (!in->start)
		return tsk_fail(reterr, TENSOCK_PROTOCOL, "the inputs' region is in no buffer");
	r = run_read_foreign(in->start, in->bytes, runner->descriptors, d->n_inputs + d->n_outputs,
			     &n, &n_places);
	if (r < 0 || n > d->n_inputs)
		return tsk_fail(reterr, TENSOCK_PROTOCOL, "the inputs are not well described");
	for (unsigned i = 0; i < n; i++) {
		r = take_input(runner, in, i, reterr);
		if (r < 0)
			return r;
	}
	*ret_n = n;
	return take_places(runner, runner->descriptors + n, n_places, reterr);
}

/* Whether the output goes to its place, if it is so large. */
static bool has_place(const struct runner *runner, uint32_t i, uint64_t bytes)
{
	const struct runner_place *place = &runner->places[i];

	return place->start && bytes <= place->at->bytes &&
	       description(runner)->outputs[i].dtype != TENSOCK_BYTES;
}

/* The outputs' region, by runner->sizes: *ret_total bytes, runner->offsets are set. */
static int lay_out(struct runner *runner, uint64_t *ret_total)
{
	uint32_t n = description(runner)->n_outputs;

	for (uint32_t i = 0; i < n; i++)
		runner->laid[i] = has_place(runner, i, runner->sizes[i]) ? 0 : runner->sizes[i];
	return run_layout(runner->laid, n, runner->offsets, ret_total);
}

static unsigned char *output_at(const struct runner *runner, uint32_t i, const struct region *out)
{
	if (has_place(runner, i, runner->sizes[i]))
		return runner->places[i].start;
	return out->start + runner->offsets[i];
}

/* More inputs than this are not looked through for the sizes of outputs. */
#define NAMED_INPUTS_MAX 16u

/*
 * The size of a dimension that the model leaves open and names, as the inputs' dimensions of that
 * name have it.  -1 where none has, or not all have the same: some converters name every open one "?".
 */
static int64_t named_dim(const struct runner *runner, uint32_t n_inputs, const char *name)
{
	int64_t size = -1;

	if (!name || n_inputs > NAMED_INPUTS_MAX)
		return -1;
	for (uint32_t i = 0; i < n_inputs; i++) {
		const struct tensock_tensor *input = &runner->inputs[i];
		const struct tensock_tensor_info *info = &description(runner)->inputs[input->index];

		for (uint32_t d = 0; d < info->rank; d++) {
			if (!info->dim_names[d] || strcmp(info->dim_names[d], name) != 0)
				continue;
			if (size >= 0 && size != input->dims[d])
				return -1;
			size = input->dims[d];
		}
	}
	return size;
}

/* An output's type, shape and size, where they are known before the run. */
static bool is_known(const struct runner *runner, uint32_t n_inputs,
		     const struct tensock_tensor_info *info, struct tensock_tensor *ret)
{
	*ret = (struct tensock_tensor){ .dtype = info->dtype, .rank = info->rank };
	for (uint32_t d = 0; d < info->rank; d++) {
		ret->dims[d] = info->dims[d] >= 0 ? info->dims[d]
						  : named_dim(runner, n_inputs, info->dim_names[d]);
	}
	return info->rank > 0 &&
	       tsk_shape_bytes(ret->dtype, ret->dims, ret->rank, &ret->bytes) == 0;
}

/*
 * How many outputs, from the first, have a place in the region that is known before the run: up to
 * the first whose size is not.  Of most models all are known, or none.  Those are described.
 */
static uint32_t count_in_place(struct runner *runner, uint32_t n_inputs, const struct region *out)
{
	const struct tensock_model_description *d = description(runner);
	uint32_t n_known = 0;
	uint64_t total;

	if (!runner->in_place)
		return 0;
	memset(runner->sizes, 0, d->n_outputs * sizeof(*runner->sizes));
	while (n_known < d->n_outputs &&
	       is_known(runner, n_inputs, &d->outputs[n_known], &runner->outputs[n_known])) {
		runner->sizes[n_known] = runner->outputs[n_known].bytes;
		n_known++;
	}
	if (lay_out(runner, &total) < 0 || total > out->bytes)
		return 0;
	return n_known;
}

/* Lets the engine write straight into the region, or its place, what it can.  Returns how many outputs that is. */
static uint32_t place_outputs(struct runner *runner, uint32_t n_inputs, const struct region *out)
{
	uint32_t n_outputs = description(runner)->n_outputs;
	uint32_t n_in_place = count_in_place(runner, n_inputs, out);

	for (uint32_t i = 0; i < n_in_place; i++) {
		runner->outputs[i].index = i;
		runner->outputs[i].data = output_at(runner, i, out);
	}
	for (uint32_t i = n_in_place; i < n_outputs; i++)
		runner->outputs[i] = (struct tensock_tensor){ .index = i };
	return n_in_place;
}

/* Nobody has to trust the engine's arithmetic, even though it lives in this process. */
static bool output_is_valid(const struct tensock_tensor *t)
{
	uint64_t wanted;

	if (!tsk_dtype_is_valid(t->dtype) || t->rank > TENSOCK_RANK_MAX || (!t->data && t->bytes))
		return false;
	if (t->dtype == TENSOCK_BYTES)
		return tsk_shape_elems(t->dims, t->rank, &wanted) == 0 && t->bytes / 4 >= wanted;
	return tsk_shape_bytes(t->dtype, t->dims, t->rank, &wanted) == 0 && t->bytes == wanted;
}

static int check_outputs(struct runner *runner, struct tensock_error *reterr)
{
	const struct tensock_model_description *d = description(runner);

	for (uint32_t i = 0; i < d->n_outputs; i++) {
		if (!output_is_valid(&runner->outputs[i])) {
			kept_release(runner->outputs, d->n_outputs);
			return tsk_fail(reterr, TENSOCK_ENGINE_FAILED,
					"the engine gave no valid output \"%.100s\"",
					d->outputs[i].name);
		}
	}
	return 0;
}

static int call_engine(struct runner *runner, uint64_t run_id, uint32_t n_inputs,
		       struct tensock_error *reterr)
{
	const struct tensock_engine *engine = runner->model->plugin->engine;
	struct tensock_error error = { 0 };
	uint32_t status;
	int r;

	status = engine->run(runner->model->handle, run_id, runner->inputs, n_inputs,
			     runner->outputs, description(runner)->n_outputs, &error);
	if (status == TENSOCK_OK)
		return check_outputs(runner, reterr);
	/* After a failure nothing is to be released, whatever the members say. */
	memset(runner->outputs, 0, description(runner)->n_outputs * sizeof(*runner->outputs));
	r = plugin_failed(status, &error);
	*reterr = error;
	return r;
}

/*
 * Runs the model.  A model may state a shape and then give another: engines warn of it, but
 * fail when they were told to write in place.  So such a failure is tried once more without, and if
 * that helps, so it stays.
 */
static int run_model(struct runner *runner, uint64_t run_id, uint32_t n_inputs,
		     const struct region *out, struct tensock_error *reterr)
{
	uint32_t n_in_place = place_outputs(runner, n_inputs, out);
	int r = call_engine(runner, run_id, n_inputs, reterr);

	if (r == 0 || n_in_place == 0 || r == -ECANCELED)
		return r;
	runner->in_place = false;
	place_outputs(runner, n_inputs, out);
	r = call_engine(runner, run_id, n_inputs, reterr);
	if (r < 0)
		runner->in_place = true;
	return r;
}

static void describe_output(const struct runner *runner, const struct tensock_tensor *t, uint32_t i,
			    struct run_tensor *ret)
{
	const struct run_tensor *place = runner->places[i].at;
	bool is_placed = has_place(runner, i, t->bytes);

	*ret = (struct run_tensor){ .index = t->index,
				    .dtype = t->dtype,
				    .rank = t->rank,
				    .foreign = is_placed ? place->foreign : 0,
				    .offset = is_placed ? place->offset : runner->offsets[i],
				    .bytes = t->bytes };
	memcpy(ret->dims, t->dims, t->rank * sizeof(t->dims[0]));
}

/* The room that they need where they have no place: what a FETCH must bring. */
static uint64_t room_without_places(struct runner *runner)
{
	uint64_t total;

	if (run_layout(runner->sizes, description(runner)->n_outputs, NULL, &total) < 0)
		return UINT64_MAX;
	return total;
}

/* Writes the outputs into the region, where they fit; if not, done->needed says what they need. */
static int deliver(struct runner *runner, const struct tensock_tensor *outputs,
		   const struct region *out, struct run_entry *done, struct tensock_error *reterr)
{
	uint32_t n = description(runner)->n_outputs;
	uint64_t total;

	for (uint32_t i = 0; i < n; i++)
		runner->sizes[i] = outputs[i].bytes;
	if (lay_out(runner, &total) < 0)
		return tsk_fail(reterr, TENSOCK_ENGINE_FAILED, "the outputs are too large");
	if (total > out->bytes) {
		done->needed = room_without_places(runner);
		return tsk_fail(reterr, TENSOCK_TOO_LARGE, "the outputs need %llu bytes of room",
				(unsigned long long)done->needed);
	}
	for (uint32_t i = 0; i < n; i++) {
		const struct tensock_tensor *t = &outputs[i];

		if (t->bytes && t->data != output_at(runner, i, out))
			memcpy(output_at(runner, i, out), t->data, t->bytes);
		describe_output(runner, t, i, &runner->results[i]);
	}
	if (run_write(out->start, out->bytes, runner->results, n) < 0)
		return tsk_fail(reterr, TENSOCK_INTERNAL, "the outputs cannot be described");
	done->out_bytes = total;
	return 0;
}

static int start(struct runner *runner, struct job *job, const struct region *in,
		 const struct region *out, struct tensock_error *reterr)
{
	uint32_t n_inputs = 0, n_outputs = description(runner)->n_outputs;
	int r = read_inputs(runner, in, &n_inputs, reterr);

	if (r == 0)
		r = run_model(runner, job->run_id, n_inputs, out, reterr);
	if (r < 0)
		return r;
	r = deliver(runner, runner->outputs, out, &job->done, reterr);
	if (job->done.needed && kept_new(runner->outputs, n_outputs, &job->kept) < 0) {
		job->done.needed = 0;
		r = tsk_fail(reterr, TENSOCK_OUT_OF_MEMORY,
			     "not enough memory to keep the outputs");
	}
	if (!job->kept)
		kept_release(runner->outputs, n_outputs);
	return r;
}

static int fetch(struct runner *runner, struct job *job, const struct region *out,
		 struct tensock_error *reterr)
{
	if (!job->kept)
		return tsk_fail(reterr, TENSOCK_NOT_FOUND, "no outputs are kept");
	forget_places(runner);
	return deliver(runner, job->kept->outputs, out, &job->done, reterr);
}

static int answer(struct runner *runner, struct job *job, const struct region *in,
		  const struct region *out, struct tensock_error *reterr)
{
	if (!out->start)
		return tsk_fail(reterr, TENSOCK_PROTOCOL, "the outputs' region is in no buffer");
	if (job->is_cancelled)
		return tsk_fail(reterr, TENSOCK_CANCELLED, "cancelled before it began");
	switch (job->entry.type) {
	case RUN_START:
		return start(runner, job, in, out, reterr);
	case RUN_FETCH:
		return fetch(runner, job, out, reterr);
	default:
		return tsk_fail(reterr, TENSOCK_PROTOCOL, "an entry of type %u", job->entry.type);
	}
}

/* The text, cut to the region, at its start. */
static uint64_t write_text(const struct region *out, const char *text)
{
	size_t len = strlen(text);

	if (!out->start || !out->bytes)
		return 0;
	if (len > out->bytes - 1)
		len = (size_t)out->bytes - 1;
	memcpy(out->start, text, len);
	out->start[len] = '\0';
	return len + 1;
}

void runner_answer(struct runner *runner, struct job *job, const struct region *in,
		   const struct region *out)
{
	const struct run_entry *entry = &job->entry;
	struct tensock_error error = { 0 };
	int r;

	job->done = (struct run_entry){ .type = RUN_DONE,
					.request_id = entry->request_id,
					.in_buffer = entry->in_buffer,
					.out_buffer = entry->out_buffer,
					.in_offset = entry->in_offset,
					.in_bytes = entry->in_bytes,
					.out_offset = entry->out_offset };
	r = answer(runner, job, in, out, &error);
	if (r < 0) {
		job->done.status = error.status;
		job->done.out_bytes = write_text(out, error.message);
	}
	if (!job->done.needed)
		kept_free(TAKE_PTR(job->kept));
}
