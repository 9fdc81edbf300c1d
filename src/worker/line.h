/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The runs that have come and are not answered yet, in the order in which they came, which is that of
 * their answers too.  Several may be under way; what ends before those in front of it waits for them.
 *
 * Knows neither threads nor rings: see inbox.h, whose mutex guards it.
 */
#ifndef WORKER_LINE_H
#define WORKER_LINE_H

#include <stdbool.h>
#include <stdint.h>

#include "channel/ring.h"
#include "channel/run.h"
#include "worker/kept.h"

enum job_state {
	JOB_WAITS,
	JOB_BUSY, /* a thread has it: what is marked as the thread's is touched by no other */
	JOB_DONE, /* its answer waits for those in front of it */
	JOB_KEPT, /* the first one: its answer said what room its outputs need; now for the FETCH */
};

struct job {
	enum job_state state;
	bool is_cancelled;      /* before it was begun: it is to be answered without being run */
	uint64_t run_id;        /* the engine's; 0: not under way in the engine */
	uint64_t begun_ns;      /* the thread's; 0: not known */
	struct run_entry entry; /* START, then perhaps FETCH; or what nobody knows */
	struct run_entry done;  /* the thread's; the answer, from JOB_DONE on */
	struct kept *kept;      /* the thread's; outputs that did not fit, with done.needed */
};

struct line {
	struct job jobs[RING_ENTRIES]; /* count of them from `head` on, around the end */
	unsigned head, count;
	unsigned n_kept; /* of those that nobody has: they have outputs that wait for a FETCH */
	uint64_t last_run_id;
};

bool line_has_room(const struct line *line);

/* There is room.  What is neither the FETCH of what is kept nor a CANCEL becomes the last. */
void line_add(struct line *line, const struct run_entry *entry);

/*
 * A CANCEL.  Returns the run_id that the engine is to end, or 0.  What is kept and was told of leaves
 * the line: an answer behind it may be the first now.
 */
uint64_t line_cancel(struct line *line, uint64_t request_id);

/*
 * The next one to begin with, or NULL.  While outputs are kept none is begun but the FETCH of the
 * first: else every run of a line could end with outputs that are kept.
 */
struct job *line_next(struct line *line);
void line_begin(struct line *line, struct job *job);
void line_finish(struct line *line, struct job *job);

/* The first one, when its answer may go out, or NULL; and that it has. */
struct job *line_answered(struct line *line);
void line_tell(struct line *line);

/* All of it is forgotten; nobody has any. */
void line_done(struct line *line);

#endif
