/* SPDX-License-Identifier: Apache-2.0 */
/* Every command, one file each. */
#ifndef CLI_COMMANDS_H
#define CLI_COMMANDS_H

#include "cli/cli.h"

extern const struct cli_command cli_run, cli_push, cli_ls, cli_show, cli_rm, cli_ps, cli_bench,
	cli_convert, cli_doctor, cli_proxy, cli_attach, cli_detach, cli_guests;

#endif
