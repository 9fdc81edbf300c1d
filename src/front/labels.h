/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a guest calls its models: pairs of a name and a version, each of which stands for one model.
 * A model may have several.  A pair that is given to another model moves there, but only once that
 * model has been loaded: until then it is pending, and a push that fails takes no name away.
 */
#ifndef FRONT_LABELS_H
#define FRONT_LABELS_H

#include <stdbool.h>
#include <sys/queue.h>

#include <tensock/types.h>

#include "base/cleanup.h"

#define LABELS_A_MODEL_MAX 16u
#define LABELS_BUCKETS 256u

struct model;

struct label {
	TAILQ_ENTRY(label) entry, own_entry;
	struct model *model;
	bool is_pending;
	bool is_withdrawn; /* not ready until it is loaded again: of front/oip_models.c alone */
	char *name, *version; /* terminated */
};

TAILQ_HEAD(label_list, label);

/* The last given one is first in each list. */
struct labels {
	struct label_list list;
	struct label_list own[LABELS_BUCKETS]; /* the same, by their models */
};

void labels_init(struct labels *labels);
void labels_done(struct labels *labels);

/*
 * Gives the pair to the model, at once or pending.  An empty name (or NULL) labels nothing.
 * LIMIT_REACHED above LABELS_A_MODEL_MAX, OUT_OF_MEMORY.
 */
int labels_add(struct labels *labels, struct model *model, const char *name, const char *version,
	       bool is_pending, struct tensock_error *reterr) _nodiscard_;

/* Those of the model that are pending become true (whether there were any), and go. */
bool labels_settle(struct labels *labels, const struct model *model);
void labels_drop_pending(struct labels *labels, const struct model *model);

/* All of the model go. */
void labels_drop(struct labels *labels, const struct model *model);

/* version NULL or "": the one of this name that was given last.  NULL: there is none. */
const struct label *labels_look_up(const struct labels *labels, const char *name,
				   const char *version);
/* The same: its model. */
struct model *labels_find(const struct labels *labels, const char *name, const char *version);

/* Whether some model has just this pair. */
bool labels_have(const struct labels *labels, const char *name, const char *version);

/* The model's next true one (after NULL: the last given), in no order that matters; NULL: no more. */
const struct label *labels_next(const struct labels *labels, const struct model *model,
				const struct label *after);

/* The model's last one, be it pending where there is no other; NULL: none. */
const struct label *labels_of(const struct labels *labels, const struct model *model);

#endif
