/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tensock-metrics [FEATURES]: started by tensockd, with its control socket as METRICS_CONTROL_FD.
 * FEATURES: what its seal may lack, as --allow-unsandboxed has it.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "channel/metrics_control.h"
#include "metrics/exporter.h"
#include "metrics/seal.h"
#include "sandbox/feature.h"

int main(int argc, char **argv)
{
	unsigned may_lack = 0;
	int r;

	signal(SIGPIPE, SIG_IGN);
	tsk_log_init("tensock-metrics", NULL, TSK_LOG_INFO, 0);
	metrics_seal_begin();
	r = argc > 2 ? -EINVAL : argc == 2 ? sandbox_features_parse(argv[1], &may_lack) : 0;
	if (r == 0)
		r = exporter_serve(METRICS_CONTROL_FD, may_lack, metrics_seal);
	if (r < 0) {
		fprintf(stderr, "tensock-metrics: not started by tensockd? %s\n", strerror(-r));
		return EXIT_FAILURE;
	}
	return EXIT_SUCCESS;
}
