/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guest's models, by the SHA-256 of their bytes: each with the requests that wait for it and,
 * while it is loaded, its worker.  More models than workers take turns: one that no request needs
 * gives its worker up to one that is waited for, the longest idle first.
 */
#ifndef FRONT_MODELS_H
#define FRONT_MODELS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "front/account.h"
#include "front/model_file.h"
#include "front/request.h"
#include "front/workers.h"

/* Requests that wait, of all models together. */
#define MODELS_WAITING_MAX 4096u

struct models;

/* What it is given must outlive it; sets workers->room and account->reclaim. */
int models_new(uv_loop_t *loop, struct workers *workers, struct account *account,
	       const struct front_start *limits, struct models **ret) _nodiscard_;

/* Requests that it still has are dropped without an answer. */
void models_free(struct models *models);

/*
 * A request for the model of these bytes, which are hashed; takes the file.  The answer comes by
 * the request's done(), perhaps before this returns.
 */
void models_submit(struct models *models, struct model_file *file, struct request *request);

/* No answer is wanted any more, and none will come.  Also when it belongs to no model. */
void models_cancel(struct models *models, struct request *request);

/*
 * A buffer for a request's inputs of that model (NULL: any), preferably one that its worker knows.
 * -EBUSY when the guest's memory is used up, or -errno.
 */
int models_buffer(struct models *models, const struct model *model, uint64_t bytes,
		  struct buffer **ret) _nodiscard_;

/* Models known, loaded or not. */
unsigned models_count(const struct models *models);

#endif
