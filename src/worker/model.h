/* SPDX-License-Identifier: Apache-2.0 */
/* The one model of a worker: checked, loaded into the engine, described. */
#ifndef WORKER_MODEL_H
#define WORKER_MODEL_H

#include <stdint.h>

#include "worker/plugin.h"

struct model {
	const struct plugin *plugin; /* borrowed */
	void *handle;
	const struct tensock_model_description *description; /* the engine's */
	const char *format;                                  /* a literal of the engine's */
};

/*
 * Loads the model in fd: a frozen memfd of exactly `bytes`.  It is mapped while this runs, and
 * stays the caller's.  Checks the format's rules (worker/onnx_scan.h) before the engine sees it.
 */
int model_load(const struct plugin *plugin, int fd, uint64_t bytes, struct model *ret,
	       struct tensock_error *reterr) _nodiscard_;
void model_unload(struct model *model);

/* The description as tensor/model_info.h encodes it. */
int model_encode(const struct model *model, void *buf, size_t size, size_t *ret_len,
		 struct tensock_error *reterr) _nodiscard_;

#endif
