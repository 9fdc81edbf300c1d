/* SPDX-License-Identifier: Apache-2.0 */
#include "client/model.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/hex.h"
#include "client/options.h"

static_assert((int)TENSOCK_MODEL_READY == (int)WIRE_MODEL_READY, "the states are the wire's");

/* Labels are the guest's own words; the host gives them back.  ret has room. */
static void copy_string(char *ret, struct wire_string string)
{
	memcpy(ret, string.bytes, string.len);
	ret[string.len] = '\0';
}

struct tensock_model *model_new(const struct wire_model *wire)
{
	struct tensock_model *model = calloc(1, sizeof(*model));

	if (!model)
		return NULL;
	memcpy(model->hash, wire->hash, sizeof(model->hash));
	*tsk_hex_write(model->hash_text, wire->hash, WIRE_HASH_BYTES) = '\0';
	model->bytes = wire->size;
	model->memory = wire->memory;
	model->runs = wire->runs;
	model->state = wire->state;
	copy_string(model->name, wire->name);
	copy_string(model->version, wire->version);
	return model;
}

static struct tensock_tensor_info *view_tensors(const struct tsk_tensor_info *tensors, uint32_t n)
{
	struct tensock_tensor_info *view = calloc(n ? n : 1, sizeof(*view));

	for (uint32_t i = 0; view && i < n; i++) {
		view[i].name = tensors[i].name;
		view[i].dtype = tensors[i].dtype;
		view[i].rank = tensors[i].rank;
		memcpy(view[i].dims, tensors[i].dims, sizeof(view[i].dims));
		for (uint32_t d = 0; d < tensors[i].rank; d++)
			view[i].dim_names[d] = tensors[i].dim_names[d];
	}
	return view;
}

int model_describe(struct tensock_model *model, const void *description, size_t size)
{
	struct tsk_model_info info;
	int r;

	if (!size)
		return 0;
	r = tsk_model_info_decode(description, size, &info);
	if (r < 0)
		return r;
	tsk_model_info_done(&model->info);
	free(model->inputs);
	free(model->outputs);
	model->info = info;
	model->inputs = view_tensors(info.inputs, info.n_inputs);
	model->outputs = view_tensors(info.outputs, info.n_outputs);
	return model->inputs && model->outputs ? 0 : -ENOMEM;
}

int model_read(const void *body, size_t size, struct tensock_model **ret)
{
	_cleanup_(model_freep) struct tensock_model *model = NULL;
	struct wire_model wire;
	const void *description;
	size_t description_bytes;
	int r;

	r = wire_model_read(body, size, &wire, &description, &description_bytes);
	if (r < 0)
		return r;
	model = model_new(&wire);
	if (!model)
		return -ENOMEM;
	r = model_describe(model, description, description_bytes);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(model);
	return 0;
}

void tensock_model_free(struct tensock_model *model)
{
	if (!model)
		return;
	tsk_model_info_done(&model->info);
	free(model->inputs);
	free(model->outputs);
	free(model);
}

void tensock_models_free(struct tensock_model **models, size_t n)
{
	if (!models)
		return;
	for (size_t i = 0; i < n; i++)
		tensock_model_free(models[i]);
	free(models);
}

void tensock_model_get_info(const struct tensock_model *model, struct tensock_model_info *ret)
{
	const struct tensock_model_info info = {
		.state = model->state,
		.bytes = model->bytes,
		.memory = model->memory,
		.runs = model->runs,
		.hash = model->hash_text,
		.name = model->name,
		.version = model->version,
		.engine = model->info.engine ? model->info.engine : "",
		.format = model->info.format ? model->info.format : "",
		.n_inputs = model->info.n_inputs,
		.n_outputs = model->info.n_outputs,
		.inputs = model->inputs,
		.outputs = model->outputs,
		.operators = model->info.operators ? model->info.operators : "",
	};

	options_write(ret, &info, sizeof(info));
}
