/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/model.h"

#include <string.h>
#include <sys/stat.h>

#include "base/status.h"
#include "cli/file.h"
#include "cli/progress.h"

#define HASH_PREFIX "sha256:"
#define HASH_PREFIX_BYTES (sizeof(HASH_PREFIX) - 1)
#define HASH_DIGITS 64u
#define HASH_DIGITS_MIN 6u

const char *model_state_name(uint32_t state)
{
	static const char *const names[] = {
		[TENSOCK_MODEL_STORED] = "stored",
		[TENSOCK_MODEL_LOADING] = "loading",
		[TENSOCK_MODEL_READY] = "ready",
	};

	return state < ARRAY_SIZE(names) ? names[state] : "?";
}

static bool is_hash(const char *text)
{
	return strncmp(text, HASH_PREFIX, HASH_PREFIX_BYTES) == 0;
}

bool model_fits(const struct tensock_model_info *info, const char *text)
{
	size_t len = strlen(info->name);

	if (is_hash(text)) {
		text += HASH_PREFIX_BYTES;
		return strlen(text) >= HASH_DIGITS_MIN &&
		       strncmp(info->hash, text, strlen(text)) == 0;
	}
	if (len == 0 || strncmp(text, info->name, len) != 0)
		return false;
	return text[len] == '\0' ||
	       (text[len] == ':' && strcmp(text + len + 1, info->version) == 0);
}

int model_find(struct cli *cli, const char *text, struct tensock_model ***ret, size_t *ret_n,
	       size_t *ret_index)
{
	struct tensock_model **models;
	struct tensock_error error;
	size_t n, found = 0, index = 0;

	if (tensock_list(cli->client, &models, &n, &error) != TENSOCK_OK)
		return cli_fail(cli, &error);
	for (size_t i = 0; i < n; i++) {
		struct tensock_model_info info = model_info(models[i]);

		if (!model_fits(&info, text))
			continue;
		/* One is listed once by each of its names. */
		if (!found || strcmp(info.hash, model_info(models[index]).hash) != 0)
			found++;
		index = i;
	}
	if (found == 1) {
		*ret = models;
		*ret_n = n;
		*ret_index = index;
		return 0;
	}
	tensock_models_free(models, n);
	if (found) {
		tsk_fail(&error, TENSOCK_INVALID_ARGUMENT,
			 "'%.100s' fits %zu models; write NAME:VERSION or more digits of the hash",
			 text, found);
		return cli_fail_here(cli, &error);
	}
	tsk_fail(&error, TENSOCK_NOT_FOUND, "the host holds no model '%.100s'", text);
	return cli_fail(cli, &error);
}

int model_push(struct cli *cli, const char *path, const char *name, const char *version,
	       struct tensock_model **ret)
{
	struct progress progress;
	struct tensock_push_options options = {
		.size = sizeof(options),
		.name = name,
		.version = version,
		.progress = progress_update,
		.user = &progress,
	};
	struct tensock_error error;
	int status;

	/* What is wrong here has nothing to do with the host. */
	if (file_check(path, &error) < 0)
		return cli_fail_here(cli, &error);
	progress_init(&progress);
	status = tensock_push_file(cli->client, path, &options, ret, &error);
	progress_done(&progress);
	return status == TENSOCK_OK ? 0 : cli_fail(cli, &error);
}

/* The first digits of a hash → all of them. */
static int open_by_digits(struct cli *cli, const char *text, struct tensock_model **ret)
{
	char name[HASH_PREFIX_BYTES + HASH_DIGITS + 1];
	struct tensock_model **models;
	struct tensock_error error;
	size_t n, index;
	int r = model_find(cli, text, &models, &n, &index);

	if (r < 0)
		return r;
	snprintf(name, sizeof(name), HASH_PREFIX "%s", model_info(models[index]).hash);
	tensock_models_free(models, n);
	if (tensock_open(cli->client, name, NULL, ret, &error) != TENSOCK_OK)
		return cli_fail(cli, &error);
	return 0;
}

/* "name", or what is before and behind its last colon. */
static int open_by_name(struct cli *cli, const char *text, struct tensock_model **ret)
{
	const char *colon = strrchr(text, ':');
	struct tensock_error error;
	int status = tensock_open(cli->client, text, NULL, ret, &error);

	if (status == TENSOCK_NOT_FOUND && colon && colon != text && colon[1] && !is_hash(text)) {
		_cleanup_free_ char *name = strndup(text, (size_t)(colon - text));

		if (name)
			status = tensock_open(cli->client, name, colon + 1, ret, &error);
	}
	if (status == TENSOCK_NOT_FOUND)
		tsk_fail(&error, TENSOCK_NOT_FOUND,
			 "there is no file '%.100s', and the host holds no model of that name",
			 text);
	return status == TENSOCK_OK ? 0 : cli_fail(cli, &error);
}

int model_get(struct cli *cli, const char *text, struct tensock_model **ret)
{
	struct stat st;

	if (stat(text, &st) == 0)
		return model_push(cli, text, NULL, NULL, ret);
	if (is_hash(text) && strlen(text) != HASH_PREFIX_BYTES + HASH_DIGITS)
		return open_by_digits(cli, text, ret);
	return open_by_name(cli, text, ret);
}
