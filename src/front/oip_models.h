/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guest's models as the Open Inference Protocol names and manages them: what HTTP and gRPC share
 * beside inference.
 *
 * A model is named by its label, or by the 64 hexadecimal digits of its SHA-256.  A version is the
 * label's; a model without one has version "1" here.
 */
#ifndef FRONT_OIP_MODELS_H
#define FRONT_OIP_MODELS_H

#include <stdbool.h>
#include <stdint.h>

#include <tensock/types.h>

#include "base/cleanup.h"
#include "front/guest.h"
#include "front/protocol/oip.h"
#include "front/request.h"

#define OIP_NAME_MAX 1024u /* of a model's name and version, in bytes */

/* What is told of a model under one of its names.  Valid until the next call into models. */
struct oip_model {
	struct model *model;
	const struct label *label;  /* NULL: named by its hash */
	const char *name, *version; /* terminated, never empty: a hash's digits lie in digits */
	char digits[2 * MODEL_HASH_BYTES + 1];
	const struct tsk_model_info *info; /* NULL: it is not ready, but loading */
	const struct oip_stats *stats;
	bool is_ready;      /* an inference would be taken */
	const char *reason; /* why it is not, or "" */
};

/*
 * version len 0: of those that are ready, or of all, the one that was labelled last.  NOT_FOUND, in
 * Triton's words.
 */
int oip_find(struct guest *guest, struct wire_string name, struct wire_string version,
	     struct oip_model *ret, struct tensock_error *reterr) _nodiscard_;

/*
 * The next one behind *m, which is zero at the start: each pair of name and version, then what has no
 * name.  False beyond the last.
 */
bool oip_next(struct guest *guest, struct oip_model *m);

/*
 * Something that takes its time: a model is loaded, or unloaded.  Embedded in what the protocol keeps
 * of it.  done() once, perhaps before the function returns; error NULL: it has been done.
 * oip_task_end() always, also instead of done().
 */
struct oip_task {
	void (*done)(struct oip_task *task, const struct tensock_error *error);

	/* Its own. */
	struct guest *guest;
	struct request request;
	struct model_file *file; /* until models have it */
	char *name, *version;    /* NULL: all versions */
	unsigned char hash[MODEL_HASH_BYTES];
	bool is_unload, is_counted, is_done;
};

/*
 * Optional, before oip_load(): room for a model's n bytes, to be written.  TOO_LARGE (max-model-size),
 * LIMIT_REACHED.  A failure is the task's answer, and has been counted: oip_task_end() is what is left.
 */
int oip_load_room(struct oip_task *task, struct guest *guest, uint64_t n, void **ret_room,
		  struct tensock_error *reterr) _nodiscard_;

/*
 * The bytes that stand in the room become the model of this name; or, where no room was taken, the one
 * that the guest has is loaded, so that it is ready.  version len 0: as labelled last; of new bytes "1".
 */
void oip_load(struct oip_task *task, struct guest *guest, struct wire_string name,
	      struct wire_string version);

/*
 * All versions of the name, or the one: not ready from now on, until it is loaded again; kept.  A model
 * that is ready under another name keeps its worker.
 */
void oip_unload(struct oip_task *task, struct guest *guest, struct wire_string name,
		struct wire_string version);

void oip_task_end(struct oip_task *task);

#endif
