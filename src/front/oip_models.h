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

/* What is told of a model.  Strings and info valid until the next call into models. */
struct oip_model {
	struct model *model;
	const char *name, *version; /* terminated, never empty: a hash's digits lie in digits */
	char digits[2 * MODEL_HASH_BYTES + 1];
	const struct tsk_model_info *info; /* NULL: it has never been loaded */
	const struct oip_stats *stats;
	uint64_t size, memory;
	bool is_ready;      /* an inference would be taken */
	const char *reason; /* why it is not, or "" */
};

/* NULL version, or len 0: the one that was labelled last.  NOT_FOUND, in Triton's words. */
int oip_find(struct guest *guest, struct wire_string name, struct wire_string version,
	     struct oip_model *ret, struct tensock_error *reterr) _nodiscard_;

/* The next one after `after` (NULL: the first).  False beyond the last. */
bool oip_next(struct guest *guest, const struct model *after, struct oip_model *ret);

/*
 * Something that takes its time: a model is loaded, or unloaded.  Embedded in what the protocol keeps
 * of it.  done() once, perhaps before the function returns; error NULL: it has been done.
 * oip_task_end() always, also instead of done().
 */
struct oip_task {
	void (*done)(struct oip_task *task, const struct tensock_error *error);
	struct guest *guest;
	struct request request;
	struct model_file *file;
	char *name, *version;
	unsigned char hash[MODEL_HASH_BYTES];
	bool is_load, is_counted, is_done;
};

/*
 * Optional, before oip_load(): room for a model's n bytes, to be written.  TOO_LARGE (max-model-size),
 * LIMIT_REACHED.
 */
int oip_load_room(struct oip_task *task, struct guest *guest, uint64_t n, void **ret_room,
		  struct tensock_error *reterr) _nodiscard_;

/*
 * The bytes that stand in the room become the model of this name; or, where no room was taken, the one
 * that the guest has is loaded, so that it is ready.  version len 0: as labelled last; of new bytes "1".
 */
void oip_load(struct oip_task *task, struct guest *guest, struct wire_string name,
	      struct wire_string version);

/* All versions of the name, or the one: not ready from now on, until it is loaded again; kept. */
void oip_unload(struct oip_task *task, struct guest *guest, struct wire_string name,
		struct wire_string version);

void oip_task_end(struct oip_task *task);

/* Makes sure that *model has info: loads it where it has never been.  As for oip_load(). */
void oip_describe(struct oip_task *task, struct guest *guest, struct wire_string name,
		  struct wire_string version);

#endif
