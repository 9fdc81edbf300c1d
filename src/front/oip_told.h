/* SPDX-License-Identifier: Apache-2.0 */
/* What is told of this host and of the guest's models, in JSON (oip_json.h) and protobuf (oip_pb.h) alike. */
#ifndef FRONT_OIP_TOLD_H
#define FRONT_OIP_TOLD_H

#include <stdbool.h>
#include <stddef.h>

#include <tensock/types.h>

#include "base/cleanup.h"
#include "front/oip_models.h"
#include "front/protocol/oip.h"

#define OIP_SERVER_NAME "tensock"

/* Extensions of the protocol, by Triton's names; ended by NULL. */
extern const char *const oip_extensions[];

/* Valid until the next call into models. */
struct oip_told {
	struct oip_model_view *models;
	size_t n;

	/* Its own. */
	struct oip_model *found;
	const char **versions;
	size_t room;
};

/*
 * One model, with its versions.  NOT_FOUND; where it must be described, and is not yet, UNAVAILABLE;
 * OUT_OF_MEMORY.  oip_told_done() in any case.
 */
int oip_told_one(struct guest *guest, struct wire_string name, struct wire_string version,
		 bool must_be_described, struct oip_told *ret, struct tensock_error *reterr)
	_nodiscard_;
/* All, of this name (len 0: any); ready: but those that are not. */
int oip_told_all(struct guest *guest, struct wire_string name, bool ready, struct oip_told *ret,
		 struct tensock_error *reterr) _nodiscard_;
/* Whose statistics are asked for: one version, all of a name, or all models.  NOT_FOUND, OUT_OF_MEMORY. */
int oip_told_stats(struct guest *guest, struct wire_string name, struct wire_string version,
		   struct oip_told *ret, struct tensock_error *reterr) _nodiscard_;
void oip_told_done(struct oip_told *told);

#endif
