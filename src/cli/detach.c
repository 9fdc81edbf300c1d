/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/commands.h"
#include "cli/control.h"
#include "cli/json.h"

static const char help[] =
	"usage: tensock detach NAME [--force]\n"
	"\n"
	"On the host: takes a VM away from the running tensockd.  Its sockets are closed, its\n"
	"connections and what runs for it end.  One of the configuration is there again when tensockd\n"
	"starts the next time.\n"
	"\n"
	"  --force              also while the VM runs with tensockd's vsock device, which it then has\n"
	"                       lost until it is started again\n"
	"  --control PATH       tensockd's control socket; else $TENSOCK_CONTROL, else the one that is\n"
	"                       there of $XDG_RUNTIME_DIR/tensock/ and /run/tensock/control.sock\n"
	"  --json               print one JSON document\n";

enum {
	FORCE = 1,
	CONTROL
};

static const struct arg_option options[] = {
	{ "force", '\0', false, FORCE },
	{ "control", '\0', true, CONTROL },
	CLI_OPTIONS_END,
};

static int read_line(struct cli *cli, struct args *args, const char **ret_name,
		     const char **ret_control, struct operator_request *request)
{
	const char *value;
	int id;

	while ((id = cli_next(cli, args, options, &value)) != ARG_END) {
		if (id == CLI_STOP)
			return CLI_STOP;
		if (id == FORCE)
			request->flags = OPERATOR_FORCE;
		else if (id == CONTROL)
			*ret_control = value;
		else if (*ret_name)
			return cli_usage(cli, "'%.80s' is too much", value);
		else
			*ret_name = value;
	}
	return *ret_name ? 0 : cli_usage(cli, "NAME is missing");
}

static void detach_run(struct cli *cli, struct args *args)
{
	struct operator_request request = { .type = OPERATOR_DETACH };
	const char *name = NULL, *control = NULL;
	struct tensock_error error = { 0 };

	if (read_line(cli, args, &name, &control, &request) < 0)
		return;
	if (control_set_name(&request, name, &error) < 0) {
		cli_fail_as(cli, CLI_USAGE, &error);
	} else if (control_ask_once(control, &request, NULL, NULL, &error) < 0) {
		cli_fail_here(cli, &error);
	} else if (cli->json) {
		struct json json = json_of(stdout);

		json_object(&json);
		json_key(&json, "detached");
		json_string(&json, name);
		json_end_object(&json);
	}
}

const struct cli_command cli_detach = {
	.name = "detach",
	.summary = "on the host: take a VM away from the running tensockd",
	.help = help,
	.run = detach_run,
};
