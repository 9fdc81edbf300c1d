/* SPDX-License-Identifier: Apache-2.0 */
/* The plug-in's pieces.  One process has one engine. */
#ifndef ENGINE_MINDSPORE_LITE_MSLITE_H
#define ENGINE_MINDSPORE_LITE_MSLITE_H

#include <stdbool.h>
#include <stdint.h>

#include <tensock/engine.h>

#include "engines/mindspore_lite/api.h"
#include "engines/mindspore_lite/capture.h"

/* The engine: the library and the operator's settings. */
struct mslite {
	const struct tensock_host *host;
	struct mslite_api api;
	struct capture capture;
	int threads;
	bool fp16;
};

/* A loaded model. */
struct mslite_model {
	struct mslite *engine; /* borrowed */
	void *handle;          /* the library's */
	struct tensock_model_description description;
	struct tensock_tensor_info *inputs, *outputs; /* description points here; texts are ours */
	uint32_t *places; /* of each output of the description: among the library's */
	bool is_stale;    /* a resize has failed: who knows what shapes it has now */
};

/* status.c: fills *reterr and returns status. */
__attribute__((format(printf, 3, 4))) uint32_t mslite_fail(struct tensock_error *reterr,
							   uint32_t status, const char *fmt, ...);

/* TENSOCK_OK for MSLITE_OK; else the library's code as a status and "WHAT: WORDS". */
uint32_t mslite_check(uint32_t code, const char *what, struct tensock_error *reterr);

/* dtype.c: TENSOCK_DTYPE_INVALID for a number of the library's that we do not serve. */
uint32_t mslite_dtype(int type);
uint32_t mslite_dtype_bytes(uint32_t dtype); /* of one element */

/* describe.c: fills all but engine and handle of a model that is built from these bytes. */
uint32_t mslite_describe(struct mslite_model *model, const void *bytes, uint64_t n_bytes,
			 struct tensock_error *reterr);
void mslite_describe_done(struct mslite_model *model);

/* model.c */
uint32_t mslite_load(void *engine, const void *bytes, uint64_t n_bytes, void **ret_model,
		     struct tensock_error *reterr);
void mslite_unload(void *model);

/* run.c */
uint32_t mslite_run(void *model, uint64_t run_id, const struct tensock_tensor *inputs,
		    uint32_t n_inputs, struct tensock_tensor *outputs, uint32_t n_outputs,
		    struct tensock_error *reterr);

#endif
