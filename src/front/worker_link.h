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
#include "front/model_file.h"
#include "front/request.h"
#include "front/work.h"
#include "front/worker_foreign.h"
#include "tensor/model_info.h"

struct workers;
struct worker_link;

/*
 * Runs that a worker is given at once.  It begins with them in order, with as many at once as it said
 * when it had loaded; answers come in the same order.
 */
#define WORKER_RUNS_MAX 16u

enum worker_state {
	WORKER_SPAWNING, /* the supervisor has been asked */
	WORKER_SPARE,    /* runs, and has no model */
	WORKER_LOADING,  /* has been given its model */
	WORKER_SERVING,  /* the model is loaded */
	WORKER_CLOSED,   /* let go of: the process has yet to end */
	WORKER_STATE_MAX
};

/* What a worker works for: a model.  All mandatory; none may free the link. */
struct worker_user_ops {
	/* The model is loaded; *info is the user's to keep (and empty then). */
	void (*loaded)(void *user, struct tsk_model_info *info);
	/* A run has ended, its request is answered: there is room for another. */
	void (*idle)(void *user);
	/*
	 * It is CLOSED and no longer the user's.  why: WORKER_DIED, DEADLINE_EXCEEDED, OUT_OF_MEMORY, or what the
	 * worker gave as its reason for not loading.  ran: the request that is to blame, to be
	 * answered by the user, or NULL.  others, in their order: those that it had not taken up yet;
	 * and where several were under way, and nobody knows which of them did it, these, which are
	 * to run alone then.  Each has its own buffer again.  All are the user's.
	 */
	void (*lost)(void *user, struct request *ran, struct request_queue *others,
		     const struct tensock_error *why);
};

/* What is to be loaded; the fd stays the user's and lives until it lets the worker go. */
struct worker_model {
	int fd;
	uint64_t bytes;
};

/* In the worker's line.  The first one is the head: the one whose answer is next. */
struct worker_run {
	struct request *request; /* NULL once it was cancelled */
	uint64_t id;             /* in the rings */
	bool is_started;         /* START is out; only the last in line can be without */
	uint32_t position;       /* of START in the ring */
	struct buffer *in, *out;
	struct buffer *fetched; /* FETCH is out */
	bool is_own_in;         /* `in` was the request's */
	bool runs_alone;        /* the request does */
	uint64_t in_bytes;
	uint64_t begun_ns; /* since when the worker can be at it */
};

struct worker_link {
	TAILQ_ENTRY(worker_link) entry; /* in workers */
	struct workers *workers;
	uint64_t id; /* between front and supervisor */
	enum worker_state state;
	bool is_process; /* FRONT_WORKER has come: FRONT_WORKER_EXITED will */
	bool is_ready;   /* READY has come */
	bool is_gone;    /* it has hung up: how it ended is still to come */
	int socket;
	uv_poll_t *socket_poll, *doorbell_poll;
	uv_timer_t *timer; /* deadline of load, run or end */
	struct ring_pair rings;
	bool has_rings;
	uint32_t rung_position; /* of the worker's ring: it has been rung for all before */
	bool is_urgent;         /* a CANCEL is among what it has not been rung for */
	bool has_rung;          /* our own doorbell, and was not emptied yet */
	unsigned vain_rings;    /* of the doorbell, in a row, that brought no entry */

	const struct worker_user_ops *ops; /* NULL: a spare */
	void *user;
	struct worker_model model;
	uint32_t n_outputs; /* of the model, with their types, from its description */
	uint32_t *output_dtypes;
	unsigned parallel; /* runs that it has under way at once, by its own word; 1 at least */

	unsigned n_known; /* buffers of the guest's pool that it has been told of */
	struct worker_foreign foreign;
	uint64_t last_run;
	uint64_t runs_ok; /* that ended well */
	struct worker_run
		runs[WORKER_RUNS_MAX]; /* n_runs of them from `first` on, around the end */
	unsigned first, n_runs;
	struct work fill;   /* of the last one, until it is started */
	bool is_blame_open; /* it was lost, and several were under way */
	bool was_at_work;   /* it was lost at a run that is to blame, wanted or not */
	bool is_killed;     /* it was lost by what we hold against it */
	bool is_rogue;      /* namely that it broke the rules */

	/*
	 * Its user's, since it was lost: the model that it has died of, if it turns out that it has
	 * died by itself.
	 */
	bool is_blame_due;
	unsigned char blamed[MODEL_HASH_BYTES];
	bool is_short; /* of memory, or of life: the next run waits for the end of one, or of it */
	uint64_t run_ns;       /* what a run took of late (run_pace); 0: not known */
	uint64_t outputs_seen; /* a region that held the outputs of late */
};

/* A worker that is still to come; asks the supervisor for it. */
int worker_link_new(struct workers *workers, uint64_t id, struct worker_link **ret) _nodiscard_;

/* At once, whatever it does; the process ends at the end of its socket. */
void worker_link_free(struct worker_link *link);

/* The supervisor's answer: fd (taken over), or -1 and result -errno; wait_ms: see FRONT_WORKER. */
void worker_link_spawned(struct worker_link *link, int result, uint64_t wait_ms, int fd);

/* The supervisor says that the process has ended, and how (FRONT_WORKER_EXITED): CLOSED, if it was not. */
void worker_link_exited(struct worker_link *link, uint64_t value);

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

/* Whether it can be given this request's run now; if not, idle() will tell when to ask again. */
bool worker_link_has_room(const struct worker_link *link, const struct request *request);

/* Whether a run is in its line, which may have been cancelled. */
bool worker_link_is_busy(const struct worker_link *link);

#define WORKER_RUN_UNWANTED 1
#define WORKER_RUN_NOT_NOW 2

/*
 * There is room: prepares, fills and starts the request, which ends with done() and idle(), or
 * lost().  A failure (*reterr) is for the caller to answer, and so is WORKER_RUN_UNWANTED: prepare()
 * wants no run.  WORKER_RUN_NOT_NOW: there is no room in fact, before another run has ended, or the
 * worker has.  In these cases the request has its own buffer still, if it had one.
 */
int worker_link_run(struct worker_link *link, struct request *request,
		    const struct tsk_model_info *info, struct tensock_error *reterr) _nodiscard_;

/* A buffer of the pool is no longer for this worker: tells it. */
void worker_link_forget(struct worker_link *link, const struct buffer *buffer);

/* Its request's answer is no longer wanted; idle() or lost() come all the same, perhaps at once. */
void worker_link_cancel(struct worker_link *link, struct request *request);

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
/*
 * Ends all runs without an answer and lets go of their memory: returns the request that is to blame,
 * or NULL, and appends the others, which have their own buffers again.  The head is to blame when it
 * is late, or when it alone was taken up; if it was one of several, is_blame_open is set, and each of
 * them runs_alone.
 */
struct request *worker_run_drop(struct worker_link *link, bool is_late,
				struct request_queue *others);

#endif
