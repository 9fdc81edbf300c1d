/* SPDX-License-Identifier: Apache-2.0 */
/* The one model of a worker: checked, loaded into an engine, described. */
#ifndef WORKER_MODEL_H
#define WORKER_MODEL_H

#include <stdint.h>

#include "translate/operators.h"
#include "worker/engines.h"

struct model {
	const struct plugin *plugin; /* borrowed: what runs it */
	void *handle;
	const struct tensock_model_description *description; /* the engine's */
	char format[64];                 /* of the bytes that came; "ms, translated to onnx" */
	char operators[OPERATORS_BYTES]; /* that the engine was given; empty: not known */
};

/*
 * Loads the model in fd: a frozen memfd of exactly `bytes`.  It is mapped while this runs, and
 * stays the caller's.  Of the engines, which must outlive it, worker/choice.h picks one.
 */
int model_load(const struct engines *engines, int fd, uint64_t bytes, struct model *ret,
	       struct tensock_error *reterr) _nodiscard_;
void model_unload(struct model *model);

/* How many runs of it may be under way at once: as many as engine and operator allow, 1 at least. */
unsigned model_parallel(const struct model *model);

/* The description as tensor/model_info.h encodes it; without the operators where these do not fit. */
int model_encode(const struct model *model, void *buf, size_t size, size_t *ret_len,
		 struct tensock_error *reterr) _nodiscard_;

#endif
