/* SPDX-License-Identifier: Apache-2.0 */
/* The command line. */
#ifndef SUPERVISOR_OPTIONS_H
#define SUPERVISOR_OPTIONS_H

#include "base/cleanup.h"
#include "supervisor/config.h"

enum options_result {
	OPTIONS_RUN,   /* *config is complete */
	OPTIONS_DONE,  /* --help or --version: it is printed */
	OPTIONS_CHECK, /* *config is complete, and this program is to say whether it would run */
};

/*
 * Reads the command line and the file that it names into *config (config_init() was called);
 * what the command line says wins.  running: the configuration that it is to take the place of
 * (config_carry()), or NULL.  OPTIONS_RUN, OPTIONS_DONE, OPTIONS_CHECK, or -errno with *reterr.
 */
int options_read(int argc, char **argv, struct config *config, const struct config *running,
		 struct tensock_error *reterr) _nodiscard_;

#endif
