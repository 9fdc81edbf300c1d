/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What has come in and is not yet done, and the thread that hears a cancel while a run is under way.
 *
 * The worker's main thread takes entries off the ring, and runs them itself: handing a run to another
 * thread would cost every request two wake-ups more.  So while it is inside the engine someone else
 * must listen.  That is a second thread, the watcher, which sleeps in epoll and is armed from the
 * first of a row of runs until the main thread blocks (two system calls, no wake-up): it takes what comes meanwhile into the same queue
 * and passes a RUN_CANCEL on to the engine.  It also ends the process, at once, when the front
 * closes the control socket while the engine is busy: nobody wants that answer any more.
 */
#ifndef WORKER_INBOX_H
#define WORKER_INBOX_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "channel/ring.h"
#include "channel/run.h"
#include "worker/model.h"

struct inbox {
	int epoll_fd, control_fd;  /* control_fd: borrowed */
	pthread_mutex_t mutex;     /* of all below, and of the ring */
	struct ring *ring;         /* borrowed; NULL until it is attached */
	const struct model *model; /* borrowed; NULL until one is loaded */
	struct {
		struct run_entry entry;
		bool cancelled;
	} queue[RING_ENTRIES];
	unsigned head, count;
	bool is_armed;               /* the watcher, for a ring of the doorbell */
	bool busy;                   /* the main thread is inside the engine */
	bool hung_up;                /* the front is gone */
	uint64_t request_id, run_id; /* of the run under way; run_id 0: none */
	bool is_keeping;             /* outputs, until FETCH or CANCEL of kept_id */
	uint64_t kept_id;
};

/* Starts the watcher, which lives as long as the process: inbox must, too. */
int inbox_init(struct inbox *inbox, int control_fd) _nodiscard_;

/* Listens to a ring's doorbell.  Once. */
int inbox_attach(struct inbox *inbox, struct ring *ring) _nodiscard_;

/* Runs of this model can be cancelled from now on. */
void inbox_set_model(struct inbox *inbox, const struct model *model);

/*
 * The oldest START, or while outputs are kept their FETCH; false when there is none.
 * *ret_cancelled: a CANCEL overtook it.
 */
bool inbox_take(struct inbox *inbox, struct run_entry *ret, bool *ret_cancelled);

/* The outputs of a request are kept: no START is taken before it was fetched or cancelled. */
void inbox_keep(struct inbox *inbox, uint64_t request_id);

/*
 * Before blocking on the doorbell: false when something has come meanwhile.  After it: awake, and
 * whether it rang.
 */
bool inbox_sleep(struct inbox *inbox);
void inbox_awake(struct inbox *inbox, bool rang);

/*
 * Around every call of the engine that may take long.  run_id 0: a load, which nothing can cancel.
 * inbox_enter() is false when the front is gone, and then the engine is not to be called.
 */
bool inbox_enter(struct inbox *inbox, uint64_t request_id, uint64_t run_id) _nodiscard_;
void inbox_leave(struct inbox *inbox);

#endif
