/* SPDX-License-Identifier: Apache-2.0 */
#include "engines/onnxruntime/ort.h"

#include <dlfcn.h>
#include <stdlib.h>

#include "engines/library.h"

#define SONAME "libonnxruntime.so.1"

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
	library = engine_library_open(host, SONAME);
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
