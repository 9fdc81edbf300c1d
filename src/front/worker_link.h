/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The front's end of one worker (channel/worker_control.h, ring.h, run.h): its life and its one
 * model, and the run that is under way.  Nothing a worker says is believed: what does not fit
 * kills it.
 *
 * worker_link.c: life.  worker_run.c: runs.  workers.c: the guest's workers together.
 */
#ifndef FRONT_WORKER_LINK_H
#define FRONT_WORKER_LINK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <uv.h>

#include "base/cleanup.h"
#include "channel/ring.h"
#include "channel/run.h"
#include "front/buffer_pool.h"
#include "front/request.h"
#include "front/work.h"
#include "tensor/model_info.h"

struct workers;
struct worker_link;

enum worker_state {
	WORKER_SPAWNING, /* the supervisor has been asked */
	WORKER_SPARE,    /* runs, and has no model */
	WORKER_LOADING,  /* has been given its model */
	WORKER_IDLE,     /* the model is loaded */
	WORKER_FILLING,  /* the inputs of a run are being written */
	WORKER_RUNNING,  /* START is out, DONE is awaited */
	WORKER_FETCHING, /* FETCH is out, DONE is awaited */
	WORKER_CLOSED,   /* let go of: the process has yet to end */
	WORKER_STATE_MAX
};

/* What a worker works for: a model.  All mandatory; none may free the link. */
struct worker_user_ops {
	/* The model is loaded; *info is the user's to keep (and empty then). */
	void (*loaded)(void *user, struct tsk_model_info *info);
	/* A run has ended, its request is answered: IDLE. */
	void (*idle)(void *user);
	/*
	 * It is CLOSED and no longer the user's.  why: WORKER_DIED, DEADLINE_EXCEEDED, or what the
	 * worker gave as its reason for not loading.  ran: the request that it had taken up, to be
	 * answered by the user, or NULL.  next: the one that it had not taken up yet, or NULL; it has
	 * its own buffer again.
	 */
	void (*lost)(void *user, struct request *ran, struct request *next,
		     const struct tensock_error *why);
};

/* What is to be loaded; the fd stays the user's and lives until it lets the worker go. */
struct worker_model {
	int fd;
	uint64_t bytes;
};

struct worker_run {
	struct request *request; /* NULL once it was cancelled */
	uint64_t id;             /* in the rings */
	struct buffer *in, *out, *fetched;
	bool is_own_in; /* `in` was the request's */
	uint64_t in_bytes;
	uint64_t start_ns;
	struct work fill;
};

struct worker_link {
	TAILQ_ENTRY(worker_link) entry; /* in workers */
	struct workers *workers;
	uint64_t id; /* between front and supervisor */
	enum worker_state state;
	bool is_process; /* FRONT_WORKER has come: FRONT_WORKER_EXITED will */
	bool is_ready;   /* READY has come */
	int socket;
	uv_poll_t *socket_poll, *doorbell_poll;
	uv_timer_t *timer; /* deadline of load, run or end */
	struct ring_pair rings;
	bool has_rings;
	unsigned vain_rings; /* of the doorbell, in a row, that brought no entry */

	const struct worker_user_ops *ops; /* NULL: a spare */
	void *user;
	struct worker_model model;
	uint32_t n_outputs; /* of the model, with their types, from its description */
	uint32_t *output_dtypes;

	unsigned n_known; /* buffers of the guest's pool that it has been told of */
	uint64_t last_run;
	uint64_t runs_ok; /* that ended well */
	struct worker_run run;
};

/* A worker that is still to come; asks the supervisor for it. */
int worker_link_new(struct workers *workers, uint64_t id, struct worker_link **ret) _nodiscard_;

/* At once, whatever it does; the process ends at the end of its socket. */
void worker_link_free(struct worker_link *link);

/* The supervisor's answer: fd (taken over), or -1 and result -errno. */
void worker_link_spawned(struct worker_link *link, int result, int fd);

/* The supervisor says that the process has ended: CLOSED, if it was not. */
void worker_link_exited(struct worker_link *link);

/*
 * In SPAWNING or SPARE: gives it a model, as soon as it is there.  Answered by loaded() or lost().
 */
void worker_link_load(struct worker_link *link, const struct worker_model *model,
		      const struct worker_user_ops *ops, void *user);

/*
 * The user lets go of it.  A request that runs must have been cancelled.  The process
 * ends by itself, or is killed after a while; the link frees itself with FRONT_WORKER_EXITED.
 */
void worker_link_close(struct worker_link *link);

/*
 * IDLE: prepares, fills and runs the request, which ends with done() and idle(), or lost().
 * A failure (*reterr) is for the caller to answer, and so is 1: prepare() wants no run.  The worker
 * is still IDLE then, and the request has its own buffer still, if it had one.
 */
int worker_link_run(struct worker_link *link, struct request *request,
		    const struct tsk_model_info *info, struct tensock_error *reterr) _nodiscard_;

/* A buffer of the pool is no longer for this worker: tells it. */
void worker_link_forget(struct worker_link *link, const struct buffer *buffer);

/* The request's answer is no longer wanted; idle() or lost() come all the same, perhaps at once. */
void worker_link_cancel(struct worker_link *link);

/* Around the blocking of the loop, by workers.c.  _before: true when the loop must not block. */
bool worker_link_before_sleep(struct worker_link *link);
void worker_link_after_sleep(struct worker_link *link);

/* Between worker_link.c and worker_run.c. */

/* The worker is useless: killed where that is meant, and its user told. */
void worker_link_fail(struct worker_link *link, bool kill, enum tensock_status status,
		      const char *fmt, ...) _printf_(4, 5);
void worker_link_set_state(struct worker_link *link, enum worker_state state);
/* The deadline of the state that begins. */
void worker_link_arm(struct worker_link *link, uint64_t ms);
void worker_link_disarm(struct worker_link *link);
/* Handles what lies in the ring; false when the link was lost over it. */
bool worker_run_reap(struct worker_link *link);
/* Whether the worker may have seen the START of the request that runs. */
bool worker_run_is_taken(struct worker_link *link);
/*
 * Ends the run without an answer: returns its request (or NULL), lets go of its memory.  One that was
 * not taken up has its own buffer again.
 */
struct request *worker_run_drop(struct worker_link *link);

#endif
