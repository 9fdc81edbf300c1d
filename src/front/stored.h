/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guest's models on disk: what is kept goes to the store, and comes back from it to the next
 * front.  All of it happens beside the guest's requests, which wait for the store only where the bytes
 * that they need are nowhere else.  While there is no store, models are kept in memory as ever.
 */
#ifndef FRONT_STORED_H
#define FRONT_STORED_H

#include <stdbool.h>
#include <uv.h>

#include <tensock/types.h>

#include "base/cleanup.h"
#include "front/models.h"
#include "front/parts.h"

/* How far a model has come (struct model). */
enum model_stored {
	MODEL_NOT_STORED, /* is, as soon as may be, once it has been loaded and is kept */
	MODEL_STORING,
	MODEL_IS_STORED,
	MODEL_CANNOT_BE_STORED, /* it was tried; is again when it is loaded anew */
};

struct stored;

/* What is to be known of what happens. */
struct stored_ops {
	void (*changed)(void *context);         /* the state of some model, or part */
	void (*may_save_upload)(void *context); /* parts_save() may take one */
};

/*
 * Without a channel yet.  models learns of it; it must be freed after the models.
 */
int stored_new(uv_loop_t *loop, struct models *models, const struct front_start *limits,
	       const struct stored_ops *ops, void *context, struct stored **ret) _nodiscard_;
void stored_free(struct stored *stored);

/*
 * A channel to the store, in the place of the one before; takes fd.  Waits for at most wait_ms for the
 * store to say what there is.
 */
void stored_open(struct stored *stored, int fd, unsigned wait_ms);

/* The process ends: what the store does not know yet is told, as far as it takes it. */
void stored_flush(struct stored *stored);

/* For models.c and model.c.  stored may be NULL in all of these: then they do nothing. */

/* There may be something to store, or labels are others. */
void stored_look(struct stored *stored, bool labels_changed);
/* It is asked for. */
void stored_used(struct stored *stored, struct model *model);
/* It shall not come back. */
void stored_remove(struct stored *stored, const struct model *model);

/*
 * Asks for the bytes of a model that has none here; models_fetched() comes, later.  LIMIT_REACHED:
 * there is no room for them.
 */
int stored_fetch(struct stored *stored, struct model *model, struct tensock_error *reterr)
	_nodiscard_;

/* Gives up memory that stored models take beside their files, the longest unused first. */
bool stored_reclaim(struct stored *stored);

/* Where uploads are saved. */
struct parts *stored_parts(struct stored *stored);

/* Whether some model that is kept, or what it is called, would go with this process. */
bool stored_is_behind(const struct stored *stored);

#endif
