/* SPDX-License-Identifier: Apache-2.0 */
/* What this process offers to its engine: the log, and the operator's options. */
#ifndef WORKER_HOST_H
#define WORKER_HOST_H

#include <stdbool.h>

#include <tensock/engine.h>

#define HOST_OPTIONS_MAX 32u
#define HOST_LOG_LINES_PER_SEC 10u

struct host {
	struct tensock_host api; /* its context is this struct: do not move it */
	struct {
		const char *name, *value;
	} options[HOST_OPTIONS_MAX];
	unsigned n_options;
};

/* No options yet. */
void host_init(struct host *host);

/*
 * "NAME=VALUE", cut in two in place; it must outlive the host.  A name that comes again replaces
 * the one before.  False without a name or a '=', or when there are too many.
 */
bool host_add_option(struct host *host, char *text);

/* Writes to the process's log (tsk_log_init comes first).  Any thread. */
void host_log(enum tensock_log_level level, const char *text);

#endif
