/* SPDX-License-Identifier: Apache-2.0 */
/* Where models are stored, and which guests' are: "store" and "store-size" of [daemon] and [guest]. */
#ifndef SUPERVISOR_STORE_SETTING_H
#define SUPERVISOR_STORE_SETTING_H

#include <stdbool.h>
#include <stdint.h>

#include <tensock/types.h>

#include "base/cleanup.h"

#define STORE_PATH_SIZE 512u

/* [daemon] */
struct store_setting {
	char path[STORE_PATH_SIZE]; /* absolute; empty: nothing is stored */
	uint64_t bytes;             /* 0: not given, until store_setting_finish() */
};

/* [guest NAME] */
struct store_of_guest {
	int is_on;      /* 1, 0, or -1: not given */
	uint64_t bytes; /* 0: not given */
};

/* 1, or 0 where the key is none of these, or -errno. */
int store_setting_set(struct store_setting *setting, const char *key, const char *value,
		      struct tensock_error *reterr) _nodiscard_;
int store_of_guest_set(struct store_of_guest *setting, const char *key, const char *value,
		       struct tensock_error *reterr) _nodiscard_;

/* Fills in what was not given. */
int store_setting_finish(struct store_setting *setting, struct tensock_error *reterr) _nodiscard_;

/*
 * Whether the models of a guest of that name are stored.  given: its section's, or NULL where it has
 * none: then not those of a CID, which may be another VM's tomorrow, and not those of TCP, which is
 * anybody's.
 */
bool store_setting_allows(const struct store_setting *setting, const char *name,
			  const struct store_of_guest *given);

/*
 * The folder, made with mode 0700 where there is none.  It must be of this user, and of nobody else
 * to write to.
 */
int store_setting_open(const struct store_setting *setting, int *ret_fd,
		       struct tensock_error *reterr) _nodiscard_;

#endif
