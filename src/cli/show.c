/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>

#include "cli/commands.h"
#include "cli/model_print.h"
#include "cli/text.h"

static const char help[] =
	"usage: tensock show MODEL\n"
	"\n"
	"A model's inputs and outputs, with types and shapes (a name or ? where the model leaves a\n"
	"dimension open), its operators and what runs them, format, memory and hash.\n"
	"MODEL: a file, which is uploaded; or NAME, NAME:VERSION or sha256:DIGITS that the host holds.\n"
	"Has it loaded.\n"
	"\n"
	"  --json             print one JSON document\n"
	"  --host ADDRESS     as in tensock --help\n";

static void print_text(const char *what, const char *text)
{
	printf("%-9s  ", what);
	text_print(stdout, text);
	putchar('\n');
}

static void print_tensors(const char *what, const struct tensock_tensor_info *infos, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		printf("%-7s %2" PRIu32 " ", what, i);
		text_print(stdout, infos[i].name);
		fputs("  ", stdout);
		cli_print_type(stdout, &infos[i]);
		putchar('\n');
	}
}

static void print(const struct tensock_model_info *info)
{
	char size[TEXT_QUANTITY_BYTES];

	printf("%-9s  ", "model");
	model_print_label(stdout, info);
	putchar('\n');
	print_text("sha256", info->hash);
	print_text("format", info->format);
	print_text("engine", info->engine);
	if (*info->operators)
		print_text("operators", info->operators);
	print_text("state", model_state_name(info->state));
	print_text("size", text_size(info->bytes, size));
	print_text("memory", text_size(info->memory, size));
	printf("%-9s  %" PRIu64 "\n", "runs", info->runs);
	print_tensors("input", info->inputs, info->n_inputs);
	print_tensors("output", info->outputs, info->n_outputs);
}

static void show_run(struct cli *cli, struct args *args)
{
	struct tensock_model_info info;
	struct tensock_model *model;
	const char *text;

	if (cli_only_word(cli, args, "MODEL", &text) < 0 || cli_connect(cli) < 0 ||
	    model_get(cli, text, &model) < 0)
		return;
	info = model_info(model);
	if (cli->json) {
		struct json json = json_of(stdout);

		model_json(&json, &info, true);
	} else {
		print(&info);
	}
	tensock_model_free(model);
}

const struct cli_command cli_show = {
	.name = "show",
	.summary = "a model's inputs, outputs, operators, engine, memory",
	.help = help,
	.run = show_run,
};
