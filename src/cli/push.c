/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/commands.h"
#include "cli/model_print.h"
#include "cli/text.h"

static const char help[] =
	"usage: tensock push FILE [--name NAME] [--version VERSION]\n"
	"\n"
	"Gives the host a model, which checks and loads it.  What the host has of this guest\n"
	"already is not sent again; an upload that broke off goes on where it stood.\n"
	"\n"
	"  --name NAME        label it, to be run as NAME\n"
	"  --version VERSION  and NAME:VERSION\n"
	"  --json             print one JSON document\n"
	"  --host ADDRESS     as in tensock --help\n";

enum {
	NAME = 1,
	VERSION = 2
};

static const struct arg_option options[] = {
	{ "name", '\0', true, NAME },
	{ "version", '\0', true, VERSION },
	CLI_OPTIONS_END,
};

struct push {
	const char *file, *name, *version;
};

static int read_line(struct cli *cli, struct args *args, struct push *push)
{
	const char *value;
	int id;

	while ((id = cli_next(cli, args, options, &value)) != ARG_END) {
		if (id == CLI_STOP)
			return CLI_STOP;
		if (id == NAME)
			push->name = value;
		else if (id == VERSION)
			push->version = value;
		else if (push->file)
			return cli_usage(cli, "'%.80s' is too much", value);
		else
			push->file = value;
	}
	if (!push->file)
		return cli_usage(cli, "FILE is missing");
	if (push->version && !push->name)
		return cli_usage(cli, "--version wants --name");
	return 0;
}

static void print(const struct cli *cli, const struct tensock_model_info *info)
{
	char size[TEXT_QUANTITY_BYTES];
	struct json json = json_of(stdout);

	if (cli->json) {
		model_json(&json, info, true);
		return;
	}
	printf("sha256:");
	text_print(stdout, info->hash);
	printf("  %s", text_size(info->bytes, size));
	if (*info->name) {
		printf("  ");
		model_print_label(stdout, info);
	}
	putchar('\n');
}

static void push_run(struct cli *cli, struct args *args)
{
	struct push push = { 0 };
	struct tensock_model *model;
	struct tensock_model_info info;

	if (read_line(cli, args, &push) < 0 || cli_connect(cli) < 0 ||
	    model_push(cli, push.file, push.name, push.version, &model) < 0)
		return;
	info = model_info(model);
	print(cli, &info);
	tensock_model_free(model);
}

const struct cli_command cli_push = {
	.name = "push",
	.summary = "give the host a model",
	.help = help,
	.run = push_run,
};
