/* SPDX-License-Identifier: Apache-2.0 */
/* The plug-in: what it is called, how it opens and closes. */
#include "engines/mindspore_lite/mslite.h"

#include <stdlib.h>
#include <string.h>

#define THREADS_MAX 256

/* MindIR: a protobuf whose first field is a text, the version "1.1". */
static bool is_mindir(const unsigned char *p, uint64_t n)
{
	uint64_t len = n >= 2 && p[0] == 0x0a ? p[1] : 0;

	if (!len || len > 16 || len > n - 2)
		return false;
	for (uint64_t i = 0; i < len; i++) {
		if ((p[2 + i] < '0' || p[2 + i] > '9') && p[2 + i] != '.')
			return false;
	}
	return true;
}

/*
 * Files of MindSpore Lite before 1.2, "MSL1" or without any mark, are not taken: the library refuses all
 * of them.  MindIR it takes where the converter is built in, which cannot be asked; where it is not, the
 * library refuses it, and the host goes on.
 */
static uint32_t probe(const void *bytes, uint64_t n_bytes, const char **ret_format)
{
	const unsigned char *p = bytes;

	if (n_bytes >= 8 && memcmp(p + 4, "MSL2", 4) == 0) {
		*ret_format = "ms";
		return 90;
	}
	if (is_mindir(p, n_bytes)) {
		*ret_format = "mindir";
		return 20;
	}
	return 0;
}

static uint32_t read_threads(struct mslite *engine, struct tensock_error *reterr)
{
	const char *text = engine->host->option(engine->host->context, "threads");
	char *end = NULL;
	long n = text ? strtol(text, &end, 10) : 1;

	if (text && (*end || end == text || n < 1 || n > THREADS_MAX))
		return mslite_fail(reterr, TENSOCK_INVALID_ARGUMENT, "threads is 1 to %d",
				   THREADS_MAX);
	engine->threads = (int)n;
	return TENSOCK_OK;
}

static uint32_t read_fp16(struct mslite *engine, struct tensock_error *reterr)
{
	const char *text = engine->host->option(engine->host->context, "fp16");

	engine->fp16 = text && strcmp(text, "yes") == 0;
	if (text && !engine->fp16 && strcmp(text, "no") != 0)
		return mslite_fail(reterr, TENSOCK_INVALID_ARGUMENT, "fp16 is yes or no");
	return TENSOCK_OK;
}

static void close_engine(void *arg)
{
	struct mslite *engine = arg;

	if (!engine)
		return;
	capture_done(&engine->capture);
	free(engine);
}

static uint32_t open_engine(const struct tensock_host *host, void **ret_engine,
			    struct tensock_error *reterr)
{
	struct mslite *engine = calloc(1, sizeof(*engine));
	uint32_t s;

	if (!engine)
		return mslite_fail(reterr, TENSOCK_OUT_OF_MEMORY, "not enough memory");
	engine->host = host;
	s = read_threads(engine, reterr);
	if (s == TENSOCK_OK)
		s = read_fp16(engine, reterr);
	if (s == TENSOCK_OK)
		s = mslite_api_open(host, &engine->api, reterr);
	if (s != TENSOCK_OK) {
		free(engine);
		return s;
	}
	capture_init(&engine->capture, host);
	*ret_engine = engine;
	return TENSOCK_OK;
}

static const char *version(void *arg)
{
	const struct mslite *engine = arg;
	const char *text = engine->api.version ? engine->api.version() : NULL;

	return text ? text : "of unknown version";
}

static const struct tensock_model_description *describe(void *model)
{
	return &((const struct mslite_model *)model)->description;
}

const struct tensock_engine *tensock_engine_entry(void)
{
	static const struct tensock_engine engine = {
		.size = sizeof(engine),
		.abi_major = TENSOCK_ENGINE_ABI_MAJOR,
		.name = "mindspore_lite",
		.probe = probe,
		.open = open_engine,
		.close = close_engine,
		.version = version,
		.load = mslite_load,
		.unload = mslite_unload,
		.describe = describe,
		.run = mslite_run,
	};

	return &engine;
}
