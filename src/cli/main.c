/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/status.h"
#include "cli/commands.h"

static const struct cli_command *const commands[] = {
	&cli_run,     &cli_push,   &cli_ls,    &cli_show,   &cli_rm,     &cli_ps,     &cli_bench,
	&cli_convert, &cli_doctor, &cli_proxy, &cli_attach, &cli_detach, &cli_guests,
};

static const char head[] =
	"usage: tensock [--host ADDRESS] [--json] COMMAND ... | --help | --version\n"
	"Runs neural networks on a host's tensockd, from its guests and the host itself.\n"
	"\n";

static const char tail[] =
	"\n"
	"  --host ADDRESS  vsock:CID:PORT, unix:PATH or tcp:HOST:PORT; else $TENSOCK_HOST, else the\n"
	"                  local socket that is there, else, in a guest, vsock:2:9999\n"
	"  --json          print one JSON document instead of text\n"
	"  --yes-i-am-a-guest  go to vsock:2:9999 by default also without the kernel's vsguest=1\n"
	"\n"
	"`tensock COMMAND --help` tells more of each.  Exit status: 0 done, 1 failed, 2 wrong command\n"
	"line, 3 no host to be reached, 4 not what --expect says.\n";

static void print_help(FILE *out)
{
	fputs(head, out);
	for (unsigned i = 0; i < ARRAY_SIZE(commands); i++)
		fprintf(out, "  %-8s  %s\n", commands[i]->name, commands[i]->summary);
	fputs(tail, out);
}

static const struct cli_command *find_command(const char *name)
{
	for (unsigned i = 0; i < ARRAY_SIZE(commands); i++) {
		if (strcmp(commands[i]->name, name) == 0)
			return commands[i];
	}
	return NULL;
}

enum {
	HELP = 1,
	VERSION = 2,
	HOST = 3,
	JSON = 4,
	GUEST = 5
};

static const struct arg_option options[] = {
	{ "help", 'h', false, HELP },
	{ "version", 'V', false, VERSION },
	{ "host", '\0', true, HOST },
	{ "json", '\0', false, JSON },
	{ "yes-i-am-a-guest", '\0', false, GUEST },
	{ NULL },
};

static int no_command(struct cli *cli, const char *name)
{
	struct tensock_error error;

	tsk_fail(&error, TENSOCK_INVALID_ARGUMENT,
		 name ? "there is no command '%.80s'; see tensock --help"
		      : "which command?  See tensock --help",
		 name);
	return cli_fail_as(cli, CLI_USAGE, &error);
}

/* Up to the command.  CLI_STOP: all is done. */
static int read_line(struct cli *cli, struct args *args)
{
	struct tensock_error error;
	const char *value;
	int id;

	while ((id = args_next(args, options, &value, &error)) > ARG_END) {
		if (id == HELP) {
			print_help(stdout);
			return CLI_STOP;
		} else if (id == VERSION) {
			puts("tensock " TENSOCK_VERSION);
			return CLI_STOP;
		} else if (id == HOST) {
			cli->host = value;
		} else if (id == JSON) {
			cli->json = true;
		} else {
			cli->is_surely_guest = true;
		}
	}
	if (id < ARG_WORD)
		return cli_fail_as(cli, CLI_USAGE, &error);
	if (id == ARG_END)
		return no_command(cli, NULL);
	cli->command = find_command(value);
	return cli->command ? 0 : no_command(cli, value);
}

int main(int argc, char **argv)
{
	struct args args = args_of("tensock", argc - (argc > 0), argv + (argc > 0));
	struct cli cli = { 0 };
	char program[32];

	if (read_line(&cli, &args) == 0) {
		snprintf(program, sizeof(program), "tensock %s", cli.command->name);
		args.program = program;
		cli.command->run(&cli, &args);
	}
	tensock_client_free(cli.client);
	/* A full disk or a closed pipe is a failure, too. */
	if (fflush(stdout) != 0 || ferror(stdout)) {
		perror("tensock: standard output");
		return CLI_FAILED;
	}
	return (int)cli.exit_status;
}
