/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the commands of `tensock` share: the options that all of them take, the connection, how
 * something that went wrong is told.
 */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <stdbool.h>
#include <stdio.h>

#include <tensock/tensock.h>

#include "base/cleanup.h"
#include "cli/args.h"
#include "cli/host.h"

/* Exit statuses: tensock(1) has them. */
enum cli_exit {
	CLI_OK = 0,
	CLI_FAILED = 1,
	CLI_USAGE = 2,
	CLI_UNREACHABLE = 3,
	CLI_DIFFERS = 4
};

struct cli;

struct cli_command {
	const char *name;
	const char *summary; /* half a line */
	const char *help;    /* one screen, from "usage:" on */
	/* Leaves what became of it in cli->exit_status. */
	void (*run)(struct cli *cli, struct args *args);
};

struct cli {
	const struct cli_command *command; /* NULL: none yet */
	const char *host;                  /* --host, or NULL */
	bool json;
	bool is_surely_guest; /* --yes-i-am-a-guest */
	enum cli_exit exit_status;
	char address[HOST_ADDRESS_BYTES]; /* once it is known */
	struct tensock_client *client;    /* of cli_connect() */
};

/* The ends of every command's list of options. */
#define CLI_OPTIONS_END                                                                    \
	{ "host", '\0', true, CLI_OPTION_HOST }, { "json", '\0', false, CLI_OPTION_JSON }, \
		{ "help", 'h', false, CLI_OPTION_HELP },                                   \
		{ "yes-i-am-a-guest", '\0', false, CLI_OPTION_GUEST },                     \
	{                                                                                  \
		NULL                                                                       \
	}

enum {
	CLI_OPTION_HOST = 1000,
	CLI_OPTION_JSON,
	CLI_OPTION_HELP,
	CLI_OPTION_GUEST
};

#define CLI_STOP (-2)

/*
 * As args_next(), with the shared options taken care of.  CLI_STOP: the command is to return, all is
 * said (help, or what is wrong).
 */
int cli_next(struct cli *cli, struct args *args, const struct arg_option *options,
	     const char **ret_value) _nodiscard_;

/* For a command whose words are one and no more.  Negative: return, as above. */
int cli_only_word(struct cli *cli, struct args *args, const char *what, const char **ret_word)
	_nodiscard_;
/* For one that has none. */
int cli_no_words(struct cli *cli, struct args *args) _nodiscard_;

/* These tell, set exit_status, and return a negative number for the caller to return. */
int cli_fail(struct cli *cli, const struct tensock_error *error);
/* Of files, memory and tensockd's control socket here: the library's hints are about a guest's host. */
int cli_fail_here(struct cli *cli, const struct tensock_error *error);
int cli_fail_as(struct cli *cli, enum cli_exit exit_status, const struct tensock_error *error);
int cli_usage(struct cli *cli, const char *fmt, ...) _printf_(2, 3);

/* Finds out the host's address (cli->address). */
int cli_find_host(struct cli *cli) _nodiscard_;
/* The same, and connects: cli->client. */
int cli_connect(struct cli *cli) _nodiscard_;
/* Another connection to the same host. */
int cli_connect_more(struct cli *cli, struct tensock_client **ret) _nodiscard_;

/* "FP32 [N, 3, ?, 224]" */
void cli_print_type(FILE *out, const struct tensock_tensor_info *info);

#endif
