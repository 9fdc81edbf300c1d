/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The line of runs (line.h) between the ring of what comes, the threads that run and the ring of
 * answers.
 *
 * The worker's main thread takes entries off the ring, and runs them itself: handing a run to another
 * thread would cost every request two wake-ups more.  While it is inside the engine others must hear
 * what comes:
 *
 * The watcher sleeps in epoll and is armed from the first of a row of runs until the main thread
 * blocks (two system calls, no wake-up): it takes what comes meanwhile into the line and passes a
 * RUN_CANCEL on to the engine.  It also ends the process, at once, when the front closes the control
 * socket while the engine is busy: nobody wants that answer any more; and a few seconds after that
 * where the engine hangs in its end.
 *
 * Helpers, where the engine runs several at once (inbox_set_model), sleep until there is a run for
 * them.  To call one takes three wake-ups (doorbell, watcher, helper), so they are called only where
 * the runs of late were long enough for that (LONG_RUN_NS); short ones wait for the main thread, as
 * they do without helpers.
 */
#ifndef WORKER_INBOX_H
#define WORKER_INBOX_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "channel/ring.h"
#include "channel/run.h"
#include "worker/line.h"
#include "worker/model.h"

struct inbox {
	int epoll_fd, control_fd;  /* control_fd: borrowed */
	pthread_mutex_t mutex;     /* of all below, and of the rings */
	pthread_cond_t work;       /* for the helpers */
	struct ring *in, *out;     /* borrowed; NULL until they are attached */
	const struct model *model; /* borrowed; NULL until one is loaded */
	struct line line;
	bool is_armed;       /* the watcher, for a ring of the doorbell */
	bool is_main_inside; /* the engine: the watcher listens in its place */
	bool hung_up;        /* the front is gone, or is to be left: nothing is begun any more */
	unsigned n_busy;     /* threads that have a job, or load */
	unsigned n_helpers, n_idle; /* n_idle of them wait for work */
	uint64_t run_ns; /* what a run took of late, 0: not known; only where there are helpers */
};

/* Takes what is not to be had any more once the process is sealed. */
int inbox_init(struct inbox *inbox, int control_fd) _nodiscard_;
/* Starts the watcher, which lives as long as the process: inbox must, too. */
int inbox_start(struct inbox *inbox) _nodiscard_;

/* Listens to a ring's doorbell.  Once. */
int inbox_attach(struct inbox *inbox, struct ring_pair *rings) _nodiscard_;

/* Runs of this model can be cancelled from now on; n_helpers threads will call inbox_wait(). */
void inbox_set_model(struct inbox *inbox, const struct model *model, unsigned n_helpers);

/*
 * The main thread's: 1 and the next job, 0 when there is none now, -EPIPE when the front is gone,
 * -EPROTO when its ring is broken.
 */
int inbox_take(struct inbox *inbox, struct job **ret) _nodiscard_;
/* A helper's: waits for one. */
struct job *inbox_wait(struct inbox *inbox);

/*
 * The job has been answered (job->done): that goes out with what waits for it, or waits itself.  The
 * job is no longer the caller's.
 */
void inbox_finish(struct inbox *inbox, struct job *job, bool is_main);

/*
 * The main thread's, before blocking on the doorbell: false when something has come meanwhile.
 * After it: awake, and whether it rang.
 */
bool inbox_sleep(struct inbox *inbox);
void inbox_awake(struct inbox *inbox, bool rang);

/*
 * Around a load, which nothing can cancel.  inbox_enter() is false when the front is gone, and then
 * the engine is not to be called.  inbox_leave() is also for a job that is not answered: the front is
 * gone.
 */
bool inbox_enter(struct inbox *inbox) _nodiscard_;
void inbox_leave(struct inbox *inbox);

/* The main thread ends: no job is taken any more.  False when a helper has one still. */
bool inbox_close(struct inbox *inbox) _nodiscard_;

#endif
