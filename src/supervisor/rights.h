/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which engines, models and shared-memory regions a guest may use: "engines", "models" and "shared-memory" of
 * the configuration.
 */
#ifndef SUPERVISOR_RIGHTS_H
#define SUPERVISOR_RIGHTS_H

#include <stdbool.h>
#include <stdint.h>

#include <tensock/types.h>

#include "base/cleanup.h"
#include "supervisor/engines.h"

#define RIGHTS_HASH_BYTES 32u /* SHA-256 */
#define RIGHTS_MODELS_MAX 64u
#define RIGHTS_UIDS_MAX 16u

struct rights {
	char engines[ENGINES_MAX][FRONT_NAME_SIZE];
	unsigned n_engines; /* 0: not said, all of them */
	unsigned char models[RIGHTS_MODELS_MAX][RIGHTS_HASH_BYTES];
	unsigned n_models;              /* 0: not said, or any */
	bool any_model;                 /* said so */
	uint32_t uids[RIGHTS_UIDS_MAX]; /* whose regions it may use */
	unsigned n_uids;
	bool regions_said; /* else: of nobody */
};

/*
 * A setting of the configuration.  0, or 1 where it is none of these, or -errno.  "models" may come
 * again, and adds to the list then; the others may not.
 */
int rights_set(struct rights *rights, const char *key, const char *value,
	       struct tensock_error *reterr) _nodiscard_;

/* Where *rights says nothing, it is as *others says. */
void rights_default(struct rights *rights, const struct rights *others);

/* Every engine that is named is one of those that are on. */
int rights_check(const struct rights *rights, const struct engines *engines,
		 struct tensock_error *reterr) _nodiscard_;

bool rights_has_engine(const struct rights *rights, const char *name);

/* Whether the guest may use a region of POSIX shared memory that belongs to this user. */
bool rights_has_region_of(const struct rights *rights, uint32_t uid);

/* The models as FRONT_MODELS wants them; there are some.  -errno. */
int rights_models_fd(const struct rights *rights, int *ret_fd) _nodiscard_;

#endif
