/* SPDX-License-Identifier: Apache-2.0 */
#include "engines/mindspore_lite/api.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

#include "engines/library.h"
#include "engines/mindspore_lite/mslite.h"

#define FILE_NAME "libmindspore-lite.so"
#define NAME_MAX_BYTES 64

/* Behind the prefix. */
static const struct {
	const char *name;
	size_t place;
} symbols[] = {
	{ "ContextCreate", offsetof(struct mslite_api, context_create) },
	{ "ContextDestroy", offsetof(struct mslite_api, context_destroy) },
	{ "ContextSetThreadNum", offsetof(struct mslite_api, context_set_threads) },
	{ "ContextAddDeviceInfo", offsetof(struct mslite_api, context_add_device) },
	{ "DeviceInfoCreate", offsetof(struct mslite_api, device_create) },
	{ "DeviceInfoSetEnableFP16", offsetof(struct mslite_api, device_set_fp16) },
	{ "ModelCreate", offsetof(struct mslite_api, model_create) },
	{ "ModelDestroy", offsetof(struct mslite_api, model_destroy) },
	{ "ModelBuild", offsetof(struct mslite_api, model_build) },
	{ "ModelResize", offsetof(struct mslite_api, model_resize) },
	{ "ModelPredict", offsetof(struct mslite_api, model_predict) },
	{ "ModelGetInputs", offsetof(struct mslite_api, model_inputs) },
	{ "ModelGetOutputs", offsetof(struct mslite_api, model_outputs) },
	{ "TensorGetName", offsetof(struct mslite_api, tensor_name) },
	{ "TensorGetDataType", offsetof(struct mslite_api, tensor_type) },
	{ "TensorGetShape", offsetof(struct mslite_api, tensor_shape) },
	{ "TensorGetDataSize", offsetof(struct mslite_api, tensor_bytes) },
	{ "TensorGetData", offsetof(struct mslite_api, tensor_data) },
	{ "TensorGetMutableData", offsetof(struct mslite_api, tensor_room) },
};

static void *find(void *library, const char *prefix, const char *name)
{
	char symbol[NAME_MAX_BYTES];

	snprintf(symbol, sizeof(symbol), "%s%s", prefix, name);
	return dlsym(library, symbol);
}

static uint32_t find_all(void *library, struct mslite_api *ret, struct tensock_error *reterr)
{
	const char *prefix = find(library, "MS", "ModelBuild") ? "MS" : "OH_AI_";
	void *version = find(library, prefix, "Version");

	for (unsigned i = 0; i < sizeof(symbols) / sizeof(symbols[0]); i++) {
		void *symbol = find(library, prefix, symbols[i].name);

		if (!symbol)
			return mslite_fail(
				reterr, TENSOCK_UNSUPPORTED,
				"the library is not MindSpore Lite with a C API (2.0 or later): "
				"it has no %s%s",
				prefix, symbols[i].name);
		memcpy((char *)ret + symbols[i].place, &symbol, sizeof(symbol));
	}
	memcpy(&ret->version, &version, sizeof(version));
	return TENSOCK_OK;
}

uint32_t mslite_api_open(const struct tensock_host *host, struct mslite_api *ret,
			 struct tensock_error *reterr)
{
	const char *named = host->option(host->context, "library");
	void *library = engine_library_open(host, FILE_NAME);
	const char *text;

	if (library)
		return find_all(library, ret, reterr);
	text = dlerror();
	/* Most hosts have none and want none; who names one wants it. */
	host->log(host->context, named ? TENSOCK_LOG_ERROR : TENSOCK_LOG_DEBUG,
		  text ? text : "no " FILE_NAME);
	return mslite_fail(reterr, TENSOCK_UNAVAILABLE,
			   "MindSpore Lite's library cannot be loaded: see the host's log");
}
