/* SPDX-License-Identifier: Apache-2.0 */
/* tensock-worker: one model, one front, and the engines that may run it. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "channel/worker_control.h"
#include "worker/engines.h"
#include "worker/host.h"
#include "worker/worker.h"

#define USAGE                                                                                 \
	"usage: tensock-worker --engine FILE [--option NAME=VALUE]... [--engine FILE2 ...]\n" \
	"                      [--log-level LEVEL] [--guest NAME]\n"                          \
	"--engine-if-present FILE: an engine whose library may be missing.\n"                 \
	"Started by tensockd, with its control socket as file descriptor 3.\n"

struct arguments {
	const char *guest;
	int log_level;
};

static bool parse_pair(const char *name, char *value, struct arguments *args,
		       struct engines *engines)
{
	if (strcmp(name, "--engine") == 0)
		return engines_add(engines, value, false);
	if (strcmp(name, "--engine-if-present") == 0)
		return engines_add(engines, value, true);
	if (strcmp(name, "--option") == 0)
		return engines_add_option(engines, value);
	if (strcmp(name, "--guest") == 0)
		args->guest = value;
	else if (strcmp(name, "--log-level") == 0)
		args->log_level = tsk_log_level_from_name(value);
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
	/* A front that died leaves a doorbell that nobody hears. */
	signal(SIGPIPE, SIG_IGN);
	/* Engines take orders from the environment; ours are options. */
	if (!silence_stdout() || clearenv() != 0) {
		host_log(TENSOCK_LOG_ERROR, "the process cannot be set up");
		return 1;
	}
	r = engines_open(&engines, &error);
	if (r < 0) {
		worker_refuse(WORKER_CONTROL_FD, &error);
		return 1;
	}
	r = worker_serve(WORKER_CONTROL_FD, &engines);
	if (r < 0)
		tsk_error("the front cannot be served: %s", strerror(-r));
	/* The front has gone; an engine that hangs in its end is ended by the clock. */
	alarm(5);
	engines_close(&engines);
	return r < 0 ? 1 : 0;
}
