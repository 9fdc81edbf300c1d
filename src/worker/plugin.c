/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/plugin.h"

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/status.h"
#include "worker/host.h"

/* Each run takes memory of its own for what lies between inputs and outputs. */
#define PARALLEL_DEFAULT_MAX 4

static bool has_mandatory(const struct tensock_engine *e)
{
	return TENSOCK_HAS(e, name) && TENSOCK_HAS(e, probe) && TENSOCK_HAS(e, open) &&
	       TENSOCK_HAS(e, close) && TENSOCK_HAS(e, version) && TENSOCK_HAS(e, load) &&
	       TENSOCK_HAS(e, unload) && TENSOCK_HAS(e, describe) && TENSOCK_HAS(e, run);
}

static int check_abi(const struct tensock_engine *engine, struct tensock_error *reterr)
{
	if (!engine || engine->size < offsetof(struct tensock_engine, name))
		return tsk_fail(reterr, TENSOCK_UNSUPPORTED,
				"the engine's plug-in has no engine in it");
	if (engine->abi_major != TENSOCK_ENGINE_ABI_MAJOR)
		return tsk_fail(reterr, TENSOCK_UNSUPPORTED,
				"the engine's plug-in is built for ABI %u, this host for %u",
				engine->abi_major, TENSOCK_ENGINE_ABI_MAJOR);
	if (!has_mandatory(engine))
		return tsk_fail(reterr, TENSOCK_UNSUPPORTED,
				"the engine's plug-in lacks a mandatory entry");
	return 0;
}

static void log_dl_error(void)
{
	const char *text = dlerror();

	host_log(TENSOCK_LOG_ERROR, text ? text : "dlopen failed");
}

int plugin_failed(uint32_t status, struct tensock_error *reterr)
{
	char text[sizeof(reterr->message)];
	int len;

	if (status == TENSOCK_OK || status >= TENSOCK_STATUS_MAX)
		status = TENSOCK_ENGINE_FAILED;
	len = snprintf(text, sizeof(text), "%.*s", (int)sizeof(text) - 1, reterr->message);
	while (len > 0 && (unsigned char)text[len - 1] <= ' ')
		text[--len] = '\0';
	return tsk_fail(reterr, (enum tensock_status)status, "%s",
			text[0] ? text : tsk_status(status)->text);
}

/* 0 where it is not given, -1 where it is no such number. */
static long read_option(const struct tensock_host *host, const char *name, long max)
{
	const char *text = host->option(host->context, name);
	char *end;
	long n;

	if (!text)
		return 0;
	errno = 0;
	n = strtol(text, &end, 10);
	return errno || *end || end == text || n < 1 || n > max ? -1 : n;
}

static unsigned default_parallel(long threads)
{
	cpu_set_t cpus;
	long n = sched_getaffinity(0, sizeof(cpus), &cpus) == 0 ? CPU_COUNT(&cpus)
								: PARALLEL_DEFAULT_MAX;

	n /= threads > 0 ? threads : 1;
	if (n > PARALLEL_DEFAULT_MAX)
		n = PARALLEL_DEFAULT_MAX;
	return n > 1 ? (unsigned)n : 1;
}

int plugin_parallel(const struct tensock_host *host, unsigned *ret, struct tensock_error *reterr)
{
	long n = read_option(host, "parallel", PLUGIN_PARALLEL_MAX);

	if (n < 0)
		return tsk_fail(reterr, TENSOCK_INVALID_ARGUMENT, "parallel is 1 to %u",
				PLUGIN_PARALLEL_MAX);
	/* The engine judges its threads. */
	*ret = n ? (unsigned)n : default_parallel(read_option(host, "threads", INT_MAX));
	return 0;
}

int plugin_open(const char *path, const struct tensock_host *host, struct plugin *ret,
		struct tensock_error *reterr)
{
	const struct tensock_engine *(*entry)(void);
	struct tensock_error error = { 0 };
	struct plugin plugin = { 0 };
	uint32_t status;
	int r = plugin_parallel(host, &plugin.parallel, reterr);

	if (r < 0)
		return r;
	plugin.library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!plugin.library) {
		log_dl_error();
		return tsk_fail(reterr, TENSOCK_UNAVAILABLE,
				"the engine's plug-in cannot be loaded: see the host's log");
	}
	*(void **)&entry = dlsym(plugin.library, TENSOCK_ENGINE_ENTRY);
	if (!entry) {
		log_dl_error();
		return tsk_fail(reterr, TENSOCK_UNSUPPORTED, "the file is not an engine's plug-in");
	}
	plugin.engine = entry();
	r = check_abi(plugin.engine, reterr);
	if (r < 0)
		return r;
	status = plugin.engine->open(host, &plugin.instance, &error);
	if (status != TENSOCK_OK) {
		r = plugin_failed(status, &error);
		if (reterr)
			*reterr = error;
		return r;
	}
	*ret = plugin;
	return 0;
}

void plugin_close(struct plugin *plugin)
{
	if (plugin && plugin->engine)
		plugin->engine->close(plugin->instance);
	if (plugin)
		*plugin = (struct plugin){ 0 };
}

void plugin_title(const struct plugin *plugin, char *ret, size_t size)
{
	const char *version = plugin->engine->version(plugin->instance);

	snprintf(ret, size, "%s %s", plugin->engine->name, version ? version : "");
}
