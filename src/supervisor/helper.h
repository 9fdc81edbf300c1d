/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A process that serves all guests: the store's, the metrics'.  It is started, told what it must know,
 * and started again when it ends (restarts.h).  Embedded, as the first member, in what goes on to speak
 * with it.
 */
#ifndef SUPERVISOR_HELPER_H
#define SUPERVISOR_HELPER_H

#include <stdbool.h>
#include <uv.h>

#include "base/cleanup.h"
#include "supervisor/launcher.h"
#include "supervisor/restarts.h"

struct helper;

struct helper_kind {
	const char *name; /* for the log: "the store" */
	const char *loss; /* what the log says behind "the store 123 exited with status 1" */
	int (*launch)(struct launcher *launcher, int control_fd, pid_t *ret_pid);
	/* It runs, and knows nothing yet.  After a failure it is killed. */
	int (*introduce)(struct helper *helper);
	/* Another one has been introduced. */
	void (*restarted)(struct helper *helper);
	/* It has ended; its control socket is still open here. */
	void (*ended)(struct helper *helper);
};

struct helper {
	struct child child; /* the first member: it is told by it */
	struct launcher *launcher;
	const struct helper_kind *kind;
	int fd; /* the control socket; -1 while there is no process */
	uv_timer_t restart;
	struct restarts restarts;
	bool is_stopping;
};

void helper_init(struct helper *helper, struct launcher *launcher, const struct helper_kind *kind);

/* Where it fails and there is an fd, a process is on its way out, and the next one follows. */
int helper_start(struct helper *helper) _nodiscard_;

/* No other one is started from now on.  Ends none: who closes the control socket does. */
void helper_stop(struct helper *helper);

/* The process must be gone.  closed() of a handle whose data is the helper: its memory is free then. */
void helper_close(struct helper *helper, uv_close_cb closed);

#endif
