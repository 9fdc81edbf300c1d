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
	free(runner->sizes);
	free(runner->offsets);
	free(runner->inputs);
	free(runner->outputs);
}

int runner_init(struct runner *runner, const struct model *model)
{
	size_t n_inputs = model->description->n_inputs, n_outputs = model->description->n_outputs;
	size_t n = n_inputs > n_outputs ? n_inputs : n_outputs;

	/* One more than needed: calloc(0) may give NULL. */
	*runner = (struct runner){ .model = model,
				   .in_place = true,
				   .descriptors = calloc(n + 1, sizeof(*runner->descriptors)),
				   .sizes = calloc(n_outputs + 1, sizeof(*runner->sizes)),
				   .offsets = calloc(n_outputs + 1, sizeof(*runner->offsets)),
				   .inputs = calloc(n_inputs + 1, sizeof(*runner->inputs)),
				   .outputs = calloc(n_outputs + 1, sizeof(*runner->outputs)) };
	if (runner->descriptors && runner->sizes && runner->offsets && runner->inputs &&
	    runner->outputs)
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

/* From the input region to runner->inputs. */
static int read_inputs(struct runner *runner, const struct region *in, uint32_t *ret_n,
		       struct tensock_error *reterr)
{
	unsigned n;
	int r;

	if (!in->start)
		return tsk_fail(reterr, TENSOCK_PROTOCOL, "the inputs' region is in no buffer");
	r = run_read(in->start, in->bytes, runner->descriptors, description(runner)->n_inputs, &n);
	if (r < 0)
		return tsk_fail(reterr, TENSOCK_PROTOCOL, "the inputs are not well described");
	for (unsigned i = 0; i < n; i++) {
		const struct run_tensor *t = &runner->descriptors[i];

		r = check_input(runner, t, i, reterr);
		if (r < 0)
			return r;
		runner->inputs[i] = (struct tensock_tensor){ .index = t->index,
							     .dtype = t->dtype,
							     .rank = t->rank,
							     .data = in->start + t->offset,
							     .bytes = t->bytes };
		memcpy(runner->inputs[i].dims, t->dims, sizeof(t->dims));
	}
	*ret_n = n;
	return 0;
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
	if (run_layout(runner->sizes, d->n_outputs, runner->offsets, &total) < 0 ||
	    total > out->bytes)
		return 0;
	return n_known;
}

/* Lets the engine write straight into the region what it can.  Returns how many outputs that is. */
static uint32_t place_outputs(struct runner *runner, uint32_t n_inputs, const struct region *out)
{
	uint32_t n_outputs = description(runner)->n_outputs;
	uint32_t n_in_place = count_in_place(runner, n_inputs, out);

	for (uint32_t i = 0; i < n_in_place; i++) {
		runner->outputs[i].index = i;
		runner->outputs[i].data = out->start + runner->offsets[i];
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

static void describe_output(const struct tensock_tensor *t, uint64_t offset, struct run_tensor *ret)
{
	*ret = (struct run_tensor){ .index = t->index,
				    .dtype = t->dtype,
				    .rank = t->rank,
				    .offset = offset,
				    .bytes = t->bytes };
	memcpy(ret->dims, t->dims, t->rank * sizeof(t->dims[0]));
}

/* The outputs' own region: *ret_total bytes, runner->offsets are set. */
static int lay_out(struct runner *runner, const struct tensock_tensor *outputs, uint64_t *ret_total,
		   struct tensock_error *reterr)
{
	uint32_t n = description(runner)->n_outputs;

	for (uint32_t i = 0; i < n; i++)
		runner->sizes[i] = outputs[i].bytes;
	if (run_layout(runner->sizes, n, runner->offsets, ret_total) < 0)
		return tsk_fail(reterr, TENSOCK_ENGINE_FAILED, "the outputs are too large");
	return 0;
}

/* Writes the outputs into the region, where they fit; if not, done->needed says what they need. */
static int deliver(struct runner *runner, const struct tensock_tensor *outputs,
		   const struct region *out, struct run_entry *done, struct tensock_error *reterr)
{
	uint32_t n = description(runner)->n_outputs;
	uint64_t total;
	int r = lay_out(runner, outputs, &total, reterr);

	if (r < 0)
		return r;
	if (total > out->bytes) {
		done->needed = total;
		return tsk_fail(reterr, TENSOCK_TOO_LARGE, "the outputs need %llu bytes of room",
				(unsigned long long)total);
	}
	for (uint32_t i = 0; i < n; i++) {
		const struct tensock_tensor *t = &outputs[i];

		if (t->bytes && t->data != out->start + runner->offsets[i])
			memcpy(out->start + runner->offsets[i], t->data, t->bytes);
		describe_output(t, runner->offsets[i], &runner->descriptors[i]);
	}
	if (run_write(out->start, out->bytes, runner->descriptors, n) < 0)
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
