/* SPDX-License-Identifier: Apache-2.0 */
#include "engines/mindspore_lite/mslite.h"

#include <stdlib.h>

/* The library's settings for one model, which takes them over; NULL without memory. */
static void *new_context(const struct mslite *engine)
{
	const struct mslite_api *api = &engine->api;
	void *context = api->context_create();
	void *device = context ? api->device_create(MSLITE_DEVICE_CPU) : NULL;

	if (!device) {
		if (context)
			api->context_destroy(&context);
		return NULL;
	}
	api->context_set_threads(context, engine->threads);
	api->device_set_fp16(device, engine->fp16);
	api->context_add_device(context, device);
	return context;
}

static uint32_t build(struct mslite_model *model, const void *bytes, uint64_t n_bytes,
		      struct tensock_error *reterr)
{
	const struct mslite_api *api = &model->engine->api;
	void *context = new_context(model->engine);
	uint32_t s;

	if (!context)
		return mslite_fail(reterr, TENSOCK_OUT_OF_MEMORY, "not enough memory");
	model->handle = api->model_create();
	if (!model->handle) {
		api->context_destroy(&context);
		return mslite_fail(reterr, TENSOCK_OUT_OF_MEMORY, "not enough memory");
	}
	/* From here on the context is the model's, whatever comes of it. */
	s = mslite_check(api->model_build(model->handle, bytes, n_bytes, MSLITE_MODEL_MINDIR,
					  context),
			 "the model cannot be built", reterr);
	/* What fails here fails by the model. */
	if (s != TENSOCK_ENGINE_FAILED && s != TENSOCK_INVALID_ARGUMENT)
		return s;
	if (reterr)
		reterr->status = TENSOCK_INVALID_MODEL;
	return TENSOCK_INVALID_MODEL;
}

static void destroy(struct mslite_model *model)
{
	if (model->handle)
		model->engine->api.model_destroy(&model->handle);
	mslite_describe_done(model);
	free(model);
}

uint32_t mslite_load(void *engine, const void *bytes, uint64_t n_bytes, void **ret_model,
		     struct tensock_error *reterr)
{
	struct mslite_model *model = calloc(1, sizeof(*model));
	struct mslite *mslite = engine;
	uint32_t s;

	if (!model)
		return mslite_fail(reterr, TENSOCK_OUT_OF_MEMORY, "not enough memory");
	model->engine = mslite;
	capture_begin(&mslite->capture);
	s = build(model, bytes, n_bytes, reterr);
	if (s == TENSOCK_OK)
		s = mslite_describe(model, bytes, n_bytes, reterr);
	if (s == TENSOCK_OK)
		*ret_model = model;
	else
		destroy(model);
	capture_end(&mslite->capture);
	return s;
}

void mslite_unload(void *arg)
{
	struct mslite_model *model = arg;
	struct mslite *engine;

	if (!model)
		return;
	engine = model->engine;
	capture_begin(&engine->capture);
	destroy(model);
	capture_end(&engine->capture);
}
