/* SPDX-License-Identifier: Apache-2.0 */
#include "engines/onnxruntime/ort.h"

#include <stdlib.h>
#include <string.h>

#include <onnxruntime_session_options_config_keys.h>

/* Newer than the header: keys are plain strings, and an older library ignores them. */
#define KEY_EXTERNAL_FOLDER "session.model_external_initializers_file_folder_path"

/* What cannot be a folder: below a file that is none. */
#define NO_FOLDER "/dev/null/none"

static const struct {
	const char *key, *value;
} config[] = {
	/* The worker's scan refuses external data; should one slip through, no file is found. */
	{ KEY_EXTERNAL_FOLDER, NO_FOLDER },
	/* Never ONNX Runtime's own format, whatever the bytes look like. */
	{ kOrtSessionOptionsConfigLoadModelFormat, "ONNX" },
	{ kOrtSessionOptionsConfigUseEnvAllocators, "1" },
	/* A thread that has nothing to do sleeps: the cores belong to other guests. */
	{ kOrtSessionOptionsConfigAllowIntraOpSpinning, "0" },
	{ kOrtSessionOptionsConfigAllowInterOpSpinning, "0" },
};

/*
 * The arena stays on: without it a detector of text (PP-OCR, 320 x 320) took 79 to 88 MiB instead of
 * 69 and its first run 62 ms instead of 38.  The memory pattern goes: with it the same model took 69
 * MiB, without 58, at the same speed; and it keeps a plan for every input shape that ever came.
 */
static uint32_t set_options(const struct ort *ort, OrtSessionOptions *options,
			    struct tensock_error *reterr)
{
	uint32_t s = ort_check(ort, ort->api->SetIntraOpNumThreads(options, ort->threads), reterr);

	if (s == TENSOCK_OK)
		s = ort_check(ort, ort->api->SetInterOpNumThreads(options, 1), reterr);
	if (s == TENSOCK_OK)
		s = ort_check(ort, ort->api->SetSessionExecutionMode(options, ORT_SEQUENTIAL),
			      reterr);
	if (s == TENSOCK_OK)
		s = ort_check(ort, ort->api->DisableMemPattern(options), reterr);
	for (unsigned i = 0; s == TENSOCK_OK && i < sizeof(config) / sizeof(config[0]); i++)
		s = ort_check(ort,
			      ort->api->AddSessionConfigEntry(options, config[i].key,
							      config[i].value),
			      reterr);
	return s;
}

/*
 * ONNX Runtime (1.28 at least) folds a Pad into the MaxPool that reads it: zeros that were padded become
 * minus infinity, and negative values at the edge win.  Before a convolution the same is right, and saves
 * a copy: so it is only left out where a model has such a pool, or looks like it.
 */
static uint32_t keep_pads(const struct ort *ort, OrtSessionOptions *options, const void *bytes,
			  uint64_t n_bytes, struct tensock_error *reterr)
{
	static const char pool[] = "MaxPool";

	if (!memmem(bytes, n_bytes, pool, sizeof(pool) - 1))
		return TENSOCK_OK;
	return ort_check(ort,
			 ort->api->AddSessionConfigEntry(
				 options, kOrtSessionOptionsDisableSpecifiedOptimizers, "Pad_Fusion"),
			 reterr);
}

static uint32_t new_session(struct ort_model *model, const void *bytes, uint64_t n_bytes,
			    struct tensock_error *reterr)
{
	const struct ort *ort = model->ort;
	OrtSessionOptions *options = NULL;
	uint32_t s = ort_check(ort, ort->api->CreateSessionOptions(&options), reterr);

	if (s != TENSOCK_OK)
		return s;
	s = set_options(ort, options, reterr);
	if (s == TENSOCK_OK)
		s = keep_pads(ort, options, bytes, n_bytes, reterr);
	if (s == TENSOCK_OK)
		s = ort_check(ort,
			      ort->api->CreateSessionFromArray(ort->env, bytes, n_bytes, options,
							       &model->session),
			      reterr);
	ort->api->ReleaseSessionOptions(options);
	/* A model that the host's rules let pass and that the engine cannot make a session of. */
	if (s != TENSOCK_ENGINE_FAILED && s != TENSOCK_INVALID_ARGUMENT)
		return s;
	if (reterr)
		reterr->status = TENSOCK_INVALID_MODEL;
	return TENSOCK_INVALID_MODEL;
}

uint32_t ort_load(void *engine, const void *bytes, uint64_t n_bytes, void **ret_model,
		  struct tensock_error *reterr)
{
	struct ort_model *model = calloc(1, sizeof(*model));
	uint32_t s;

	if (!model)
		return ort_fail(reterr, TENSOCK_OUT_OF_MEMORY, "not enough memory");
	model->ort = engine;
	pthread_mutex_init(&model->mutex, NULL);
	s = new_session(model, bytes, n_bytes, reterr);
	if (s == TENSOCK_OK)
		s = ort_describe(model, reterr);
	if (s == TENSOCK_OK)
		s = ort_run_new(model, &model->runs, reterr);
	if (s != TENSOCK_OK) {
		ort_unload(model);
		return s;
	}
	*ret_model = model;
	return TENSOCK_OK;
}

void ort_unload(void *arg)
{
	struct ort_model *model = arg;
	struct ort_run *run;

	if (!model)
		return;
	while ((run = model->runs)) {
		model->runs = run->next;
		ort_run_free(model, run);
	}
	if (model->session)
		model->ort->api->ReleaseSession(model->session);
	ort_describe_done(model);
	pthread_mutex_destroy(&model->mutex);
	free(model);
}
