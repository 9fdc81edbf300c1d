/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tensock-store [FEATURES]: started by tensockd, with its control socket as STORE_CONTROL_FD.  FEATURES: what
 * its seal may lack, as --allow-unsandboxed has it.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "channel/store_control.h"
#include "sandbox/feature.h"
#include "store/store.h"

/* Guests whose disk work goes on at once: those of a slow disk should not be waited for by all. */
#define THREADS "16"

int main(int argc, char **argv)
{
	unsigned may_lack = 0;
	int r;

	signal(SIGPIPE, SIG_IGN);
	tsk_log_init("tensock-store", NULL, TSK_LOG_INFO, 0);
	setenv("UV_THREADPOOL_SIZE", THREADS, 1);
	r = argc > 2 ? -EINVAL : argc == 2 ? sandbox_features_parse(argv[1], &may_lack) : 0;
	if (r == 0)
		r = store_serve(STORE_CONTROL_FD, may_lack);
	if (r < 0) {
		fprintf(stderr, "tensock-store: not started by tensockd? %s\n", strerror(-r));
		return EXIT_FAILURE;
	}
	return EXIT_SUCCESS;
}
