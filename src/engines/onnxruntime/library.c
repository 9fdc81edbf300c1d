/* SPDX-License-Identifier: Apache-2.0 */
#include "engines/onnxruntime/ort.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SONAME "libonnxruntime.so.1"

/* The library beside this plug-in, which is how it is installed and how a build folder has it. */
static void *open_beside(void)
{
	char path[4096];
	const char *slash;
	Dl_info info;
	int n;

	if (!dladdr((const void *)(uintptr_t)ort_library_open, &info) || !info.dli_fname)
		return NULL;
	slash = strrchr(info.dli_fname, '/');
	if (!slash)
		return NULL;
	n = snprintf(path, sizeof(path), "%.*s/" SONAME, (int)(slash - info.dli_fname),
		     info.dli_fname);
	if (n < 0 || (size_t)n >= sizeof(path))
		return NULL;
	return dlopen(path, RTLD_NOW | RTLD_LOCAL);
}

static void *open_library(const struct tensock_host *host)
{
	const char *named = host->option(host->context, "library");
	void *library;

	if (named)
		return dlopen(named, RTLD_NOW | RTLD_LOCAL);
	library = open_beside();
	return library ? library : dlopen(SONAME, RTLD_NOW | RTLD_LOCAL);
}

uint32_t ort_library_open(const struct tensock_host *host, const OrtApi **ret_api,
			  const char **ret_version, struct tensock_error *reterr)
{
	const OrtApiBase *(*get_base)(void);
	const OrtApiBase *base;
	const OrtApi *api;
	void *library;

	/* Builds from 1.29 on write files and look up hosts as soon as they have an environment. */
	if (setenv("ORT_DISABLE_TELEMETRY", "1", 1) != 0)
		return ort_fail(reterr, TENSOCK_OUT_OF_MEMORY, "not enough memory");
	library = open_library(host);
	if (!library) {
		const char *text = dlerror();

		host->log(host->context, TENSOCK_LOG_ERROR, text ? text : "no " SONAME);
		return ort_fail(reterr, TENSOCK_UNAVAILABLE,
				"ONNX Runtime's library cannot be loaded: see the host's log");
	}
	*(void **)&get_base = dlsym(library, "OrtGetApiBase");
	base = get_base ? get_base() : NULL;
	if (!base)
		return ort_fail(reterr, TENSOCK_UNSUPPORTED, "the library is not ONNX Runtime");
	api = base->GetApi(ORT_API_VERSION);
	if (!api)
		return ort_fail(
			reterr, TENSOCK_UNSUPPORTED,
			"ONNX Runtime %.20s is too old: the plug-in needs API %d, which is 1.%d",
			base->GetVersionString(), ORT_API_VERSION, ORT_API_VERSION);
	*ret_api = api;
	*ret_version = base->GetVersionString();
	return TENSOCK_OK;
}
