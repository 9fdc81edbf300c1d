/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "cli/commands.h"
#include "cli/model_print.h"
#include "cli/text.h"

#define HASH_SHOWN 12
#define LABEL_WIDTH_MAX 40u

static const char help[] =
	"usage: tensock ls\n"
	"\n"
	"The models that the host holds for this guest: label, hash, size, state (stored: no\n"
	"process has it; loading; ready), the memory that it takes, and runs that went well.\n"
	"\n"
	"  --json             print one JSON document\n"
	"  --host ADDRESS     as in tensock --help\n";

/* Columns of a terminal, as far as characters of one column go. */
static unsigned label_width(const struct tensock_model_info *info)
{
	size_t n = strlen(info->name) + (*info->version ? 1 + strlen(info->version) : 0);

	return n == 0 ? 1 : n < LABEL_WIDTH_MAX ? (unsigned)n : LABEL_WIDTH_MAX;
}

static void print_one(const struct tensock_model_info *info, unsigned width)
{
	char size[TEXT_QUANTITY_BYTES], memory[TEXT_QUANTITY_BYTES];

	model_print_label(stdout, info);
	printf("%*s", (int)(width - label_width(info)) + 2, "");
	text_print_bytes(stdout, info->hash, strnlen(info->hash, HASH_SHOWN));
	printf("  %10s  %-7s  %10s  %8" PRIu64 "\n", text_size(info->bytes, size),
	       model_state_name(info->state), text_size(info->memory, memory), info->runs);
}

static void print(struct tensock_model **models, size_t n)
{
	unsigned width = sizeof("MODEL") - 1;

	for (size_t i = 0; i < n; i++) {
		struct tensock_model_info info = model_info(models[i]);

		if (label_width(&info) > width)
			width = label_width(&info);
	}
	printf("%-*s  %-*s  %10s  %-7s  %10s  %8s\n", (int)width, "MODEL", HASH_SHOWN, "SHA-256",
	       "SIZE", "STATE", "MEMORY", "RUNS");
	for (size_t i = 0; i < n; i++) {
		struct tensock_model_info info = model_info(models[i]);

		print_one(&info, width);
	}
}

static void print_json(struct tensock_model **models, size_t n)
{
	struct json json = json_of(stdout);

	json_object(&json);
	json_key(&json, "models");
	json_array(&json);
	for (size_t i = 0; i < n; i++) {
		struct tensock_model_info info = model_info(models[i]);

		model_json(&json, &info, false);
	}
	json_end_array(&json);
	json_end_object(&json);
}

static void ls_run(struct cli *cli, struct args *args)
{
	struct tensock_model **models;
	struct tensock_error error;
	size_t n;

	if (cli_no_words(cli, args) < 0 || cli_connect(cli) < 0)
		return;
	if (tensock_list(cli->client, &models, &n, &error) != TENSOCK_OK) {
		cli_fail(cli, &error);
		return;
	}
	if (cli->json)
		print_json(models, n);
	else
		print(models, n);
	tensock_models_free(models, n);
}

const struct cli_command cli_ls = {
	.name = "ls",
	.summary = "the models that the host holds",
	.help = help,
	.run = ls_run,
};
