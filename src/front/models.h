/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guest's models, by the SHA-256 of their bytes: each with the requests that wait for it and,
 * while it is loaded, its worker.  More models than workers take turns: one that no request needs
 * gives its worker up to one that is waited for, the longest idle first.
 *
 * A model that came by models_submit() is forgotten with its worker.  One that is kept stays, with
 * its bytes, labels and description, until it is removed or nobody has used it for model_keep_ms.
 */
#ifndef FRONT_MODELS_H
#define FRONT_MODELS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "front/account.h"
#include "front/labels.h"
#include "front/model_file.h"
#include "front/request.h"
#include "front/workers.h"

/* Requests that wait, of all models together. */
#define MODELS_WAITING_MAX 4096u

struct models;
struct model;
struct oip_stats;

enum model_state {
	MODEL_UNLOADED, /* no worker */
	MODEL_LOADING,
	MODEL_READY, /* its worker may be busy */
};

/* How a model is named by a guest. */
struct model_name {
	const unsigned char *hash;  /* MODEL_HASH_BYTES, or NULL: by the labels */
	const char *name, *version; /* terminated; version "" or NULL: the one labelled last */
};

/* Of a model that is kept (front/labels.h).  Both terminated, either may be empty. */
struct model_labels {
	const char *name, *version;
};

/* What can be told of a model; valid until the next call into models, or turn of the loop. */
struct model_view {
	unsigned char hash[MODEL_HASH_BYTES];
	uint64_t size, memory, runs;
	enum model_state state;
	const char *name, *version; /* the ones given last; never NULL */
	const struct tsk_model_info
		*info; /* NULL where it has never been loaded; kept over unloads */
};

/* What it is given must outlive it; sets workers->room. */
int models_new(uv_loop_t *loop, struct workers *workers, struct account *account,
	       const struct front_start *limits, struct models **ret) _nodiscard_;

/* Requests that it still has are dropped without an answer. */
void models_free(struct models *models);

/*
 * A request for the model of these bytes, which are hashed; takes the file.  The answer comes by
 * the request's done(), perhaps before this returns.
 */
void models_submit(struct models *models, struct model_file *file, struct request *request);

/*
 * The same for a model that was pushed: it is kept and labelled.  LIMIT_REACHED above models_max.
 * Takes the file in every case.  One that turns out to be no model, when it is first loaded, is not
 * kept; the labels are its own only once it has been loaded.
 */
void models_keep(struct models *models, struct model_file *file, const struct model_labels *labels,
		 struct request *request);

/* NULL: none of this name.  Not one that is being removed. */
struct model *models_find(struct models *models, const struct model_name *name);

/* Labels one that is known, and keeps it from now on.  LIMIT_REACHED, OUT_OF_MEMORY. */
int models_label(struct models *models, struct model *model, const struct model_labels *labels,
		 struct tensock_error *reterr) _nodiscard_;

/*
 * A request for a known model; as for models_submit().  One that comes after an unload waits for it,
 * and then for the next worker: however many come, the unload has its end.
 */
void models_request(struct models *models, struct model *model, struct request *request);

/* The list of what the guest may run, as FRONT_MODELS has it; fd stays the caller's.  -EPROTO: a bad one. */
int models_permit(struct models *models, int fd) _nodiscard_;

/*
 * Whether a worker may be given the model of this hash: PERMISSION_DENIED where the operator has not
 * listed it, LIMIT_REACHED while it is in quarantine.  Requests are held to it without this; it spares
 * an upload for nothing.
 */
int models_check(const struct models *models, const unsigned char hash[MODEL_HASH_BYTES],
		 struct tensock_error *reterr) _nodiscard_;

/*
 * Ends its worker as soon as all that was asked before runs and waits no more.  remove: the model is no longer
 * found from now on, and forgotten then.  The request's done(), without outputs and error (prepare()
 * and fill() are not called), tells the end: the process has really ended, and its memory is back;
 * perhaps before this returns.  If the request is cancelled, the rest happens all the same.
 */
void models_unload(struct models *models, struct model *model, bool remove,
		   struct request *request);

void models_view(const struct model *model, struct model_view *ret);
/* By that name (and version, "": any), where it has it: there they are the ones that were asked for. */
void models_view_as(const struct model *model, const char *name, const char *version,
		    struct model_view *ret);
/* What the metrics and the access log call it: as models_view(), or by its hash where it has no name. */
struct model_called {
	const char *name, *version; /* valid as long as those of models_view() */
	char digits[2 * MODEL_HASH_BYTES + 1];
};

void models_called(const struct model *model, struct model_called *ret);
/* The model's next label (after NULL: that of models_view(), if that is true); NULL: no more. */
const struct label *models_next_label(const struct model *model, const struct label *after);
/* Of it alone, without the walk over all buffers that models_view() makes; valid as long. */
const unsigned char *models_hash(const struct model *model);
const struct tsk_model_info *models_info(const struct model *model);
const struct oip_stats *models_stats(const struct model *model);

/* As label->is_withdrawn, of a model that its hash names. */
void models_withdraw(struct model *model, bool is_withdrawn);
bool models_is_withdrawn(const struct model *model);

/* The next of the pairs by which models are found, the last given one first (NULL: from the start). */
struct label *models_next_pair(const struct models *models, const struct label *after);

/* The next one in the order of their arrival (after NULL: the first); NULL beyond the last. */
struct model *models_next(struct models *models, const struct model *after);

/* No answer is wanted any more, and none will come.  Also when it belongs to no model. */
void models_cancel(struct models *models, struct request *request);

/*
 * A buffer for a request's inputs of that model (NULL: any), preferably one that its worker knows.
 * -EBUSY when the guest's memory is used up, or -errno.
 */
int models_buffer(struct models *models, const struct model *model, uint64_t bytes,
		  struct buffer **ret) _nodiscard_;

/* Whether its bytes are: else a request for it waits for the store, which may have lost them. */
bool models_is_here(const struct model *model);

/* For stored.c: the bytes that stored_fetch() has asked for are here, or why not.  NOT_FOUND: they
 * are nowhere, and the model is forgotten. */
void models_fetched(struct models *models, struct model *model, const struct tensock_error *why);

/* Models known, loaded or not; and those of them that are loaded, that are kept. */
unsigned models_count(const struct models *models);
unsigned models_loaded(const struct models *models);
unsigned models_kept(const struct models *models);

/* To be called when none is kept any more; it may not call back into models but for counts. */
void models_when_empty(struct models *models, void (*emptied)(void *context), void *context);

/*
 * For account->reclaim: gives up idle models until so many bytes are free, or nothing more can be
 * spared: first those that are not kept, then the workers, but not the bytes, of those that are.
 */
void models_reclaim(struct models *models, uint64_t bytes);

#endif
