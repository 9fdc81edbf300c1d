/* SPDX-License-Identifier: Apache-2.0 */
/* What one guest may use.  [daemon] sets them for all guests, [guest NAME] for one. */
#ifndef SUPERVISOR_LIMITS_H
#define SUPERVISOR_LIMITS_H

#include <stdbool.h>
#include <stdint.h>

#include <tensock/types.h>

#include "base/cleanup.h"
#include "channel/front_control.h"

enum limit {
	LIMIT_LOAD_DEADLINE_MS,
	LIMIT_RUN_DEADLINE_MS,
	LIMIT_IDLE_TIMEOUT_MS,
	LIMIT_MODEL_IDLE_MS,
	LIMIT_MODEL_BYTES,
	LIMIT_REQUEST_BYTES,
	LIMIT_MEMORY_BYTES,
	LIMIT_CONNECTIONS,
	LIMIT_WORKERS,
	LIMIT_MODELS,
	LIMIT_MODEL_KEEP_MS,
	LIMIT_REQUESTS,
	LIMIT_UPLOADS,
	LIMIT_UPLOAD_KEEP_MS,
	LIMIT_PAUSE_DEADLINE_MS,
	LIMIT_QUARANTINE_MS,
	LIMIT_CONNECTS, /* in a second */
	LIMIT_CRASHES,  /* in a minute; 0: any number */
	LIMIT_CPU_WEIGHT,
	LIMIT_CPU_PERCENT,   /* of one processor; 0: no bound */
	LIMIT_PROCESS_BYTES, /* of all processes together; 0: no bound */
	LIMIT_MAX
};

struct limits {
	uint32_t set; /* bit `1 << limit`: the operator has given it */
	uint64_t value[LIMIT_MAX];
};

/* What holds where the operator says nothing; no bit is set. */
extern const struct limits limits_default;

/*
 * Sets the limit that the configuration calls key.  1, or 0 when there is no such limit; the error
 * tells of a bad value, or of one that was given before.
 */
int limits_set(struct limits *limits, const char *key, const char *text,
	       struct tensock_error *reterr) _nodiscard_;

/* Sets in *limits what is set in *over. */
void limits_merge(struct limits *limits, const struct limits *over);

/*
 * Lowers max-connections, to 1 at the least, so that a front never needs more than so many fds.
 * Whether it had to.
 */
bool limits_fit_files(struct limits *limits, uint64_t files_max);

/* Whether the operator wants something of the processes that only cgroups can do. */
bool limits_want_cgroup(const struct limits *limits);

/* Fills the limits of *ret. */
void limits_to_start(const struct limits *limits, struct front_start *ret);

#endif
