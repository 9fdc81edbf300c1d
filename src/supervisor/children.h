/* SPDX-License-Identifier: Apache-2.0 */
/* The processes that this one has started: each is waited for exactly once. */
#ifndef SUPERVISOR_CHILDREN_H
#define SUPERVISOR_CHILDREN_H

#include <stdbool.h>
#include <sys/types.h>
#include <uv.h>

#include "base/cleanup.h"

/* Part of what describes the process.  It is on the list until exited() is called. */
struct child {
	pid_t pid;
	/* The process has been waited for; its pid means nothing any more.  May free the child. */
	void (*exited)(struct child *child, int wait_status);
	struct child *next; /* the list's */
};

struct children {
	uv_signal_t sigchld;
	struct child *first;
	/* Each time that the last child has gone. */
	void (*none_left)(void *context);
	void *context;
};

int children_init(struct children *children, uv_loop_t *loop) _nodiscard_;
/* Closes the handle; the children must be gone.  *children must live until the loop has run. */
void children_done(struct children *children);

void children_add(struct children *children, struct child *child);

/* Waits for those that have ended already, as is done at SIGCHLD. */
void children_reap(struct children *children);

/* SIGKILL to all. */
void children_kill(const struct children *children);

/*
 * They are told of as ended by SIGKILL, and are waited for no more: one that the kernel holds (a filesystem
 * that does not answer) does not end even so.
 */
void children_leave(struct children *children);

#endif
