/* SPDX-License-Identifier: Apache-2.0 */
/* tensock-worker: one model, one front, and the engines that may run it. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/status.h"
#include "channel/worker_control.h"
#include "sandbox/feature.h"
#include "worker/engines.h"
#include "worker/host.h"
#include "worker/seal.h"
#include "worker/worker.h"

#define USAGE                                                                                 \
	"usage: tensock-worker --engine FILE [--option NAME=VALUE]... [--engine FILE2 ...]\n" \
	"                      [--log-level LEVEL] [--guest NAME] [--memory BYTES]\n"         \
	"                      [--generates-code yes|no] [--allow-unsandboxed FEATURES]\n"    \
	"--engine-if-present FILE: an engine whose library may be missing.\n"                 \
	"Started by tensockd, with its control socket as file descriptor 3.\n"

struct arguments {
	const char *guest;
	int log_level;
	uint64_t memory_bytes; /* 0: without a bound */
	bool generates_code;
	unsigned may_lack;
};

/* A number of bytes above 0. */
static bool parse_bytes(const char *text, uint64_t *ret)
{
	char *end;

	errno = 0;
	*ret = strtoull(text, &end, 10);
	return !errno && *ret && !*end && *text >= '0' && *text <= '9';
}

static bool parse_pair(const char *name, char *value, struct arguments *args,
		       struct engines *engines)
{
	if (strcmp(name, "--engine") == 0)
		return engines_add(engines, value, false);
	if (strcmp(name, "--engine-if-present") == 0)
		return engines_add(engines, value, true);
	if (strcmp(name, "--option") == 0)
		return engines_add_option(engines, value);
	if (strcmp(name, "--memory") == 0)
		return parse_bytes(value, &args->memory_bytes);
	if (strcmp(name, "--allow-unsandboxed") == 0)
		return sandbox_features_parse(value, &args->may_lack) == 0;
	if (strcmp(name, "--generates-code") == 0)
		args->generates_code = strcmp(value, "yes") == 0;
	else if (strcmp(name, "--guest") == 0)
		args->guest = value;
	else if (strcmp(name, "--log-level") == 0)
		args->log_level = tsk_log_level_from_name(value);
	else if (strcmp(name, "--log-format") == 0)
		tsk_log_set_json(strcmp(value, "json") == 0);
	else
		return false;
	return true;
}

static bool parse(int argc, char **argv, struct arguments *args, struct engines *engines)
{
	for (int i = 1; i < argc; i += 2) {
		if (i + 1 == argc || !parse_pair(argv[i], argv[i + 1], args, engines))
			return false;
	}
	return engines->n_files && args->log_level >= 0;
}

/* An engine may print; standard output is the seed's, and no engine writes there. */
static bool silence_stdout(void)
{
	int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);

	if (fd < 0 || dup2(fd, STDOUT_FILENO) < 0)
		return false;
	if (fd != STDOUT_FILENO)
		tsk_close(fd);
	return true;
}

/* Opens the engines, and gives up all that is not needed from then on. */
static int prepare(const struct arguments *args, struct engines *engines,
		   struct tensock_error *reterr)
{
	int r;

	worker_seal_begin();
	r = engines_open(engines, reterr);
	if (r < 0)
		return r;
	r = worker_prepare(WORKER_CONTROL_FD, engines);
	if (r < 0)
		return tsk_fail(reterr, TENSOCK_INTERNAL, "the worker cannot be set up: %s",
				strerror(-r));
	return worker_seal(args->memory_bytes, args->generates_code, args->may_lack, reterr);
}

int main(int argc, char **argv)
{
	struct arguments args = { .log_level = TSK_LOG_INFO };
	struct tensock_error error = { 0 };
	static struct engines engines;
	int r;

	if (!parse(argc, argv, &args, &engines)) {
		fputs(USAGE, stderr);
		return 2;
	}
	tsk_log_init("tensock-worker", args.guest, (enum tsk_log_level)args.log_level,
		     HOST_LOG_LINES_PER_SEC);
	tsk_log_share(TSK_LOG_BUDGET_FD);
	/* A front that died leaves a doorbell that nobody hears. */
	signal(SIGPIPE, SIG_IGN);
	/* Engines take orders from the environment; ours are options. */
	if (!silence_stdout() || clearenv() != 0) {
		host_log(TENSOCK_LOG_ERROR, "the process cannot be set up");
		return 1;
	}
	r = prepare(&args, &engines, &error);
	if (r < 0) {
		worker_refuse(WORKER_CONTROL_FD, &error);
		return 1;
	}
	r = worker_serve();
	if (r < 0)
		tsk_error("the front cannot be served: %s", strerror(-r));
	/* The front has gone; an engine that hangs in its end is ended by the inbox's watcher. */
	engines_close(&engines);
	return r < 0 ? 1 : 0;
}
