/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/engines.h"

#include <stdio.h>

#include "base/log.h"

bool engines_add(struct engines *engines, const char *path, bool may_be_missing)
{
	struct engine_file *file;

	if (engines->n_files == ENGINES_MAX)
		return false;
	file = &engines->files[engines->n_files++];
	file->path = path;
	file->may_be_missing = may_be_missing;
	host_init(&file->host);
	return true;
}

bool engines_add_option(struct engines *engines, char *text)
{
	return engines->n_files &&
	       host_add_option(&engines->files[engines->n_files - 1].host, text);
}

/* The error of those that did not open: of one that should have, where there is such a one. */
static const struct tensock_error *telling_error(const struct engines *engines)
{
	for (unsigned i = 0; i < engines->n_files; i++) {
		if (engines->files[i].error.status && !engines->files[i].may_be_missing)
			return &engines->files[i].error;
	}
	return &engines->files[0].error;
}

static void log_left_out(const struct engine_file *file)
{
	if (file->may_be_missing && file->error.status == TENSOCK_UNAVAILABLE)
		tsk_debug("there is no engine for %s: %s", file->path, file->error.message);
	else if (file->error.status)
		tsk_error("the engine %s is left out: %s", file->path, file->error.message);
}

int engines_open(struct engines *engines, struct tensock_error *reterr)
{
	int r = -EINVAL;

	for (unsigned i = 0; i < engines->n_files; i++) {
		struct engine_file *file = &engines->files[i];
		int opened = plugin_open(file->path, &file->host.api, &engines->plugins[engines->n],
					 &file->error);

		if (opened == 0)
			engines->n++;
		else
			r = opened;
	}
	if (!engines->n) {
		if (reterr)
			*reterr = *telling_error(engines);
		return r;
	}
	for (unsigned i = 0; i < engines->n_files; i++)
		log_left_out(&engines->files[i]);
	return 0;
}

void engines_close(struct engines *engines)
{
	while (engines->n)
		plugin_close(&engines->plugins[--engines->n]);
}

void engines_title(const struct engines *engines, char *ret, size_t size)
{
	size_t len = 0;

	*ret = '\0';
	for (unsigned i = 0; i < engines->n && len < size; i++) {
		char title[128];

		plugin_title(&engines->plugins[i], title, sizeof(title));
		len += (size_t)snprintf(ret + len, size - len, "%s%s", i ? ", " : "", title);
	}
}
