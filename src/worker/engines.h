/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engines of this process, in the operator's order of preference.  All are opened at its start:
 * afterwards it is sealed, and no file is opened any more.
 */
#ifndef WORKER_ENGINES_H
#define WORKER_ENGINES_H

#include <stdbool.h>

#include "worker/host.h"
#include "worker/plugin.h"

#define ENGINES_MAX 8u

/* One that is wanted. */
struct engine_file {
	const char *path;
	bool may_be_missing; /* when it says UNAVAILABLE, nobody hears of it */
	struct host host;    /* it must stay where it is */
	struct tensock_error error;
};

struct engines {
	struct plugin plugins[ENGINES_MAX]; /* those that are open */
	unsigned n;
	struct engine_file files[ENGINES_MAX];
	unsigned n_files;
};

/* The text stays the caller's, and must outlive *engines.  False above ENGINES_MAX. */
bool engines_add(struct engines *engines, const char *path, bool may_be_missing);

/* An option of the engine that was added last: see host_add_option().  False also without one. */
bool engines_add_option(struct engines *engines, char *text);

/*
 * Opens them.  One that cannot be opened is left out, and the log says so; when none can, that is the
 * error: of the first that should be there.
 */
int engines_open(struct engines *engines, struct tensock_error *reterr) _nodiscard_;
void engines_close(struct engines *engines);

/* "onnxruntime 1.28.0, mindspore_lite 2.0.0" */
void engines_title(const struct engines *engines, char *ret, size_t size);

#endif
