/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "base/status.h"
#include "cli/json.h"
#include "cli/text.h"

/* Above this nobody waits at a terminal for a host that does not answer. */
#define CONNECT_TIMEOUT_MS 5000u

static int take_shared(struct cli *cli, int id, const char *value)
{
	switch (id) {
	case CLI_OPTION_HOST:
		cli->host = value;
		return 0;
	case CLI_OPTION_JSON:
		cli->json = true;
		return 0;
	case CLI_OPTION_GUEST:
		cli->is_surely_guest = true;
		return 0;
	default:
		fputs(cli->command->help, stdout);
		return CLI_STOP;
	}
}

int cli_next(struct cli *cli, struct args *args, const struct arg_option *options,
	     const char **ret_value)
{
	struct tensock_error error;

	for (;;) {
		int id = args_next(args, options, ret_value, &error);

		if (id < ARG_WORD) {
			cli_fail_as(cli, CLI_USAGE, &error);
			return CLI_STOP;
		}
		if (id < CLI_OPTION_HOST)
			return id;
		if (take_shared(cli, id, *ret_value) < 0)
			return CLI_STOP;
	}
}

int cli_only_word(struct cli *cli, struct args *args, const char *what, const char **ret_word)
{
	static const struct arg_option options[] = { CLI_OPTIONS_END };
	const char *value, *word = NULL;
	int id;

	while ((id = cli_next(cli, args, options, &value)) != ARG_END) {
		if (id == CLI_STOP)
			return CLI_STOP;
		if (word || !what)
			return cli_usage(cli, "'%.80s' is too much", value);
		word = value;
	}
	if (what && !word)
		return cli_usage(cli, "%s is missing", what);
	*ret_word = word;
	return 0;
}

int cli_no_words(struct cli *cli, struct args *args)
{
	const char *word;

	return cli_only_word(cli, args, NULL, &word);
}

static void tell_json(const struct tensock_error *error, const char *hint)
{
	struct json json = json_of(stdout);

	json_object(&json);
	json_key(&json, "error");
	json_object(&json);
	json_key(&json, "status");
	json_string(&json, tensock_status_name((int)error->status));
	json_key(&json, "message");
	json_string(&json, error->message);
	json_key(&json, "hint");
	json_string(&json, hint);
	json_end_object(&json);
	json_end_object(&json);
}

static int fail(struct cli *cli, enum cli_exit exit_status, const struct tensock_error *error,
		const char *hint)
{
	cli->exit_status = exit_status;
	fprintf(stderr, "tensock%s%s: ", cli->command ? " " : "",
		cli->command ? cli->command->name : "");
	text_print(stderr, error->message);
	fputc('\n', stderr);
	if (*hint) {
		fputs("  ", stderr);
		text_print(stderr, hint);
		fputc('\n', stderr);
	}
	if (cli->json)
		tell_json(error, hint);
	return CLI_STOP;
}

int cli_fail_as(struct cli *cli, enum cli_exit exit_status, const struct tensock_error *error)
{
	/* What is wrong with the command line, its sentence says. */
	return fail(cli, exit_status, error,
		    exit_status == CLI_USAGE ? "" : tensock_status_hint((int)error->status));
}

static enum cli_exit exit_of(const struct tensock_error *error)
{
	return error->status == TENSOCK_UNAVAILABLE ? CLI_UNREACHABLE : CLI_FAILED;
}

int cli_fail_here(struct cli *cli, const struct tensock_error *error)
{
	return fail(cli, exit_of(error), error, "");
}

int cli_fail(struct cli *cli, const struct tensock_error *error)
{
	return cli_fail_as(cli, exit_of(error), error);
}

int cli_usage(struct cli *cli, const char *fmt, ...)
{
	struct tensock_error error;
	char text[160];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	tsk_fail(&error, TENSOCK_INVALID_ARGUMENT, "%s; see tensock %s --help", text,
		 cli->command->name);
	return cli_fail_as(cli, CLI_USAGE, &error);
}

int cli_find_host(struct cli *cli)
{
	struct tensock_error error;
	int r = host_address(cli->host, cli->is_surely_guest, cli->address, &error);

	if (r < 0)
		return cli_fail_as(cli,
				   error.status == TENSOCK_INVALID_ARGUMENT ? CLI_USAGE
									    : CLI_UNREACHABLE,
				   &error);
	return 0;
}

int cli_connect_more(struct cli *cli, struct tensock_client **ret)
{
	static const struct tensock_client_options options = {
		.size = sizeof(options),
		.connect_timeout_ms = CONNECT_TIMEOUT_MS,
		.program = "tensock " TENSOCK_VERSION,
	};
	struct tensock_client *client;
	struct tensock_error error;

	if (tensock_client_new(cli->address, &options, &client, &error) != TENSOCK_OK)
		return cli_fail_as(cli,
				   error.status == TENSOCK_INVALID_ARGUMENT ? CLI_USAGE
									    : CLI_FAILED,
				   &error);
	if (tensock_client_connect(client, &error) != TENSOCK_OK) {
		tensock_client_free(client);
		return cli_fail_as(cli, CLI_UNREACHABLE, &error);
	}
	*ret = client;
	return 0;
}

int cli_connect(struct cli *cli)
{
	int r = cli_find_host(cli);

	return r < 0 ? r : cli_connect_more(cli, &cli->client);
}

void cli_print_type(FILE *out, const struct tensock_tensor_info *info)
{
	const char *name = tensock_dtype_name(info->dtype);

	fprintf(out, "%s [", name ? name : "?");
	for (uint32_t i = 0; i < info->rank; i++) {
		fputs(i ? ", " : "", out);
		if (info->dims[i] >= 0)
			fprintf(out, "%lld", (long long)info->dims[i]);
		else
			text_print(out, info->dim_names[i] && *info->dim_names[i]
						? info->dim_names[i]
						: "?");
	}
	fputc(']', out);
}
