/* SPDX-License-Identifier: Apache-2.0 */
/* The plug-in: what it is called, how it opens and closes. */
#include "engines/onnxruntime/ort.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define THREADS_MAX 256

/*
 * ONNX has no magic number: a protobuf whose first field is one of ModelProto's.  The host's scan
 * tells for sure; this tells other formats apart.
 */
static uint32_t probe(const void *bytes, uint64_t n_bytes, const char **ret_format)
{
	const unsigned char *p = bytes;
	unsigned field = n_bytes ? p[0] >> 3 : 0, wire = n_bytes ? p[0] & 7 : 0;
	bool number = field == 1 || field == 5;

	if (n_bytes < 2 || (n_bytes >= 8 && memcmp(p + 4, "ORTM", 4) == 0))
		return 0;
	if (!(number && wire == 0) && !(field >= 1 && field <= 25 && !number && wire == 2))
		return 0;
	*ret_format = "onnx";
	return 50;
}

static void ORT_API_CALL log_line(void *param, OrtLoggingLevel severity, const char *category,
				  const char *id, const char *location, const char *message)
{
	const struct tensock_host *host = param;
	bool fatal = severity == ORT_LOGGING_LEVEL_FATAL;
	char line[512];

	(void)category;
	(void)id;
	(void)location;
	snprintf(line, sizeof(line), "onnxruntime: %s", message);
	/* What fails comes back as a status, too, and warnings are about the guest's model. */
	host->log(host->context, fatal ? TENSOCK_LOG_ERROR : TENSOCK_LOG_DEBUG, line);
}

static uint32_t read_threads(struct ort *ort, struct tensock_error *reterr)
{
	const char *text = ort->host->option(ort->host->context, "threads");
	char *end;
	long n = text ? strtol(text, &end, 10) : 1;

	if (text && (*end || end == text || n < 1 || n > THREADS_MAX))
		return ort_fail(reterr, TENSOCK_INVALID_ARGUMENT, "threads is 1 to %d",
				THREADS_MAX);
	ort->threads = (int)n;
	return TENSOCK_OK;
}

static void close_engine(void *engine)
{
	struct ort *ort = engine;

	if (!ort)
		return;
	ort_arenas_free(ort, ort->arenas);
	if (ort->cpu)
		ort->api->ReleaseMemoryInfo(ort->cpu);
	if (ort->env)
		ort->api->ReleaseEnv(ort->env);
	free(ort);
}

static uint32_t start(struct ort *ort, struct tensock_error *reterr)
{
	uint32_t s = read_threads(ort, reterr);

	if (s == TENSOCK_OK)
		s = ort_library_open(ort->host, &ort->api, &ort->version, reterr);
	if (s == TENSOCK_OK)
		s = ort_check(ort,
			      ort->api->CreateEnvWithCustomLogger(log_line,
								  (void *)(uintptr_t)ort->host,
								  ORT_LOGGING_LEVEL_WARNING,
								  "tensock", &ort->env),
			      reterr);
	if (s == TENSOCK_OK)
		s = ort_check(ort,
			      ort->api->CreateCpuMemoryInfo(OrtDeviceAllocator, OrtMemTypeDefault,
							    &ort->cpu),
			      reterr);
	if (s == TENSOCK_OK)
		s = ort_check(ort, ort->api->GetAllocatorWithDefaultOptions(&ort->allocator),
			      reterr);
	if (s == TENSOCK_OK)
		s = ort_arenas_start(ort, reterr);
	return s;
}

static uint32_t open_engine(const struct tensock_host *host, void **ret_engine,
			    struct tensock_error *reterr)
{
	struct ort *ort = calloc(1, sizeof(*ort));
	uint32_t s;

	if (!ort)
		return ort_fail(reterr, TENSOCK_OUT_OF_MEMORY, "not enough memory");
	ort->host = host;
	s = start(ort, reterr);
	if (s != TENSOCK_OK) {
		close_engine(ort);
		return s;
	}
	ort_read_files();
	*ret_engine = ort;
	return TENSOCK_OK;
}

static const char *version(void *engine)
{
	return ((const struct ort *)engine)->version;
}

static const struct tensock_model_description *describe(void *model)
{
	return &((const struct ort_model *)model)->description;
}

/* ONNX Runtime's Run() may be called from any thread. */
static uint32_t concurrency(void *model)
{
	(void)model;
	return UINT32_MAX;
}

const struct tensock_engine *tensock_engine_entry(void)
{
	static const struct tensock_engine engine = {
		.size = sizeof(engine),
		.abi_major = TENSOCK_ENGINE_ABI_MAJOR,
		.name = "onnxruntime",
		.probe = probe,
		.open = open_engine,
		.close = close_engine,
		.version = version,
		.load = ort_load,
		.unload = ort_unload,
		.describe = describe,
		.run = ort_run,
		.cancel = ort_cancel,
		.concurrency = concurrency,
	};

	return &engine;
}
