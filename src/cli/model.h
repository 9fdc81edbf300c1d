/* SPDX-License-Identifier: Apache-2.0 */
/* The MODEL of a command line: a file, or what the host holds. */
#ifndef CLI_MODEL_H
#define CLI_MODEL_H

#include "cli/cli.h"

/*
 * A file is uploaded where the host lacks it, with that name and version (NULL: none), and progress shown;
 * where there is no such file, text is a NAME, NAME:VERSION or sha256:DIGITS (at least 6) that the
 * host holds, and has loaded then.  *ret is the caller's.
 */
int model_get(struct cli *cli, const char *text, struct tensock_model **ret) _nodiscard_;

int model_push(struct cli *cli, const char *path, const char *name, const char *version,
	       struct tensock_model **ret) _nodiscard_;

/*
 * Only what the host holds, without having it loaded; exactly one must fit.  *ret is the caller's to
 * free with tensock_models_free(), *ret_index the one of them.
 */
int model_find(struct cli *cli, const char *text, struct tensock_model ***ret, size_t *ret_n,
	       size_t *ret_index) _nodiscard_;

static inline struct tensock_model_info model_info(const struct tensock_model *model)
{
	struct tensock_model_info info = { .size = sizeof(info) };

	tensock_model_get_info(model, &info);
	return info;
}

/* Whether text means this one: "name", "name:version" or "sha256:" and the first digits. */
bool model_fits(const struct tensock_model_info *info, const char *text);

/* "stored" */
const char *model_state_name(uint32_t state);

#endif
