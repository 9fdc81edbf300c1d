/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One of the guest's models: what it has, how long it stays.  For models.c, which says what it has
 * to do; others know a struct model only as a name.
 */
#ifndef FRONT_MODEL_H
#define FRONT_MODEL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <uv.h>

#include "front/inferences.h"
#include "front/labels.h"
#include "front/models.h"
#include "front/permitted.h"
#include "front/protocol/oip.h"
#include "front/quarantine.h"
#include "front/request.h"
#include "front/stored.h"
#include "front/workers.h"
#include "tensor/model_info.h"

struct model {
	TAILQ_ENTRY(model) entry;
	struct models *models;
	struct model_file *file;
	enum model_state state;
	struct worker_link *worker;
	struct tsk_model_info info; /* once it has been loaded */
	bool has_info;
	uint64_t info_bytes; /* of the guest's memory, for that */
	bool is_kept;
	bool is_removed; /* is not found any more; goes when nothing needs it */
	uint64_t runs;   /* that ended well, of workers it had before */
	struct oip_stats stats;
	struct inferences inferences;
	bool is_withdrawn; /* by its hash; each label has its own */
	struct request_queue waiting;
	struct request_queue behind;  /* came after an unload: wait for the next worker */
	bool is_unloading;            /* loses its worker when that is no more at work */
	struct request_queue unloads; /* who asked for that */
	struct request_queue ending;  /* and those who wait for the end of the processes */
	uint64_t ending_id;           /* of the last of which */
	bool is_running;              /* a request, which may have been cancelled since */
	enum model_stored stored;
	bool is_fetching;    /* its bytes, from the store: nothing of it can start before */
	bool is_asked_for;   /* and the store knows */
	uint64_t fetched_ms; /* since when */
	uint64_t told_ms;    /* when the store was last told that it is used; 0: never */
	uint64_t used_ms;    /* of the loop's clock: when it last had something to do */
};

struct models {
	uv_loop_t *loop;
	struct workers *workers;
	struct account *account;
	const struct front_start *limits;
	struct stored *stored; /* NULL: none */
	uv_timer_t *idle_timer;
	TAILQ_HEAD(, model) list; /* those that wait for a worker in the order in which they came */
	struct labels labels;
	struct permitted permitted;
	struct quarantine quarantine;
	unsigned n, n_kept;
	unsigned n_waiting; /* requests */
	struct inferences gone; /* of the models that have been forgotten */
	void (*emptied)(void *context);
	void *emptied_context;
	bool is_advancing;
	bool is_making_room; /* a worker has been let go for a waiting model; it has yet to end */
};

/* Among the others, as the last; takes the file.  NULL: no memory, and the file is still the caller's. */
struct model *model_new(struct models *models, struct model_file *file);

/* A request runs, or waits for this worker or the next. */
bool model_is_needed(const struct model *model);
/* The same without those that wait behind an unload: what the unload waits for. */
bool model_is_at_work(const struct model *model);
/* Loaded, and may lose its worker.  Not where its earlier workers' end is waited for. */
bool model_is_idle(const struct model *model);

/* Takes *info, which is empty then.  -EBUSY: it is large, and the guest's memory is used up. */
int model_set_info(struct model *model, struct tsk_model_info *info) _nodiscard_;

/* Counts it, and tells when none is kept any more. */
void model_set_kept(struct model *model, bool is_kept);

/* Its worker is no longer its own. */
void model_became_unloaded(struct model *model);

/* Its worker goes, which is not at work; those behind an unload wait for another one now. */
void model_unload(struct model *model);
/* These two only where nobody needs it.  It goes, worker, bytes and all. */
void model_forget(struct model *model);
/* The one or the other: a model that is kept loses only its worker. */
void model_rest(struct model *model);

/* It has had something to do; its time, without more of that, runs from now on. */
void model_used(struct model *model);
/* So it does, from its last use on. */
void model_watch(struct model *model);

/* A load has failed.  Unless there will be another: what was pushed may turn out to be no model. */
void model_load_failed(struct model *model, const struct tensock_error *why);

/* Where a request stands that does not run. */
struct request_queue *model_queue_of(struct model *model, const struct request *request);

#endif
