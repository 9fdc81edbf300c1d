/* SPDX-License-Identifier: Apache-2.0 */
/* An engine's shared object, loaded and opened. */
#ifndef WORKER_PLUGIN_H
#define WORKER_PLUGIN_H

#include <tensock/engine.h>

#include "base/cleanup.h"

/* Of runs at once that an operator may allow. */
#define PLUGIN_PARALLEL_MAX 64u

struct plugin {
	void *library; /* never closed: engines leave threads and destructors behind */
	const struct tensock_engine *engine;
	void *instance;
	unsigned parallel; /* runs of a model at once that the operator allows */
};

/*
 * Reads the option "parallel"; where it is not given: as many as there are processors for, each run with
 * "threads" of them, but not above 4.  An error for what is no number from 1 to PLUGIN_PARALLEL_MAX.
 */
int plugin_parallel(const struct tensock_host *host, unsigned *ret, struct tensock_error *reterr)
	_nodiscard_;

/*
 * Loads the file, checks its ABI and opens the engine.  host must outlive the plug-in.  Details that
 * name files go to the log; *reterr may travel to a guest.
 */
int plugin_open(const char *path, const struct tensock_host *host, struct plugin *ret,
		struct tensock_error *reterr) _nodiscard_;
void plugin_close(struct plugin *plugin);

/* "onnxruntime 1.28.0" */
void plugin_title(const struct plugin *plugin, char *ret, size_t size);

/*
 * After a call of the engine that gave `status`, which is not TENSOCK_OK: makes *reterr (mandatory)
 * whole, for a plug-in may have left it empty or unterminated, and returns the -errno.
 */
int plugin_failed(uint32_t status, struct tensock_error *reterr);

#endif
