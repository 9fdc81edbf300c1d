/* SPDX-License-Identifier: Apache-2.0 */
#include "engines/mindspore_lite/mslite.h"

#include <stdlib.h>
#include <string.h>

#include "engines/mindspore_lite/outputs.h"

/* The host takes no more. */
#define TENSORS_MAX 1024u
#define NAME_MAX_BYTES 1024u

static uint32_t out_of_memory(struct tensock_error *reterr)
{
	return mslite_fail(reterr, TENSOCK_OUT_OF_MEMORY, "not enough memory");
}

static void done_infos(struct tensock_tensor_info *infos, uint32_t n)
{
	for (uint32_t i = 0; infos && i < n; i++)
		free((void *)(uintptr_t)infos[i].name);
	free(infos);
}

static uint32_t describe_name(const struct mslite_api *api, void *tensor,
			      struct tensock_tensor_info *ret, struct tensock_error *reterr)
{
	const char *name = api->tensor_name(tensor);

	if (!name || strnlen(name, NAME_MAX_BYTES + 1) > NAME_MAX_BYTES)
		return mslite_fail(reterr, TENSOCK_UNSUPPORTED,
				   "an input's or output's name is above %u bytes", NAME_MAX_BYTES);
	ret->name = strdup(name);
	return ret->name ? TENSOCK_OK : out_of_memory(reterr);
}

static uint32_t describe_dims(const struct mslite_api *api, void *tensor,
			      struct tensock_tensor_info *ret, struct tensock_error *reterr)
{
	size_t rank = 0;
	const int64_t *dims = api->tensor_shape(tensor, &rank);

	if (rank > TENSOCK_RANK_MAX || (rank && !dims))
		return mslite_fail(reterr, TENSOCK_UNSUPPORTED,
				   "\"%.100s\" has %zu dimensions, above %u", ret->name, rank,
				   TENSOCK_RANK_MAX);
	ret->rank = (uint32_t)rank;
	for (size_t d = 0; d < rank; d++)
		ret->dims[d] = dims[d] < 0 ? -1 : dims[d];
	return TENSOCK_OK;
}

static uint32_t describe_tensor(const struct mslite_api *api, void *tensor,
				struct tensock_tensor_info *ret, struct tensock_error *reterr)
{
	uint32_t s;

	if (!tensor)
		return mslite_fail(reterr, TENSOCK_ENGINE_FAILED,
				   "the library gave an input or output that is none");
	s = describe_name(api, tensor, ret, reterr);
	if (s != TENSOCK_OK)
		return s;
	ret->dtype = mslite_dtype(api->tensor_type(tensor));
	if (ret->dtype == TENSOCK_DTYPE_INVALID)
		return mslite_fail(reterr, TENSOCK_UNSUPPORTED,
				   "\"%.100s\" has element type %d, which is not served", ret->name,
				   api->tensor_type(tensor));
	return describe_dims(api, tensor, ret, reterr);
}

static uint32_t check_count(const struct mslite_tensors *tensors, struct tensock_error *reterr)
{
	if (tensors->n <= TENSORS_MAX && (tensors->list || !tensors->n))
		return TENSOCK_OK;
	return mslite_fail(reterr, TENSOCK_UNSUPPORTED,
			   "the model has %zu inputs or outputs, above %u", tensors->n,
			   TENSORS_MAX);
}

static uint32_t describe_inputs(struct mslite_model *model, struct tensock_error *reterr)
{
	const struct mslite_api *api = &model->engine->api;
	struct mslite_tensors tensors = api->model_inputs(model->handle);
	uint32_t s = check_count(&tensors, reterr);

	if (s != TENSOCK_OK)
		return s;
	model->inputs = calloc(tensors.n + 1, sizeof(*model->inputs));
	if (!model->inputs)
		return out_of_memory(reterr);
	model->description.n_inputs = (uint32_t)tensors.n;
	for (size_t i = 0; s == TENSOCK_OK && i < tensors.n; i++)
		s = describe_tensor(api, tensors.list[i], &model->inputs[i], reterr);
	return s;
}

/* Names as people count: "9" is before "10". */
static bool is_before(const char *a, const char *b)
{
	const char *digits = "0123456789";
	size_t a_len = strlen(a), b_len = strlen(b);

	if (strspn(a, digits) == a_len && strspn(b, digits) == b_len && a_len != b_len)
		return a_len < b_len;
	return strcmp(a, b) < 0;
}

/* The library's tensors, of which some have been given a place already. */
struct unordered {
	const struct mslite_api *api;
	struct mslite_tensors tensors;
	bool *is_placed;
};

/* The one that is called like an output of the file, or without one the first by name; n: none. */
static size_t find_next(const struct unordered *from, const struct ms_output *output)
{
	const char *first = NULL;
	size_t found = from->tensors.n;

	for (size_t i = 0; i < from->tensors.n; i++) {
		const char *name = from->tensors.list[i]
					   ? from->api->tensor_name(from->tensors.list[i])
					   : NULL;

		if (from->is_placed[i] || !name)
			continue;
		if (output && ms_output_is(output, name))
			return i;
		if (!output && (!first || is_before(name, first))) {
			first = name;
			found = i;
		}
	}
	return found;
}

/* How many have been given a place: all, but those without a name. */
static uint32_t order_outputs(const struct unordered *from, const void *bytes, uint64_t n_bytes,
			      struct ms_output *outputs, uint32_t *places)
{
	uint32_t n_outputs = ms_outputs_read(bytes, n_bytes, outputs, TENSORS_MAX);
	uint32_t n = 0;

	/* Behind the file's (none, where it is no .ms file) all others, in an order that stays. */
	for (uint32_t i = 0; n < from->tensors.n && i < n_outputs + from->tensors.n; i++) {
		size_t at = find_next(from, i < n_outputs ? &outputs[i] : NULL);

		if (at == from->tensors.n)
			continue;
		from->is_placed[at] = true;
		places[n++] = (uint32_t)at;
	}
	return n;
}

static uint32_t place_outputs(struct mslite_model *model, struct mslite_tensors tensors,
			      const void *bytes, uint64_t n_bytes, struct tensock_error *reterr)
{
	struct unordered from = { .api = &model->engine->api, .tensors = tensors };
	struct ms_output *outputs = calloc(TENSORS_MAX, sizeof(*outputs));
	bool has_memory;
	uint32_t n = 0;

	from.is_placed = calloc(tensors.n + 1, sizeof(*from.is_placed));
	model->places = calloc(tensors.n + 1, sizeof(*model->places));
	has_memory = outputs && from.is_placed && model->places;
	if (has_memory)
		n = order_outputs(&from, bytes, n_bytes, outputs, model->places);
	free(from.is_placed);
	free(outputs);
	if (!has_memory)
		return out_of_memory(reterr);
	return n == tensors.n ? TENSOCK_OK
			      : mslite_fail(reterr, TENSOCK_ENGINE_FAILED,
					    "the library gave an output without a name");
}

/*
 * With inputs of open dimensions the library cannot tell what comes out, and calls that [-1], of whatever
 * rank it will be.
 */
static void open_shape(struct tensock_tensor_info *output)
{
	if (output->rank == 1 && output->dims[0] < 0)
		output->rank = 0;
}

static uint32_t describe_outputs(struct mslite_model *model, const void *bytes, uint64_t n_bytes,
				 struct tensock_error *reterr)
{
	const struct mslite_api *api = &model->engine->api;
	struct mslite_tensors tensors = api->model_outputs(model->handle);
	uint32_t s = check_count(&tensors, reterr);

	if (s == TENSOCK_OK)
		s = place_outputs(model, tensors, bytes, n_bytes, reterr);
	if (s != TENSOCK_OK)
		return s;
	model->outputs = calloc(tensors.n + 1, sizeof(*model->outputs));
	if (!model->outputs)
		return out_of_memory(reterr);
	model->description.n_outputs = (uint32_t)tensors.n;
	for (size_t i = 0; s == TENSOCK_OK && i < tensors.n; i++) {
		s = describe_tensor(api, tensors.list[model->places[i]], &model->outputs[i],
				    reterr);
		open_shape(&model->outputs[i]);
	}
	return s;
}

uint32_t mslite_describe(struct mslite_model *model, const void *bytes, uint64_t n_bytes,
			 struct tensock_error *reterr)
{
	struct tensock_model_description *d = &model->description;
	uint32_t s;

	d->size = sizeof(*d);
	s = describe_inputs(model, reterr);
	if (s == TENSOCK_OK)
		s = describe_outputs(model, bytes, n_bytes, reterr);
	d->inputs = model->inputs;
	d->outputs = model->outputs;
	return s;
}

void mslite_describe_done(struct mslite_model *model)
{
	done_infos(model->inputs, model->description.n_inputs);
	done_infos(model->outputs, model->description.n_outputs);
	free(model->places);
}
