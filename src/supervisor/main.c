/* SPDX-License-Identifier: Apache-2.0 */
/* tensockd: the supervisor. */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "supervisor/config.h"
#include "supervisor/daemon.h"
#include "supervisor/options.h"
#include "supervisor/sealing.h"
#include "supervisor/spawn.h"

#define EXIT_USAGE 2 /* the command line or the configuration is wrong */

int main(int argc, char **argv)
{
	struct tensock_error error = { 0 };
	static struct config config;
	int r;

	daemon_set_log_level(TSK_LOG_INFO);
	config_init(&config);
	r = options_read(argc, argv, &config, NULL, &error);
	if (r == OPTIONS_DONE)
		return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
	if (r < 0) {
		tsk_error("%s", error.message);
		config_done(&config);
		return EXIT_USAGE;
	}
	daemon_set_log_level((enum tsk_log_level)config.log_level);
	r = spawn_prepare_stdio();
	if (r < 0) {
		tsk_error("standard input and output cannot be set up: %s", strerror(-r));
	} else {
		r = sealing_check((unsigned)config.may_lack, &error);
		if (r == 0)
			r = daemon_run(&config, argc, argv, &error);
		if (r < 0)
			tsk_error("%s", error.message);
	}
	config_done(&config);
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
