/* SPDX-License-Identifier: Apache-2.0 */
#include "engines/library.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

static void *open_beside(const char *name)
{
	char path[4096];
	const char *slash;
	Dl_info info;
	int n;

	if (!dladdr((const void *)(uintptr_t)engine_library_open, &info) || !info.dli_fname)
		return NULL;
	slash = strrchr(info.dli_fname, '/');
	if (!slash)
		return NULL;
	n = snprintf(path, sizeof(path), "%.*s/%s", (int)(slash - info.dli_fname), info.dli_fname,
		     name);
	if (n < 0 || (size_t)n >= sizeof(path))
		return NULL;
	return dlopen(path, RTLD_NOW | RTLD_LOCAL);
}

void *engine_library_open(const struct tensock_host *host, const char *name)
{
	const char *named = host->option(host->context, "library");
	void *library;

	if (named)
		return dlopen(named, RTLD_NOW | RTLD_LOCAL);
	library = open_beside(name);
	return library ? library : dlopen(name, RTLD_NOW | RTLD_LOCAL);
}
