/* SPDX-License-Identifier: Apache-2.0 */
#include "engines/mindspore_lite/mslite.h"

#include <stdlib.h>
#include <string.h>

/*
 * The library runs a model for one caller at a time, and tells a second one off; the host calls from one
 * thread.  A run that has begun cannot be cancelled: the engine has no such entry.
 */

static const struct tensock_tensor *find_input(const struct tensock_tensor *inputs, uint32_t n,
					       uint32_t index)
{
	for (uint32_t i = 0; i < n; i++) {
		if (inputs[i].index == index)
			return &inputs[i];
	}
	return NULL;
}

static bool is_of_shape(const struct mslite_api *api, void *tensor,
			const struct tensock_tensor *like)
{
	size_t rank = 0;
	const int64_t *dims = api->tensor_shape(tensor, &rank);

	return rank == like->rank &&
	       (!rank || (dims && memcmp(dims, like->dims, rank * sizeof(*dims)) == 0));
}

/* The library's inputs, as many as there were when the model was loaded. */
static uint32_t get_inputs(const struct mslite_model *model, struct mslite_tensors *ret,
			   struct tensock_error *reterr)
{
	bool is_good;

	*ret = model->engine->api.model_inputs(model->handle);
	is_good = ret->n == model->description.n_inputs && (ret->list || !ret->n);
	for (size_t i = 0; is_good && i < ret->n; i++)
		is_good = ret->list[i] != NULL;
	return is_good ? TENSOCK_OK
		       : mslite_fail(reterr, TENSOCK_ENGINE_FAILED,
				     "the library has lost the model's inputs");
}

/* Every input is there.  Whether one has another shape than the library's model has now. */
static uint32_t check_inputs(const struct mslite_model *model, const struct mslite_tensors *own,
			     const struct tensock_tensor *inputs, uint32_t n_inputs,
			     bool *ret_differ, struct tensock_error *reterr)
{
	*ret_differ = model->is_stale;
	for (uint32_t i = 0; i < own->n; i++) {
		const struct tensock_tensor *input = find_input(inputs, n_inputs, i);

		if (!input)
			return mslite_fail(reterr, TENSOCK_INVALID_ARGUMENT,
					   "input \"%.100s\" is missing", model->inputs[i].name);
		if (!is_of_shape(&model->engine->api, own->list[i], input))
			*ret_differ = true;
	}
	return TENSOCK_OK;
}

static uint32_t resize(struct mslite_model *model, struct mslite_tensors own,
		       const struct tensock_tensor *inputs, uint32_t n_inputs,
		       struct tensock_error *reterr)
{
	struct mslite_shape *shapes = calloc(own.n + 1, sizeof(*shapes));
	uint32_t s;

	if (!shapes)
		return mslite_fail(reterr, TENSOCK_OUT_OF_MEMORY, "not enough memory");
	for (uint32_t i = 0; i < own.n; i++) {
		const struct tensock_tensor *input = find_input(inputs, n_inputs, i);

		shapes[i].rank = input->rank;
		memcpy(shapes[i].dims, input->dims, input->rank * sizeof(input->dims[0]));
	}
	s = mslite_check(model->engine->api.model_resize(model->handle, own, shapes, own.n),
			 "the model does not take inputs of these shapes", reterr);
	free(shapes);
	model->is_stale = s != TENSOCK_OK;
	return s;
}

static uint32_t fill_input(const struct mslite_model *model, void *own, uint32_t index,
			   const struct tensock_tensor *input, struct tensock_error *reterr)
{
	const struct mslite_api *api = &model->engine->api;
	const char *name = model->inputs[index].name;
	void *room;

	if (mslite_dtype(api->tensor_type(own)) != input->dtype ||
	    api->tensor_bytes(own) != input->bytes)
		return mslite_fail(reterr, TENSOCK_INVALID_ARGUMENT,
				   "input \"%.100s\" has %llu bytes, the library wants %zu", name,
				   (unsigned long long)input->bytes, api->tensor_bytes(own));
	if (!input->bytes)
		return TENSOCK_OK;
	room = api->tensor_room(own);
	if (!room)
		return mslite_fail(reterr, TENSOCK_OUT_OF_MEMORY,
				   "not enough memory for input \"%.100s\"", name);
	memcpy(room, input->data, input->bytes);
	return TENSOCK_OK;
}

static uint32_t predict(struct mslite_model *model, const struct tensock_tensor *inputs,
			uint32_t n_inputs, struct mslite_tensors *ret, struct tensock_error *reterr)
{
	const struct mslite_api *api = &model->engine->api;
	struct mslite_tensors own = { 0 };
	bool differ = false;
	uint32_t s = get_inputs(model, &own, reterr);

	if (s == TENSOCK_OK)
		s = check_inputs(model, &own, inputs, n_inputs, &differ, reterr);
	if (s == TENSOCK_OK && differ) {
		s = resize(model, own, inputs, n_inputs, reterr);
		if (s == TENSOCK_OK)
			s = get_inputs(model, &own, reterr);
	}
	for (uint32_t i = 0; s == TENSOCK_OK && i < own.n; i++)
		s = fill_input(model, own.list[i], i, find_input(inputs, n_inputs, i), reterr);
	if (s != TENSOCK_OK)
		return s;
	return mslite_check(api->model_predict(model->handle, own, ret, NULL, NULL),
			    "the model cannot be run", reterr);
}

/* The tensor of that name: at the place that it had, or at another. */
static void *find_output(const struct mslite_model *model, const struct mslite_tensors *from,
			 uint32_t index)
{
	const struct mslite_api *api = &model->engine->api;
	const char *name = model->outputs[index].name;
	size_t at = model->places[index];

	if (!from->list)
		return NULL;
	for (size_t i = 0; i <= from->n; i++, at = i - 1) {
		const char *found =
			at < from->n && from->list[at] ? api->tensor_name(from->list[at]) : NULL;

		if (found && strcmp(found, name) == 0)
			return from->list[at];
	}
	return NULL;
}

static bool count_bytes(const struct tensock_tensor *tensor, uint64_t *ret)
{
	uint64_t n = mslite_dtype_bytes(tensor->dtype);

	for (uint32_t d = 0; d < tensor->rank; d++) {
		if (tensor->dims[d] < 0 || __builtin_mul_overflow(n, (uint64_t)tensor->dims[d], &n))
			return false;
	}
	*ret = n;
	return true;
}

/* What the library says of an output, checked; data is where it has it. */
static uint32_t read_output(const struct mslite_api *api, void *from, const char *name,
			    struct tensock_tensor *ret, const void **ret_data,
			    struct tensock_error *reterr)
{
	size_t rank = 0;
	const int64_t *dims = api->tensor_shape(from, &rank);

	ret->dtype = mslite_dtype(api->tensor_type(from));
	if (ret->dtype == TENSOCK_DTYPE_INVALID || rank > TENSOCK_RANK_MAX || (rank && !dims))
		return mslite_fail(reterr, TENSOCK_UNSUPPORTED,
				   "output \"%.100s\" has element type %d and %zu dimensions", name,
				   api->tensor_type(from), rank);
	ret->rank = (uint32_t)rank;
	if (rank)
		memcpy(ret->dims, dims, rank * sizeof(*dims));
	*ret_data = api->tensor_data(from);
	if (!count_bytes(ret, &ret->bytes) || api->tensor_bytes(from) != ret->bytes ||
	    (ret->bytes && !*ret_data))
		return mslite_fail(reterr, TENSOCK_ENGINE_FAILED,
				   "output \"%.100s\" has %zu bytes, which its shape has not", name,
				   api->tensor_bytes(from));
	return TENSOCK_OK;
}

static void free_data(struct tensock_tensor *tensor)
{
	free(tensor->data);
}

static bool is_alike(const struct tensock_tensor *a, const struct tensock_tensor *b)
{
	return a->dtype == b->dtype && a->rank == b->rank && a->bytes == b->bytes &&
	       memcmp(a->dims, b->dims, a->rank * sizeof(a->dims[0])) == 0;
}

static uint32_t take_output(const struct mslite_model *model, const struct mslite_tensors *from,
			    struct tensock_tensor *output, struct tensock_error *reterr)
{
	const char *name = model->outputs[output->index].name;
	void *tensor = find_output(model, from, output->index);
	struct tensock_tensor found = { .index = output->index };
	const void *data = NULL;
	uint32_t s;

	if (!tensor)
		return mslite_fail(reterr, TENSOCK_ENGINE_FAILED, "output \"%.100s\" has no value",
				   name);
	s = read_output(&model->engine->api, tensor, name, &found, &data, reterr);
	if (s != TENSOCK_OK)
		return s;
	if (output->data && !is_alike(&found, output))
		return mslite_fail(reterr, TENSOCK_ENGINE_FAILED,
				   "output \"%.100s\" has another shape than the model says", name);
	if (!output->data) {
		found.data = malloc(found.bytes ? found.bytes : 1);
		found.release = free_data;
		if (!found.data)
			return mslite_fail(reterr, TENSOCK_OUT_OF_MEMORY, "not enough memory");
		*output = found;
	}
	if (found.bytes)
		memcpy(output->data, data, found.bytes);
	return TENSOCK_OK;
}

static uint32_t take_outputs(const struct mslite_model *model, const struct mslite_tensors *from,
			     struct tensock_tensor *outputs, uint32_t n_outputs,
			     struct tensock_error *reterr)
{
	uint32_t s = TENSOCK_OK;
	uint32_t n;

	for (n = 0; s == TENSOCK_OK && n < n_outputs; n++)
		s = take_output(model, from, &outputs[n], reterr);
	/* After a failure nothing is to be released, and what is the host's stays so. */
	for (uint32_t i = 0; s != TENSOCK_OK && i < n; i++) {
		if (!outputs[i].release)
			continue;
		free_data(&outputs[i]);
		outputs[i].data = NULL;
		outputs[i].release = NULL;
	}
	return s;
}

uint32_t mslite_run(void *arg, uint64_t run_id, const struct tensock_tensor *inputs,
		    uint32_t n_inputs, struct tensock_tensor *outputs, uint32_t n_outputs,
		    struct tensock_error *reterr)
{
	struct mslite_model *model = arg;
	struct mslite_tensors results = { 0 };
	uint32_t s;

	(void)run_id;
	capture_begin(&model->engine->capture);
	s = predict(model, inputs, n_inputs, &results, reterr);
	if (s == TENSOCK_OK)
		s = take_outputs(model, &results, outputs, n_outputs, reterr);
	capture_end(&model->engine->capture);
	return s;
}
