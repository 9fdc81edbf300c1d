/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/commands.h"
#include "cli/model_print.h"

static const char help[] =
	"usage: tensock rm MODEL [--unload-only]\n"
	"\n"
	"Has the host forget a model and give back its memory; runs under way end first.\n"
	"MODEL: NAME, NAME:VERSION or sha256:DIGITS, as tensock ls tells them.\n"
	"\n"
	"  --unload-only      give back the memory, keep the bytes: the next run loads it again\n"
	"  --json             print one JSON document\n"
	"  --host ADDRESS     as in tensock --help\n";

enum {
	UNLOAD_ONLY = 1
};

static const struct arg_option options[] = {
	{ "unload-only", '\0', false, UNLOAD_ONLY },
	CLI_OPTIONS_END,
};

static int read_line(struct cli *cli, struct args *args, const char **ret_model, bool *ret_keep)
{
	const char *value;
	int id;

	while ((id = cli_next(cli, args, options, &value)) != ARG_END) {
		if (id == CLI_STOP)
			return CLI_STOP;
		if (id == UNLOAD_ONLY)
			*ret_keep = true;
		else if (*ret_model)
			return cli_usage(cli, "'%.80s' is too much", value);
		else
			*ret_model = value;
	}
	return *ret_model ? 0 : cli_usage(cli, "MODEL is missing");
}

static void rm_run(struct cli *cli, struct args *args)
{
	struct tensock_model **models;
	const char *text = NULL;
	struct tensock_error error;
	bool keep = false;
	size_t n, index;

	if (read_line(cli, args, &text, &keep) < 0 || cli_connect(cli) < 0 ||
	    model_find(cli, text, &models, &n, &index) < 0)
		return;
	if (tensock_unload(cli->client, models[index], !keep, &error) != TENSOCK_OK) {
		cli_fail(cli, &error);
	} else if (cli->json) {
		struct tensock_model_info info = model_info(models[index]);
		struct json json = json_of(stdout);

		json_object(&json);
		json_key(&json, keep ? "unloaded" : "removed");
		json_string(&json, info.hash);
		json_end_object(&json);
	}
	tensock_models_free(models, n);
}

const struct cli_command cli_rm = {
	.name = "rm",
	.summary = "forget a model, or only unload it",
	.help = help,
	.run = rm_run,
};
