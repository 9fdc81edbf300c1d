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
#include "supervisor/upgrade.h"

#define EXIT_USAGE 2 /* the command line or the configuration is wrong */

/* Whether it could serve by that configuration: for the tensockd whose place it is to take. */
static int check(const struct config *config)
{
	struct tensock_error error = { 0 };
	static struct launcher launcher;

	if (sealing_check((unsigned)config->may_lack, &error) == 0 &&
	    launcher_find_programs(&launcher, &config->engines, &error) == 0)
		return EXIT_SUCCESS;
	tsk_error("%s", error.message);
	return EXIT_FAILURE;
}

static int serve(struct config *config, int argc, char **argv, struct takeover *takeover)
{
	struct tensock_error error = { 0 };
	int r = spawn_prepare_stdio();

	if (r < 0) {
		tsk_error("standard input and output cannot be set up: %s", strerror(-r));
		return EXIT_FAILURE;
	}
	r = sealing_check((unsigned)config->may_lack, &error);
	if (r == 0)
		r = sealing_drop(&error);
	if (r == 0)
		r = daemon_run(config, argc, argv, takeover, &error);
	if (r < 0)
		tsk_error("%s", error.message);
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	static struct config config, running;
	struct tensock_error error = { 0 };
	struct takeover takeover = { 0 };
	int status = EXIT_USAGE, r;

	daemon_set_log(TSK_LOG_INFO, 0);
	config_init(&config);
	config_init(&running);
	r = upgrade_read(&takeover, &running, &error);
	if (r >= 0)
		r = options_read(argc, argv, &config, r ? &running : NULL, &error);
	config_done(&running);
	if (r == OPTIONS_RUN || r == OPTIONS_CHECK)
		daemon_set_log((enum tsk_log_level)config.log_level, log_setting_bits(&config.log));
	if (r == OPTIONS_DONE)
		status = fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
	else if (r == OPTIONS_CHECK)
		status = check(&config);
	else if (r == OPTIONS_RUN)
		status = serve(&config, argc, argv, takeover.n ? &takeover : NULL);
	else
		tsk_error("%s", error.message);
	takeover_close(&takeover);
	takeover_done(&takeover);
	config_done(&config);
	return status;
}
